"""The server's session cookie: host-only, HttpOnly, SameSite=Lax; under TLS Secure and named
`__Host-moorage`."""

from __future__ import annotations

from starlette.responses import Response

from moorage.server.accounts.schemas import SignedIn
from moorage.server.core import Core


def name(core: Core) -> str:
    """`moorage`, or under TLS `__Host-moorage`, which no neighbour under the same domain can
    set."""
    return "__Host-moorage" if core.settings.secure else "moorage"


def set_session(response: Response, core: Core, signed_in: SignedIn) -> None:
    """The cookie lasts until the browser is closed; the session behind it ends by itself."""
    response.set_cookie(
        name(core),
        signed_in.token,
        path="/",
        secure=core.settings.secure,
        httponly=True,
        samesite="lax",
    )


def clear_session(response: Response, core: Core) -> None:
    response.delete_cookie(
        name(core), path="/", secure=core.settings.secure, httponly=True, samesite="lax"
    )
