"""The list of workspaces, a workspace's own page, and what its buttons do."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from moorage.kernel.errors import Conflict, InvalidInput
from moorage.server.accounts.revocation import reader
from moorage.server.authorization import INSTALLATION, Action, Person, may
from moorage.server.core import Core
from moorage.server.http import events
from moorage.server.http.context import ServerCore
from moorage.server.web import forms, list_views, pages, views
from moorage.server.web.pages import Visitor
from moorage.server.workspaces import schemas, services
from moorage.server.workspaces.events import WatchedList, WatchedWorkspace
from moorage.server.workspaces.loading import EVERYBODYS
from moorage.server.workspaces.looks import OFTEN

router = APIRouter()

_ALL = list_views.Filter()
_FAREWELLS = events.Farewells(
    gone='<p data-go="/?done=deleted">This workspace is deleted.</p>',
    sent_away='<p data-go="">You are signed out.</p>',
)


@router.get("/")
async def list_page(  # noqa: PLR0917 - FastAPI passes them by name
    request: Request,
    core: ServerCore,
    actor: Visitor,
    all: bool = False,  # noqa: A002 - the API's word
    q: str = "",
    state: str = "",
) -> Response:
    """All of them, those that `q` and `state` do not leave hidden: a script shows them as soon as
    the words change. Who can have none of their own sees everyone's."""
    creates = may(actor, Action.CREATE_WORKSPACE, INSTALLATION)
    all = all or not creates  # noqa: A001
    workspaces = await services.list_workspaces(core, actor, all)
    return pages.page(
        request,
        "workspaces.html",
        actor=actor,
        administrator=may(actor, Action.LIST_WORKSPACES, EVERYBODYS) and creates,
        creates=creates,
        groups=list_views.GROUPS,
        **_list(core, actor, workspaces, all, list_views.Filter(q.strip(), state)),
    )


@router.get("/live")
async def list_live(
    core: ServerCore,
    actor: Visitor,
    all: bool = False,  # noqa: A002
) -> Response:
    """Server-sent events `workspaces`: the list as on the page, at once; then `workspaces-changed`:
    the rows that are not what they were."""

    def fragment(workspaces: list[schemas.Workspace]) -> str:
        return pages.fragment("workspaces_live.html", **_list(core, actor, workspaces, all))

    def changed(before: list[schemas.Workspace], after: list[schemas.Workspace]) -> str | None:
        now = core.clock.now()
        rows = [list_views.rows(workspaces, actor, now) for workspaces in (before, after)]
        found = list_views.changes(*rows)
        if found is None:
            return None
        return pages.fragment(
            "workspaces_changed.html", changes=found, everyones=all, wanted=_ALL, now=now
        )

    return events.stream(
        core,
        reader(core, actor),
        "workspaces",
        WatchedList(core, actor, all),
        fragment,
        changed=changed,
        farewells=_FAREWELLS,
    )


@router.get("/workspaces/{name}")
async def workspace_page(request: Request, core: ServerCore, actor: Visitor, name: str) -> Response:
    workspace = await services.get_workspace(core, actor, name, look_every=OFTEN)
    now = core.clock.now()
    return pages.page(
        request,
        "workspace.html",
        actor=actor,
        form_action=f"'self' {forms.port_origins(workspace)}",
        workspace=workspace,
        shown=views.detail(workspace, actor, now),
        now=now,
    )


@router.get("/workspaces/{name}/live")
async def workspace_live(core: ServerCore, actor: Visitor, name: str) -> Response:
    """Server-sent events `workspace`: the page's content, at once and at each change, until the
    workspace is gone."""

    def fragment(workspace: schemas.Workspace) -> str:
        now = core.clock.now()
        shown = views.detail(workspace, actor, now)
        return pages.fragment("workspace_live.html", workspace=workspace, shown=shown, now=now)

    return events.stream(
        core,
        reader(core, actor),
        "workspace",
        WatchedWorkspace(core, actor, name),
        fragment,
        farewells=_FAREWELLS,
    )


