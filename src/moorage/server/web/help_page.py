"""The page of help: what a person needs to know of Moorage, also before they have signed in."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from moorage import wording
from moorage.server.accounts.authentication import MaybeSigned
from moorage.server.http.context import ServerCore
from moorage.server.web import pages

router = APIRouter()


@router.get("/help")
async def help_page(request: Request, core: ServerCore, actor: MaybeSigned) -> Response:
    return pages.page(
        request, "help.html", actor=actor, badges=wording.badges(), origin=core.settings.origin
    )
