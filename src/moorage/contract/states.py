"""Desired and actual state, startup stages and causes: the words that API, CLI, UI and agents
share."""

from __future__ import annotations

from enum import StrEnum

from moorage.contract.spec import Message, WorkspaceSpec


class DesiredState(StrEnum):
    RUNNING = "Running"
    STOPPED = "Stopped"
    TERMINATED = "Terminated"


class ActualState(StrEnum):
    CREATION_REQUESTED = "CreationRequested"
    """Stored by the server; no agent has answered yet."""
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    TERMINATING = "Terminating"
    TERMINATED = "Terminated"
    FAILED = "Failed"
    """It cannot reach the desired state by itself; somebody must change something and start it
    again."""
    ERROR = "Error"
    """The agent could not do its work, or what the workspace runs on does not answer; the agent
    goes on trying."""
    UNKNOWN = "Unknown"
    """The agent has not been heard of for a while."""


class StageName(StrEnum):
    """The stages of a start, in the order in which they are shown (image, volume and clone may
    overlap)."""

    QUEUED = "queued"
    RECEIVED = "received"
    IMAGE = "image"
    VOLUME = "volume"
    CLONE = "clone"
    CONTAINERS = "containers"
    EDITOR = "editor"
    READY = "ready"


class StageState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Stage(Message, frozen=True):
    name: StageName
    state: StageState = StageState.WAITING
    started_at: float | None = None
    """Seconds since the epoch, by the clock of the process that reports it."""
    finished_at: float | None = None
    detail: str = ""
    """What it is doing or waits for, in plain words."""

    @property
    def duration(self) -> float | None:
        """Seconds, once it has ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(0.0, self.finished_at - self.started_at)


class Cause(Message, frozen=True):
    """Why something waits or failed."""

    code: str
    """Stable, lower-case, joined by `-`: `image-not-found`, `clone-refused`, `container-crashed`,
    …"""
    message: str
    """One sentence for a person."""
    detail: str = ""
    """The event or the last log lines behind it."""
    hint: str = ""
    """What to do next."""
    since: float = 0.0
    """Seconds since the epoch."""


class ContainerState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    EXITED = "exited"


class ContainerStatus(Message, frozen=True):
    name: str
    image: str
    state: ContainerState
    exit_code: int | None = None
    restarts: int = 0
    started_at: float | None = None
    detail: str = ""


class DesiredWorkspace(Message, frozen=True):
    """What should be. The agent acts on the highest `generation` it has seen; the server raises it
    with every change.

    `restarts` is raised to ask for new containers (a restart) while `desired` stays Running.
    """

    name: str
    """`workspace-<agent id>-<user id>-<6 chars>`; fit for a DNS label and for object names."""
    generation: int
    desired: DesiredState
    spec: WorkspaceSpec
    restarts: int = 0
    owner: int = 0
    """User id; for labels only."""
    volumes: tuple[str, ...] = ()
    """The lasting volumes that an agent has told of: "" is that of projects and home, others are
    named as in the devfile. One of these that is not there is lost, and no other is made in its
    place before its owner has agreed."""
    memo: dict[str, str] = {}
    """What the server wants to be given back with it, should it lose its own record (`title`,
    `repository`, …). No agent acts on it."""
    rescue: bool = False
    """Whether its owner wants another environment in its place, to repair it from. An agent makes
    one by itself, too, where the main container ends again and again."""
    rescue_image: str = ""
    """The image of that environment, unless the agent has one set; "": `images.DEFAULT`."""


class ActualWorkspace(Message, frozen=True):
    """What is. `generation`: the newest desired generation that this takes into account."""

    name: str
    generation: int
    state: ActualState
    address: str = ""
    """Where the gateway reaches its ports: an IP address (`kernel.addresses.workspace_address`); ""
    when it runs nowhere."""
    stages: tuple[Stage, ...] = ()
    cause: Cause | None = None
    trouble: tuple[Cause, ...] = ()
    """What is wrong with parts of a workspace that runs all the same: a side container that has
    ended, a postStart command that failed."""
    rescue: bool = False
    """What runs is an environment to repair it from; the first of `trouble` says why."""
    containers: tuple[ContainerStatus, ...] = ()
    settings: int = 0
    """Version of the agent's settings that this run was started with; 0: the defaults, or not
    known."""
    post_start: dict[str, str] = {}
    """Outcome per postStart step id: "" while it runs, "done", or the reason it failed."""
    volumes: tuple[str, ...] = ()
    """The lasting volumes that there are; see `DesiredWorkspace.volumes`."""
    observed_at: float = 0.0


class FoundWorkspace(Message, frozen=True):
    """What an agent has, and the server does not know, or only in an older generation."""

    name: str
    mark: str
    """Stands for what was found: other objects of the same name, or a newer word about them, have
    another."""
    generation: int = 0
    """The newest that is known of it."""
    owner: int = 0
    """User id, of the server that it was made for; 0: not known."""
    since: float = 0.0
    """When its oldest object was made (seconds since the epoch); 0: not known."""
    desired: DesiredState | None = None
    """What was last wanted of it; None: not known."""
    restarts: int = 0
    running: bool = False
    objects: tuple[str, ...] = ()
    """What there is of it, as its engine calls it: `volume workspace-…`, `container
    workspace-….py`."""
    elsewhere: str = ""
    """Which other agent wrote the newest word about it, as a person knows that one; "": this
    one."""
    spec: WorkspaceSpec | None = None
    """Without credentials; None: not known, as of a workspace that an agent of an earlier version
    made."""
    memo: dict[str, str] = {}


def stands_against(
    known: int, wanted: DesiredState | None, *, generation: int, desired: DesiredState
) -> bool:
    """Whether what an agent knows of a workspace (generation `known`, in which it was `wanted`;
    None: not known) is newer than the word of its server; or another word of the same generation,
    where the server's is a deletion. A deletion is a generation of its own: a server that was set
    back has counted the same number again."""
    if known != generation or desired is not DesiredState.TERMINATED:
        return known > generation
    return wanted not in (None, DesiredState.TERMINATED)
