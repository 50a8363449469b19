"""A connection that the engine gives away, against small servers that speak as an engine does."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from moorage.agent.runtimes.docker.access import access_of
from moorage.agent.runtimes.docker.engine import Engine, EngineError
from moorage.agent.runtimes.docker.streams import frames
from moorage.agent.runtimes.port import LogChunk, RuntimeFault

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
MUCH = bytes(8 << 20)
"""More than all buffers between two ends of a connection hold."""


def frame(kind: int, data: bytes) -> bytes:
    return bytes((kind, 0, 0, 0)) + len(data).to_bytes(4, "big") + data


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


@asynccontextmanager
async def engine_that(script: Script, socket: Path) -> AsyncIterator[tuple[Engine, list[bytes]]]:
    """A client of an engine that answers a request by `script`, and the heads of the requests."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        length = next(
            line for line in head.splitlines() if line.lower().startswith(b"content-length")
        )
        heads.append(await reader.readexactly(int(length.split(b":")[1])))
        await script(reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(answer, socket)
    engine = Engine(f"unix://{socket}")
    try:
        yield engine, heads
    finally:
        await engine.close()
        server.close()


@pytest.mark.parametrize("at", [1, 8, 11, 20, 1000])
async def test_frames_however_they_are_cut(at: int) -> None:
    """A frame is one chunk of its stream, wherever the connection cuts it."""
    whole = frame(1, b"out") + frame(2, b"err") + frame(1, b"")
    found = [chunk async for chunk in frames(pieces(whole[:at], whole[at:]))]
    assert found == [LogChunk(b"out"), LogChunk(b"err", "stderr"), LogChunk(b"")]


async def test_a_command_reads_and_writes(tmp_path: Path) -> None:
    """What is written reaches the command, with its end; what comes back is told by its stream."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(UPGRADED)
        writer.write(frame(2, await reader.read()))

    async with (
        asyncio.timeout(30),
        engine_that(echo, tmp_path / "s") as (engine, heads),
        engine.attach_exec("abc", tty=False) as attached,
    ):
        await attached.write(b"hello")
        attached.end_input()
        assert [chunk async for chunk in attached.output()] == [LogChunk(b"hello", "stderr")]
    assert heads[0].startswith(b"POST /v1.41/exec/abc/start HTTP/1.1\r\n")
    assert heads[1] == b'{"Detach":false,"Tty":false}'


async def test_a_terminal_is_one_stream(tmp_path: Path) -> None:
    """What a terminal shows is passed on as it comes; an engine that does not upgrade is
    understood, too."""

    async def show(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n$ "
        )

    async with (
        asyncio.timeout(30),
        engine_that(show, tmp_path / "s") as (engine, _),
        engine.attach_exec("abc", tty=True) as attached,
    ):
        assert b"".join([chunk.data async for chunk in attached.output()]) == b"$ "


@pytest.mark.parametrize(
    "body",
    [
        b'Content-Type: application/json\r\nContent-Length: 31\r\n\r\n{"message":"it does not run"}\r\n',
        b'Transfer-Encoding: chunked\r\n\r\n1e\r\n{"message":"it does not run"}\n\r\n0\r\n\r\n',
        b"Content-Length: 15\r\n\r\nit does not run",
    ],
)
async def test_a_refusal(tmp_path: Path, body: bytes) -> None:
    """An engine that does not start the command says why."""

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 409 Conflict\r\n" + body)

    async with engine_that(refuse, tmp_path / "s") as (engine, _), asyncio.timeout(30):
        with pytest.raises(EngineError) as refused:
            async with engine.attach_exec("abc", tty=False):
                pass
    assert (refused.value.status, refused.value.message) == (409, "it does not run")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 101", b"SSH-2.0-x\r\n\r\n", bytes(1 << 18)])
async def test_what_is_no_engine(tmp_path: Path, answer: bytes) -> None:
    """Who breaks off, or speaks something else, is an engine that cannot be reached."""

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async with engine_that(say, tmp_path / "s") as (engine, _), asyncio.timeout(30):
        with pytest.raises(RuntimeFault) as lost:
            async with engine.attach_exec("abc", tty=False):
                pass
    assert lost.value.cause.code == "engine-unreachable"


async def test_the_end_of_a_command_frees_who_writes(tmp_path: Path) -> None:
    """A command that ends without reading its input ends the wait of who writes it; its output is
    kept."""
    told = asyncio.Event()

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(UPGRADED)
        await reader.readexactly(1)
        writer.write(frame(1, b"bye"))
        writer.write_eof()
        await told.wait()  # the connection stays open, and nobody reads

    async with (
        asyncio.timeout(30),
        engine_that(end, tmp_path / "s") as (engine, _),
        engine.attach_exec("abc", tty=False) as attached,
    ):
        writing = asyncio.create_task(attached.write(MUCH))
        assert [chunk async for chunk in attached.output()] == [LogChunk(b"bye")]
        await asyncio.gather(writing, return_exceptions=True)
        with pytest.raises(OSError, match=r"lost|closed|reset|pipe"):
            await attached.write(MUCH)
    told.set()


async def test_who_does_not_read_makes_the_command_wait(tmp_path: Path) -> None:
    """A command's output is not taken from it faster than somebody reads."""
    sent = asyncio.Event()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(UPGRADED + frame(1, MUCH))
        await writer.drain()
        writer.write(frame(1, b""))
        await writer.drain()
        sent.set()

    async with (
        asyncio.timeout(30),
        engine_that(flood, tmp_path / "s") as (engine, _),
        engine.attach_exec("abc", tty=False) as attached,
    ):
        output = attached.output()
        assert not sent.is_set()
        assert (await anext(output)).data == MUCH
        await sent.wait()
        await output.aclose()


async def test_tls_with_certificates_of_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `DOCKER_TLS_VERIFY`, requests and commands' streams both go over TLS, by the files of
    `DOCKER_CERT_PATH`."""
    make_certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/start" in head.splitlines()[0]:
            writer.write(UPGRADED + frame(1, b"over TLS"))
        else:
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"
                b'{"Version":"1"}'
            )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "localhost", ssl=context)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    assert access_of(f"tcp://localhost:{port}").url == f"https://localhost:{port}"
    engine = Engine(f"tcp://localhost:{port}")
    try:
        async with asyncio.timeout(30):
            assert await engine.request("GET", "version") == {"Version": "1"}
            async with engine.attach_exec("abc", tty=False) as attached:
                assert [chunk async for chunk in attached.output()] == [LogChunk(b"over TLS")]
    finally:
        await engine.close()
        server.close()


def make_certificates(folder: Path) -> None:
    """One that signs itself serves as the CA's, the engine's and the client's."""
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
            ),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (folder / "ca.pem").write_text((folder / "cert.pem").read_text())
