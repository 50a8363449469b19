"""From a `WorkspaceSpec` to the bodies of create requests (Docker Engine API 1.41).

Pure; tested as tables.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

import msgspec

from moorage.agent.runtimes import ownership, rescue, trust
from moorage.agent.runtimes.containers import SANDBOX
from moorage.agent.runtimes.docker import limits
from moorage.agent.runtimes.ownership import (
    GENERATION,
    MANAGED_BY,
    OWNER,
    PREFIX,
    RECORD,
    RESTARTS,
    SETTINGS,
    SETTINGS_VERSION,
    SPEC,
)
from moorage.agent.runtimes.port import Identity, Known, Rescue, Role, digest_of
from moorage.agent.runtimes.processes import under_init
from moorage.agent.runtimes.projects import STAGE, sandbox_environment
from moorage.agent.runtimes.versioned_settings import VersionedSettings
from moorage.agent.settings import AgentSettings
from moorage.contract import Container, DesiredWorkspace, EditorSpec, Resources, WorkspaceSpec
from moorage.contract.spec import PROJECTS_ROOT, RUN_AS_GROUP, RUN_AS_USER, TOOLS_ROOT
from moorage.kernel.references import expanded, resolved
from moorage.workspace_settings import encode

Body = dict[str, Any]

USER = f"{RUN_AS_USER}:{RUN_AS_GROUP}"
SANDBOX_RUN = "/tmp/moorage"  # noqa: S108 - inside the container
VOLUMES_FOLDER = "/run/volumes"
"""Where the sandbox has the devfile's volumes, for making them writable."""
MOST_CPU_SHARES = 262_144
"""The engine takes no more."""
LEAST_SHM = 64 << 20
"""Bytes of /dev/shm that engines give anyway."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHELL = (f"{TOOLS_ROOT}/bin/busybox", "sh")

BRIDGE_NAME = "com.docker.network.bridge.name"
"""The option of a Docker network that names its bridge."""
MTU = "com.docker.network.driver.mtu"
"""The option of a Docker network that says how large a packet may be."""
CONTAINER = f"{PREFIX}container"
ROLE = f"{PREFIX}role"
CA = f"{PREFIX}ca"
"""Name of the volume with the CA bundle that a run was made with."""
RECEIVED = f"{PREFIX}received"
"""Seconds since the epoch at which this run was asked for: the start of its timeline."""
EPHEMERAL = f"{PREFIX}ephemeral"
SHARED = f"{PREFIX}shared"
"""On a volume that workspaces share: `tools` or `ca`."""


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The part of agent and engine in every workspace's objects."""

    identity: Identity
    settings: AgentSettings
    tools_image: str
    tools_volume: str
    ca_volume: str = ""
    versioned: VersionedSettings = VersionedSettings()
    """Settings of the workspaces, filled from the agent's own."""
    machine: limits.Machine = limits.Machine()
    rescue: Rescue | None = None
    """What the run is to be repaired from, if it is that."""


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an image's configuration that matters here."""

    id: str
    architecture: str = ""
    env: Mapping[str, str] = {}
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()


def image_config(inspected: Mapping[str, Any]) -> ImageConfig:
    config = inspected.get("Config") or {}
    pairs = (line.partition("=") for line in config.get("Env") or ())
    return ImageConfig(
        id=inspected["Id"],
        architecture=inspected.get("Architecture", ""),
        env={name: value for name, _, value in pairs},
        user=config.get("User") or "",
        entrypoint=tuple(config.get("Entrypoint") or ()),
        cmd=tuple(config.get("Cmd") or ()),
    )


# --------------------------------------------------------------------------------- names and labels
def network_name(workspace: str) -> str:
    return workspace


def volume_name(workspace: str, volume: str = "") -> str:
    return f"{workspace}.{volume}" if volume else workspace


def workspace_of_volume(volume: str) -> str:
    """The workspace whose volume has that name, if it is one's."""
    return volume.partition(".")[0]


def record_name(workspace: str, generation: int) -> str:
    """A volume's name in a devfile is a DNS label: what has an underscore cannot meet one."""
    return f"{workspace}.record_{generation}"


def stage_name(workspace: str) -> str:
    """The name of the volume that the sandbox alone has.

    A devfile's volume is a DNS label: a name with an underscore cannot meet one.
    """
    return volume_name(workspace, "clone_")


def sandbox_name(workspace: str) -> str:
    return f"{workspace}.{SANDBOX}"


