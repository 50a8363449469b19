"""A gateway with everything around it: real HAProxy, real controller, a small honest server, small
workspaces."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from moorage.contract import ActualState, DesiredState
from moorage.contract import gateway as contract
from moorage.kernel.home import Home, write_private
from moorage.kernel.ids import new_secret, short_id

ANA, BOB = 1, 2
NAMES = {ANA: "ana", BOB: "bob"}


async def eventually(
    what: str, probe: Callable[[], Any | Awaitable[Any]], *, within: float = 60, every: float = 0.02
) -> Any:
    """The probe's first true value."""
    deadline = time.monotonic() + within
    while True:
        value = probe()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {within} s: {what}; last seen: {value!r}"
        await asyncio.sleep(every)


@contextlib.asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[None]:
    """Runs an ASGI application in this loop until the block ends."""
    config = uvicorn.Config(
        app,
        log_config=None,
        lifespan="off",
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
        **options,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server._serve())
    await eventually("it listens", lambda: server.started or task.done())
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        await task


class FakeServer:
    """The server as a gateway knows it: sign-in, exchange, start, the stream; and a page and an API
    behind the zone."""

    def __init__(self, zone_url: str, token: str) -> None:
        self.zone_url = zone_url
        self.url = zone_url
        """Where browsers find it."""
        self.token = token
        self.revision = 1
        self.routes: dict[str, contract.Route] = {}
        self.sessions: dict[str, contract.Session] = {}
        self.grants: list[contract.Grant] = []
        self.codes: dict[str, tuple[str, str]] = {}
        self.started: list[tuple[str, int]] = []
        self.ended: list[str] = []
        self.used: list[dict[str, float]] = []
        """What gateways told of sessions' use: when it was, by session."""
        self.seen: list[dict[str, str]] = []
        self.listeners: set[asyncio.Queue[str]] = set()
        self.session_seconds = 3600.0
        self.push_sessions = True

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                WebSocketRoute(contract.PATH, self.connect),
                Route(contract.EXCHANGE_PATH, self.exchange, methods=["POST"]),
                Route(contract.START_PATH, self.start, methods=["POST"]),
                Route(contract.USE_PATH, self.use_sessions, methods=["POST"]),
                Route(contract.SESSION_PATH, self.end_session, methods=["DELETE"]),
                Route(contract.AUTHORIZE_PATH, self.authorize),
                Route("/sign-in", lambda _: HTMLResponse("<h1>Sign in</h1>")),
                Route("/internal/other", lambda _: PlainTextResponse("secret")),
                Route("/metrics", lambda _: PlainTextResponse("server_metric 1\n")),
                Route("/healthz", lambda _: PlainTextResponse("ok")),
                Route("/stream", self.stream),
                WebSocketRoute("/ws", echo_websocket),
                Route("/{path:path}", self.anything, methods=["GET", "POST"]),
            ]
        )

    def push(self, **change: Any) -> None:
        """Applies a change and tells it to whoever listens."""
        self.revision += 1
        message = contract.RouteChange(revision=self.revision, **change)
        self._apply(message)
        for queue in self.listeners:
            queue.put_nowait(contract.encode(message))

    def _apply(self, change: contract.RouteChange) -> None:
        self.routes.update({route.workspace: route for route in change.routes})
        self.sessions.update({session.id: session for session in change.sessions})
        self.grants += change.grants
        for name in change.removed_routes:
            self.routes.pop(name, None)
        for session_id in change.removed_sessions:
            self.sessions.pop(session_id, None)
        self.grants = [grant for grant in self.grants if grant not in change.removed_grants]

    async def connect(self, websocket: WebSocket) -> None:
        if websocket.headers.get("authorization") != f"Bearer {self.token}":
            await websocket.close()
            return
        await websocket.accept()
        queue: asyncio.Queue[str] = asyncio.Queue()
        table = contract.RouteTable(
            revision=self.revision,
            server_url=self.url,
            routes=tuple(self.routes.values()),
            sessions=tuple(self.sessions.values()),
            grants=tuple(self.grants),
        )
        queue.put_nowait(contract.encode(table))
        self.listeners.add(queue)
        try:
            while True:
                await websocket.send_text(await queue.get())
        except (WebSocketDisconnect, RuntimeError, asyncio.CancelledError):
            pass
        finally:
            self.listeners.discard(queue)

    async def authorize(self, request: Request) -> Response:
        """Whoever has the cookie `moorage=<user id>` is signed in."""
        user = int(request.cookies.get("moorage", "0"))
        if user not in NAMES:
            return RedirectResponse("/sign-in", 303)
        redirect_uri = request.query_params["redirect_uri"]
        assert redirect_uri == f"{self.zone_url}/auth/callback"
        code = new_secret()
        session = contract.Session(
            id=short_id(20),
            user=user,
            user_name=NAMES[user],
            expires_at=time.time() + self.session_seconds,
        )
        self.sessions[session.id] = session
        self.codes[code] = (session.id, redirect_uri)
        state = request.query_params["state"]
        return RedirectResponse(f"{redirect_uri}?code={code}&state={state}", 303)

    async def exchange(self, request: Request) -> Response:
        asked = contract.msgspec.json.decode(await request.body(), type=contract.ExchangeRequest)
        session_id, redirect_uri = self.codes.pop(asked.code, ("", ""))
        if not session_id or redirect_uri != asked.redirect_uri:
            return JSONResponse({"code": "code-invalid", "detail": "The code is not valid."}, 403)
        session = self.sessions[session_id]
        if self.push_sessions:
            self.push(sessions=(session,))
        return Response(contract.encode(session))

    async def start(self, request: Request) -> Response:
        asked = contract.msgspec.json.decode(await request.body(), type=contract.StartRequest)
        self.started.append((request.path_params["workspace"], asked.user))
        return Response(status_code=204)

    async def use_sessions(self, request: Request) -> Response:
        told = contract.msgspec.json.decode(await request.body(), type=contract.SessionsUsed)
        self.used.append({key: time.time() - ago for key, ago in told.used.items()})
        return Response(status_code=204)

    async def end_session(self, request: Request) -> Response:
        self.ended.append(request.path_params["session"])
        self.push(removed_sessions=(request.path_params["session"],))
        return Response(status_code=204)

    async def anything(self, request: Request) -> Response:
        body = await request.body()
        self.seen.append(dict(request.headers))
        return JSONResponse(
            {"server": request.url.path, "bytes": len(body), "headers": dict(request.headers)}
        )

    async def stream(self, _request: Request) -> Response:
        async def events() -> AsyncIterator[str]:
            yield "data: first\n\n"
            await asyncio.sleep(3600)

        return StreamingResponse(events(), media_type="text/event-stream")


