"""The one page that gateways send browsers to: it hands their session over."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from moorage.contract.gateway import AUTHORIZE_PATH
from moorage.kernel.errors import InvalidInput
from moorage.server.accounts import handover
from moorage.server.accounts.authentication import MaybeSigned
from moorage.server.agents.gateways import callbacks
from moorage.server.http.context import ServerCore

router = APIRouter()


@router.get(AUTHORIZE_PATH)
async def authorize(
    request: Request,
    core: ServerCore,
    actor: MaybeSigned,
    redirect_uri: str = "",
) -> Response:
    """Hands the browser's session over to the gateway at `redirect_uri`, after signing in when
    nobody is.

    The `core` parameter is the gateway's own affair and goes back to it untouched.
    """
    if redirect_uri not in await callbacks(core):
        raise InvalidInput(
            "The address to go back to belongs to no gateway of this installation.",
            code="redirect-unknown",
            field="redirect_uri",
        )
    if actor is None or not actor.session:
        here = quote(f"{request.url.path}?{request.url.query}", safe="")
        return _redirect(f"/sign-in?next={here}")
    code = await handover.create_code(core, actor, redirect_uri)
    answer = urlencode({"code": code, "state": request.query_params.get("state", "")})
    return _redirect(f"{redirect_uri}?{answer}")


def _redirect(url: str) -> RedirectResponse:
    return RedirectResponse(url, 302, headers={"Cache-Control": "no-store"})
