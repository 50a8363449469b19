"""The engine's HTTP API: one place for timeouts, for what its errors mean, and for counting them.

On aiodocker. Streams (events, logs, pulls, exec) are opened here too, since they must be closed when their reader goes.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiodocker
import aiohttp
import msgspec
from aiodocker.stream import Stream
from yarl import URL

from moorage.agent import causes
from moorage.agent.metrics import ENGINE_ERRORS, ENGINE_SECONDS
from moorage.agent.runtimes.port import RuntimeFault

SOCKETS = ("/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock")
API_VERSION = "v1.41"
"""The oldest that has what is used here (Docker 20.10, Podman 3); newer engines still speak it."""
REQUEST_SECONDS = 120.0
LASTING = ("/create", "/start")
"""An engine goes on making a thing when its client goes away; then it could come after somebody looked for it."""
LASTING_SECONDS = 5.0
_SEGMENT = r"[A-Za-z0-9_.:@+=\[\]-]+"
_PATH = re.compile(rf"images/{_SEGMENT}(/{_SEGMENT})*/json|[a-z]+(/{_SEGMENT}){{0,2}}")
NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10)


class EngineError(Exception):
    """The engine refused a request: `status` as in HTTP."""

    def __init__(self, doing: str, status: int, message: str) -> None:
        super().__init__(f"{doing}: {message} ({status})")
        self.doing = doing
        self.status = status
        self.message = message

    def fault(self) -> RuntimeFault:
        verdict = causes.of_engine(self.doing, self.status, self.message)
        return RuntimeFault(verdict.cause, final=verdict.final)


@contextmanager
def faults() -> Iterator[None]:
    """What the engine refuses becomes what the port promises: a `RuntimeFault`."""
    try:
        yield
    except EngineError as error:
        raise error.fault() from error


def find_host(setting: str, environ: Mapping[str, str] = os.environ) -> str:
    """The engine's address: the setting, `DOCKER_HOST`, or the first usual socket that is there."""
    if given := setting or environ.get("DOCKER_HOST", ""):
        return given
    found = [path for path in SOCKETS if Path(path).is_socket()]
    return f"unix://{found[0] if found else SOCKETS[0]}"


class _Client(aiodocker.Docker):
    """aiodocker's client, with streams that are closed when their reader goes."""

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, params: Mapping[str, Any], headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        response = await self._do_query(path, method, params=params, headers=headers, timeout=NO_TIMEOUT)
        try:
            yield response
        finally:
            response.close()

    async def json(self, method: str, path: str, params: Mapping[str, Any], body: Any) -> Any:
        return await self._query_json(path, method, params=params, data=body)

    async def put(self, path: str, params: Mapping[str, Any], data: bytes) -> None:
        headers = {"Content-Type": "application/x-tar"}
        async with self._query(path, "PUT", params=params, data=data, headers=headers) as response:
            await response.read()


class _EndWins(asyncio.Protocol):
    """Passes all to aiohttp's protocol, and cuts the connection when the engine's side of it ends.

    By itself asyncio closes such a connection only after everything has been sent that waits to be. An engine whose command
    has ended reads no more: with input still waiting, nobody would ever be told of the end.
    """

    def __init__(self, inner: asyncio.Protocol, transport: asyncio.Transport) -> None:
        self._inner = inner
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> None:
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._inner.connection_lost(error)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


class Attached(Stream):
    """A running exec's standard streams. aiodocker's, with the end of input, and with that of output in any case."""

    async def begin(self) -> None:
        await self._init()
        connection = self._resp.connection if self._resp is not None else None
        protocol = connection.protocol if connection is not None else None
        if protocol is not None and isinstance(protocol.transport, asyncio.Transport):
            protocol.transport.set_protocol(_EndWins(protocol, protocol.transport))

    def end_input(self) -> None:
        if self._resp is None or self._resp.connection is None:
            return
        transport = self._resp.connection.transport
        if transport is not None and not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()

    def abandon(self) -> None:
        """Closes it, also where `close` would stumble over a connection that is gone already."""
        self._closed = True
        if self._resp is not None:
            self._resp.close()