def container_name(workspace: str, container: str, role: Role) -> str:
    """A component's name is a DNS label: what has an underscore cannot meet one."""
    if role == "init":
        return f"{workspace}.init_{container}"
    return f"{workspace}.{container}" + ("_" if container == SANDBOX else "")


def workspace_labels(desired: DesiredWorkspace, identity: Identity) -> dict[str, str]:
    return {**ownership.labels_for(identity, desired.name), OWNER: str(desired.owner)}


def run_labels(desired: DesiredWorkspace, host: Host, received: float) -> dict[str, str]:
    settings = host.versioned.settings
    return {
        **settings.labels,
        **workspace_labels(desired, host.identity),
        SETTINGS: encode(msgspec.structs.replace(settings, ca_bundle="")),
        SETTINGS_VERSION: str(host.versioned.version),
        CA: host.ca_volume,
        GENERATION: str(desired.generation),
        RESTARTS: str(desired.restarts),
        SPEC: digest_of(desired.spec),
        RECEIVED: f"{received:.3f}",
        **rescue.labels(host.rescue),
    }


# ------------------------------------------------------------------------------ network and volumes
def network_body(
    desired: DesiredWorkspace, identity: Identity, subnet: str, bridge: str = "", mtu: int = 0
) -> Body:
    """A bridge of its own: the engine lets nothing pass between two of them.

    `bridge`: its name; "": the engine's choice. `mtu`: bytes of a packet; 0: the engine's choice.
    """
    options = {BRIDGE_NAME: bridge} if bridge else {}
    options |= {MTU: str(mtu)} if mtu else {}
    return {
        "Name": network_name(desired.name),
        **({"Options": options} if options else {}),
        "Driver": "bridge",
        "CheckDuplicate": True,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": subnet}]},
        "Labels": workspace_labels(desired, identity),
    }


def volume_bodies(desired: DesiredWorkspace, identity: Identity) -> list[Body]:
    """The first is the workspace's own, for projects and home; the second the sandbox's, in which
    Git works while it clones."""
    labels = workspace_labels(desired, identity)
    bodies: list[Body] = [
        {"Name": volume_name(desired.name), "Labels": labels},
        {"Name": stage_name(desired.name), "Labels": {**labels, EPHEMERAL: "true"}},
    ]
    for volume in desired.spec.volumes:
        extra = {EPHEMERAL: "true"} if volume.ephemeral else {}
        bodies.append(
            {"Name": volume_name(desired.name, volume.name), "Labels": {**labels, **extra}}
        )
    return bodies


def lasting_volumes(desired: DesiredWorkspace) -> frozenset[str]:
    """Names of the devfile's volumes that a stop leaves."""
    lasting = (volume.name for volume in desired.spec.volumes if not volume.ephemeral)
    return frozenset(volume_name(desired.name, name) for name in lasting)


def record_body(name: str, known: Known, identity: Identity) -> Body:
    """A volume that holds nothing, with `Known` as a label.

    An engine changes no label of what is there, so that a newer word is another volume.
    """
    labels = {**ownership.labels_for(identity, name), OWNER: str(known.owner)}
    text = msgspec.json.encode(known).decode()
    return {"Name": record_name(name, known.generation), "Labels": {**labels, RECORD: text}}


# --------------------------------------------------------------------------------------- containers
def sandbox_body(desired: DesiredWorkspace, host: Host, received: float) -> Body:
    """Owns the network, clones the projects.

    Of the tools image, whose folders give fresh volumes their owner.
    """
    spec = desired.spec
    env = {
        **machine_env(host),
        "PROJECTS_ROOT": PROJECTS_ROOT,
        "MOORAGE_RUN": SANDBOX_RUN,
        **sandbox_environment(spec.projects, whole=bool(spec.init_containers)),
    }
    mounts = [
        _volume_mount(volume_name(desired.name), PROJECTS_ROOT, copy=True),
        _volume_mount(stage_name(desired.name), STAGE, copy=True),
        *(
            _volume_mount(volume_name(desired.name, v.name), f"{VOLUMES_FOLDER}/{v.name}")
            for v in spec.volumes
        ),
        *_ca_mounts(host),
    ]
    bounded = Resources(memory_limit=host.settings.clone_memory_limit, pids_limit=512)
    return {
        "Image": host.tools_image,
        "Hostname": desired.name[:63],
        "User": USER,
        "WorkingDir": PROJECTS_ROOT,
        "Entrypoint": [*SHELL, f"{TOOLS_ROOT}/bin/workspace-clone"],
        "Cmd": [],
        "Env": _env_list(env),
        "Labels": {**run_labels(desired, host, received), CONTAINER: SANDBOX, ROLE: "sandbox"},
        "HostConfig": {
            **_confined(host, bounded),
            "NetworkMode": network_name(desired.name),
            # Engines take IPv6 away where a network has none: no server could bind ::1.
            **({"Sysctls": {"net.ipv6.conf.lo.disable_ipv6": "0"}} if host.machine.ipv6 else {}),
            "Mounts": mounts,
            "ReadonlyRootfs": not spec.volumes,  # an engine unpacks nothing over one that is
            # An engine gives a tmpfs its folder's mode: one that is in the image already, and open
            # to all.
            "Tmpfs": {"/tmp": "rw,nosuid,nodev,noexec,size=64m,mode=1777"},  # noqa: S108 - inside the container
        },
    }


