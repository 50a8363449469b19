"""Every route and page, held to the authorization table."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from sqlalchemy import insert
from websockets.exceptions import InvalidStatus

from integration.server.harness import ADMIN, ORIGIN, Server, addresses, workspace_row
from moorage.kernel.ids import fingerprint
from moorage.server.accounts.models import ApiToken, User
from moorage.server.authorization import (
    INSTALLATION,
    Action,
    Kind,
    Person,
    Resource,
    Role,
    may,
    table,
)
from moorage.server.workspaces.loading import EVERYBODYS
from moorage.server.workspaces.models import Workspace


class Access(StrEnum):
    """In the place of an action."""

    PUBLIC = "public"
    """Everybody, also who is not signed in."""
    SIGNED = "signed in"
    """Whoever is signed in, about themselves."""
    MACHINE = "machine"
    """The token of an agent or of a gateway."""


ROUTES: dict[str, Action | Access] = {
    "GET /api/v1/me": Access.SIGNED,
    "GET /api/v1/openapi.json": Access.PUBLIC,
    "HEAD /api/v1/openapi.json": Access.PUBLIC,
    "GET /api/v1/users": Action.LIST_USERS,
    "POST /api/v1/users": Action.ADD_USER,
    "PATCH /api/v1/users/{name}": Action.CHANGE_ROLE,
    "GET /api/v1/audit": Action.SEE_AUDIT,
    "GET /api/v1/audit/export": Action.SEE_AUDIT,
    "GET /api/v1/audit/check": Action.SEE_AUDIT,
    "POST /api/v1/users/{name}/block": Action.BLOCK_USER,
    "POST /api/v1/users/{name}/unblock": Action.BLOCK_USER,
    "POST /api/v1/users/{name}/sign-in-links": Action.CREATE_SIGN_IN_LINK,
    "GET /api/v1/users/{name}/tokens": Action.MANAGE_TOKENS,
    "POST /api/v1/users/{name}/tokens": Action.MANAGE_TOKENS,
    "DELETE /api/v1/users/{name}/tokens/{token_id}": Action.MANAGE_TOKENS,
    "GET /api/v1/agents": Action.LIST_AGENTS,
    "POST /api/v1/agents": Action.MANAGE_AGENTS,
    "GET /api/v1/agents/{name}": Action.LIST_AGENTS,
    "PATCH /api/v1/agents/{name}": Action.MANAGE_AGENTS,
    "DELETE /api/v1/agents/{name}": Action.MANAGE_AGENTS,
    "POST /api/v1/agents/{name}/token": Action.MANAGE_AGENTS,
    "DELETE /api/v1/agents/{name}/token": Action.MANAGE_AGENTS,
    "GET /api/v1/agents/{name}/settings": Action.SEE_AGENT_SETTINGS,
    "GET /api/v1/agents/{name}/settings/versions": Action.SEE_AGENT_SETTINGS,
    "PUT /api/v1/agents/{name}/settings": Action.CHANGE_AGENT_SETTINGS,
    "GET /api/v1/agents/{agent}/found": Action.SEE_FOUND,
    "POST /api/v1/agents/{agent}/found/{name}/adopt": Action.ADOPT_FOUND,
    "DELETE /api/v1/agents/{agent}/found/{name}": Action.REMOVE_FOUND,
    "GET /api/v1/workspaces": Action.LIST_WORKSPACES,
    "GET /api/v1/workspaces/events": Action.LIST_WORKSPACES,
    "POST /api/v1/workspaces": Action.CREATE_WORKSPACE,
    "GET /api/v1/workspaces/{name}": Action.SEE_WORKSPACE,
    "GET /api/v1/workspaces/{name}/events": Action.SEE_WORKSPACE,
    "GET /api/v1/workspaces/{name}/ports": Action.SEE_WORKSPACE,
    "GET /api/v1/workspaces/{name}/logs": Action.READ_LOGS,
    "GET /api/v1/workspaces/{name}/usage": Action.READ_LOGS,
    "WEBSOCKET /api/v1/workspaces/{name}/exec": Action.RUN_COMMANDS,
    "POST /api/v1/workspaces/{name}/start": Action.START_WORKSPACE,
    "POST /api/v1/workspaces/{name}/stop": Action.STOP_WORKSPACE,
    "POST /api/v1/workspaces/{name}/restart": Action.RESTART_WORKSPACE,
    "GET /api/v1/workspaces/{name}/rebuild": Action.REBUILD_WORKSPACE,
    "POST /api/v1/workspaces/{name}/rebuild": Action.REBUILD_WORKSPACE,
    "PATCH /api/v1/workspaces/{name}": Action.RENAME_WORKSPACE,
    "DELETE /api/v1/workspaces/{name}": Action.DELETE_WORKSPACE,
    "GET /": Action.LIST_WORKSPACES,
    "GET /live": Action.LIST_WORKSPACES,
    "POST /several": Access.SIGNED,
    "GET /new": Action.LIST_AGENTS,
    "POST /new": Action.CREATE_WORKSPACE,
    "GET /workspaces/{name}": Action.SEE_WORKSPACE,
    "GET /workspaces/{name}/live": Action.SEE_WORKSPACE,
    "GET /workspaces/{name}/open": Action.SEE_WORKSPACE,
    "GET /workspaces/{name}/delete": Action.SEE_WORKSPACE,
    "GET /workspaces/{name}/rebuild": Action.REBUILD_WORKSPACE,
    "POST /workspaces/{name}/rebuild": Action.REBUILD_WORKSPACE,
    "GET /workspaces/{name}/rename": Action.SEE_WORKSPACE,
    "POST /workspaces/{name}/rename": Action.RENAME_WORKSPACE,
    "POST /workspaces/{name}/start": Action.START_WORKSPACE,
    "POST /workspaces/{name}/start-fresh": Action.START_WORKSPACE,
    "POST /workspaces/{name}/start-rescue": Action.START_WORKSPACE,
    "POST /workspaces/{name}/stop": Action.STOP_WORKSPACE,
    "POST /workspaces/{name}/restart": Action.RESTART_WORKSPACE,
    "POST /workspaces/{name}/delete": Action.DELETE_WORKSPACE,
    "GET /users": Action.LIST_USERS,
    "POST /users": Action.ADD_USER,
    "GET /audit": Action.SEE_AUDIT,
    "POST /users/{name}/role": Action.CHANGE_ROLE,
    "POST /users/{name}/block": Action.BLOCK_USER,
    "POST /users/{name}/unblock": Action.BLOCK_USER,
    "POST /users/{name}/sign-in-link": Action.CREATE_SIGN_IN_LINK,
    "GET /agents": Action.LIST_AGENTS,
    "POST /agents": Action.MANAGE_AGENTS,
    "GET /new-agent": Action.MANAGE_AGENTS,
    "GET /agents/{name}": Action.LIST_AGENTS,
    "GET /agents/{name}/ask": Action.MANAGE_AGENTS,
    "POST /agents/{name}/enable": Action.MANAGE_AGENTS,
    "POST /agents/{name}/disable": Action.MANAGE_AGENTS,
    "POST /agents/{name}/token": Action.MANAGE_AGENTS,
    "POST /agents/{name}/revoke": Action.MANAGE_AGENTS,
    "POST /agents/{name}/remove": Action.MANAGE_AGENTS,
    "POST /agents/{name}/settings": Action.CHANGE_AGENT_SETTINGS,
    "GET /agents/{agent}/found/{name}": Action.ADOPT_FOUND,
    "POST /agents/{agent}/found/{name}/adopt": Action.ADOPT_FOUND,
    "POST /agents/{agent}/found/{name}/remove": Action.REMOVE_FOUND,
    "GET /help": Access.PUBLIC,
    "GET /sign-in": Access.PUBLIC,
    "POST /sign-in": Access.PUBLIC,
    "GET /sign-in/link/{token}": Access.PUBLIC,
    "POST /sign-in/link/{token}": Access.PUBLIC,
    "GET /sign-in/authorize": Access.PUBLIC,
    "POST /sign-out": Access.PUBLIC,
    "GET /assets/{digest}/{name}": Access.PUBLIC,
    "GET /healthz": Access.PUBLIC,
    "GET /metrics": Access.PUBLIC,
    "WEBSOCKET /internal/agents/connect": Access.MACHINE,
    "WEBSOCKET /internal/gateways/connect": Access.MACHINE,
    "POST /internal/gateways/exchange": Access.MACHINE,
    "POST /internal/gateways/sessions/use": Access.MACHINE,
    "POST /internal/gateways/workspaces/{workspace}/start": Access.MACHINE,
    "DELETE /internal/gateways/sessions/{session}": Access.MACHINE,
}
ALSO = {
    "GET /agents/{agent}/found/{name}": Action.LIST_USERS,
}
"""What is asked for besides, as the answer is a page on which that stands."""
EVERYONES = ("GET /", "GET /live", "GET /api/v1/workspaces", "GET /api/v1/workspaces/events")
"""They are asked with `?all=true`, too: for the workspaces of all people together."""
QUERIES = {
    "GET /workspaces/{name}/open": "?port=8080",
    "GET /agents/{name}/ask": "?what=token",
    "DELETE /api/v1/agents/{agent}/found/{name}": "?mark=m",
    "WEBSOCKET /api/v1/workspaces/{name}/exec": "?container=",
}
BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/users": {"name": "eve"},
    "PATCH /api/v1/users/{name}": {"role": "auditor"},
    "POST /api/v1/agents": {"name": "far", "zone_url": "https://far.example.com"},
    "PATCH /api/v1/workspaces/{name}": {"title": "other"},
    "PATCH /api/v1/agents/{name}": {"enabled": True},
    "PUT /api/v1/agents/{name}/settings": {"text": ""},
    "POST /api/v1/agents/{agent}/found/{name}/adopt": {"mark": "m"},
    "POST /api/v1/workspaces": {"repository": "nowhere"},
    "POST /api/v1/workspaces/{name}/rebuild": {"digest": "d"},
}
"""What a route must be sent before it asks who may."""
FORMS = {"POST /users/{name}/role": {"role": "auditor"}}
"""The same of pages."""
OTHER = "other-secret"


class Outcome(StrEnum):
    SIGNED_OUT = "sign in first"
    HIDDEN = "there is no such thing"
    DENIED = "this is not yours to do"
    ALLOWED = "whatever becomes of it"


class Callers:
    """Who asks, and what they ask about: for each request an owner, with a workspace, made anew."""

    def __init__(self, server: Server, caller: str) -> None:
        self._server = server
        self._caller = caller
        self._count = 0

    async def prepare(self) -> tuple[str | None, Person, int, str]:
        """The token of who asks, who they are, and the owner's id and name."""
        if not self._count:
            await self._user(2, "other", OTHER)
        self._count += 1
        number, name = 10 * self._count, f"owner{self._count}"
        await self._user(number, name, f"{name}-secret")
        async with self._server.core.database.write() as session:
            row = workspace_row() | {"name": f"workspace-{name}", "title": name, "owner_id": number}
            row["repository"] = "nowhere"  # a host that may not be read would be another refusal
            await session.execute(insert(Workspace), [row])
        token, person = {
            "nobody": (None, Person(0, "", Role.DEVELOPER)),
            "other": (OTHER, Person(2, "other", Role.DEVELOPER)),
            "owner": (f"{name}-secret", Person(number, name, Role.DEVELOPER)),
            "administrator": (ADMIN, Person(1, "admin", Role.ADMINISTRATOR)),
        }[self._caller]
        return token, person, number, name

    async def _user(self, number: int, name: str, secret: str) -> None:
        user = {
            "id": number,
            "name": name,
            "role": "developer",
            "blocked": False,
            "created_at": 0.0,
        }
        token = {"user_id": number, "fingerprint": fingerprint(secret), "created_at": 0.0}
        async with self._server.core.database.write() as session:
            await session.execute(insert(User), [user])
            await session.execute(insert(ApiToken), [token])


