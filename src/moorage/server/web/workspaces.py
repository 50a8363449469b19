"""The list of workspaces, a workspace's own page, and what its buttons do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from moorage.kernel.errors import MoorageError
from moorage.server.authorization import Action, Actor, may, require
from moorage.server.http import context, events
from moorage.server.http.context import State
from moorage.server.state import ServerState
from moorage.server.web import forms, pages, views
from moorage.server.web.pages import Visitor
from moorage.server.workspaces import schemas, services
from moorage.server.workspaces.events import watch_workspace, watch_workspaces

router = APIRouter()

_GONE = '<p data-go="/?done=deleted">This workspace is deleted.</p>'
_SIGNED_OUT = '<p data-go="">You are signed out.</p>'


@router.get("/")
async def list_page(request: Request, state: State, actor: Visitor, all: bool = False) -> Response:  # noqa: A002 - the API's word
    workspaces = await services.list_workspaces(state, actor, all)
    return pages.page(
        request,
        "workspaces.html",
        actor=actor,
        administrator=may(actor, Action.LIST_WORKSPACES, owner=-1),
        **_list(state, actor, workspaces, all),
    )


@router.get("/live")
async def list_live(
    request: Request,
    state: State,
    actor: Visitor,
    all: bool = False,  # noqa: A002
) -> Response:
    """Server-sent events `workspaces`: the list as on the page, at once and at each change."""
    require(actor, Action.LIST_WORKSPACES, -1 if all else actor.user_id)

    async def fragments() -> AsyncIterator[str]:
        async for workspaces in watch_workspaces(state, actor, all):
            if not await _still_signed_in(request):
                yield _SIGNED_OUT
                return
            yield pages.fragment("workspaces_live.html", **_list(state, actor, workspaces, all))

    return events.stream(state, "workspaces", fragments())


@router.get("/workspaces/{name}")
async def workspace_page(request: Request, state: State, actor: Visitor, name: str) -> Response:
    workspace = await services.get_workspace(state, actor, name)
    now = state.clock.now()
    return pages.page(
        request,
        "workspace.html",
        actor=actor,
        form_action=f"'self' {forms.zone_pattern(workspace)}".rstrip(),
        workspace=views.detail(workspace, actor, now),
        now=now,
    )


@router.get("/workspaces/{name}/live")
async def workspace_live(request: Request, state: State, actor: Visitor, name: str) -> Response:
    """Server-sent events `workspace`: the page's content, at once and at each change, until the workspace is gone."""
    await services.get_workspace(state, actor, name)

    async def fragments() -> AsyncIterator[str]:
        async for workspace in watch_workspace(state, actor, name):
            if not await _still_signed_in(request):
                yield _SIGNED_OUT
                return
            now = state.clock.now()
            detail = views.detail(workspace, actor, now)
            yield pages.fragment("workspace_live.html", workspace=detail, now=now)
        yield _GONE if await _still_signed_in(request) else _SIGNED_OUT

    return events.stream(state, "workspace", fragments())


@router.get("/workspaces/{name}/open")
async def open_port(state: State, actor: Visitor, name: str, port: int) -> Response:
    """On to any port of the workspace; whether this person may is the gateway's to say."""
    workspace = await services.get_workspace(state, actor, name)
    return pages.redirect(forms.port_address(workspace, port))


@router.get("/workspaces/{name}/delete")
async def delete_page(request: Request, state: State, actor: Visitor, name: str) -> Response:
    """Asks, for browsers that have no dialog."""
    workspace = await services.get_workspace(state, actor, name)
    return pages.page(
        request, "delete.html", actor=actor, workspace=views.detail(workspace, actor, state.clock.now())
    )


@router.post("/workspaces/{name}/start")
async def start(request: Request, state: State, actor: Visitor, name: str) -> Response:
    workspace = await services.start_workspace(state, actor, name)
    return _done(request, "start", f"/workspaces/{workspace.name}")


@router.post("/workspaces/{name}/stop")
async def stop(request: Request, state: State, actor: Visitor, name: str) -> Response:
    workspace = await services.stop_workspace(state, actor, name)
    return _done(request, "stop", f"/workspaces/{workspace.name}")


@router.post("/workspaces/{name}/restart")
async def restart(request: Request, state: State, actor: Visitor, name: str) -> Response:
    workspace = await services.restart_workspace(state, actor, name)
    return _done(request, "restart", f"/workspaces/{workspace.name}")


@router.post("/workspaces/{name}/delete")
async def delete(request: Request, state: State, actor: Visitor, name: str) -> Response:
    await services.delete_workspace(state, actor, name)
    return _done(request, "delete", "/")


async def _still_signed_in(request: Request) -> bool:
    """A stream outlives the check at its start: who is blocked or signed out meanwhile is shown nothing new."""
    try:
        await context.actor(request)
    except MoorageError:
        return False
    return True


def _list(
    state: ServerState, actor: Actor, workspaces: list[schemas.Workspace], everyones: bool
) -> dict[str, Any]:
    now = state.clock.now()
    return {"rows": views.rows(workspaces, actor, now), "everyones": everyones, "now": now}


def _done(request: Request, what: str, then: str) -> Response:
    """A page that is live stays, and is told; any other browser goes on to `then`."""
    if request.headers.get("hx-request") == "true":
        notice = {"notice": {"tone": "good", "text": forms.NOTICES[what]}}
        return Response(status_code=204, headers={"HX-Trigger": json.dumps(notice)})
    return pages.redirect(f"{then}?done={what}")
