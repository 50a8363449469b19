"""Agents: the list for everybody; adding, tokens and settings for administrators.

Tokens are in the one answer to the form that made them, and nowhere else.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from moorage.kernel.errors import Conflict, InvalidInput, MoorageError
from moorage.server.agents import registration, schemas, services, settings
from moorage.server.authorization import INSTALLATION, Action, Person, may, require
from moorage.server.core import Core
from moorage.server.found import services as found_services
from moorage.server.http.context import ServerCore
from moorage.server.web import agent_views, forms, pages
from moorage.server.web.pages import Visitor

router = APIRouter()

FIELDS = frozenset({"name", "zone_url"})


@router.get("/agents")
async def agents_page(request: Request, core: ServerCore, actor: Visitor) -> Response:
    return pages.page(
        request,
        "agents.html",
        actor=actor,
        agents=agent_views.rows(await services.list_agents(core, actor)),
        manages=may(actor, Action.MANAGE_AGENTS, INSTALLATION),
        now=core.clock.now(),
    )


@router.get("/new-agent")
async def new_page(request: Request, core: ServerCore, actor: Visitor) -> Response:
    require(actor, Action.MANAGE_AGENTS, INSTALLATION)
    return pages.page(
        request,
        "agent_new.html",
        actor=actor,
        form={"name": "", "zone_url": ""},
        errors={},
        problem=None,
    )


@router.post("/agents")
async def add(
    request: Request,
    core: ServerCore,
    actor: Visitor,
    name: Annotated[str, Form()] = "",
    zone_url: Annotated[str, Form()] = "",
) -> Response:
    form = {"name": name.strip(), "zone_url": zone_url.strip()}
    try:
        made = await registration.add_agent(core, actor, forms.checked(schemas.AddAgent, **form))
    except MoorageError as error:
        errors = forms.errors_of(error, FIELDS)
        return pages.page(
            request,
            "agent_new.html",
            actor=actor,
            status=error.status,
            form=form,
            errors=errors,
            problem=None if errors else error,
        )
    return _tokens(request, actor, made, "added")


@router.get("/agents/{name}")
async def agent_page(
    request: Request, core: ServerCore, actor: Visitor, name: str, version: int | None = None
) -> Response:
    """`version`: of the settings, to look at an earlier one."""
    return await _agent(request, core, actor, name, version=version)


@router.post("/agents/{name}/settings")
async def set_settings(
    request: Request,
    core: ServerCore,
    actor: Visitor,
    name: str,
    *,
    text: Annotated[str, Form()] = "",
    version: Annotated[int | None, Form()] = None,
) -> Response:
    """Back to the page, with what is wrong beside the text, which stays as it was written."""
    # Browsers send line ends as CRLF.
    written = text.replace("\r\n", "\n")
    try:
        await settings.set_settings(core, actor, name, written, version)
    except (InvalidInput, Conflict) as error:
        return await _agent(request, core, actor, name, written=written, error=error)
    return pages.redirect(f"/agents/{name}?done=settings-saved#settings")


@router.post("/agents/{name}/enable")
async def enable(core: ServerCore, actor: Visitor, name: str) -> Response:
    await registration.change_agent(core, actor, name, schemas.ChangeAgent(enabled=True))
    return pages.redirect(f"/agents/{name}?done=agent-enabled")


@router.post("/agents/{name}/disable")
async def disable(core: ServerCore, actor: Visitor, name: str) -> Response:
    await registration.change_agent(core, actor, name, schemas.ChangeAgent(enabled=False))
    return pages.redirect(f"/agents/{name}?done=agent-disabled")


@router.post("/agents/{name}/token")
async def rotate(request: Request, core: ServerCore, actor: Visitor, name: str) -> Response:
    return _tokens(request, actor, await registration.rotate_token(core, actor, name), "rotated")


@router.post("/agents/{name}/revoke")
async def revoke(core: ServerCore, actor: Visitor, name: str) -> Response:
    await registration.revoke_token(core, actor, name)
    return pages.redirect(f"/agents/{name}?done=agent-revoked")


@router.post("/agents/{name}/remove")
async def remove(core: ServerCore, actor: Visitor, name: str) -> Response:
    await registration.remove_agent(core, actor, name)
    return pages.redirect("/agents?done=agent-removed")


@router.get("/agents/{name}/ask")
async def ask_page(
    request: Request, core: ServerCore, actor: Visitor, name: str, what: str
) -> Response:
    """Asks before what cannot be undone, for browsers that have no dialog."""
    agent = await services.get_agent(core, actor, name)
    require(actor, Action.MANAGE_AGENTS, INSTALLATION)
    question = next((q for q in agent_views.questions(agent) if q.id == what), None)
    if question is None:
        return pages.redirect(f"/agents/{name}")
    return pages.page(request, "agent_ask.html", actor=actor, agent=agent, question=question)


async def _agent(
    request: Request,
    core: Core,
    actor: Person,
    name: str,
    *,
    version: int | None = None,
    written: str | None = None,
    error: MoorageError | None = None,
) -> Response:
    agent = await services.get_agent(core, actor, name)
    values: dict[str, Any] = {"settings": None, "versions": (), "found": ()}
    found = None
    if may(actor, Action.SEE_AGENT_SETTINGS, INSTALLATION):
        found = await settings.get_settings(core, actor, name, version)
        values["settings"] = agent_views.settings_panel(found, written)
        values["versions"] = agent_views.versions(await settings.list_versions(core, actor, name))
    if may(actor, Action.SEE_FOUND, INSTALLATION):
        values["found"] = await found_services.list_found(core, actor, name)
    return pages.page(
        request,
        "agent.html",
        actor=actor,
        status=error.status if error else 200,
        shown=agent_views.detail(agent, found),
        errors={"text": str(error)} if error else {},
        manages=may(actor, Action.MANAGE_AGENTS, INSTALLATION),
        now=core.clock.now(),
        **values,
    )


def _tokens(request: Request, actor: Person, made: schemas.NewAgent, why: str) -> Response:
    return pages.page(request, "agent_tokens.html", actor=actor, made=made, why=why)
