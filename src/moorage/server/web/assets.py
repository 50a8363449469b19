"""Stylesheet, scripts and icon, to be kept by browsers for ever."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from moorage import theme
from moorage.kernel.errors import NotFound

router = APIRouter()


@router.get("/assets/{digest}/{name}")
async def asset(request: Request, digest: str, name: str) -> Response:
    found = theme.asset(name)
    if found is None:
        raise NotFound("There is nothing at this address.")
    body, headers = found.answer(digest, request.headers.get("accept-encoding", ""))
    return Response(body, media_type=found.content_type, headers=headers)
