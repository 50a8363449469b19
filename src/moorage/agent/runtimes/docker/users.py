"""Gives a container's user an entry in the container's own /etc/passwd before it starts, and its
group one in /etc/group.

The files stay the container's own, as those of its image would be: a package that adds a user there
can go on doing so.
"""

from __future__ import annotations

import asyncio
import io
import posixpath
import tarfile
from collections import OrderedDict
from collections.abc import Mapping

import msgspec

from moorage.agent.runtimes import users
from moorage.agent.runtimes.docker.engine import Engine, EngineError
from moorage.agent.runtimes.docker.objects import SHELL, ImageConfig
from moorage.contract.spec import RUN_AS_GROUP, RUN_AS_USER
from moorage.kernel import log

_log = log.get(part="agent.docker.users")
MOST_BYTES = 1 << 20
"""Of a file: whose image has a larger one keeps it as it is."""
MOST_LINKS = 8
KEPT = 256
"""Images whose files are remembered."""
DOING = "naming the container's user"


class _File(msgspec.Struct, frozen=True):
    """A file of an image. `content` None: it is not to be had, and stays as it is."""

    content: bytes | None = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


class _Image(msgspec.Struct, frozen=True):
    passwd: _File
    group: _File
    shell: str


class Users:
    """What is known of images' users, by image."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._images: OrderedDict[str, _Image] = OrderedDict()

    async def name(self, container: str, image: ImageConfig, env: Mapping[str, str]) -> None:
        """`container`: one that has never run, of that image and with that environment. An engine
        that refuses it leaves the user without a name, and starts the container all the same."""
        try:
            found = self._images.get(image.id) or await self._look(container)
            self._remember(image.id, found)
            home = env.get("HOME") or image.env.get("HOME") or "/"
            if archive := _archive(found, home):
                await self._engine.upload(container, "/", archive, doing=DOING)
        except EngineError as error:
            _log.warning("a container's user has no name", container=container, error=str(error))

    def _remember(self, image: str, found: _Image) -> None:
        self._images[image] = found
        self._images.move_to_end(image)
        while len(self._images) > KEPT:
            self._images.popitem(last=False)

    async def _look(self, container: str) -> _Image:
        (passwd, group), shells = await asyncio.gather(
            asyncio.gather(self._file(container, users.PASSWD), self._file(container, users.GROUP)),
            asyncio.gather(
                *(self._engine.has(container, shell, doing=DOING) for shell in users.SHELLS)
            ),
        )
        pairs = zip(users.SHELLS, shells, strict=True)
        shell = next(
            (shell for shell, there in pairs if there), posixpath.dirname(SHELL[0]) + "/sh"
        )
        return _Image(passwd, group, shell)

    async def _file(self, container: str, path: str) -> _File:
        """The regular file that is there in the end, symbolic links followed."""
        place = f"/{path}"
        for _ in range(MOST_LINKS):
            data = await self._engine.download(container, place, most=MOST_BYTES, doing=DOING)
            if data is None:
                return _File()
            entry = _entry(data)
            if isinstance(entry, _File):
                return entry
            place = posixpath.join(posixpath.dirname(place), entry)
        return _File(None)


def _entry(data: bytes) -> _File | str:
    """What the archive of one path holds: a file, or what a symbolic link names."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            member = archive.next()
            if member is not None and member.issym():
                return member.linkname
            if member is None or not member.isreg():
                return _File(None)
            reader = archive.extractfile(member)
            content = reader.read() if reader is not None else None
    except (tarfile.TarError, EOFError):  # cut off: it is too large
        return _File(None)
    if content is None or len(content) != member.size:
        return _File(None)
    return _File(content, member.mode, member.uid, member.gid)


def _archive(image: _Image, home: str) -> bytes:
    """The files that lack an entry, with it; b"": none does."""
    changed: dict[str, tuple[_File, str]] = {}
    if image.passwd.content is not None:
        text = image.passwd.content.decode("utf-8", "surrogateescape")
        named = users.passwd_with(
            text, uid=RUN_AS_USER, gid=RUN_AS_GROUP, home=home, shell=image.shell
        )
        if named != text:
            changed[users.PASSWD] = (image.passwd, named)
    if image.group.content is not None:
        text = image.group.content.decode("utf-8", "surrogateescape")
        named = users.group_with(text, gid=RUN_AS_GROUP)
        if named != text:
            changed[users.GROUP] = (image.group, named)
    if not changed:
        return b""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, (file, named) in changed.items():
            content = named.encode("utf-8", "surrogateescape")
            info = tarfile.TarInfo(path)
            info.size, info.mode, info.uid, info.gid = (
                len(content), file.mode, file.uid, file.gid,
            )  # fmt: skip
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
