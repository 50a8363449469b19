"""Read-only volumes that all workspaces share: the tools, and the CA bundle.

Named by their content, filled once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import ssl
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from moorage.agent import causes
from moorage.agent.runtimes import ownership, trust
from moorage.agent.runtimes.docker import objects
from moorage.agent.runtimes.docker.engine import Engine, EngineError
from moorage.agent.runtimes.docker.images import Images
from moorage.agent.runtimes.docker.logs import last_lines
from moorage.agent.runtimes.docker.objects import Body
from moorage.agent.runtimes.port import Identity, RuntimeFault
from moorage.agent.settings import AgentSettings
from moorage.contract import Cause
from moorage.contract.spec import TOOLS_ROOT
from moorage.kernel import log

_log = log.get(part="agent.docker.volumes")

COPYING = (
    "The editor and its tools are being copied for this engine's workspaces: this is done once."
)
MARKER = ".moorage-complete"
FILL = f"""
set -e
exec 9>/to/.filling
[ ! -x /usr/bin/flock ] || /usr/bin/flock 9
[ -e /to/{MARKER} ] && exit 0
cp -af {TOOLS_ROOT}/. /to/
: > /to/{MARKER}
"""
"""Fills the tools volume once: agents of one engine that do it at the same time take turns, and
what one left half-made is made anew."""
FILL_CA = f"""
set -e
exec 9>{trust.CA_FOLDER}/.filling
[ ! -x /usr/bin/flock ] || /usr/bin/flock 9
mv -f "$1" {trust.CA_FILE}
[ -e {trust.CA_FOLDER}/{MARKER} ] && exit 0
{trust.MAKE_JAVA_STORE}
: > {trust.CA_FOLDER}/{MARKER}
"""
"""The same for the CA bundle, which is in the volume under a name of this agent's own by then."""


class SharedVolumes:
    """`tools` and `ca` give a volume's name once it is whole. Both are quick when it is."""

    def __init__(
        self, engine: Engine, images: Images, identity: Identity, settings: AgentSettings
    ) -> None:
        self._engine = engine
        self._images = images
        self._identity = identity
        self._settings = settings
        self._lock = asyncio.Lock()
        self._whole: dict[str, str] = {}
        """Volume → when it was made, of those that have been seen to be whole."""

    async def tools(self, on_progress: Callable[[str], None] = lambda _: None) -> tuple[str, str]:
        """The tools image's id, and the volume.

        `on_progress` hears what takes its time. Raises `RuntimeFault`.
        """
        reference = self._settings.tools_image
        try:
            image = await self._images.ensure(reference, on_progress, own=True)
        except RuntimeFault as fault:
            if fault.cause.code.startswith("engine-"):
                raise
            verdict = causes.tools_image(reference, fault.cause, causes.DOCKER)
            raise RuntimeFault(verdict.cause, final=verdict.final) from fault
        volume = f"moorage-tools-{image.id.removeprefix('sha256:')[:12]}"
        if volume not in self._whole:
            on_progress(COPYING)
        async with self._lock:
            if not await self._is_whole(volume):
                await self._make_volume(volume, "tools")
                await self._fill_tools(volume, image.id)
                await self._note_whole(volume)
        return image.id, volume

    async def ca(self, extra: str) -> str:
        """The volume with these certificates (PEM) and the usual ones; "" when there are none.

        Raises `RuntimeFault`.
        """
        if not extra:
            return ""
        bundle = await asyncio.to_thread(merged_bundle, extra.encode())
        volume = (
            f"moorage-ca-{hashlib.sha256(trust.MAKE_JAVA_STORE.encode() + bundle).hexdigest()[:12]}"
        )
        async with self._lock:
            if not await self._is_whole(volume):
                image = await self._images.ensure(
                    self._settings.tools_image, lambda _: None, own=True
                )
                await self._make_volume(volume, "ca")
                await self._fill_ca(volume, image.id, bundle)
                await self._note_whole(volume)
        return volume

    async def prepare(self, extra_ca: str) -> None:
        """Fills the volumes ahead of the first start, and removes those of former versions.

        Raises as `tools` and `ca` do.
        """
        _, tools = await self.tools()
        await self._collect({tools, await self.ca(extra_ca)})

    async def _collect(self, keep: set[str]) -> None:
        """Removes this agent's shared volumes of former versions, unless a container still uses
        them."""
        filters = {"label": [f"{ownership.MANAGED_BY}={ownership.MOORAGE}"]}
        answer = await self._engine.request("GET", "volumes", filters=filters)
        for volume in answer.get("Volumes") or ():
            labels = volume.get("Labels") or {}
            ours = ownership.is_ours(labels, self._identity) and objects.SHARED in labels
            if ours and volume["Name"] not in keep:
                with contextlib.suppress(EngineError):  # in use: it will go when nobody needs it
                    await self._engine.request("DELETE", f"volumes/{volume['Name']}")
                    _log.info("removed a shared volume of a former version", volume=volume["Name"])

    async def _is_whole(self, volume: str) -> bool:
        found = await self._engine.request("GET", f"volumes/{volume}", missing_ok=True)
        return found is not None and self._whole.get(volume) == (found.get("CreatedAt") or volume)

    async def _note_whole(self, volume: str) -> None:
        found = await self._engine.request("GET", f"volumes/{volume}")
        self._whole[volume] = found.get("CreatedAt") or volume

    async def _make_volume(self, volume: str, kind: str) -> None:
        labels = {**ownership.labels_for(self._identity), objects.SHARED: kind}
        await self._engine.request("POST", "volumes/create", {"Name": volume, "Labels": labels})

    async def _fill_tools(self, volume: str, image: str) -> None:
        """Copies unless it was done before.

        A half-made copy is made anew: the marker comes last.
        """
        body: Body = {
            "Image": image,
            "User": "0:0",
            "Entrypoint": [*objects.SHELL, "-c", FILL],
            "Cmd": [],
            "Labels": {**ownership.labels_for(self._identity), objects.SHARED: "tools"},
            "HostConfig": {
                "NetworkMode": "none",
                "Mounts": [_mount(volume, "/to")],
                "SecurityOpt": ["no-new-privileges:true"],
            },
        }
        async with _temporary(self._engine, self._fill_name(volume), body) as container:
            await self._engine.request(
                "POST", f"containers/{container}/start", doing="filling the tools volume"
            )
            ended = await self._engine.request("POST", f"containers/{container}/wait", timeout=600)
            if ended["StatusCode"] != 0:
                raise _fill_failed(ended["StatusCode"])

    def _fill_name(self, volume: str) -> str:
        """One per agent: what one left that was killed, the next finds and removes.

        Two of one identity, as a copied state folder makes them, must not end each other's.
        """
        place = hashlib.sha256(self._identity.place.encode()).hexdigest()[:8]
        return f"{volume}.fill.{self._identity.agent}.{self._identity.installation[:16]}.{place}"

    async def _fill_ca(self, volume: str, image: str, bundle: bytes) -> None:
        own = f".{self._fill_name(volume)}"
        body: Body = {
            "Image": image,
            "User": "0:0",
            "Entrypoint": [*objects.SHELL, "-c", FILL_CA, "fill", f"{trust.CA_FOLDER}/{own}"],
            "Cmd": [],
            "Labels": {**ownership.labels_for(self._identity), objects.SHARED: "ca"},
            "HostConfig": {"NetworkMode": "none", "Mounts": [_mount(volume, trust.CA_FOLDER)]},
        }
        async with _temporary(self._engine, self._fill_name(volume), body) as container:
            archive = tar_of(own, bundle, mode=0o644)
            await self._engine.upload(
                container, trust.CA_FOLDER, archive, doing="copying the CA bundle"
            )
            await self._engine.request(
                "POST", f"containers/{container}/start", doing="making Java's truststore"
            )
            ended = await self._engine.request("POST", f"containers/{container}/wait")
            if ended["StatusCode"] != 0:
                verdict = causes.ca_bundle(await last_lines(self._engine, container))
                raise RuntimeFault(verdict.cause, final=verdict.final)


