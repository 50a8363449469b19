"""Models that the workspace services return and the API sends. Times are seconds since the epoch,
durations seconds."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, Field

from moorage.contract import ActualState, ContainerState, DesiredState, StageName, StageState
from moorage.server.authorization import Kind, Resource


class CreateWorkspace(BaseModel):
    model_config = ConfigDict(extra="forbid")

    repository: str = Field(max_length=2000)
    """http, https or ssh URL of a Git repository, or the address of a page of it in a browser."""
    ref: str = Field(default="", max_length=250)
    """Branch, tag, commit or full name of a ref; "": what the address names, or the default
    branch."""
    devfile: str = Field(default="", max_length=500)
    """Path in the repository; "": the usual names, in order."""
    name: str = Field(default="", max_length=100)
    """Title, unique among one's workspaces; "": the repository's name."""
    agent: str = Field(default="", max_length=100)
    """"": of those that take new workspaces a connected one, the one with the fewest."""
    env: dict[str, str] = Field(default_factory=dict, max_length=200)
    """Set in every container that sees the sources."""
    editor: str = Field(default="", max_length=100)
    """"": the first that is defined."""


class ChangeWorkspace(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str = Field(max_length=100)
    """As `name` of `CreateWorkspace`: unique among one's workspaces."""


class Stage(BaseModel):
    name: StageName
    state: StageState
    started_at: float | None
    finished_at: float | None
    duration: float | None
    detail: str


class Cause(BaseModel):
    code: str
    message: str
    detail: str
    hint: str
    since: float


class Notice(BaseModel):
    """Tells what a limit of the agent's settings did, or is about to do, or what the server has
    lost."""

    code: str
    """`stopped-by-limit`, `deletion-ahead`, `server-set-back`."""
    message: str
    hint: str
    at: float
    """When it happened, or will."""


class Container(BaseModel):
    name: str
    image: str
    state: ContainerState
    exit_code: int | None
    restarts: int
    started_at: float | None
    detail: str


class Port(BaseModel):
    port: int
    name: str
    url: str
    declared: bool
    exposure: str
    protocol: str


class Command(BaseModel):
    """A command of the devfile, which people run by its id: in the editor, or by `moor run`."""

    id: str
    label: str
    group: str
    """`build`, `run`, `test`, `debug`, `deploy`; "": none."""
    default: bool
    """Of its group."""
    event: str
    """The event that also runs it (`postStart`); "": none does."""
    container: str
    """Where it runs; "": each of `members` in its own, or nowhere (`unable`)."""
    command_line: str
    """For `sh -c` there: of a composite, a script of its commands."""
    working_dir: str
    """"": the main project's folder."""
    env: dict[str, str]
    members: list[str]
    """Ids of a composite's commands."""
    parallel: bool
    unable: str
    """Why it cannot be run, as a sentence; "": it can be."""
    url: str
    """What it serves, where the devfile leaves no doubt; else ""."""


class Ports(BaseModel):
    items: list[Port]


class Warning(BaseModel):  # noqa: A001 - the devfile's own word
    code: str
    message: str
    path: str = ""
    line: int | None = None
    column: int | None = None
    hint: str = ""


def encoded_warnings(warnings: list[Warning]) -> str:
    """As they are stored."""
    return json.dumps([warning.model_dump() for warning in warnings])


def decoded_warnings(stored: str) -> list[Warning]:
    return [Warning(**item) for item in json.loads(stored)]


class LookError(BaseModel):
    code: str
    message: str
    hint: str = ""


class DevfileLook(BaseModel):
    """What was found when the repository was last looked at for another devfile."""

    at: float
    changed: bool
    ref: str = ""
    """That of the devfile there; "" when it could not be read."""
    commit: str = ""
    error: LookError | None = None
    """Why it cannot be taken."""


class ContainerUsage(BaseModel):
    """What a container uses now. Of what is None, nothing is known, or there is no limit."""

    name: str
    cpu: int | None = None
    """Millicores, over half a second."""
    cpu_limit: int | None = None
    memory: int | None = None
    """Bytes that cannot be taken away from it."""
    memory_limit: int | None = None
    out_of_memory: int = 0
    """How often one of its programs was ended for taking more than the limit, since it started."""
    disk_used: int | None = None
    """Bytes, of the file system in which its projects lie."""
    disk_total: int | None = None
    unknown: str = ""
    """Why nothing is known of it."""


class Usage(BaseModel):
    """What a workspace's running containers use now."""

    containers: list[ContainerUsage] = []
    disk_used: int | None = None
    """Bytes, of the file system in which its projects lie; None: not known."""
    disk_total: int | None = None


class Workspace(BaseModel):
    name: str
    title: str
    owner: int
    owner_name: str
    agent: str
    settings: int = 0
    """Version of the agent's settings that it was started with; 0: the defaults, or not started
    yet."""
    repository: str
    ref: str
    full_ref: str = ""
    """`refs/heads/main`, `refs/tags/v1`, …; "" for a commit that was named itself."""
    commit: str
    devfile_path: str
    devfile_changed: bool = False
    """The repository has another devfile than the one that it is made from: see `rebuild`."""
    devfile_look: DevfileLook | None = None
    desired: DesiredState
    state: ActualState
    url: str
    """Opens the editor; "" when it has none."""
    port_url: str
    """URL of any port, declared or not: `{port}` stands for its number."""
    folder: str
    generation: int
    created_at: float
    updated_at: float
    stages: list[Stage]
    cause: Cause | None
    trouble: list[Cause] = []
    """What is wrong with parts of a workspace that runs all the same."""
    rescue: bool = False
    """What runs is an environment to repair it from; the first of `trouble` says why."""
    notice: Notice | None
    containers: list[Container]
    ports: list[Port]
    warnings: list[Warning]
    post_start: dict[str, str]
    commands: list[Command] = []
    """Of the devfile, in its order."""

    @property
    def resource(self) -> Resource:
        return Resource(Kind.WORKSPACE, self.owner)


class Change(BaseModel):
    """A difference between what a workspace has and what it would have."""

    kind: str
    """`added`, `removed`, `changed`."""
    what: str
    name: str
    message: str


class Rebuild(BaseModel):
    """What a workspace would be made from now."""

    digest: str
    """Stands for all of it: whoever agrees says it."""
    changed: bool
    ref: str
    full_ref: str
    commit: str
    devfile_path: str
    changes: list[Change]
    """What the workspace would get, without values of variables."""
    diff: str
    """The flattened devfiles, as `diff -u` compares them."""
    warnings: list[Warning]
    restarts: bool
    """It runs, and is restarted for it; else it stays stopped."""


class RebuildWorkspace(BaseModel):
    model_config = ConfigDict(extra="forbid")

    digest: str = Field(max_length=100)
    """Of the `Rebuild` that was shown."""
    ref: str | None = Field(default=None, max_length=250)
    """Another branch, tag or commit; "": the default branch; None: as before."""
    devfile: str | None = Field(default=None, max_length=500)
    """Another path; "": the usual names; None: as before."""


class Workspaces(BaseModel):
    items: list[Workspace]