def container_body(
    desired: DesiredWorkspace,
    host: Host,
    container: Container,
    *,
    image: ImageConfig,
    role: Role,
    received: float,
) -> Body:
    """A container of the devfile. It joins the sandbox's network namespace."""
    spec = desired.spec
    env = container_env(spec, host, container, image, role)
    entrypoint, cmd = _command(spec, container, image, role, env)
    body: Body = {
        "Image": container.image,
        "User": USER,
        "Env": _env_list(env),
        "Labels": {
            **{k: v for k, v in container.labels.items() if not k.startswith((PREFIX, MANAGED_BY))},
            **run_labels(desired, host, received),
            CONTAINER: container.name,
            ROLE: role,
        },
        "StopTimeout": host.settings.stop_timeout,
        "HostConfig": {
            **_confined(host, _resources(container, spec, host)),
            "NetworkMode": f"container:{sandbox_name(desired.name)}",
            "Mounts": _mounts(desired, host, container, role),
        },
    }
    if words := under_init([*entrypoint, *cmd]):
        body["Entrypoint"], body["Cmd"] = words[: len(words) - len(cmd)], cmd
    return body


def container_env(
    spec: WorkspaceSpec, host: Host, container: Container, image: ImageConfig, role: Role
) -> dict[str, str]:
    """The image's PATH with the tools' at its end, what the machine needs, the devfile's, and ours,
    which wins."""
    given = {**container.env, **resolved(container.image_env, image.env)}
    java = {name: value for name, value in image.env.items() if name == trust.JAVA_OPTIONS}
    env = trust.joined(machine_env(host), {**java, **given})
    path = given.get("PATH") or image.env.get("PATH") or DEFAULT_PATH
    env["PATH"] = f"{path}:{TOOLS_ROOT}/bin"
    if container.mount_sources or role == "main":
        root = PROJECTS_ROOT if role == "main" else container.source_mapping
        env["PROJECTS_ROOT"] = root
        env["PROJECT_SOURCE"] = spec.folder.replace(PROJECTS_ROOT, root, 1)
        if role == "main" or "HOME" not in container.env:
            env["HOME"] = spec.home.replace(PROJECTS_ROOT, root, 1)
    if role == "main":
        env["MOORAGE_IMAGE_USER"] = image.user
        if spec.editor is not None:
            env["MOORAGE_EDITOR_NEEDS"] = spec.editor.needs
            env.update({k: _filled(v, spec.editor, spec) for k, v in spec.editor.env.items()})
    return env


def machine_env(host: Host) -> dict[str, str]:
    proxy = host.versioned.settings.proxy
    return trust.environment(
        ca_bundle=bool(host.ca_volume),
        http_proxy=proxy.http,
        https_proxy=proxy.https,
        no_proxy=proxy.no_proxy,
    )


def _command(
    spec: WorkspaceSpec,
    container: Container,
    image: ImageConfig,
    role: Role,
    env: Mapping[str, str],
) -> tuple[list[str], list[str]]:
    """Entrypoint and Cmd; both empty: neither devfile nor image names one. The main container's own
    command runs beside the editor."""
    main = [*SHELL, f"{TOOLS_ROOT}/bin/workspace-main"]
    editor = spec.editor if role == "main" else None
    if container.override_command and role != "init" and editor is None:
        return main, [] if role == "main" else ["--idle"]
    own = _own_command(container, image, env)
    if editor is None:
        return own
    words = [_filled(word, editor, spec) for word in editor.command]
    if container.override_command or not any(own):
        return main, words
    return main, ["--own", shlex.join([*own[0], *own[1]]), *words]