def merged_bundle(extra: bytes) -> bytes:
    """The extra certificates and those that this machine trusts: the variables that name it replace
    a program's own list."""
    file = ssl.get_default_verify_paths().cafile
    system = Path(file).read_bytes() if file is not None else b""
    if system in (b"", extra):
        return extra
    return b"\n".join((extra.rstrip(b"\n"), system))


def tar_of(name: str, content: bytes, *, mode: int, uid: int = 0, gid: int = 0) -> bytes:
    """A tar archive of one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.uid, info.gid = len(content), mode, uid, gid
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def tar_of_folders(names: list[str], *, mode: int, uid: int, gid: int) -> bytes:
    """A tar archive of empty folders: unpacked over folders that are there, it gives them this
    owner and mode."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, uid, gid
            archive.addfile(info)
    return buffer.getvalue()


@contextlib.asynccontextmanager
async def _temporary(engine: Engine, name: str, body: Body) -> AsyncIterator[str]:
    """A container for the time of the context; one that an agent left that was killed is removed
    first."""
    await engine.request("DELETE", f"containers/{name}", force=True, v=True, missing_ok=True)
    created = await engine.request("POST", "containers/create", body, name=name)
    try:
        yield created["Id"]
    finally:
        await engine.request(
            "DELETE", f"containers/{created['Id']}", force=True, v=True, missing_ok=True
        )


def _mount(volume: str, target: str) -> Body:
    return {"Type": "volume", "Source": volume, "Target": target, "VolumeOptions": {"NoCopy": True}}


def _fill_failed(code: int) -> RuntimeFault:
    cause = Cause(
        code="tools-copy-failed",
        message=f"The tools could not be copied to their volume (exit code {code}).",
        hint="Most likely there is no space left on the engine's disk.",
    )
    return RuntimeFault(cause, final=False)
