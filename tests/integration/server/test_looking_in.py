"""What an administrator is told of somebody else's workspace, on every way there is."""

from __future__ import annotations

import asyncio

import pytest
from httpx import AsyncClient

from integration.server.harness import ORIGIN, Server, addresses, events, eventually
from integration.server.test_streams import next_event
from moorage.contract import (
    ActualState,
    Cause,
    ContainerState,
    ContainerStatus,
    Stage,
    StageName,
    StageState,
)

LINE = "SECRET=from-inside"
PAGE = {"Accept": "text/html"}


async def failed(server: Server, repository: str, token: str) -> str:
    """A workspace of somebody's that has failed, with its programs' words wherever an agent puts
    them; its name."""
    name = (await server.post("/workspaces", {"repository": repository}, token)).json()["name"]
    async with server.agent() as agent:
        await agent.report(
            name,
            1,
            ActualState.FAILED,
            stages=(
                Stage(name=StageName.CLONE, state=StageState.FAILED, started_at=1.0, detail=LINE),
            ),
            cause=Cause(
                code="container-crashed", message="Container main ended.", detail=LINE, since=1.0
            ),
            containers=(
                ContainerStatus(
                    name="main", image="i", state=ContainerState.EXITED, exit_code=1, detail=LINE
                ),
            ),
            post_start={"install": LINE},
        )

        async def stored() -> bool:
            return bool(
                (await server.get(f"/workspaces/{name}", token)).json()["state"] == "Failed"
            )

        await eventually(stored)
    return name


def readable(server: Server) -> list[str]:
    """All addresses that show something of workspaces, as routes have them."""
    left_out = ("/assets", "/metrics", "/healthz")
    return sorted(
        path
        for method, path in addresses(server)
        if method == "GET" and not path.startswith(left_out)
    )


async def shown(client: AsyncClient, path: str) -> tuple[int, str]:
    """What the address answers; of a stream, its first event."""
    async with client.stream("GET", path, headers=PAGE, follow_redirects=False) as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return answer.status_code, await next_event(answer.aiter_lines())
        return answer.status_code, (await answer.aread()).decode()


async def test_administrators_read_no_line_from_inside(
    server: Server, repository: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """No page, no answer and no stream of the whole server says to an administrator what the
    programs in somebody else's workspace wrote; nor does the server's log. Its owner reads it."""
    ann = await server.user("ann")
    name = await failed(server, repository, ann)
    told = {}
    cookies = {"moorage": await server.session("admin")}
    async with server.client(None, cookies=cookies) as admin, server.client(ann) as owner:
        for path in readable(server):
            for everyones in ("", "?all=true"):
                address = path.replace("{name}", name) + everyones
                status, text = await shown(admin, address)
                assert LINE not in text, address
                told[path] = status
        for path in ("", "/live", "/events"):
            before = "/api/v1/workspaces" if path == "/events" else "/workspaces"
            assert LINE in (await shown(owner, f"{before}/{name}{path}"))[1]
        for method, path in (("POST", "stop"), ("DELETE", "")):
            answer = await admin.request(
                method, f"/api/v1/workspaces/{name}/{path}".rstrip("/"), headers={"Origin": ORIGIN}
            )
            assert answer.status_code == 202
            assert LINE not in answer.text
    seen = {path for path, status in told.items() if status == 200}
    assert {
        "/",
        "/live",
        "/workspaces/{name}",
        "/workspaces/{name}/live",
        "/api/v1/workspaces",
        "/api/v1/workspaces/events",
        "/api/v1/workspaces/{name}",
        "/api/v1/workspaces/{name}/events",
        "/api/v1/workspaces/{name}/ports",
    } <= seen
    assert LINE not in "".join(capfd.readouterr())


async def test_an_administrators_stream_stays_outside(server: Server, repository: str) -> None:
    """Also what changes is told without the lines, beside an owner who watches the same workspace
    with them."""
    ann = await server.user("ann")
    name = await failed(server, repository, ann)
    async with server.client() as admin, server.client(ann) as owner, server.agent() as agent:
        streams = [events(client, f"/api/v1/workspaces/{name}/events") for client in (admin, owner)]
        for stream in streams:
            await anext(stream)
        await agent.report(
            name, 1, ActualState.FAILED, cause=Cause(code="later", message="Later.", detail=LINE)
        )
        async with asyncio.timeout(5):
            causes = []
            for stream in streams:
                while (said := (await anext(stream))[1])["cause"]["code"] != "later":
                    pass
                causes.append(said["cause"]["detail"])
        assert causes == ["", LINE]
        for stream in streams:
            await stream.aclose()