@router.get("/workspaces/{name}/open")
async def open_port(core: ServerCore, actor: Visitor, name: str, port: int) -> Response:
    """On to any port of the workspace; whether this person may is the gateway's to say."""
    workspace = await services.get_workspace(core, actor, name)
    return pages.redirect(forms.port_address(workspace, port))


@router.get("/workspaces/{name}/delete")
async def delete_page(request: Request, core: ServerCore, actor: Visitor, name: str) -> Response:
    """Asks, for browsers that have no dialog."""
    workspace = await services.get_workspace(core, actor, name)
    return pages.page(request, "delete.html", actor=actor, workspace=workspace)


@router.get("/workspaces/{name}/rename")
async def rename_page(request: Request, core: ServerCore, actor: Visitor, name: str) -> Response:
    """Asks for another title."""
    workspace = await services.get_workspace(core, actor, name)
    title = workspace.title
    return pages.page(
        request, "rename.html", actor=actor, workspace=workspace, title=title, error=""
    )


@router.post("/workspaces/{name}/rename")
async def rename(
    request: Request,
    core: ServerCore,
    actor: Visitor,
    name: str,
    title: Annotated[str, Form()] = "",
) -> Response:
    """Back to its page, or to the form, with what is wrong with the title."""
    title = title.strip()
    try:
        change = forms.checked(schemas.ChangeWorkspace, title=title)
        renamed = await services.rename_workspace(core, actor, name, change.title)
    except (InvalidInput, Conflict) as error:
        workspace = await services.get_workspace(core, actor, name)
        return pages.page(
            request,
            "rename.html",
            actor=actor,
            status=error.status,
            workspace=workspace,
            title=title,
            error=str(error),
        )
    return pages.redirect(f"/workspaces/{renamed.name}?done=renamed")


@router.post("/workspaces/{name}/start")
async def start(request: Request, core: ServerCore, actor: Visitor, name: str) -> Response:
    workspace = await services.start_workspace(core, actor, name)
    return _done(request, "start", f"/workspaces/{workspace.name}")


@router.post("/workspaces/{name}/start-fresh")
async def start_fresh(request: Request, core: ServerCore, actor: Visitor, name: str) -> Response:
    """With empty volumes where its files are lost."""
    workspace = await services.start_workspace(core, actor, name, fresh_files=True)
    return _done(request, "start", f"/workspaces/{workspace.name}")


@router.post("/workspaces/{name}/start-rescue")
async def start_rescue(request: Request, core: ServerCore, actor: Visitor, name: str) -> Response:
    """With an environment to repair it from in the place of its own."""
    workspace = await services.start_workspace(core, actor, name, rescue=True)
    return _done(request, "start", f"/workspaces/{workspace.name}")


@router.post("/workspaces/{name}/stop")
async def stop(request: Request, core: ServerCore, actor: Visitor, name: str) -> Response:
    workspace = await services.stop_workspace(core, actor, name)
    return _done(request, "stop", f"/workspaces/{workspace.name}")


@router.post("/workspaces/{name}/restart")
async def restart(request: Request, core: ServerCore, actor: Visitor, name: str) -> Response:
    workspace = await services.restart_workspace(core, actor, name)
    return _done(request, "restart", f"/workspaces/{workspace.name}")


@router.post("/workspaces/{name}/delete")
async def delete(request: Request, core: ServerCore, actor: Visitor, name: str) -> Response:
    await services.delete_workspace(core, actor, name)
    return _done(request, "delete", "/")


def _list(
    core: Core,
    actor: Person,
    workspaces: list[schemas.Workspace],
    everyones: bool,
    wanted: list_views.Filter = _ALL,
) -> dict[str, Any]:
    now = core.clock.now()
    rows = list_views.rows(workspaces, actor, now)
    return {"rows": rows, "everyones": everyones, "wanted": wanted, "now": now}


def _done(request: Request, what: str, then: str) -> Response:
    """A page that is live stays, and is told; any other browser goes on to `then`."""
    if request.headers.get("hx-request") == "true":
        notice = {"notice": {"tone": "good", "text": forms.NOTICES[what]}}
        return Response(status_code=204, headers={"HX-Trigger": json.dumps(notice)})
    return pages.redirect(f"{then}?done={what}")
