"""What the agent asks of what runs workspaces: a `Backend`, and the `Runtime` that it makes for an
agent.

Written for level-triggered engines: `start` may return as soon as everything is applied; how far it
has come is what `observe` and `progress` tell, and `Listener` hears when it is worth looking again.
Each operation is idempotent, may be cancelled or killed at any point, and finds its way from
whatever it meets. What a runtime knows must be in its engine (objects and their labels): an agent
that starts anew knows nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import msgspec

from moorage.contract import (
    Cause,
    ContainerState,
    DesiredState,
    DesiredWorkspace,
    Stage,
    WorkspaceSpec,
    stands_against,
)
from moorage.kernel.errors import MoorageError
from moorage.workspace_settings import RemoteDevelopment

Role = Literal["sandbox", "init", "main", "sidecar"]


class Identity(msgspec.Struct, frozen=True):
    """Whose objects they are: a runtime touches only what carries both."""

    installation: str
    agent: int
    place: str = ""
    """Tells two agents apart that have both: see `agent.place`. No part of what objects are
    labelled with."""


class RuntimeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An engine, as an administrator is told of it."""

    kind: str
    """`docker`, `podman`, `kubernetes` or `memory`."""
    version: str
    cpu: int = 0
    """Millicores."""
    memory: int = 0
    """Bytes."""


class ObservedContainer(msgspec.Struct, frozen=True, kw_only=True):
    """A container of a workspace, as its engine tells of it."""

    name: str
    """As the devfile calls it."""
    role: Role
    image: str
    state: ContainerState
    exit_code: int | None = None
    started_at: float | None = None
    """Seconds since the epoch."""
    finished_at: float | None = None
    """Seconds since the epoch."""
    restarts: int = 0
    """How often it has been started again since it was made, as far as the engine knows."""
    fault: Cause | None = None
    """Why it ended, with its last lines; None while it runs."""
    hopeless: bool = False
    """Starting it again would end the same way (no such program, wrong architecture, …)."""
    left_out: bool = False
    """A side container that may not be part of this run; a restart asks again."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a start has come. Kept by the runtime, so that asking costs nothing."""

    stages: tuple[Stage, ...] = ()
    """From `received` to `editor`, those that there are."""
    ready: bool = False
    """Projects are complete and the editor has answered."""
    fault: Cause | None = None
    """Why this run will never be ready, or must end."""
    warning: Cause | None = None
    """A fault of one that goes on, or one that is near."""
    side_faults: Mapping[str, Cause] = {}
    """Why a side container could not be brought up, by its name. The others go on without it."""
    troubles: tuple[Cause, ...] = ()
    """What is wrong with the projects of one that goes on all the same."""


