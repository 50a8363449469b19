"""Workspaces over HTTP; logs as a stream, commands over a WebSocket."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, WebSocket
from starlette.responses import Response, StreamingResponse

from moorage.server.accounts import authentication
from moorage.server.accounts.authentication import Signed
from moorage.server.accounts.revocation import reader
from moorage.server.agents import forwarding
from moorage.server.agents.hub import Elsewhere
from moorage.server.authorization import Action
from moorage.server.http import context, events
from moorage.server.http.concurrency import Concurrency, Slot
from moorage.server.http.context import ServerCore
from moorage.server.workspaces import channels, commands, schemas, services, usage
from moorage.server.workspaces.events import WatchedList, WatchedWorkspace
from moorage.server.workspaces.looks import OFTEN, WAIT

api = APIRouter(prefix="/workspaces", tags=["workspaces"])

_EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}}


@api.get("")
async def list_workspaces(core: ServerCore, actor: Signed, all: bool = False) -> schemas.Workspaces:  # noqa: A002 - the API's word
    """One's own workspaces; with `all`, everyone's, for an administrator."""
    return schemas.Workspaces(items=await services.list_workspaces(core, actor, all))


@api.post("", status_code=201)
async def create_workspace(
    request: Request, core: ServerCore, actor: Signed, body: schemas.CreateWorkspace
) -> schemas.Workspace:
    """Nothing is made when whoever asks hangs up before the repository is read."""
    return await services.create_workspace(core, actor, body, gone=lambda: context.hung_up(request))


@api.get("/events", response_class=Response, responses=_EVENTS)
async def list_events(core: ServerCore, actor: Signed, all: bool = False) -> Response:  # noqa: A002 - the API's word
    """Server-sent events `workspaces`: `{"items": […]}`, at once and at each change."""
    return events.stream(
        core, reader(core, actor), "workspaces", WatchedList(core, actor, all), _items
    )


@api.get("/{name}")
async def get_workspace(
    core: ServerCore, actor: Signed, name: str, look: bool = False
) -> schemas.Workspace:
    """`look`: waits a moment for whether its devfile has changed."""
    if look:
        return await services.get_workspace(core, actor, name, look_every=OFTEN, wait=WAIT)
    return await services.get_workspace(core, actor, name)


@api.get("/{name}/events", response_class=Response, responses=_EVENTS)
async def workspace_events(core: ServerCore, actor: Signed, name: str) -> Response:
    """Server-sent events `workspace`, at once and at each change; the stream ends when the
    workspace is gone."""
    return events.stream(
        core, reader(core, actor), "workspace", WatchedWorkspace(core, actor, name), _itself
    )


@api.post("/{name}/start", status_code=202)
async def start_workspace(
    core: ServerCore, actor: Signed, name: str, fresh_files: bool = False, rescue: bool = False
) -> schemas.Workspace:
    """`fresh_files`: where its files are lost, empty volumes take their place. `rescue`: an
    environment to repair it from takes the place of its own, until it is started again without."""
    return await services.start_workspace(core, actor, name, fresh_files=fresh_files, rescue=rescue)


@api.post("/{name}/stop", status_code=202)
async def stop_workspace(core: ServerCore, actor: Signed, name: str) -> schemas.Workspace:
    return await services.stop_workspace(core, actor, name)


@api.post("/{name}/restart", status_code=202)
async def restart_workspace(core: ServerCore, actor: Signed, name: str) -> schemas.Workspace:
    return await services.restart_workspace(core, actor, name)


@api.get("/{name}/rebuild")
async def propose_rebuild(
    core: ServerCore,
    actor: Signed,
    name: str,
    ref: str | None = None,
    devfile: str | None = None,
) -> schemas.Rebuild:
    """What it would be made from now, and how that differs; nothing is changed."""
    return await services.propose(core, actor, name, ref=ref, devfile=devfile)


@api.post("/{name}/rebuild", status_code=202)
async def rebuild_workspace(
    core: ServerCore, actor: Signed, name: str, body: schemas.RebuildWorkspace
) -> schemas.Workspace:
    """Takes what was shown; 409 `devfile-changed` when that is no longer so."""
    return await services.rebuild(core, actor, name, body)


@api.patch("/{name}")
async def change_workspace(
    core: ServerCore, actor: Signed, name: str, body: schemas.ChangeWorkspace
) -> schemas.Workspace:
    """Gives it another title."""
    return await services.rename_workspace(core, actor, name, body.title)


@api.delete("/{name}", status_code=202)
async def delete_workspace(core: ServerCore, actor: Signed, name: str) -> schemas.Workspace:
    return await services.delete_workspace(core, actor, name)


@api.get("/{name}/ports")
async def list_ports(core: ServerCore, actor: Signed, name: str) -> schemas.Ports:
    return schemas.Ports(items=await services.list_ports(core, actor, name))


@api.get("/{name}/logs", response_class=Response, responses=_TEXT)
async def read_logs(  # noqa: PLR0917 - FastAPI passes them by name
    request: Request,
    core: ServerCore,
    actor: Signed,
    name: str,
    container: str = "",
    follow: bool = False,
    tail: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    try:
        chunks = await channels.open_logs(
            core, actor, name, container=container, follow=follow, tail=tail
        )
    except Elsewhere as elsewhere:
        return await forwarding.pass_on(core, actor, request, elsewhere)
    return StreamingResponse(
        chunks,
        media_type="text/plain",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@api.get("/{name}/usage", response_model=schemas.Usage)
async def read_usage(request: Request, core: ServerCore, actor: Signed, name: str) -> Any:
    """Of the containers that run; each is asked when this is."""
    try:
        return await usage.read_usage(core, actor, name)
    except Elsewhere as elsewhere:
        return await forwarding.pass_on(core, actor, request, elsewhere)


@api.websocket("/{name}/exec")
async def run_command(  # noqa: PLR0917 - FastAPI passes them by name
    websocket: WebSocket,
    name: str,
    container: str = "",
    tty: bool = False,
    columns: Annotated[int, Query(ge=1, le=10_000)] = 80,
    rows: Annotated[int, Query(ge=1, le=10_000)] = 24,
    credit: bool = False,
) -> None:
    """Refusals come as HTTP answers before the upgrade; what fails later as `{"error": …}`.

    With `credit`, each side tells the other with `{"taken": bytes}` what it has read, and has
    `flow.WINDOW` bytes under way at most: then a reader that pauses goes on answering pings.
    """
    core = context.core_of(websocket)
    actor = await authentication.actor(websocket)
    with core.part(Concurrency).take(Slot.COMMAND, actor.user_id):
        try:
            target = await channels.reach(core, actor, name, container, Action.RUN_COMMANDS)
        except Elsewhere as elsewhere:
            await forwarding.pass_on_websocket(core, actor, websocket, elsewhere, credit=credit)
            return
        await commands.serve(
            core, actor, websocket, target, tty=tty, columns=columns, rows=rows, credit=credit
        )


def _items(workspaces: list[schemas.Workspace]) -> schemas.Workspaces:
    return schemas.Workspaces(items=workspaces)


def _itself(workspace: schemas.Workspace) -> schemas.Workspace:
    return workspace
