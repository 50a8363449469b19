"""Views of a workspace for a person: from the row and the agent's report to the API's
`Workspace`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from moorage.contract import (
    ActualState,
    ActualWorkspace,
    Cause,
    DesiredState,
    Endpoint,
    NamedCommand,
    Stage,
    StageName,
    StageState,
    WorkspaceSpec,
)
from moorage.contract.hosts import port_pattern, port_url
from moorage.server.agents.models import Agent
from moorage.server.agents.rows import is_silent
from moorage.server.authorization import Action, Person, may, resource_of
from moorage.server.workspaces import hours, schemas
from moorage.server.workspaces.look import look_of
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.outside import outside, ports_outside

_decode_spec = msgspec.json.Decoder(WorkspaceSpec).decode
_decode_actual = msgspec.json.Decoder(ActualWorkspace).decode


@dataclass(frozen=True)
class Row:
    """A workspace with what belongs to it."""

    workspace: Workspace
    agent: Agent
    owner_name: str


def spec_of(workspace: Workspace) -> WorkspaceSpec:
    return _decode_spec(workspace.spec)


def actual_of(workspace: Workspace) -> ActualWorkspace | None:
    """The agent's newest report; None when there is none yet."""
    return _decode_actual(workspace.actual) if workspace.actual else None


def view(row: Row, actor: Person, now: float) -> schemas.Workspace:
    """As `actor` sees it, who may see it: all of it, or what is outside."""
    whole = _view(row, now)
    return whole if _sees_inside(actor, row) else outside(whole)


def _sees_inside(actor: Person, row: Row) -> bool:
    return may(actor, Action.SEE_INSIDE_WORKSPACE, resource_of(row.workspace))


def _view(row: Row, now: float) -> schemas.Workspace:
    workspace = row.workspace
    spec, actual = spec_of(workspace), actual_of(workspace)
    pattern = port_pattern(row.agent.zone_url, workspace.name)
    return schemas.Workspace(
        name=workspace.name,
        title=workspace.title,
        owner=workspace.owner_id,
        owner_name=row.owner_name,
        agent=row.agent.name,
        settings=actual.settings if actual else 0,
        repository=workspace.repository,
        ref=workspace.ref,
        full_ref=next((project.full_ref for project in spec.projects), ""),
        commit=workspace.commit,
        devfile_path=workspace.devfile_path,
        devfile_changed=look_of(workspace).changed,
        devfile_look=devfile_look_of(workspace),
        desired=DesiredState(workspace.desired),
        state=state_of(workspace, row.agent, now),
        url=port_url(pattern, spec.editor.port, open_path(spec)) if spec.editor else "",
        port_url=pattern,
        folder=spec.folder,
        generation=workspace.generation,
        created_at=workspace.created_at,
        updated_at=workspace.updated_at,
        stages=[_stage(stage) for stage in stages_of(workspace, actual)],
        cause=_cause(cause_of(workspace, actual, row.agent, now)),
        trouble=[_cause_of(c) for c in trouble_of(workspace, actual)],
        rescue=actual.rescue if actual else False,
        notice=notice_of(workspace, row.agent),
        containers=[
            schemas.Container(**msgspec.structs.asdict(c))
            for c in (actual.containers if actual else ())
        ],
        ports=ports_of(spec, pattern),
        warnings=schemas.decoded_warnings(workspace.warnings),
        post_start=actual.post_start if actual else {},
        commands=[_command(command, spec, pattern) for command in spec.commands],
    )


def devfile_look_of(workspace: Workspace) -> schemas.DevfileLook | None:
    if workspace.looked_at is None:
        return None
    look, failure = look_of(workspace), look_of(workspace).failure
    return schemas.DevfileLook(
        at=workspace.looked_at,
        changed=look.changed,
        ref=look.ref,
        commit=look.commit,
        error=schemas.LookError(**msgspec.structs.asdict(failure)) if failure else None,
    )


def state_of(workspace: Workspace, agent: Agent, now: float) -> ActualState:
    """As reported; Unknown once the agent has been silent for long."""
    state = ActualState(workspace.state)
    return (
        state
        if state is ActualState.CREATION_REQUESTED or not is_silent(agent, now)
        else ActualState.UNKNOWN
    )


def cause_of(
    workspace: Workspace, actual: ActualWorkspace | None, agent: Agent, now: float
) -> Cause | None:
    """The agent's silence, when the workspace waits for the agent; else what the agent says."""
    behind = actual is None or actual.generation < workspace.generation
    if is_silent(agent, now) or (behind and not agent.connected):
        return Cause(
            code="agent-disconnected",
            message=f"The agent {agent.name} is not connected"
            + (": its token was taken back." if agent.revoked else "."),
            hint="Ask an administrator to give it another one."
            if agent.revoked
            else "Look at its log, and at whether it can reach the server. Whatever was asked for is done once it is back.",
            since=agent.last_seen or workspace.created_at,
        )
    return actual.cause if actual else None


def trouble_of(workspace: Workspace, actual: ActualWorkspace | None) -> tuple[Cause, ...]:
    """What is wrong with parts of a workspace that runs and is to run."""
    runs = workspace.state == ActualState.RUNNING and workspace.desired == DesiredState.RUNNING
    return actual.trouble if actual is not None and runs else ()


