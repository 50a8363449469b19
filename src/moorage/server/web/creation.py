"""The page that makes a workspace. Its form may be filled by its address:
`/new?repository=…&ref=…`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from moorage.kernel.errors import MoorageError
from moorage.server.agents.services import list_agents
from moorage.server.authorization import Person
from moorage.server.core import Core
from moorage.server.http import context
from moorage.server.http.context import ServerCore
from moorage.server.web import forms, pages, views
from moorage.server.web.pages import Visitor
from moorage.server.workspaces import services

router = APIRouter()

FIELDS = frozenset({"repository", "ref", "devfile", "name", "agent", "env"})


@router.get("/new")
async def new_page(request: Request, core: ServerCore, actor: Visitor) -> Response:
    return await _page(request, core, actor, forms.NewWorkspace.of(dict(request.query_params)))


@router.post("/new")
async def create(request: Request, core: ServerCore, actor: Visitor) -> Response:
    """On to the new workspace's page, or back to the form, with what is wrong beside the field."""
    sent = await request.form()
    form = forms.NewWorkspace.of(
        {name: value for name, value in sent.items() if isinstance(value, str)}
    )
    try:
        workspace = await services.create_workspace(
            core, actor, form.request(), gone=lambda: context.hung_up(request)
        )
    except MoorageError as error:
        return await _page(request, core, actor, form, error)
    return pages.redirect(f"/workspaces/{workspace.name}")


async def _page(
    request: Request,
    core: Core,
    actor: Person,
    form: forms.NewWorkspace,
    error: MoorageError | None = None,
) -> Response:
    errors = forms.errors_of(error, FIELDS) if error else {}
    values: dict[str, Any] = {
        "problem": None if errors else error,
        "lines": (),
        "devfile_problems": (),
    }
    problems = error.details.get("problems") if error else None
    if error is not None and errors.get("devfile") and problems:
        told = views.devfile_problems(
            getattr(error, "text", ""), problems, left_out=error.details.get("left_out", 0)
        )
        errors["devfile"] = told.summary
        values |= {"lines": told.lines, "devfile_problems": told.others}
    return pages.page(
        request,
        "new.html",
        actor=actor,
        status=error.status if error else 200,
        form=form,
        errors=errors,
        agents=await list_agents(core, actor),
        origin=core.settings.origin,
        **values,
    )
