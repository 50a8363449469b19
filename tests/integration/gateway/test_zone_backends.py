"""A process that is to answer browsers on the zone's host is one more row."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from integration.gateway.installation import eventually, new_home, remove, serving
from moorage.gateway import launch
from moorage.gateway.haproxy.backends import ZoneBackend, zone_backends
from moorage.gateway.haproxy.configuration import render
from moorage.gateway.haproxy.upstream import by_socket
from moorage.gateway.settings import GatewaySettings
from moorage.kernel.home import Home, write_private
from ports import free_ports

pytestmark = pytest.mark.haproxy

RULES = """
  http-request set-header X-Rule registry
  option forwardfor
"""


def answering(name: str) -> Starlette:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(
            f"{name} {request.url.path} {request.headers.get('x-rule', '')}".strip()
        )

    return Starlette(routes=[Route("/{path:path}", answer)])


@contextlib.asynccontextmanager
async def haproxy_with_a_registry(home: Home, port: int) -> AsyncIterator[None]:
    settings = GatewaySettings(port=port, threads=1)
    write_private(home.secret_file("gateway-key"), "k" * 43)
    launch.prepare(home, settings)
    configuration = launch.configuration_of(home, settings, "")
    registry = ZoneBackend(
        "registry", ("/v2/",), by_socket("../run/registry.sock"), RULES, "server_away"
    )
    rows = (registry, *zone_backends(configuration.controller, configuration.server))
    write_private(home.gateway / launch.CONFIGURATION, render(configuration, rows))
    process = await asyncio.create_subprocess_exec(
        "haproxy", "-db", "-f", launch.CONFIGURATION, cwd=home.gateway
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def test_a_row_leads_its_paths_to_its_process(tmp_path: Path):
    """By its rules, and no other path; away, it is said so. What others have, and workspaces'
    hosts, are as before."""
    home, port = new_home(), free_ports(2)
    home.make()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(remove, home)
        for name in ("server", "gateway"):
            await stack.enter_async_context(serving(answering(name), uds=str(home.socket(name))))
        registry = await stack.enter_async_context(contextlib.AsyncExitStack())
        await registry.enter_async_context(
            serving(answering("registry"), uds=str(home.socket("registry")))
        )
        await stack.enter_async_context(haproxy_with_a_registry(home, port))
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}")
        )

        async def said(path: str, host: str = GatewaySettings().zone) -> str:
            return (await client.get(path, headers={"Host": host})).text

        async def listens() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return bool(await said("/"))
            return False

        await eventually("HAProxy listens", listens)
        assert await said("/v2/library/base") == "registry /v2/library/base registry"
        assert await said("/v2x") == "server /v2x"
        assert await said("/auth/start") == "gateway /auth/start"
        elsewhere = f"80-workspace-1-1-aaaaaa.{GatewaySettings().zone}"
        assert await said("/v2/library/base", elsewhere) == "gateway /v2/library/base"
        await registry.aclose()
        answer = await client.get("/v2/", headers={"Host": GatewaySettings().zone})
        assert (answer.status_code, answer.json()["code"]) == (503, "server-away")
