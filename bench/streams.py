"""What four hundred live pages and commands cost everybody else: while their workspaces change, and
when all come back at once.

A real server on SQLite with two hundred workspaces of ten people, an agent that reports changes of
all of them, and streams of events over the server's own socket. What is measured is how long
another person's request waits, as a ratio within the same run: to one stream per person in the
place of forty, and to as many plain requests as streams come back. Ends by itself in about a
minute.

    python bench/streams.py [--one-person]

`--one-person`: all streams are one person's, for servers that do not limit them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.client import unix_connect

from moorage.contract import ActualState, ActualWorkspace, Cause, WorkspaceSpec
from moorage.contract import agent as contract
from moorage.contract.hosts import workspace_name

sys.path.insert(0, str(Path(__file__).parent))

from report import record

PEOPLE, STREAMS, EACH = 10, 400, 20
SECONDS = 6.0
"""That each state is measured for."""
PROBE = 0.01
"""Seconds between two requests of the person who waits."""


class Server:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.socket = str(home / "run" / "server.sock")
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = [sys.executable, "-m", "moorage.server", "--home", str(self.home)]
        with (self.home / "server.log").open("a") as log:
            self.process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        while True:
            with contextlib.suppress(OSError):
                if (await self.ask("GET", "/healthz"))[0] == 200:
                    return
            await asyncio.sleep(0.02)

    async def end(self, by: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(by)
        await self.process.wait()

    async def ask(
        self, method: str, path: str, token: str = "admin", body: Any = None
    ) -> tuple[int, Any]:
        reader, writer = await asyncio.open_unix_connection(self.socket)
        try:
            writer.write(request(method, path, token, body))
            status = int((await reader.readline()).split()[1])
            length = 0
            while (line := await reader.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            said = await reader.readexactly(length)
        finally:
            writer.close()
        return status, json.loads(said) if said.startswith((b"{", b"[")) else said

    async def stream(self, token: str, begun: asyncio.Event) -> None:
        """Follows the list until the connection ends. Sets `begun` at the first event."""
        reader, writer = await asyncio.open_unix_connection(self.socket, limit=2**22)
        try:
            writer.write(request("GET", "/api/v1/workspaces/events", token))
            assert b" 200 " in await reader.readline(), "refused"
            while line := await reader.readline():
                if line.startswith(b"data:"):
                    begun.set()
        finally:
            writer.close()


def request(method: str, path: str, token: str, body: Any = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    return (
        f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        + content
    )


async def followed(server: Server, tokens: list[str], begun: list[asyncio.Event]) -> None:
    """One stream for each token, which comes back when it ends, as browsers do. Ends by
    cancellation."""

    async def follow(token: str, event: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, IndexError):
                await server.stream(token, event)
            await asyncio.sleep(0.1)

    await asyncio.gather(*(follow(*each) for each in zip(tokens, begun, strict=True)))


async def probe(server: Server, waits: list[float]) -> None:
    """How long a request takes, again and again."""
    while True:
        began = time.perf_counter()
        with contextlib.suppress(OSError, IndexError):
            if (await server.ask("GET", "/api/v1/me"))[0] == 200:
                waits.append(time.perf_counter() - began)
        await asyncio.sleep(PROBE)


async def change(server: Server, names: list[str]) -> None:
    """An agent that reports something new of every workspace, five times a second, and comes back
    after a restart."""
    number = 0
    headers = {"Authorization": "Bearer agent"}
    while True:
        with contextlib.suppress(Exception):
            async with unix_connect(
                server.socket,
                f"ws://localhost{contract.PATH}",
                additional_headers=headers,
                compression=None,
                max_size=None,
            ) as connection:
                hello = contract.Hello(version="0", runtime="memory", runtime_version="1")
                await connection.send(contract.encode(hello))
                while True:
                    number += 1
                    cause = Cause(code="change", message=f"Change {number}.")
                    said = tuple(
                        ActualWorkspace(
                            name=name, generation=1, state=ActualState.STARTING, cause=cause
                        )
                        for name in names
                    )
                    await connection.send(contract.encode(contract.Report(workspaces=said)))
                    await asyncio.sleep(0.2)
        await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def beside(*work: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def while_changing(server: Server, tokens: list[str], names: list[str]) -> float:
    """The wait that a request in twenty exceeds, while streams of these tokens follow and
    everything changes."""
    waits: list[float] = []
    begun = [asyncio.Event() for _ in tokens]
    async with beside(followed(server, tokens, begun), change(server, names)):
        await asyncio.wait_for(asyncio.gather(*(each.wait() for each in begun)), 120)
        async with beside(probe(server, waits)):
            await asyncio.sleep(SECONDS)
    return statistics.quantiles(waits, n=20)[-1] if len(waits) > 1 else SECONDS


async def while_coming_back(
    server: Server, tokens: list[str], names: list[str]
) -> tuple[float, float]:
    """After a kill: the longest wait until all streams have their first event again, and how long
    that takes."""
    waits: list[float] = []
    begun = [asyncio.Event() for _ in tokens]
    async with beside(followed(server, tokens, begun), change(server, names)):
        await asyncio.wait_for(asyncio.gather(*(each.wait() for each in begun)), 120)
        await server.end(signal.SIGKILL)
        for each in begun:
            each.clear()
        await server.start()
        began = time.perf_counter()
        async with beside(probe(server, waits)):
            await asyncio.wait_for(asyncio.gather(*(each.wait() for each in begun)), 300)
            took = time.perf_counter() - began
    return max(waits, default=took), took


async def plain(server: Server, tokens: list[str]) -> float:
    """The longest wait while as many people ask for their list once, at the same moment."""
    waits: list[float] = []
    async with beside(probe(server, waits)):
        await asyncio.sleep(0.2)
        await asyncio.gather(*(server.ask("GET", "/api/v1/workspaces", token) for token in tokens))
        await server.ask("GET", "/api/v1/me")
    return max(waits)


async def prepared(server: Server, one_person: bool) -> tuple[list[str], list[str]]:
    """Tokens of people, and the names of the workspaces, which belong to them in equal parts."""
    people = 1 if one_person else PEOPLE
    tokens, names = [], []
    for number in range(people):
        user = (await server.ask("POST", "/api/v1/users", body={"name": f"p{number}"}))[1]
        tokens.append(
            (await server.ask("POST", f"/api/v1/users/p{number}/tokens", body={}))[1]["token"]
        )
        names += [
            (workspace_name(1, user["id"], f"{number:02}{n:04}"), user["id"])
            for n in range(EACH * PEOPLE // people)
        ]
    spec = msgspec.json.encode(WorkspaceSpec(containers=(), main_container="")).decode()
    columns = {
        "agent_id": 1, "repository": "https://example.com/x", "ref": "", "commit": "0" * 40, "devfile_path": "x", "devfile": "x",
        "spec": spec, "warnings": "[]", "desired": "Running", "generation": 1, "restarts": 0, "created_at": 0.0, "updated_at": 0.0,
        "requested_at": 0.0, "requested_generation": 1, "state": "CreationRequested", "actual_generation": 0, "actual": "",
    }  # fmt: skip
    places = ", ".join(["?"] * (len(columns) + 3))
    with (
        contextlib.closing(sqlite3.connect(server.home / "moorage.db", timeout=30)) as database,
        database,
    ):
        quoted = ", ".join(f'"{name}"' for name in ("name", "title", "owner_id", *columns))
        rows = [(name, name[-6:], owner, *columns.values()) for name, owner in names]
        database.executemany(f"INSERT INTO workspaces ({quoted}) VALUES ({places})", rows)
    return tokens, [name for name, _ in names]


async def main(one_person: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="mr-bench-") as folder:
        home = Path(folder)
        (home / "secrets").mkdir(mode=0o700)
        for name in ("admin", "agent", "gateway"):
            (home / "secrets" / f"{name}-token").write_text(name)
        server = Server(home)
        await server.start()
        try:
            few, names = await prepared(server, one_person)
            many = few * (STREAMS // len(few))
            with_few = await while_changing(server, few, names)
            with_many = await while_changing(server, many, names)
            asked = await plain(server, many)
            longest, back = await while_coming_back(server, many, names)
        finally:
            await server.end()
    print(
        f"  a request waits {with_few * 1000:.0f} ms with {len(few)} streams, {with_many * 1000:.0f} ms with {STREAMS}"
    )
    print(
        f"  {STREAMS} streams are back after {back:.1f} s; longest wait {longest * 1000:.0f} ms, {asked * 1000:.0f} ms with plain requests"
    )
    ratio, coming = with_many / with_few, longest / asked
    holds = [
        record("streams: a request's wait, 400 to one each", ratio, "", "< 4", holds=ratio < 4),
        record(
            "streams: longest wait, coming back to plain requests",
            coming,
            "",
            "< 1",
            holds=coming < 1,
        ),
    ]
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main("--one-person" in sys.argv)))
