"""Finds out who asks, by what a request brings: a pass, an API token, or the cookie of a
session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from moorage.kernel.errors import NotSignedIn
from moorage.server.accounts import cookies, replica_tickets, sessions, tokens
from moorage.server.authorization import Person
from moorage.server.http.context import address_of, bearer, core_of
from moorage.server.http.headers import REPLICA_TICKET

Authenticator = Callable[[HTTPConnection], Awaitable[Person | None]]
"""Tells who asks by one kind of proof; None when the request brings none of that kind.

Raises `NotSignedIn` for a proof that is wrong, `Forbidden` for somebody who is blocked.
"""


async def by_replica_ticket(connection: HTTPConnection) -> Person | None:
    secret = connection.headers.get(REPLICA_TICKET)
    if secret is None:
        return None
    return await replica_tickets.actor_of_ticket(
        core_of(connection), secret, connection.scope["path"]
    )


async def by_token(connection: HTTPConnection) -> Person | None:
    token = bearer(connection)
    return None if token is None else await tokens.actor_of_token(core_of(connection), token)


async def by_session(connection: HTTPConnection) -> Person | None:
    core = core_of(connection)
    cookie = connection.cookies.get(cookies.name(core))
    used = WATCHING not in connection.query_params
    return await sessions.actor_of_session(core, cookie, used=used) if cookie else None


WATCHING = "watching"
"""A page that asks again and again by itself says so by this parameter: nobody's session lives on
by that."""

AUTHENTICATORS: tuple[Authenticator, ...] = (by_replica_ticket, by_token, by_session)
"""The first that finds its kind of proof decides: a header that is wrong is never mended by a
cookie."""


async def actor_or_none(connection: HTTPConnection) -> Person | None:
    """Tells who asks; None when nobody is signed in. Raises as `Authenticator` does."""
    for authenticate in AUTHENTICATORS:
        if (found := await authenticate(connection)) is not None:
            return replace(found, address=address_of(connection))
    return None


async def actor(connection: HTTPConnection) -> Person:
    """Tells who asks. Raises `NotSignedIn` when nobody is signed in (any more)."""
    found = await actor_or_none(connection)
    if found is None:
        if ended := await ending(connection):
            raise NotSignedIn(ended, code="session-ended", hint="Sign in anew.")
        raise NotSignedIn("Nobody is signed in.", hint="Sign in, or send an API token.")
    return found


async def ending(connection: HTTPConnection) -> str:
    """Tells why the session of the browser's cookie is over, in a sentence; "" when there is none,
    or nobody knows."""
    core = core_of(connection)
    cookie = connection.cookies.get(cookies.name(core))
    return await sessions.ending_of(core, cookie) if cookie else ""


Signed = Annotated[Person, Depends(actor)]
MaybeSigned = Annotated[Person | None, Depends(actor_or_none)]
