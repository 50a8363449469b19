"""When the server is told which sessions their people use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from msgspec import structs

from moorage.contract.gateway import RouteTable, Session, SessionsUsed
from moorage.gateway import activity, changes
from moorage.gateway.activity import LOOK_SECONDS, PART, Activity
from moorage.gateway.haproxy.connections import tag
from moorage.gateway.haproxy.runtime import Runtime
from moorage.gateway.metrics import Metrics
from moorage.gateway.table import Table
from moorage.kernel.errors import NotFound, Unavailable

HOUR = 3600.0
NOW = 1_700_000_000.0
ANAS = Session(id="session-ana", user=1, user_name="ana", expires_at=NOW + HOUR)
BOBS = Session(id="session-bob", user=2, user_name="bob", expires_at=NOW + HOUR)
WORKSPACE = "workspace-1-1-aaaaaa"


@dataclass
class Clock:
    at: float = NOW

    def now(self) -> float:
        return self.at


@dataclass
class Server:
    told: list[dict[str, float]] = field(default_factory=list)
    error: Exception | None = None

    async def use_sessions(self, used: SessionsUsed) -> None:
        if self.error:
            raise self.error
        self.told.append(used.used)


@dataclass
class Books:
    """What HAProxy has written down, and one WebSocket of Ana's."""

    noted: dict[str, float] = field(default_factory=dict)
    sent: int = 0

    async def ask(self, *commands: str) -> str:
        if commands[0] == "show table activity":
            return "".join(
                f"0x1: key={key} use=0 exp=1 gpt0={at:.0f}\n" for key, at in self.noted.items()
            )
        session, place = tag(ANAS.id), tag(f"{WORKSPACE}.z")
        tags = zip(range(5), (*session, *place, 60001), strict=True)
        entry = " ".join(f"gpt{number}={value}" for number, value in tags)
        return (
            f"0xa: proto=tcpv4 src=1.1.1.1:7 fe=web be=x\n0x2: key=1.1.1.1:7 use=1 exp=0 {entry}\n"
        )

    async def describe(self, streams: dict[str, str]) -> str:
        return "".join(
            f"{each}: [] id=1 x\n x req.st=MSG_TUNNEL x\n req=0x1 (total={self.sent})\n"
            for each in streams
        )


@dataclass
class World:
    clock: Clock
    server: Server
    books: Books
    activity: Activity

    async def pass_time(self, seconds: float) -> None:
        self.clock.at += seconds
        await self.activity.watch()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    async def no_time(_: float) -> None:
        pass

    monkeypatch.setattr(activity.asyncio, "sleep", no_time)
    clock, server, books = Clock(), Server(), Books()
    monkeypatch.setattr(activity.time, "monotonic", clock.now)
    table = Table()
    changes.replace(table, RouteTable(revision=1, server_url="", sessions=(ANAS, BOBS)), NOW)

    @dataclass
    class Connected:
        connected: bool = True

    subject = Activity(
        table=table,
        runtime=cast("Runtime", books),
        server=cast("Any", server),
        subscription=cast("Any", Connected()),
        clock=clock,
        metrics=Metrics(table, clock),
    )
    return World(clock, server, books, subject)


async def test_it_is_told_in_time_and_seldom(world: World):
    """At once when nothing was told yet, then once in a part of what the session has left; nothing
    is told twice, and nobody's use is told as another's."""
    world.books.noted[ANAS.id] = NOW - 30
    await world.pass_time(0)
    assert world.server.told == [{ANAS.id: 30.0}]
    for _ in range(5):
        await world.pass_time(LOOK_SECONDS)
    world.books.noted[ANAS.id] = world.clock.at
    await world.pass_time(LOOK_SECONDS)
    assert len(world.server.told) == 1
    await world.pass_time(PART * HOUR)
    assert list(world.server.told[1]) == [ANAS.id]
    await world.pass_time(PART * HOUR)
    assert len(world.server.told) == 2


async def test_what_could_not_be_told_is_told_later(world: World):
    """The server was away: when it is back, it hears how long ago it was."""
    world.books.noted[ANAS.id] = NOW
    world.server.error = Unavailable("away")
    with pytest.raises(Unavailable):
        await world.pass_time(0)
    world.server.error = None
    await world.pass_time(60)
    assert world.server.told == [{ANAS.id: 60.0}]


async def test_a_server_of_a_version_before_is_not_asked_again_and_again(world: World):
    """It answers that there is no such address; everything else goes on."""
    world.books.noted[ANAS.id] = NOW
    world.server.error = NotFound("nothing here")
    await world.pass_time(0)
    world.server.error = None
    await world.pass_time(LOOK_SECONDS)
    assert world.server.told == []


async def test_no_session_that_is_over(world: World):
    """Neither one that ended, nor one that nobody knows: the book has it for a while yet."""
    world.books.noted |= {ANAS.id: NOW, "session-unknown": NOW}
    world.activity.table.sessions[ANAS.id] = structs.replace(ANAS, expires_at=NOW)
    await world.pass_time(1)
    assert world.server.told == []


async def test_websockets_tell_by_what_they_carry(world: World):
    """What a WebSocket's browser sends beyond a heartbeat counts."""
    await world.pass_time(0)
    world.books.sent = 30
    await world.pass_time(LOOK_SECONDS)
    assert world.server.told == []
    world.books.sent = 9000
    await world.pass_time(LOOK_SECONDS)
    assert world.server.told == [{ANAS.id: 0.0}]
