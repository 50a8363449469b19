"""The server as the gateway sees it: a stream to listen to, and three questions, each once per
sign-in or click."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec
from websockets.asyncio.client import connect, unix_connect
from websockets.exceptions import InvalidProxyStatus, InvalidStatus, ProxyError, WebSocketException

from moorage.contract import gateway as contract
from moorage.contract.spec import Message
from moorage.gateway import trust
from moorage.kernel.errors import BY_STATUS, MoorageError, Unavailable
from moorage.kernel.proxies import proxy_of

_CLOSE_SECONDS = 1.0
"""We only listen: nothing is lost by not waiting for the server's goodbye."""
_TABLE_LIMIT = 256 << 20
"""Bytes of one message of the stream."""


class ServerClient:
    """Speaks to the server: listens to its stream, and asks."""

    def __init__(self, unix_socket: Path | None, url: str, token: str, ca_bundle: str = "") -> None:
        """`unix_socket`: its own socket; None: it is reached by `url`, through the environment's
        proxy if there is one, and by https is verified by the system's CAs and those in
        `ca_bundle`.

        Raises `Misconfigured` when that cannot be read, or the environment's proxy is none.
        """
        self._socket = unix_socket
        self._proxy = proxy_of(url) if unix_socket is None else None
        self._trust = (
            trust.context(ca_bundle) if unix_socket is None and url.startswith("https:") else None
        )
        self._proxy_trust = (
            trust.context(ca_bundle) if self._proxy and self._proxy.startswith("https:") else None
        )
        self._url = url.rstrip("/") if unix_socket is None else "http://server"
        self._authorization = {"Authorization": f"Bearer {token}"}
        way: dict[str, Any] = {}
        if unix_socket:
            way["transport"] = httpx.AsyncHTTPTransport(uds=str(unix_socket), verify=False)
        elif self._proxy:
            way["proxy"] = httpx.Proxy(self._proxy, ssl_context=self._proxy_trust)
        self._client = httpx.AsyncClient(
            base_url=self._url,
            headers=self._authorization,
            timeout=httpx.Timeout(10.0, connect=3.0),
            # what holds of the environment is decided here, for the stream as well
            trust_env=False,
            verify=self._trust or False,
            **way,
        )

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[AsyncIterator[contract.ToGateway]]:
        """Raises `Unavailable` when it cannot be opened or breaks off."""
        parts = urlsplit(self._url)
        uri = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}{parts.path}{contract.PATH}"
        options: dict[str, Any] = {
            "additional_headers": self._authorization,
            "max_size": _TABLE_LIMIT,
            "compression": None,
            "close_timeout": _CLOSE_SECONDS,
        }
        if self._trust:
            options["ssl"] = self._trust
        if self._proxy_trust:
            options["proxy_ssl"] = self._proxy_trust
        opening = (
            unix_connect(str(self._socket), uri, **options)
            if self._socket
            else connect(uri, proxy=self._proxy, **options)
        )
        try:
            async with opening as websocket:
                yield (contract.decode(message) async for message in websocket)
        except (OSError, WebSocketException, msgspec.DecodeError) as error:
            raise Unavailable(_why(error), code="server-away") from error

    async def exchange(self, code: str, redirect_uri: str) -> contract.Session:
        """Raises `Forbidden` when the code is wrong, used or old; `Unavailable` when the server
        does not answer."""
        asked = contract.ExchangeRequest(code=code, redirect_uri=redirect_uri)
        answer = await self._ask("POST", contract.EXCHANGE_PATH, asked)
        return msgspec.json.decode(answer.content, type=contract.Session)

    async def start(self, workspace: str, user: int) -> None:
        """Starts it on behalf of that user. Raises what the server answers, or `Unavailable`."""
        path = contract.START_PATH.format(workspace=quote(workspace, safe=""))
        await self._ask("POST", path, contract.StartRequest(user=user))

    async def end_session(self, session_id: str) -> None:
        """Signs out everywhere. Raises what the server answers, or `Unavailable`."""
        await self._ask("DELETE", contract.SESSION_PATH.format(session=quote(session_id, safe="")))

    async def use_sessions(self, used: contract.SessionsUsed) -> None:
        """Tells that people work. Raises what the server answers, or `Unavailable`."""
        await self._ask("POST", contract.USE_PATH, used)

    async def close(self) -> None:
        """Closes the connections for questions."""
        await self._client.aclose()

    async def _ask(self, method: str, path: str, body: Message | None = None) -> httpx.Response:
        content = contract.encode(body).encode() if body is not None else None
        try:
            answer = await self._client.request(
                method, path, content=content, headers={"Content-Type": "application/json"}
            )
        except httpx.HTTPError as error:
            raise Unavailable(
                "Moorage's server does not answer.",
                code="server-away",
                hint="Try again in a moment.",
            ) from error
        if not answer.is_success:
            raise _problem(answer)
        return answer


def _why(error: Exception) -> str:
    """In plain words, why there is no stream."""
    match error:
        case InvalidStatus() if error.response.status_code in (401, 403):
            return "The server does not take this gateway's token (secrets/gateway-token)."
        case InvalidStatus():
            return f"The server answers {error.response.status_code} where gateways connect."
        case InvalidProxyStatus():
            return f"The environment's proxy answers {error.response.status_code} when it is to lead to the server."
        case ProxyError():
            return f"The environment's proxy does not lead to the server: {error}."
        case ssl.SSLCertVerificationError():
            return f"The server's certificate cannot be verified: {error.verify_message}."
        case socket.gaierror():
            return f"The server's name is not found: {error.strerror}."
        case OSError():
            return f"The server cannot be reached: {str(error) or 'it does not answer in time'}."
    return f"The server's stream broke off: {error!r}."


class _Problem(msgspec.Struct, frozen=True):
    detail: str = ""
    code: str = ""
    hint: str = ""


def _problem(answer: httpx.Response) -> MoorageError:
    try:
        said = msgspec.json.decode(answer.content, type=_Problem)
    except msgspec.DecodeError:
        said = _Problem()
    kind = BY_STATUS.get(
        answer.status_code, Unavailable if answer.status_code >= 500 else MoorageError
    )
    message = said.detail or f"The server refused it ({answer.status_code})."
    return kind(message, code=said.code, hint=said.hint)
