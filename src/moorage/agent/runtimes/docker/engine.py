"""A thin client of the Docker Engine API on aiohttp: what the agent needs of it and no more.

One place for timeouts, for what the engine's errors mean, and for counting them. A stream (events,
logs, pulls, exec) is closed when its reader goes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import msgspec

from moorage.agent import causes
from moorage.agent.metrics import ENGINE_ERRORS, ENGINE_SECONDS
from moorage.agent.runtimes.docker.access import access_of
from moorage.agent.runtimes.docker.streams import Attached, Refused, attach, message_of
from moorage.agent.runtimes.port import RuntimeFault

API_VERSION = "v1.41"
"""The oldest that has what is used here (Docker 20.10, Podman 3); newer engines still speak it."""
REQUEST_SECONDS = 120.0
LASTING = ("/create", "/start")
"""An engine goes on making a thing when its client goes away; then it could come after somebody
looked for it."""
LASTING_SECONDS = 5.0
_SEGMENT = r"[A-Za-z0-9_.:@+=\[\]-]+"
_PATH = re.compile(rf"images/{_SEGMENT}(/{_SEGMENT})*/json|[a-z]+(/{_SEGMENT}){{0,2}}")
_TAR_HEADERS = 16 << 10
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
    """Turns a refusal of the engine's into what the port promises, a `RuntimeFault`."""
    try:
        yield
    except EngineError as error:
        raise error.fault() from error


class Engine:
    """Raises `EngineError` for what the engine refuses, `RuntimeFault` (not final) when it does not
    answer."""

    def __init__(self, host: str) -> None:
        """`host`: see `access.access_of`. Raises `Misconfigured`."""
        self.host = host
        self._access = access_of(host)
        connector: aiohttp.BaseConnector
        # No limit: a log that is followed holds its connection, and must not hold others up.
        if self._access.socket:
            connector = aiohttp.UnixConnector(self._access.socket, limit=0)
        else:
            connector = aiohttp.TCPConnector(ssl=self._access.tls or True, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=NO_TIMEOUT, trust_env=False
        )

    @property
    def is_local(self) -> bool:
        """Whether it is reached by a socket of this machine."""
        return bool(self._access.socket)

    async def close(self) -> None:
        await self._session.close()

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
        """The answer's JSON, None when it has none; None for a 404 when `missing_ok`."""
        doing = doing or f"{method} {path}"
        path = _checked(doing, path)
        with ENGINE_SECONDS.labels(method).time(), self._silence(doing, timeout):
            async with asyncio.timeout(timeout):
                asked = self._json(method, path, doing, params, body)
                try:
                    return await (_to_its_end(asked) if path.endswith(LASTING) else asked)
                except EngineError as error:
                    if error.status == 404 and missing_ok:
                        return None
                    raise

    async def upload(self, container: str, path: str, archive: bytes, *, doing: str) -> None:
        """Unpacks a tar archive in a container, running or not."""
        target = _checked(doing, f"containers/{container}/archive")
        headers = {"Content-Type": "application/x-tar"}
        with self._silence(doing):
            async with asyncio.timeout(REQUEST_SECONDS):
                async with self._answer(
                    "PUT", target, doing, {"path": path}, data=archive, headers=headers
                ) as response:
                    await response.read()

    async def download(self, container: str, path: str, *, most: int, doing: str) -> bytes | None:
        """A tar archive of what is at that path of a container, cut off after `most` bytes (and
        some for its headers); None: nothing is there."""
        target = _checked(doing, f"containers/{container}/archive")
        with self._silence(doing):
            async with asyncio.timeout(REQUEST_SECONDS):
                try:
                    async with self._answer("GET", target, doing, {"path": path}) as response:
                        return await _beginning(response.content, most + _TAR_HEADERS)
                except EngineError as error:
                    if error.status == 404:
                        return None
                    raise

    async def has(self, container: str, path: str, *, doing: str) -> bool:
        """Whether something is at that path of a container."""
        target = _checked(doing, f"containers/{container}/archive")
        with self._silence(doing):
            async with asyncio.timeout(REQUEST_SECONDS):
                try:
                    async with self._answer("HEAD", target, doing, {"path": path}):
                        return True
                except EngineError as error:
                    if error.status == 404:
                        return False
                    raise

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        headers: Mapping[str, str] | None = None,
        **params: Any,
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """The answer's body as it comes."""
        path = _checked(doing, path)
        with self._silence(doing):
            async with self._answer(method, path, doing, params, headers=headers) as response:
                yield response.content

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
        """Starts the command of that exec, and holds its standard streams."""
        doing = "starting a command"
        path = f"/{API_VERSION}/{_checked(doing, f'exec/{exec_id}/start')}"
        body = msgspec.json.encode({"Detach": False, "Tty": tty})
        with self._silence(doing):
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    attached = await attach(self._access, path, body, tty=tty)
            except Refused as error:
                raise _refused(doing, error.status, error.message) from error
            try:
                yield attached
            finally:
                attached.abandon()

    async def _json(
        self, method: str, path: str, doing: str, params: Mapping[str, Any], body: Any
    ) -> Any:
        headers = {"Content-Type": "application/json"}
        data = None if body is None else msgspec.json.encode(body)
        async with self._answer(
            method, path, doing, params, data=data, headers=headers
        ) as response:
            text = await response.read()
            is_json = response.content_type == "application/json"
        return msgspec.json.decode(text) if text and is_json else None

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        doing: str,
        params: Mapping[str, Any],
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is no refusal.

        What is left of a stream is not read to its end: its connection goes.
        """
        url = f"{self._access.url}/{API_VERSION}/{path}"
        response = await self._session.request(
            method, url, params=_encoded(params), data=data, headers=headers
        )
        try:
            if response.status >= 400:
                raise _refused(doing, response.status, message_of(await response.read()))
            yield response
        finally:
            response.close()

    @contextmanager
    def _silence(self, doing: str, seconds: float = REQUEST_SECONDS) -> Iterator[None]:
        """Turns what an engine that does not answer causes into a `RuntimeFault`."""
        try:
            yield
        except (aiohttp.ClientError, OSError, EOFError) as error:
            ENGINE_ERRORS.labels("unreachable").inc()
            if isinstance(error, TimeoutError):
                verdict = causes.engine_slow(self.host, doing, seconds)
            else:
                verdict = causes.engine_unreachable(self.host, str(error) or repr(error))
            raise RuntimeFault(verdict.cause, final=verdict.final) from error


async def _beginning(content: aiohttp.StreamReader, most: int) -> bytes:
    data = bytearray()
    async for chunk in content.iter_any():
        data += chunk
        if len(data) > most:
            break
    return bytes(data[:most])


def _refused(doing: str, status: int, message: str) -> EngineError:
    ENGINE_ERRORS.labels(str(status)).inc()
    return EngineError(doing, status, message)


def _checked(doing: str, path: str) -> str:
    """The path as it is.

    Names and ids are parts of paths: what could leave its part, or begin a query, goes to no
    engine.

    Raises `EngineError` (400).
    """
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
