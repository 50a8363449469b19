"""The web pages: server-rendered, live by server-sent events, usable without JavaScript.

Pages call the domains' services, as the API does, and never the database or the API. What a page says is made in `views`
(pure) and what a form holds is read in `forms` (pure); `pages` renders; the other modules are routes, thin.
"""

from __future__ import annotations

from fastapi import APIRouter

from moorage.server.state import ServerState
from moorage.server.web import administration, agents, assets, creation, found, sign_in, workspaces
from moorage.server.web.pages import render_problem

__all__ = ["create_router", "render_problem"]


def create_router(state: ServerState) -> APIRouter:
    """All pages, and the assets that they name. Routes find the state by the request, as those of the API do."""
    router = APIRouter(include_in_schema=False)
    for part in (assets, sign_in, workspaces, creation, agents, found, administration):
        router.include_router(part.router)
    return router
