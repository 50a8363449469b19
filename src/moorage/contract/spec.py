"""`WorkspaceSpec`: all that an agent needs to know to run a workspace, on any runtime.

Sizes are bytes, CPU is millicores, ports are numbers, paths are absolute POSIX paths inside a
container.
"""

from __future__ import annotations

import posixpath
import re
from typing import Literal

import msgspec

PROJECTS_ROOT = "/projects"
"""Where the workspace's volume is mounted in every container that mounts sources."""

HOME = "/projects/.home"
"""The home directory: on the workspace's volume, so that it persists."""

TOOLS_ROOT = "/opt/moorage"
"""Where the read-only tree of editors and helpers is mounted in every container."""

RUN_AS_USER = 5001
RUN_AS_GROUP = 0
EDITOR_PORT = 60001
SSH_PORT = 60022

RESERVED_DOMAINS = (
    "kubernetes.io",
    "k8s.io",
    "openshift.io",
    "moorage.dev",
    "istio.io",
    "docker.com",
)
"""Labels and annotations of these, and of hosts below them, change what a cluster or an engine
does."""


def is_reserved(name: str) -> bool:
    """Whether a label or annotation is not a devfile's to set; asked by who reads devfiles, and by
    agents, which trust nobody."""
    domain, slash, _ = name.partition("/")
    return bool(slash) and any(domain == d or domain.endswith(f".{d}") for d in RESERVED_DOMAINS)


_OWN_FOLDERS = (".home", ".moorage")
_INVISIBLE = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
"""What a Mac's file system overlooks in a name (Git, `next_hfs_char`)."""


def clone_path_fault(path: str) -> str:
    """Why a project cannot be cloned into the folder `path` below the projects' folder, in words
    that follow "it"; "": it can. Asked by who reads devfiles, and by agents, which trust nobody."""
    clean = posixpath.normpath(path)
    if not path or clean.startswith(("/", "..")) or clean == ".":
        return "does not lie below the projects' folder"
    if path.startswith("-") or re.search(r"[\x00-\x1f\x7f]", path):
        return "begins with a dash or has a control character in it"
    if clean.split("/")[0] in _OWN_FOLDERS:
        return "is Moorage's own folder"
    if any(_is_git_folder(name) for name in re.split(r"[/\\]", path)):
        return "has a part that Git takes for its own folder .git"
    return ""


def _is_git_folder(name: str) -> bool:
    """As Git itself refuses such names in a tree (`verify_path`), for the file systems of Linux,
    Mac and Windows."""
    plain = _INVISIBLE.sub("", name).partition(":")[0].rstrip(" .").lower()
    return plain in (".git", "git~1")


Exposure = Literal["public", "internal", "none"]
Protocol = Literal["http", "https", "ws", "wss", "tcp", "udp"]


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all that is exchanged. Unknown fields are ignored when decoded."""


class Endpoint(Message, frozen=True):
    name: str
    port: int
    exposure: Exposure = "public"
    protocol: Protocol = "http"
    secure: bool = False
    path: str = ""


class Resources(Message, frozen=True):
    """None: not set by the devfile; the agent's defaults, if any, apply."""

    cpu_request: int | None = None
    """Millicores."""
    cpu_limit: int | None = None
    """Millicores."""
    memory_request: int | None = None
    """Bytes."""
    memory_limit: int | None = None
    """Bytes."""
    pids_limit: int | None = None


class VolumeMount(Message, frozen=True):
    volume: str
    path: str


class Volume(Message, frozen=True):
    """A volume of the devfile, beside the one that every workspace has for its projects and
    home."""

    name: str
    size: int | None = None
    """Bytes; None: the runtime's default."""
    ephemeral: bool = False
    """Lives as long as one run of the workspace; else as long as the workspace."""


class Container(Message, frozen=True):
    """`command` and `args` None: the image's own. `override_command`: started with a command that
    only keeps it alive (for the main container: the editor's supervisor), whatever `command` says.
    Without it, the main container runs its own command with the editor beside it, and ends with
    it."""

    name: str
    image: str
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    override_command: bool = False
    env: dict[str, str] = {}
    image_env: dict[str, str] = {}
    """Variables that name others, which the image may set: `$(NAME)` or `$(NAME:-default)` in the
    text, `$$` for `$`, in their order. They go before those of `env`, which is all that agents of
    before read."""
    endpoints: tuple[Endpoint, ...] = ()
    resources: Resources = Resources()
    volume_mounts: tuple[VolumeMount, ...] = ()
    mount_sources: bool = True
    source_mapping: str = PROJECTS_ROOT
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


SubmoduleScope = Literal["", "folder", "host"]