async def ask(server: Server, route: str, token: str | None, name: str, query: str) -> Outcome:
    """Calls the route about the owner of that name. What it streams is not read."""
    method, _, path = route.partition(" ")
    subject = "local" if "/agents/" in path else name if "/users" in path else f"workspace-{name}"
    address = path.replace("/agents/{agent}", "/agents/local").replace("{name}", subject)
    address = address.replace("{token_id}", "1").replace("{workspace}", subject) + query
    origin = {} if token else {"Origin": ORIGIN}
    if method == "WEBSOCKET":
        try:
            async with server.websocket(address, token, **origin):
                return Outcome.ALLOWED
        except InvalidStatus as error:
            answer = error.response
            return outcome_of(answer.status_code, "", (answer.body or b"").decode())
    content = (
        {"json": BODIES.get(route, {})}
        if path.startswith(("/api/", "/internal/"))
        else {"data": FORMS.get(route, {"a": ""})}
    )
    async with (
        server.client(token, headers=origin) as client,
        client.stream(method, address, **({} if method in ("GET", "HEAD") else content)) as answer,
    ):
        text = (await answer.aread()).decode() if answer.status_code != 200 else ""
        return outcome_of(answer.status_code, answer.headers.get("location", ""), text)


def outcome_of(status: int, location: str, text: str) -> Outcome:
    if status == 401 or (location.startswith("/sign-in") and "done=signed-out" not in location):
        return Outcome.SIGNED_OUT
    if status == 404 and ("There is no workspace" in text or "There is no user" in text):
        return Outcome.HIDDEN
    return Outcome.DENIED if status == 403 else Outcome.ALLOWED