async def echo_websocket(websocket: WebSocket) -> None:
    await websocket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await websocket.send_text(f"echo {await websocket.receive_text()}")


class Upstream:
    """A program in a workspace: says who it is and what reached it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[dict[str, str]] = []

    @property
    def app(self) -> Starlette:
        methods = ["GET", "POST", "PUT"]
        return Starlette(
            routes=[
                WebSocketRoute("/ws", echo_websocket),
                Route("/cookies", self.cookies),
                Route("/stream", self.stream),
                Route("/slow", self.slow, methods=methods),
                Route("/{path:path}", self.anything, methods=methods),
            ]
        )

    async def anything(self, request: Request) -> Response:
        body = await request.body()
        self.seen.append(dict(request.headers))
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return JSONResponse(
            {
                "upstream": self.name,
                "path": path,
                "bytes": len(body),
                "headers": dict(request.headers),
            }
        )

    async def slow(self, request: Request) -> Response:
        """Says nothing for so many seconds."""
        await asyncio.sleep(float(request.query_params["seconds"]))
        return await self.anything(request)

    async def cookies(self, _request: Request) -> Response:
        answer = PlainTextResponse("cookies")
        for cookie in (
            "moorage_session=planted; Path=/",
            "=moorage_session=nameless",
            "__Host-moorage_session=planted; Path=/; Secure",
            "mine=1; Path=/",
        ):
            answer.headers.append("set-cookie", cookie)
        return answer

    async def stream(self, _request: Request) -> Response:
        async def events() -> AsyncIterator[str]:
            yield "data: first\n\n"
            await asyncio.sleep(3600)

        return StreamingResponse(events(), media_type="text/event-stream")


class Loopback(httpx.AsyncHTTPTransport):
    """Reaches every host at 127.0.0.1, as a browser does with `*.localhost`; the Host header
    stays."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1"),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return await super().handle_async_request(sent)