class Credential(Message, frozen=True):
    """What opens the repository of the project that it stands at, on `host`, and no other but those
    of its submodules that `submodules` says. Never logged: its text form shows no password."""

    host: str
    username: str
    password: str
    submodules: SubmoduleScope = ""
    """"": none of them; `folder`: those that lie beside the repository on its host, or below its
    folder there; `host`: all that lie on it."""

    def __repr__(self) -> str:
        return f"Credential(host={self.host!r}, username={self.username!r})"


class Project(Message, frozen=True):
    """A Git repository to clone into `PROJECTS_ROOT/clone_path`."""

    name: str
    clone_path: str
    """Relative to `PROJECTS_ROOT`."""
    url: str
    """http, https or ssh; of the remote to check out from."""
    ref: str = ""
    """Branch, tag or commit; "": the remote's default branch. Not read where `full_ref` or `commit`
    says what it is, but by agents of before these were."""
    full_ref: str = ""
    """What a server has found `ref` to be: `refs/heads/main`, `refs/pull/7/head`, …; "": a commit,
    or nobody has looked."""
    commit: str = ""
    """The commit that it was then, with all its digits: of what the devfile was read."""
    remote: str = "origin"
    remotes: dict[str, str] = {}
    """Further remotes: name to URL."""
    credential: Credential | None = None


class Command(Message, frozen=True):
    id: str
    container: str
    command_line: str
    """Run by `sh -c` in the container."""
    working_dir: str = ""
    """"": the main project's folder."""
    env: dict[str, str] = {}
    label: str = ""


class Step(Message, frozen=True):
    """One event's binding: a single command, or a composite's, in order or in parallel."""

    id: str
    commands: tuple[Command, ...]
    parallel: bool = False


class NamedCommand(Message, frozen=True):
    """A command of the devfile, which people run by its id: in the editor as a task, or by
    `moor run`.

    One of three: `run` does it in one container; `members` are run instead, as they are in several;
    or nothing runs it (`unable`).
    """

    id: str
    label: str = ""
    group: str = ""
    """`build`, `run`, `test`, `debug` or `deploy`; "": none."""
    is_default: bool = False
    """Of its group."""
    event: str = ""
    """The event that also runs it, as the devfile calls it; "": none does."""
    run: Command | None = None
    """Also a composite's whose commands are all of one container, as a script of these."""
    members: tuple[str, ...] = ()
    """Ids of a composite's commands."""
    parallel: bool = False
    unable: str = ""
    """Why it cannot be run, as a sentence."""


COMMANDS_FILE = f"{PROJECTS_ROOT}/.moorage/commands.json"
"""In the main container, where the editor reads `CommandsFile`."""


class CommandsFile(Message, frozen=True):
    main_container: str
    commands: tuple[NamedCommand, ...]


class EditorSpec(Message, frozen=True):
    """An editor as configuration: how to start it in the main container, and how to tell that it
    serves.

    In `command` and `env` values, `{port}`, `{folder}`, `{tools}` and `{home}` are replaced by the
    agent.
    """

    name: str
    command: tuple[str, ...]
    port: int = EDITOR_PORT
    health_path: str = "/"
    env: dict[str, str] = {}
    open_path: str = "/?folder={folder}"
    """Where a browser is sent on the editor's host."""
    needs: Literal["glibc", "musl", "any"] = "glibc"
    install_extension: tuple[str, ...] = ()
    """Installs the extension whose id follows; (): extensions cannot be installed. `{tools}` is
    replaced."""
    settings_file: str = ""
    """A JSON file of settings for the whole workspace; "": there is none. `{home}` is replaced."""


class WorkspaceSpec(Message, frozen=True):
    containers: tuple[Container, ...]
    main_container: str
    """Name of the container that the editor and terminals run in."""
    editor: EditorSpec | None = None
    init_containers: tuple[Container, ...] = ()
    """Run in order before the others, each to its end (preStart)."""
    volumes: tuple[Volume, ...] = ()
    projects: tuple[Project, ...] = ()
    """The first is the main one: the editor opens it."""
    post_start: tuple[Step, ...] = ()
    pre_stop: tuple[Step, ...] = ()
    home: str = HOME
    """The home directory of the main container, and of others that see the sources at
    `PROJECTS_ROOT`."""
    commands: tuple[NamedCommand, ...] = ()
    """For people. No container is made by them: see `agent.runtimes.port.digest_of`."""

    @property
    def folder(self) -> str:
        """The folder that the editor opens."""
        return f"{PROJECTS_ROOT}/{self.projects[0].clone_path}" if self.projects else PROJECTS_ROOT

    def container(self, name: str) -> Container:
        """The container of that name. Raises `KeyError` when there is none."""
        for container in self.containers:
            if container.name == name:
                return container
        raise KeyError(name)