def expected(route: str, person: Person, owner: int, everyones: bool) -> Outcome:
    """As the table has it."""
    wanted = ROUTES[route]
    if wanted is Access.PUBLIC:
        return Outcome.ALLOWED
    if not person.user_id or wanted is Access.MACHINE:
        return Outcome.SIGNED_OUT
    if not isinstance(wanted, Action):
        return Outcome.ALLOWED
    resource, see = about(route, person, owner)
    if see is not None and not may(person, see, resource):
        return Outcome.HIDDEN
    allowed = may(person, wanted, EVERYBODYS if everyones else resource) and (
        route not in ALSO or may(person, ALSO[route], INSTALLATION)
    )
    return Outcome.ALLOWED if allowed else Outcome.DENIED


def about(route: str, person: Person, owner: int) -> tuple[Resource, Action | None]:
    """What the route acts on, and what one must be allowed to learn that it is there."""
    if "/users/{name}" in route:
        return Resource(Kind.USER, owner), Action.SEE_USER
    if "/workspaces/{name}" in route:
        return Resource(Kind.WORKSPACE, owner), Action.SEE_WORKSPACE
    if ROUTES[route] is Action.LIST_WORKSPACES:
        return Resource(Kind.WORKSPACE, person.user_id), None
    return INSTALLATION, None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[Action]:
    """The actions that the table has been asked for."""
    found: set[Action] = set()
    decide = table.decide

    def noted(actor: Any, action: Action, resource: Resource) -> Any:
        found.add(action)
        return decide(actor, action, resource)

    monkeypatch.setattr(table, "decide", noted)
    return found