class Rescue(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that a workspace is repaired from, in the place of its own; see
    `runtimes.rescue`."""

    image: str
    cause: Cause
    """Why it is there."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The containers that are there, whole or in part."""

    restarts: int
    """`restarts` of the desired workspace that they were made for."""
    spec: str
    """Digest of the spec that they were made from; see `digest_of` (of a rescue's, see
    `rescue.made_as`)."""
    generation: int = 0
    containers: tuple[ObservedContainer, ...] = ()
    missing: tuple[str, ...] = ()
    """Names what must be made or started beside exited containers, as a person would; ():
    nothing."""
    address: str = ""
    unreachable: Cause | None = None
    """Why nobody reaches it though it may still run: what it runs on does not answer."""
    settings: int = 0
    """Version of the settings that it was started with."""
    restarts_itself: bool = False
    """Whether the engine itself starts again what has ended."""
    rescue: Rescue | None = None
    """What it is, when it is not the workspace's own environment."""
    progress: Progress = Progress()

    @property
    def alive(self) -> bool:
        return any(container.state is not ContainerState.EXITED for container in self.containers)


class Known(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The newest word of a server about a workspace, as its engine keeps it: it outlives a stop,
    the agent, and the server's database."""

    generation: int
    desired: DesiredState | None = None
    """None: not known."""
    restarts: int = 0
    owner: int = 0
    place: str = ""
    """Which agent wrote it; see `agent.place`. "": not known."""
    spec: WorkspaceSpec | None = None
    """Without credentials; None: not known."""
    memo: dict[str, str] = {}


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """One workspace, as its engine has it."""

    name: str
    data: bool = False
    """Volumes, or whatever else a stop leaves."""
    volumes: frozenset[str] = frozenset()
    """The lasting volumes that there are, and stay; see `DesiredWorkspace.volumes`."""
    known: Known | None = None
    """The word that `note` has written last, or that the labels of a run without one tell; None:
    nothing is known."""
    recorded: bool = False
    """Whether `note` has written anything that is still there."""
    since: float = 0.0
    """When the oldest of what there is was made (seconds since the epoch); 0: not known."""
    objects: tuple[str, ...] = ()
    """Names of its objects, as a person would look for them in the engine."""
    ids: tuple[str, ...] = ()
    """Tells its data from other data of the same name."""
    leftovers: bool = False
    """Something beside containers that a stop removes (a network, an ephemeral volume)."""
    run: Run | None = None

    @property
    def present(self) -> bool:
        return self.data or self.leftovers or self.recorded or self.run is not None

    @property
    def made_from(self) -> WorkspaceSpec | None:
        """The spec that its run was made from; None: there is none, or nobody has kept it."""
        spec = self.known.spec if self.known is not None else None
        made = self.run is not None and spec is not None and digest_of(spec) == self.run.spec
        return spec if made else None

    @property
    def generation(self) -> int:
        """The newest that the engine knows of it; 0: none."""
        return max(
            self.known.generation if self.known else 0, self.run.generation if self.run else 0
        )

    def knows_more(self, desired: DesiredWorkspace) -> bool:
        """Than that word of the server's."""
        wanted = self.known.desired if self.known else None
        return stands_against(
            self.generation, wanted, generation=desired.generation, desired=desired.desired
        )

    @property
    def mark(self) -> str:
        """Stands for its data and the newest word about it: 16 hexadecimal digits."""
        import hashlib

        place = self.known.place if self.known else ""
        text = msgspec.json.encode((self.name, self.generation, place, sorted(self.ids)))
        return hashlib.sha256(text).hexdigest()[:16]


class RuntimeFault(MoorageError):
    """An operation did not succeed.

    `final`: it will not, until somebody changes something; else it is worth trying again.
    """

    default_code = "runtime-fault"

    def __init__(self, cause: Cause, *, final: bool) -> None:
        super().__init__(cause.message, code=cause.code, hint=cause.hint, detail=cause.detail)
        self.cause = cause
        self.final = final


class LogChunk(msgspec.Struct, frozen=True):
    """A piece of what a container or command wrote."""

    data: bytes
    stream: Literal["stdout", "stderr"] = "stdout"


class ExecRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A command to be run in a container."""

    argv: tuple[str, ...]
    container: str = ""
    """"": the main one."""
    tty: bool = False
    columns: int = 80
    rows: int = 24
    env: Mapping[str, str] = {}
    working_dir: str = ""
    """"": the main project's folder in the main container, else the container's own."""
    stdin: bool = True


class StepRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A postStart command."""

    key: str
    """Names it within one life of its container; fit for a file's name."""
    container: str
    folder: str
    command_line: str
    """For `sh -c`."""
    env: Mapping[str, str] = {}


class ExecSession(Protocol):
    """A command that runs. Leaving its context ends it (SIGHUP, then SIGKILL) if it still does."""

    def output(self) -> AsyncIterator[LogChunk]:
        """The command's output, until its end. Not reading makes it wait."""

    async def write(self, data: bytes) -> None:
        """Waits while it does not read."""

    async def end_input(self) -> None: ...

    async def resize(self, columns: int, rows: int) -> None: ...

    async def exit_code(self) -> int:
        """To be asked for after the output's end."""


class Listener(Protocol):
    """Hears of changes. May be called at any time from the runtime's tasks; must not block."""

    def changed(self, workspace: str) -> None:
        """Something about its objects: `observe` may tell something new."""

    def progressed(self, workspace: str) -> None:
        """`progress` may tell something new."""

    def lost(self, cause: Cause) -> None:
        """The engine does not answer."""

    def recovered(self) -> None:
        """The engine answers (again), and anything may have changed."""


class Backend(Protocol):
    """An engine or a cluster that can run workspaces, before it is known whose."""

    @property
    def caveat(self) -> str:
        """A sentence for the administrator about what is less protected on this machine than it
        should be; "": nothing."""

    async def describe(self) -> RuntimeInfo:
        """Raises `RuntimeFault` when the engine does not answer."""

    def configure(self, settings: RemoteDevelopment, version: int) -> None:
        """Makes workspaces by these from now on; those that run keep what they were started with.

        May be called at any time.
        """

    def runtime_for(self, identity: Identity, listener: Listener) -> Runtime:
        """Makes the runtime of one agent's workspaces."""

    async def close(self) -> None:
        """Ends the connection to the engine. Its runtimes are closed before."""


class Runtime(Protocol):
    """Runs the workspaces of one agent."""

    async def run(self) -> None:
        """Follows the engine's events until cancelled.

        Until it has reached the engine, all else raises `RuntimeFault`.
        """

    async def names(self) -> frozenset[str]:
        """Every workspace that has any object here. Raises `RuntimeFault`."""

    async def observe(self, name: str, desired: DesiredWorkspace | None) -> Observed:
        """Raises `RuntimeFault`."""

    def progress(self, name: str) -> Progress:
        """The progress that `observe` would tell, without asking the engine."""

    async def start(
        self,
        desired: DesiredWorkspace,
        *,
        received: float,
        fresh: bool = False,
        rescue: Rescue | None = None,
    ) -> None:
        """Makes and starts what is missing, and leaves alone what is as it should be.

        `fresh`: with new containers. `rescue`: what runs in the workspace's place. `received`: when
        it was asked for (seconds since the epoch), the start of its timeline. Before anything runs,
        the word is kept as by `note`.

        Raises `RuntimeFault`.
        """

    async def note(self, desired: DesiredWorkspace) -> None:
        """Keeps the server's word at the workspace's data, without credentials, until `remove`.

        What is there in a higher generation stays. Raises `RuntimeFault`.
        """

    async def halt(self, name: str) -> None:
        """Ends the processes and leaves their output to be read. Raises `RuntimeFault`."""

    async def stop(self, name: str) -> None:
        """Leaves nothing but data. Raises `RuntimeFault`."""

    async def remove(self, name: str) -> None:
        """Leaves nothing. Raises `RuntimeFault`."""

    def logs(
        self, name: str, container: str = "", *, follow: bool = False, tail: int | None = None
    ) -> AsyncIterator[LogChunk]:
        """`container`: "" the main one, `clone` the sandbox. Raises `NotFound`, `RuntimeFault`."""

    def execute(
        self, name: str, request: ExecRequest, spec: WorkspaceSpec | None = None
    ) -> AbstractAsyncContextManager[ExecSession]:
        """Raises `NotFound`, `RuntimeFault`."""

    async def run_step(
        self, name: str, request: StepRequest, heard: Callable[[bytes], None] | None = None
    ) -> tuple[int, str]:
        """Runs a command once per life of its container, keeps its output, and waits for its end →
        exit code, and the last lines of one that failed. `heard` is told what it writes, as it
        comes.

        Asking again with the same key waits for, or tells, the end of the same run, and its output
        from the beginning. Cancelling leaves the command to itself. Raises
        `NotFound`, `RuntimeFault`.
        """

    async def close(self) -> None:
        """Ends what it follows. `run` has ended before."""


def digest_of(spec: WorkspaceSpec) -> str:
    """The digest of what decides in a spec how containers are made: 16 hexadecimal digits.

    Credentials are no part of it, nor are commands that people run.
    """
    import hashlib

    plain = msgspec.structs.replace(without_credentials(spec), commands=())
    return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()[:16]


def without_credentials(spec: WorkspaceSpec) -> WorkspaceSpec:
    return msgspec.structs.replace(
        spec, projects=tuple(msgspec.structs.replace(p, credential=None) for p in spec.projects)
    )


def known_of(desired: DesiredWorkspace, place: str) -> Known:
    return Known(
        generation=desired.generation,
        desired=desired.desired,
        restarts=desired.restarts,
        owner=desired.owner,
        place=place,
        spec=without_credentials(desired.spec),
        memo=desired.memo,
    )


def read_known(text: str | bytes) -> Known | None:
    """Reads what `note` has written, by whatever version; None: it is none of it."""
    try:
        return msgspec.json.decode(text, type=Known)
    except msgspec.DecodeError:
        return None