def _own_command(
    container: Container, image: ImageConfig, env: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """The devfile's, else the image's. `$(NAME)` in the devfile's stands for what `env` has, but
    for PATH, which is the image's: as in Kubernetes."""
    known = {name: value for name, value in env.items() if name != "PATH"}
    if "PATH" in container.env or "PATH" in container.image_env:
        known["PATH"] = env["PATH"].removesuffix(f":{TOOLS_ROOT}/bin")

    def said(words: tuple[str, ...]) -> list[str]:
        return [expanded(word, known.get) for word in words]

    if container.command is not None:
        return said(container.command), said(container.args or ())
    arguments = list(image.cmd) if container.args is None else said(container.args)
    return list(image.entrypoint), arguments


def _filled(text: str, editor: EditorSpec, spec: WorkspaceSpec) -> str:
    values = {
        "port": str(editor.port),
        "folder": spec.folder,
        "tools": TOOLS_ROOT,
        "home": spec.home,
    }
    return re.sub(r"\{(port|folder|tools|home)\}", lambda match: values[match[1]], text)


def _mounts(desired: DesiredWorkspace, host: Host, container: Container, role: Role) -> list[Body]:
    mounts = [_volume_mount(host.tools_volume, TOOLS_ROOT, read_only=True), *_ca_mounts(host)]
    roots = {container.source_mapping} if container.mount_sources else set()
    if role == "main":
        roots.add(PROJECTS_ROOT)
    mounts += [_volume_mount(volume_name(desired.name), root) for root in sorted(roots)]
    mounts += [
        _volume_mount(volume_name(desired.name, mount.volume), mount.path)
        for mount in container.volume_mounts
    ]
    return mounts


def mounts_in_projects(spec: WorkspaceSpec) -> bool:
    """Whether a volume is mounted below the folder that the projects are in."""
    return any(
        mount.path.startswith(f"{root}/")
        for container in spec.containers
        for root in (PROJECTS_ROOT, container.source_mapping)
        for mount in container.volume_mounts
    )


def _ca_mounts(host: Host) -> list[Body]:
    return (
        [_volume_mount(host.ca_volume, trust.CA_FOLDER, read_only=True)] if host.ca_volume else []
    )


def _volume_mount(volume: str, target: str, *, read_only: bool = False, copy: bool = False) -> Body:
    """`copy`: a fresh volume takes content, owner and mode from the image's folder.

    Of any other mount it must not: which container is made first is open.
    """
    mount: Body = {"Type": "volume", "Source": volume, "Target": target}
    if read_only:
        mount["ReadOnly"] = True
    if not copy:
        mount["VolumeOptions"] = {"NoCopy": True}
    return mount


def _resources(container: Container, spec: WorkspaceSpec, host: Host) -> Resources:
    """The resources that devfile and settings say, and else the memory that the machine has to
    spare."""
    settings, default = host.versioned.settings, host.settings.default_memory_limit
    memory = limits.memory_of(container, spec, settings, default, host.machine)
    return msgspec.structs.replace(
        limits.resources_of(container, spec, settings), memory_limit=memory or None
    )


def _confined(host: Host, resources: Resources) -> Body:
    """The part of every container's body that confines it: no privilege, and limits."""
    settings = host.settings
    body: Body = {
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "IpcMode": "private",
        "PidsLimit": resources.pids_limit or settings.default_pids_limit,
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {
            "Type": "json-file",
            "Config": {"max-size": settings.log_limit, "max-file": "2"},
        },
    }
    if cpu := resources.cpu_limit or settings.default_cpu_limit:
        body["NanoCpus"] = _at_most(cpu, host.machine.cpu) * 1_000_000
    if resources.cpu_request:
        # A weight beside others': who claims more than there is must not push everybody else aside.
        weight = _at_most(resources.cpu_request, host.machine.cpu) * 1024 // 1000
        body["CpuShares"] = min(max(2, weight), MOST_CPU_SHARES)
    if memory := resources.memory_limit:
        body["Memory"] = body["MemorySwap"] = memory
        # Browsers and databases end where /dev/shm is full; what is in it counts as memory.
        body["ShmSize"] = max(LEAST_SHM, memory // 2)
    if resources.memory_request:
        body["MemoryReservation"] = min(
            resources.memory_request, memory or resources.memory_request
        )
    return body


def _at_most(amount: int, there: int) -> int:
    return min(amount, there) if there else amount


def _env_list(env: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(env.items())]
