"""The ASGI application: routes, pages, and what surrounds them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse, Response

from moorage import __version__
from moorage.kernel.tasks import forever
from moorage.server import housekeeping, metrics, web
from moorage.server.accounts import routes as accounts
from moorage.server.agents import connections
from moorage.server.agents import routes as agents
from moorage.server.found import routes as found
from moorage.server.http import problems
from moorage.server.http.context import State
from moorage.server.http.middleware import Surround
from moorage.server.routing import routes as routing_routes
from moorage.server.routing import services as routing
from moorage.server.state import ServerState
from moorage.server.workspaces import routes as workspaces

API = "/api/v1"

_own = APIRouter(include_in_schema=False)


@_own.get("/healthz")
async def healthz() -> Response:
    return PlainTextResponse("ok\n")


@_own.get("/metrics")
async def read_metrics(state: State) -> Response:
    return Response(state.metrics.text(), media_type=metrics.CONTENT_TYPE)


def make_application(state: ServerState) -> FastAPI:
    """Its lifespan runs the background tasks. There is no page of documentation: what FastAPI offers loads from a CDN."""
    app = FastAPI(
        title="Moorage",
        version=__version__,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.moorage = state
    api = APIRouter(prefix=API)
    for router in (accounts.api, agents.api, found.api, workspaces.api):
        api.include_router(router)
    for router in (api, accounts.pages, connections.internal, routing_routes.internal, _own):
        app.include_router(router)
    app.include_router(web.create_router(state))
    state.render_problem = web.render_problem
    problems.install(app)
    app.add_middleware(Surround, state=state)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: ServerState = app.state.moorage
    work: dict[str, Callable[[ServerState], Awaitable[None]]] = {
        "server.changes": lambda state: state.changes.run(),
        "server.routing": routing.follow,
        "server.housekeeping": housekeeping.look_after,
        "server.limits": housekeeping.keep_limits,
    }
    tasks = [
        asyncio.create_task(forever(name, lambda run=run: run(state)), name=name)  # type: ignore[misc]
        for name, run in work.items()
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
