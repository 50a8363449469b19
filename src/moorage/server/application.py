"""The ASGI application: routes, pages, and what surrounds them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse, Response

from moorage import __version__
from moorage.kernel.tasks import running
from moorage.server import cleaning, metrics, web
from moorage.server.audit import denials
from moorage.server.core import Core
from moorage.server.domain import Background, Domain
from moorage.server.domains import DOMAINS
from moorage.server.http import problems
from moorage.server.http.context import ServerCore
from moorage.server.http.middleware import RequestMiddleware

API = "/api/v1"

_own = APIRouter(include_in_schema=False)


@_own.get("/healthz")
async def healthz() -> Response:
    return PlainTextResponse("ok\n")


@_own.get("/metrics")
async def read_metrics(core: ServerCore) -> Response:
    return Response(core.metrics.text(), media_type=metrics.CONTENT_TYPE)


def make_application(core: Core, domains: Sequence[Domain] = DOMAINS) -> FastAPI:
    """Its lifespan runs the background tasks. There is no page of documentation: what FastAPI
    offers loads from a CDN."""
    app = FastAPI(
        title="Moorage",
        version=__version__,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lambda _app: _background(core, domains),
    )
    app.state.moorage = core
    app.state.documentation = core.settings.documentation_url
    app.state.navigation = tuple(link for domain in domains for link in domain.navigation)
    for domain in domains:
        for router in domain.api:
            app.include_router(router, prefix=API)
    for domain in domains:
        for router in (*domain.internal, *domain.pages):
            app.include_router(router, include_in_schema=False)
    app.include_router(_own)
    problems.install(app, web.render_problem, denials.hear)
    app.add_middleware(RequestMiddleware, core=core)
    return app


@asynccontextmanager
async def _background(core: Core, domains: Sequence[Domain]) -> AsyncIterator[None]:
    work: dict[str, Background] = {
        "server.changes": lambda core: core.changes.run(),
        "server.cleaning": lambda core: cleaning.keep(core, domains),
    }
    for domain in domains:
        work |= domain.background
    async with running({name: partial(run, core) for name, run in work.items()}):
        yield
