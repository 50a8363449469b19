from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from moorage.agent.runtimes.kubernetes.api import commands
from moorage.agent.runtimes.kubernetes.api.access import Access
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.commands import Place
from moorage.agent.runtimes.kubernetes.api.model import Status, StatusCause, StatusDetails
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.port import ExecRequest, RuntimeFault
from moorage.kernel.clock import SystemClock
from unit.agent.runtimes.kubernetes.api_server import serving


def test_exit_codes() -> None:
    """The code stands in the status that ends an exec; success is 0."""
    details = StatusDetails(causes=(StatusCause(reason="ExitCode", message="7"),))
    assert commands.exit_code_of(Status(status="Success")) == 0
    assert commands.exit_code_of(Status(status="Failure", details=details)) == 7


def test_a_command_that_was_never_run() -> None:
    """Any other failure is the cluster's, with its words."""
    with pytest.raises(RuntimeFault, match="container not found"):
        commands.exit_code_of(Status(status="Failure", message="container not found"))


async def test_a_command_whose_input_nobody_reads() -> None:
    """Older nodes keep the connection of a command that has ended for as long as input waits for
    it. Its end is told all the same, after its output, and nothing is left of the connection."""
    over = asyncio.Event()

    async def answer(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=[commands.PROTOCOL], autoclose=False, timeout=0.1)
        await socket.prepare(request)
        assert request.transport is not None
        request.transport.pause_reading()  # type: ignore[attr-defined]
        await socket.send_bytes(bytes([commands.STDOUT]) + b"last words")
        failure = b'{"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}}'
        await socket.send_bytes(bytes([commands.ERROR]) + failure)
        await over.wait()
        return socket

    async with serving(web.get("/{path:.*}", answer)) as address:
        access = Access(server=address, ca="", token="t", source="test")
        async with Client(access, TokenBucket(10, 10, SystemClock())) as client:
            request = ExecRequest(argv=("true",))
            async with asyncio.timeout(30):
                async with commands.running(client, Place("n", "p", "c"), request, "/") as session:
                    writing = asyncio.create_task(write_on(session))
                    chunks = [chunk.data async for chunk in session.output()]
                    assert (b"".join(chunks), await session.exit_code()) == (b"last words", 7)
                    writing.cancel()
                    await asyncio.gather(writing, return_exceptions=True)
        over.set()


async def write_on(session: commands.ClusterExec) -> None:
    while True:
        await session.write(bytes(32 * 1024))
        await asyncio.sleep(0)