async def test_every_route_is_in_the_table(sqlite_server: Server) -> None:
    """One that is added must say what it asks for; and none is there that is gone."""
    assert {f"{method} {path}" for method, path in addresses(sqlite_server)} == set(ROUTES)
    actions = {wanted for wanted in ROUTES.values() if isinstance(wanted, Action)}
    elsewhere = {Action.OPEN_WORKSPACE, Action.SEE_INSIDE_WORKSPACE, Action.SEE_USER}
    assert actions == set(Action) - elsewhere


@pytest.mark.parametrize("caller", ["nobody", "other", "owner", "administrator"])
async def test_every_route_answers_as_the_table_says(
    sqlite_server: Server, caller: str, asked: set[Action]
) -> None:
    """Nobody, a developer whose it is not, the owner, and an administrator: each is let in,
    refused, or told that there is no such thing, just as the table says; and the action that is
    looked for is the one that the route names."""
    callers = Callers(sqlite_server, caller)
    cases = [(route, False) for route in ROUTES] + [(route, True) for route in EVERYONES]
    answers, wanted = {}, {}
    for route, everyones in cases:
        token, person, owner, name = await callers.prepare()
        asked.clear()
        query = "?all=true" if everyones else QUERIES.get(route, "")
        case = f"{route}{query}"
        answers[case] = await ask(sqlite_server, route, token, name, query)
        wanted[case] = expected(route, person, owner, everyones)
        action = ROUTES[route]
        if isinstance(action, Action) and answers[case] in (Outcome.ALLOWED, Outcome.DENIED):
            assert action in asked, case
    assert answers == wanted
