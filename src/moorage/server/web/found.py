"""Pages of what agents found: for administrators, with what can be done about it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from moorage.kernel.errors import Conflict, MoorageError
from moorage.server.accounts import services as accounts
from moorage.server.authorization import INSTALLATION, Action, Person, require
from moorage.server.core import Core
from moorage.server.found import adoption, schemas, services
from moorage.server.http.context import ServerCore
from moorage.server.web import forms, pages
from moorage.server.web.pages import Visitor

router = APIRouter()

FIELDS = frozenset({"owner", "repository", "ref", "devfile"})


@router.get("/agents/{agent}/found/{name}")
async def found_page(
    request: Request, core: ServerCore, actor: Visitor, agent: str, name: str
) -> Response:
    """Asks what is to become of it, and says what would be lost."""
    return await _page(request, core, actor, agent, name)


@router.post("/agents/{agent}/found/{name}/adopt")
async def adopt(
    request: Request,
    core: ServerCore,
    actor: Visitor,
    agent: str,
    name: str,
    *,
    mark: Annotated[str, Form()] = "",
    owner: Annotated[str, Form()] = "",
    repository: Annotated[str, Form()] = "",
    ref: Annotated[str, Form()] = "",
    devfile: Annotated[str, Form()] = "",
) -> Response:
    form = {
        "owner": owner.strip(),
        "repository": repository.strip(),
        "ref": ref.strip(),
        "devfile": devfile.strip(),
    }
    try:
        made = await adoption.adopt(
            core, actor, agent, name, forms.checked(schemas.Adopt, mark=mark, **form)
        )
    except MoorageError as error:
        if isinstance(error, Conflict) or not forms.errors_of(error, FIELDS):
            raise
        return await _page(request, core, actor, agent, name, form=form, error=error)
    return pages.redirect(f"/workspaces/{made.name}?done=adopted")


@router.post("/agents/{agent}/found/{name}/remove")
async def remove(
    core: ServerCore, actor: Visitor, agent: str, name: str, mark: Annotated[str, Form()] = ""
) -> Response:
    await services.remove_found(core, actor, agent, name, mark)
    return pages.redirect(f"/agents/{agent}?done=found-removed")


async def _page(
    request: Request,
    core: Core,
    actor: Person,
    agent: str,
    name: str,
    *,
    form: dict[str, str] | None = None,
    error: MoorageError | None = None,
) -> Response:
    require(actor, Action.ADOPT_FOUND, INSTALLATION)
    item = await services.get_found(core, actor, agent, name)
    users = [user.name for user in await accounts.list_users(core, actor) if not user.blocked]
    return pages.page(
        request,
        "agent_found.html",
        actor=actor,
        status=error.status if error else 200,
        item=item,
        users=users,
        form=form or {"owner": item.owner_now, "repository": "", "ref": "", "devfile": ""},
        errors=forms.errors_of(error, FIELDS) if error else {},
        now=core.clock.now(),
    )
