"""Users, for administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from moorage.kernel.errors import MoorageError
from moorage.server.accounts import links, services
from moorage.server.authorization import INSTALLATION, Action, Person, Role, may
from moorage.server.core import Core
from moorage.server.http.context import ServerCore
from moorage.server.web import forms, pages
from moorage.server.web.pages import Visitor

router = APIRouter()

FIELDS = frozenset({"name"})
ROLES = tuple(role.value for role in (Role.DEVELOPER, Role.AUDITOR, Role.ADMINISTRATOR))


@router.get("/users")
async def users_page(request: Request, core: ServerCore, actor: Visitor) -> Response:
    return await _users(request, core, actor)


@router.post("/users")
async def add_user(
    request: Request,
    core: ServerCore,
    actor: Visitor,
    name: Annotated[str, Form()] = "",
    role: Annotated[Role, Form()] = Role.DEVELOPER,
) -> Response:
    form = {"name": name.strip(), "role": role.value}
    try:
        await services.add_user(core, actor, form["name"], role)
    except MoorageError as error:
        errors = forms.errors_of(error, FIELDS)
        if not errors:
            raise
        return await _users(request, core, actor, status=error.status, form=form, errors=errors)
    return pages.redirect("/users?done=added")


@router.post("/users/{name}/block")
async def block(core: ServerCore, actor: Visitor, name: str) -> Response:
    await services.set_blocked(core, actor, name, blocked=True)
    return pages.redirect("/users?done=block")


@router.post("/users/{name}/unblock")
async def unblock(core: ServerCore, actor: Visitor, name: str) -> Response:
    await services.set_blocked(core, actor, name, blocked=False)
    return pages.redirect("/users?done=unblock")


@router.post("/users/{name}/role")
async def change_role(
    core: ServerCore, actor: Visitor, name: str, role: Annotated[Role, Form()]
) -> Response:
    await services.change_role(core, actor, name, role)
    return pages.redirect("/users?done=role")


@router.post("/users/{name}/sign-in-link")
async def sign_in_link(request: Request, core: ServerCore, actor: Visitor, name: str) -> Response:
    """The link is in this one answer and nowhere else: it is stored as a fingerprint. Above the
    users for whoever may list them; a person who asks for their own gets it on a page of its
    own."""
    made = await links.create_sign_in_link(core, actor, name)
    link = {"name": name, "url": made.url, "expires_at": made.expires_at}
    if may(actor, Action.LIST_USERS, INSTALLATION):
        return await _users(request, core, actor, link=link)
    return pages.page(request, "sign_in_link_made.html", actor=actor, link=link)


async def _users(
    request: Request,
    core: Core,
    actor: Person,
    *,
    status: int = 200,
    form: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    link: dict[str, object] | None = None,
) -> Response:
    return pages.page(
        request,
        "users.html",
        actor=actor,
        status=status,
        users=await services.list_users(core, actor),
        me=actor.user_id,
        changes=may(actor, Action.ADD_USER, INSTALLATION),
        roles=ROLES,
        form=form or {"name": "", "role": Role.DEVELOPER.value},
        errors=errors or {},
        link=link,
        now=core.clock.now(),
    )
