"""Finds out why a server cannot be reached, step by step: its name, its port, its answer."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from urllib.parse import urlsplit

from moorage.kernel.errors import Misconfigured
from moorage.kernel.proxies import proxy_of

STEP_SECONDS = 5.0
"""For each step: whoever asks tries again anyway."""


async def why_unreachable(url: str, error: Exception) -> str:
    """Why a connection to `url` (`http`, `https`, `ws`, `wss`) failed, as a clause. `error` is what
    it failed with; where name and port are right, what it says is the reason."""
    said = str(error) or type(error).__name__
    if not isinstance(error, OSError | TimeoutError) or isinstance(error, ssl.SSLError):
        return said
    try:
        proxy = proxy_of(url)
    except Misconfigured as wrong:
        return wrong.message
    parts = urlsplit(proxy or url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
    what = f"the proxy {host}" if proxy else host
    try:
        async with asyncio.timeout(STEP_SECONDS):
            await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as unknown:
        return f"the name {host} does not resolve: {_lower(unknown.strerror or said)}"
    except TimeoutError:
        return f"the name {host} does not resolve: no name server answers"
    try:
        async with asyncio.timeout(STEP_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"{what} does not answer on port {port}: is something in between that drops packets?"
    except OSError as refused:
        return f"{what} takes no connection on port {port}: {_reason(refused)}"
    writer.close()
    if isinstance(error, TimeoutError):
        return f"{what} takes connections on port {port}, and does not answer like a Moorage server"
    return said


def _reason(error: OSError) -> str:
    """In the system's words; of several addresses that were tried, asyncio gives no number."""
    return _lower(os.strerror(error.errno)) if error.errno else str(error)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