def browser(**options: Any) -> httpx.AsyncClient:
    """A person's browser: cookies of its own, follows redirects, asks for pages."""
    return httpx.AsyncClient(
        transport=Loopback(verify=False),
        follow_redirects=options.pop("follow_redirects", True),
        headers={"Accept": "text/html,*/*;q=0.8"},
        timeout=60,
        **options,
    )


class Gateway:
    """Controller and HAProxy as processes in a state folder of their own."""

    def __init__(self, home: Home, port: int, **settings: Any) -> None:
        self.home = home
        self.port = port
        self.scheme = "https" if "tls_certificate" in settings else "http"
        self.url = f"{self.scheme}://moorage.localhost:{port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.prefix: list[str] = []
        """What the processes' command lines begin with."""
        self.environment: dict[str, str] = {}
        """Of the processes, beside this one's."""
        home.make()
        for name in ("gateway-key", "gateway-token"):
            write_private(home.secret_file(name), new_secret() + "\n")
        table = {"port": port, "threads": 1, "workspace_networks": ["127.0.0.0/8"], **settings}
        lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
        write_private(home.settings, "[gateway]\n" + "\n".join(lines) + "\n")

    def start(self, name: str) -> None:
        module = {"controller": "moorage.gateway", "haproxy": "moorage.gateway.haproxy"}[name]
        log = (self.home.logs / f"{name}.log").open("ab")
        with log:
            self.processes[name] = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", module, "--home", str(self.home.path)],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )

    def log(self, name: str) -> str:
        return (self.home.logs / f"{name}.log").read_text()

    def kill(self, name: str, how: int = signal.SIGKILL) -> None:
        self.processes[name].send_signal(how)
        self.processes[name].wait(60)

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            process.wait(60)

    def host(self, workspace: str, port: int) -> str:
        return f"{port}-{workspace}.moorage.localhost"

    def at(self, workspace: str, port: int, path: str = "/") -> str:
        return f"{self.scheme}://{self.host(workspace, port)}:{self.port}{path}"

    async def until_ready(self) -> None:
        """HAProxy answers, the controller has heard the server, and the maps are told."""

        async def ready() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                async with httpx.AsyncClient() as client:
                    metrics = (
                        await client.get(f"http://127.0.0.1:{self.port + 1}/metrics/gateway")
                    ).text
                return (
                    "moorage_gateway_server_connected 1.0" in metrics
                    and "moorage_gateway_haproxy_connected 1.0" in metrics
                )
            return False

        try:
            await eventually("the gateway is ready", ready, within=90)
        except AssertionError as error:
            raise AssertionError(
                f"{error}\n{self.log('controller')}\n{self.log('haproxy')}"
            ) from error

    async def metric(self, line: str) -> float:
        """The value of the metric whose line starts so."""
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"http://127.0.0.1:{self.port + 1}/metrics/gateway")).text
        found = [entry for entry in text.splitlines() if entry.startswith(line)]
        return float(found[0].rsplit(" ", 1)[1]) if found else 0.0


def new_home() -> Home:
    return Home(Path(tempfile.mkdtemp(prefix="mrgw-")))


def remove(home: Home) -> None:
    shutil.rmtree(home.path, ignore_errors=True)


def route(name: str, owner: int, address: str, **fields: Any) -> contract.Route:
    state = fields.pop("state", ActualState.RUNNING if address else ActualState.STOPPED)
    desired = fields.pop("desired", DesiredState.RUNNING if address else DesiredState.STOPPED)
    return contract.Route(
        workspace=name,
        owner=owner,
        title="demo",
        address=address,
        state=state,
        desired=desired,
        **fields,
    )
