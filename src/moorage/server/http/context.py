"""What a route knows of its request: the server's state, who asks, the request's id."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends
from starlette.requests import HTTPConnection, Request

from moorage.kernel.errors import NotSignedIn
from moorage.server.accounts import passes, services
from moorage.server.authorization import Actor
from moorage.server.http import cookies
from moorage.server.state import ServerState


def state_of(connection: HTTPConnection) -> ServerState:
    return cast("ServerState", connection.app.state.moorage)


def request_id_of(scope: Any) -> str:
    return cast("str", scope.get("moorage.request_id", ""))


def bearer(connection: HTTPConnection) -> str | None:
    """The token of an `Authorization: Bearer` header (RFC 6750); "" when the header says something else."""
    header = connection.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def actor_or_none(connection: HTTPConnection) -> Actor | None:
    """Who asks; None when nobody is signed in. A header that is wrong is never mended by a cookie.

    Raises `NotSignedIn` for a wrong token or pass, `Forbidden` for somebody who is blocked.
    """
    state = state_of(connection)
    passed = connection.headers.get(passes.HEADER)
    if passed is not None:
        return await passes.actor_of_pass(state, passed, connection.scope["path"])
    token = bearer(connection)
    if token is not None:
        return await services.actor_of_token(state, token)
    cookie = connection.cookies.get(cookies.name(state))
    return await services.actor_of_session(state, cookie) if cookie else None


async def actor(connection: HTTPConnection) -> Actor:
    """Raises `NotSignedIn` when nobody is signed in (any more)."""
    found = await actor_or_none(connection)
    if found is None:
        if ended := await ending(connection):
            raise NotSignedIn(ended, code="session-ended", hint="Sign in anew.")
        raise NotSignedIn("Nobody is signed in.", hint="Sign in, or send an API token.")
    return found


async def hung_up(request: Request) -> None:
    """Ends when whoever asked closes the connection. The request's body has been read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def ending(connection: HTTPConnection) -> str:
    """Why the session of the browser's cookie is over, in a sentence; "" when there is none, or nobody knows."""
    state = state_of(connection)
    cookie = connection.cookies.get(cookies.name(state))
    return await services.ending_of(state, cookie) if cookie else ""


State = Annotated[ServerState, Depends(state_of)]
Signed = Annotated[Actor, Depends(actor)]
