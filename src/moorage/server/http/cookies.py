"""The server's session cookie: host-only, HttpOnly, SameSite=Lax; under TLS Secure and named `__Host-moorage`."""

from __future__ import annotations

from starlette.responses import Response

from moorage.server.accounts.schemas import SignedIn
from moorage.server.state import ServerState


def name(state: ServerState) -> str:
    """`moorage`, or under TLS `__Host-moorage`, which no neighbour under the same domain can set."""
    return "__Host-moorage" if state.settings.secure else "moorage"


def set_session(response: Response, state: ServerState, signed_in: SignedIn) -> None:
    """The cookie lasts until the browser is closed; the session behind it ends by itself."""
    response.set_cookie(
        name(state), signed_in.token, path="/", secure=state.settings.secure, httponly=True, samesite="lax"
    )


def clear_session(response: Response, state: ServerState) -> None:
    response.delete_cookie(name(state), path="/", secure=state.settings.secure, httponly=True, samesite="lax")
