"""Agents: the list for everybody; adding, tokens and settings for administrators.

Tokens are in the one answer to the form that made them, and nowhere else.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from moorage.kernel.errors import MoorageError
from moorage.server.agents import registration, schemas, services
from moorage.server.authorization import Action, Actor, may, require
from moorage.server.http.context import State
from moorage.server.web import agent_views, forms, pages
from moorage.server.web.pages import Visitor

router = APIRouter()

FIELDS = frozenset({"name", "zone_url"})


@router.get("/agents")
async def agents_page(request: Request, state: State, actor: Visitor) -> Response:
    return pages.page(
        request,
        "agents.html",
        actor=actor,
        agents=agent_views.rows(await services.list_agents(state, actor)),
        manages=may(actor, Action.MANAGE_AGENTS),
        now=state.clock.now(),
    )


@router.get("/new-agent")
async def new_page(request: Request, state: State, actor: Visitor) -> Response:
    require(actor, Action.MANAGE_AGENTS)
    return pages.page(
        request, "agent_new.html", actor=actor, form={"name": "", "zone_url": ""}, errors={}, problem=None
    )


@router.post("/agents")
async def add(
    request: Request,
    state: State,
    actor: Visitor,
    name: Annotated[str, Form()] = "",
    zone_url: Annotated[str, Form()] = "",
) -> Response:
    form = {"name": name.strip(), "zone_url": zone_url.strip()}
    try:
        made = await registration.add_agent(state, actor, schemas.AddAgent(**form))
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
async def agent_page(request: Request, state: State, actor: Visitor, name: str) -> Response:
    agent = await services.get_agent(state, actor, name)
    return pages.page(
        request,
        "agent.html",
        actor=actor,
        shown=agent_views.detail(agent),
        settings=None,
        versions=(),
        errors={},
        manages=may(actor, Action.MANAGE_AGENTS),
        now=state.clock.now(),
    )


@router.post("/agents/{name}/enable")
async def enable(state: State, actor: Visitor, name: str) -> Response:
    await registration.change_agent(state, actor, name, schemas.ChangeAgent(enabled=True))
    return pages.redirect(f"/agents/{name}?done=agent-enabled")


@router.post("/agents/{name}/disable")
async def disable(state: State, actor: Visitor, name: str) -> Response:
    await registration.change_agent(state, actor, name, schemas.ChangeAgent(enabled=False))
    return pages.redirect(f"/agents/{name}?done=agent-disabled")


@router.post("/agents/{name}/token")
async def rotate(request: Request, state: State, actor: Visitor, name: str) -> Response:
    return _tokens(request, actor, await registration.rotate_token(state, actor, name), "rotated")


@router.post("/agents/{name}/revoke")
async def revoke(state: State, actor: Visitor, name: str) -> Response:
    await registration.revoke_token(state, actor, name)
    return pages.redirect(f"/agents/{name}?done=agent-revoked")


@router.post("/agents/{name}/remove")
async def remove(state: State, actor: Visitor, name: str) -> Response:
    await registration.remove_agent(state, actor, name)
    return pages.redirect("/agents?done=agent-removed")


@router.get("/agents/{name}/ask")
async def ask_page(request: Request, state: State, actor: Visitor, name: str, what: str) -> Response:
    """Asks before what cannot be undone, for browsers that have no dialog."""
    agent = await services.get_agent(state, actor, name)
    require(actor, Action.MANAGE_AGENTS)
    question = next((q for q in agent_views.questions(agent) if q.id == what), None)
    if question is None:
        return pages.redirect(f"/agents/{name}")
    return pages.page(request, "agent_ask.html", actor=actor, agent=agent, question=question)


def _tokens(request: Request, actor: Actor, made: schemas.NewAgent, why: str) -> Response:
    return pages.page(request, "agent_tokens.html", actor=actor, made=made, why=why)
