"""Stylesheet, scripts and icon, to be kept by browsers for ever."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from moorage import theme
from moorage.kernel.errors import NotFound

router = APIRouter()


@router.get("/assets/{digest}/{name}")
async def asset(digest: str, name: str) -> Response:
    found = theme.asset(name)
    if found is None:
        raise NotFound("There is nothing at this address.")
    headers = {"Cache-Control": theme.cache_control(digest)}
    return Response(found.body, media_type=found.content_type, headers=headers)