class Engine:
    """Raises `EngineError` for what the engine refuses, `RuntimeFault` (not final) when it does not answer."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._connector: aiohttp.BaseConnector | None = None
        if host.startswith("unix://"):
            # No limit: a log that is followed holds its connection, and must not hold others up.
            self._connector = aiohttp.UnixConnector(host.removeprefix("unix://"), limit=0)
            self._client = _Client(url="http://engine", connector=self._connector, api_version=API_VERSION)
        else:
            self._client = _Client(url=host, api_version=API_VERSION)

    async def close(self) -> None:
        await self._client.close()
        if self._connector is not None:
            await self._connector.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        doing: str = "",
        timeout: float = REQUEST_SECONDS,
        missing_ok: bool = False,
        **params: Any,
    ) -> Any:
        """The answer's JSON; None for a 404 when `missing_ok`."""
        doing = doing or f"{method} {path}"
        path = _checked(doing, path)
        try:
            with ENGINE_SECONDS.labels(method).time():
                async with asyncio.timeout(timeout):
                    asked = self._client.json(method, path, _encoded(params), body)
                    return await (_to_its_end(asked) if path.endswith(LASTING) else asked)
        except aiodocker.DockerError as error:
            if error.status == 404 and missing_ok:
                return None
            raise self._refused(doing, error) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._silent(doing, error, timeout) from error

    async def upload(self, container: str, path: str, archive: bytes, *, doing: str) -> None:
        """Unpacks a tar archive in a container, running or not."""
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._client.put(
                    _checked(doing, f"containers/{container}/archive"), {"path": path}, archive
                )
        except aiodocker.DockerError as error:
            raise self._refused(doing, error) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._silent(doing, error, REQUEST_SECONDS) from error

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, doing: str, headers: Mapping[str, str] | None = None, **params: Any
    ) -> AsyncIterator[aiohttp.StreamReader]:
        try:
            path = _checked(doing, path)
            async with self._client.stream(method, path, _encoded(params), headers or {}) as response:
                yield response.content
        except aiodocker.DockerError as error:
            raise self._refused(doing, error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._silent(doing, error, REQUEST_SECONDS) from error

    async def lines(
        self, method: str, path: str, *, doing: str, **params: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """The answer's JSON objects, one per line, as they come."""
        async with self.stream(method, path, doing=doing, **params) as content:
            buffer = b""
            async for data in content.iter_any():
                buffer += data
                *whole, buffer = buffer.split(b"\n")
                for line in whole:
                    if line.strip():
                        yield msgspec.json.decode(line)

    async def create_exec(self, container: str, body: Mapping[str, Any]) -> str:
        """The exec's id. Nothing runs yet."""
        answer = await self.request(
            "POST", f"containers/{container}/exec", dict(body), doing="preparing a command"
        )
        return str(answer["Id"])

    @asynccontextmanager
    async def attach_exec(self, exec_id: str, *, tty: bool) -> AsyncIterator[Attached]:
        """Starts the command of that exec."""
        path = _checked("starting a command", f"exec/{exec_id}/start")

        async def setup() -> tuple[URL, bytes, bool]:
            return URL(path), msgspec.json.encode({"Detach": False, "Tty": tty}), tty

        attached = Attached(self._client, setup, NO_TIMEOUT)
        try:
            await attached.begin()
            yield attached
        except aiodocker.DockerError as error:
            raise self._refused("starting a command", error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._silent("running a command", error, REQUEST_SECONDS) from error
        finally:
            attached.abandon()

    def _refused(self, doing: str, error: aiodocker.DockerError) -> Exception:
        if error.status == 900:  # aiodocker's number for: no connection
            return self._silent(doing, error, REQUEST_SECONDS)
        ENGINE_ERRORS.labels(str(error.status)).inc()
        return EngineError(doing, error.status, str(error.message))

    def _silent(self, doing: str, error: BaseException, seconds: float) -> RuntimeFault:
        ENGINE_ERRORS.labels("unreachable").inc()
        if isinstance(error, TimeoutError):
            verdict = causes.engine_slow(self.host, doing, seconds)
        else:
            verdict = causes.engine_unreachable(self.host, str(error) or repr(error))
        return RuntimeFault(verdict.cause, final=verdict.final)


def _checked(doing: str, path: str) -> str:
    """The path as it is. Names and ids are parts of paths: what could leave its part, or begin a query, goes to no engine.

    Raises `EngineError` (400)."""
    if not _PATH.fullmatch(path) or any(part in (".", "..") for part in path.split("/")):
        raise EngineError(doing, 400, f"{path[:200]!r} is no path of the engine's API")
    return path


async def _to_its_end(asked: Coroutine[Any, Any, Any]) -> Any:
    """Waits for the answer also when it is cancelled, for some seconds."""
    task = asyncio.create_task(asked)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=LASTING_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise


def _encoded(params: Mapping[str, Any]) -> dict[str, str]:
    """Query parameters: `all_` stands for `all`; objects become JSON; None is left out."""
    encoded = {}
    for name, value in params.items():
        if value is None:
            continue
        if isinstance(value, bool):
            text = "1" if value else "0"
        elif isinstance(value, dict):
            text = msgspec.json.encode(value).decode()
        else:
            text = str(value)
        encoded[name.rstrip("_")] = text
    return encoded
