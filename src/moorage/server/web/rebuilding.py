"""The page that shows how a workspace's devfile has changed, and takes that."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from moorage.kernel.errors import Forbidden, MoorageError, NotFound
from moorage.server.authorization import Person
from moorage.server.core import Core
from moorage.server.http.context import ServerCore
from moorage.server.web import forms, pages, views
from moorage.server.web.pages import Visitor
from moorage.server.workspaces import schemas, services

router = APIRouter()

FIELDS = frozenset({"ref", "devfile"})
_NOT_HERE = frozenset({Forbidden.default_code, "workspace-terminating"})
"""Errors that are about no repository: they have a page of their own."""


@router.get("/workspaces/{name}/rebuild")
async def rebuild_page(  # noqa: PLR0917 - FastAPI passes them by name
    request: Request, core: ServerCore, actor: Visitor, name: str, ref: str = "", devfile: str = ""
) -> Response:
    """The difference, or why there is none to see. `ref` and `devfile` "": as before."""
    return await _page(request, core, actor, name, ref.strip(), devfile.strip())


@router.post("/workspaces/{name}/rebuild")
async def rebuild(  # noqa: PLR0917
    request: Request,
    core: ServerCore,
    actor: Visitor,
    name: str,
    digest: Annotated[str, Form()] = "",
    ref: Annotated[str, Form()] = "",
    devfile: Annotated[str, Form()] = "",
) -> Response:
    """On to the workspace's page, or back to the difference, where that is another by now."""
    try:
        body = forms.checked(
            schemas.RebuildWorkspace, digest=digest, ref=ref or None, devfile=devfile or None
        )
        workspace = await services.rebuild(core, actor, name, body)
    except MoorageError as error:
        if isinstance(error, NotFound) or error.code in _NOT_HERE:
            raise
        return await _page(request, core, actor, name, ref, devfile, refused=error)
    return pages.redirect(f"/workspaces/{workspace.name}?done=rebuilt")


async def _page(  # noqa: PLR0917
    request: Request,
    core: Core,
    actor: Person,
    name: str,
    ref: str,
    devfile: str,
    *,
    refused: MoorageError | None = None,
) -> Response:
    workspace = await services.get_workspace(core, actor, name)
    proposal, error = None, refused
    try:
        proposal = await services.propose(
            core, actor, workspace.name, ref=ref or None, devfile=devfile or None
        )
    except MoorageError as failed:
        if isinstance(failed, NotFound) or failed.code in _NOT_HERE:
            raise
        error = failed
    return pages.page(
        request,
        "rebuild.html",
        actor=actor,
        status=error.status if error else 200,
        workspace=workspace,
        proposal=proposal,
        diff=views.diff_lines(proposal.diff) if proposal else (),
        ref=ref,
        devfile=devfile,
        **_problems(error),
    )


def _problems(error: MoorageError | None) -> dict[str, Any]:
    """What is wrong: beside a field, beside the devfile's lines, or on its own."""
    values: dict[str, Any] = {"problem": error, "errors": {}, "lines": (), "devfile_problems": ()}
    if error is None:
        return values
    if problems := error.details.get("problems"):
        text, more = getattr(error, "text", ""), error.details.get("left_out", 0)
        told = views.devfile_problems(text, problems, left_out=more)
        return values | {"lines": told.lines, "devfile_problems": told.others}
    if errors := forms.errors_of(error, FIELDS):
        return values | {"problem": None, "errors": errors}
    return values