def notice_of(workspace: Workspace, agent: Agent) -> schemas.Notice | None:
    """Tells what a limit of the agent's settings is about to do, or has done; and what the server
    has lost."""
    if workspace.set_back_at is not None and workspace.delete_at is None:
        return schemas.Notice(
            code="server-set-back",
            message="Moorage's database was set back to an earlier state. This workspace goes on as it was before that.",
            hint="Its files are as you left them. What was asked of it since may be lost: stop, start or delete it again.",
            at=workspace.set_back_at,
        )
    if workspace.stopped_at is None or workspace.desired != DesiredState.STOPPED.value:
        return None
    if workspace.delete_at is not None:
        return schemas.Notice(
            code="deletion-ahead",
            message=hours.deletion_words(agent.name, workspace.stopped_at, workspace.delete_at),
            hint="Start it to keep it: its time begins anew with the next stop.",
            at=workspace.delete_at,
        )
    if workspace.stopped_by:
        return schemas.Notice(
            code="stopped-by-limit",
            message=workspace.stopped_by,
            hint="Start it again: its files are there.",
            at=workspace.stopped_at,
        )
    return None


def stages_of(workspace: Workspace, actual: ActualWorkspace | None) -> tuple[Stage, ...]:
    """All stages of the newest start: the server's own two, then the agent's, in the order of
    `StageName`."""
    current = actual is not None and actual.generation >= workspace.requested_generation
    reported = (
        {stage.name: stage for stage in actual.stages} if actual is not None and current else {}
    )
    reported[StageName.QUEUED] = _timed(StageName.QUEUED, workspace.requested_at, workspace.sent_at)
    reported[StageName.RECEIVED] = _timed(
        StageName.RECEIVED, workspace.sent_at, workspace.received_at
    )
    return tuple(reported.get(name) or Stage(name=name) for name in StageName)


def _timed(name: StageName, started: float | None, finished: float | None) -> Stage:
    if started is None:
        return Stage(name=name)
    state = StageState.RUNNING if finished is None else StageState.DONE
    detail = ""
    if finished is None:
        detail = (
            "Waiting for the agent to be connected."
            if name is StageName.QUEUED
            else "Waiting for the agent's answer."
        )
    return Stage(name=name, state=state, started_at=started, finished_at=finished, detail=detail)


def open_path(spec: WorkspaceSpec) -> str:
    return spec.editor.open_path.replace("{folder}", spec.folder) if spec.editor else "/"


def ports_view(row: Row, actor: Person) -> list[schemas.Port]:
    """As in `view`."""
    pattern = port_pattern(row.agent.zone_url, row.workspace.name)
    ports = ports_of(spec_of(row.workspace), pattern)
    return ports if _sees_inside(actor, row) else ports_outside(ports)


def ports_of(spec: WorkspaceSpec, pattern: str) -> list[schemas.Port]:
    """The editor's port first, then the devfile's endpoints; whatever else is opened has no entry,
    but works."""
    found: dict[int, schemas.Port] = {}
    if spec.editor:
        found[spec.editor.port] = schemas.Port(
            port=spec.editor.port,
            name="editor",
            url=port_url(pattern, spec.editor.port, open_path(spec)),
            declared=True,
            exposure="public",
            protocol="http",
        )
    for container in spec.containers:
        for endpoint in container.endpoints:
            port = schemas.Port(
                port=endpoint.port,
                name=endpoint.name,
                url=port_url(pattern, endpoint.port, _path_of(endpoint)),
                declared=True,
                exposure=endpoint.exposure,
                protocol=endpoint.protocol,
            )
            found.setdefault(endpoint.port, port)
    return list(found.values())


def _command(command: NamedCommand, spec: WorkspaceSpec, pattern: str) -> schemas.Command:
    run = command.run
    return schemas.Command(
        id=command.id,
        label=command.label,
        group=command.group,
        default=command.is_default,
        event=command.event,
        container=run.container if run else "",
        command_line=run.command_line if run else "",
        working_dir=run.working_dir if run else "",
        env=run.env if run else {},
        members=list(command.members),
        parallel=command.parallel,
        unable=command.unable,
        url=_served_by(command, spec, pattern),
    )


def _served_by(command: NamedCommand, spec: WorkspaceSpec, pattern: str) -> str:
    """The address of the one endpoint for browsers that the container of a command has which runs
    the application."""
    if command.run is None or command.group not in ("run", "debug"):
        return ""
    found = [
        port_url(pattern, endpoint.port, _path_of(endpoint))
        for container in spec.containers
        if container.name == command.run.container
        for endpoint in container.endpoints
        if endpoint.exposure != "none" and endpoint.protocol in ("http", "https")
    ]
    return found[0] if len(found) == 1 else ""


def _path_of(endpoint: Endpoint) -> str:
    return endpoint.path if endpoint.path.startswith("/") else f"/{endpoint.path}"


def _stage(stage: Stage) -> schemas.Stage:
    return schemas.Stage(**msgspec.structs.asdict(stage), duration=stage.duration)


def _cause(cause: Cause | None) -> schemas.Cause | None:
    return _cause_of(cause) if cause else None


def _cause_of(cause: Cause) -> schemas.Cause:
    return schemas.Cause(**msgspec.structs.asdict(cause))
