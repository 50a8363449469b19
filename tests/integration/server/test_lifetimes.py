"""How long tokens and sessions live, and that nothing outlives what it came from."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from integration.server.harness import ADMIN, ORIGIN, Server, events, serving
from integration.server.test_accounts import authorize
from moorage.server.accounts import links, models, sessions
from moorage.server.accounts.changes import SessionChanged
from moorage.server.settings import Settings

DAY = 86400.0
PAGE = {"Accept": "text/html"}


async def token_of(server: Server, name: str, by: str = ADMIN, **body: Any) -> tuple[int, str]:
    made = await server.post(f"/users/{name}/tokens", body, by)
    assert made.status_code == 201, made.text
    return made.json()["id"], made.json()["token"]


async def session_by(server: Server, name: str, token: str = ADMIN) -> str:
    """The cookie of a session that a link of this token began."""
    link = (await server.post(f"/users/{name}/sign-in-links", None, token)).json()["url"]
    return (await links.sign_in_with_link(server.core, link.rsplit("/", 1)[1])).token


@contextlib.asynccontextmanager
async def browser(server: Server, cookie: str) -> AsyncIterator[Any]:
    async with server.client(
        None, cookies={"moorage": cookie}, headers={"Origin": ORIGIN}
    ) as client:
        yield client


async def works(server: Server, token: str = "", cookie: str = "") -> bool:
    if token:
        return (await server.get("/me", token)).status_code == 200
    async with browser(server, cookie) as client:
        return bool((await client.get("/api/v1/me")).status_code == 200)


async def test_a_session_ends_however_much_it_is_used(server: Server) -> None:
    """Seven days after signing in: at the server, at gateways, for what is open; the page says so,
    and leads back afterwards."""
    cookie = await server.session("admin")
    await server.hand_over(cookie)
    async with browser(server, cookie) as client, server.gateway() as gateway:
        signed_in = time.time()
        for hour in range(11, 168, 11):
            server.clock.ahead = hour * 3600.0
            assert (await client.get("/api/v1/me")).status_code == 200
        until = [
            s.expires_at for s in (await gateway.until(_told(signed_in + 7 * DAY - 60))).sessions
        ]
        assert until == [pytest.approx(signed_in + 7 * DAY, abs=60)]
        server.clock.ahead = 7 * DAY + 60
        refused = await client.get("/api/v1/me")
        assert (refused.status_code, refused.json()["code"]) == (401, "session-ended")
        assert "7 days" in refused.json()["detail"]
        led = await client.get("/workspaces/x", headers=PAGE)
        assert (led.status_code, led.headers["location"]) == (
            303,
            "/sign-in?next=%2Fworkspaces%2Fx",
        )
        page = await client.get(led.headers["location"], headers=PAGE)
        assert "a session lasts 7 days at most" in page.text
        assert (await authorize(server, cookie)).headers["location"].startswith("/sign-in")


def _told(at: float) -> Any:
    return lambda table: table.sessions and table.sessions[0].expires_at >= at


async def test_a_page_that_asks_by_itself_keeps_no_session_alive(sqlite_server: Server) -> None:
    """What a page asks again and again, while nobody may be there, is no use of the session."""
    cookie = await sqlite_server.session("admin")
    async with browser(sqlite_server, cookie) as client:
        for hour in range(1, 12):
            sqlite_server.clock.ahead = hour * 3600.0
            answer = await client.get("/api/v1/workspaces/w/usage?watching=true")
            assert answer.status_code == 404
        sqlite_server.clock.ahead = 13 * 3600.0
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_a_session_that_rests_ends_with_another_cause(sqlite_server: Server) -> None:
    """The page tells the two ends apart, and says nothing to who was never there."""
    cookie = await sqlite_server.session("admin")
    sqlite_server.clock.ahead = 13 * 3600.0
    async with browser(sqlite_server, cookie) as client:
        assert (
            "nobody has used your session for 12 hours"
            in (await client.get("/sign-in", headers=PAGE)).text
        )
    async with browser(sqlite_server, "made-up") as client:
        assert "signed out" not in (await client.get("/sign-in", headers=PAGE)).text


async def test_the_end_of_a_session_is_written_down_once(server: Server) -> None:
    """Near its longest life, and with many requests at once, use writes nothing more than moves the
    end."""
    cookie = await server.session("admin")
    server.clock.ahead = 3600.0
    heard = []
    with server.core.changes.subscribe(SessionChanged) as changes:
        async with browser(server, cookie) as client:
            await asyncio.gather(*(client.get("/api/v1/me") for _ in range(20)))
            heard += changes.take()
            for hours in (12, 23, 34, 45, 56, 67, 78, 89, 100, 111, 122, 133, 144, 155, 157, 159):
                server.clock.ahead = hours * 3600.0
                assert (await client.get("/api/v1/me")).status_code == 200
            changes.take()
            for minutes in range(0, 400, 50):
                server.clock.ahead = 160 * 3600.0 + minutes * 60
                assert (await client.get("/api/v1/me")).status_code == 200
            assert changes.take() == []
    assert len(heard) == 1


async def test_streams_end_with_the_session(server: Server) -> None:
    """What is open ends when the longest life is over, by itself."""
    cookie = await server.session("admin")
    async with server.core.database.write() as session:
        soon = server.core.clock.now() + 1.5
        await session.execute(update(models.Session).values(ends_at=soon, expires_at=soon))
    async with browser(server, cookie) as client:
        stream = events(client, "/api/v1/workspaces/events")
        await anext(stream)
        async with asyncio.timeout(10):
            assert [item async for item in stream] == []
        assert server.core.clock.now() >= soon


async def test_sessions_of_before_get_their_longest_life(folder: Path, database: str) -> None:
    """Since they were signed in, when the server starts; also when the setting has become
    shorter."""
    for days, ends in ((7.0, 7.0), (2.0, 2.0), (5.0, 2.0)):
        async with serving(
            folder, Settings(database=database, session_longest_days=days)
        ) as server:
            if days == 7.0:
                await server.session("admin")
                async with server.core.database.write() as session:
                    values = {"ends_at": 0.0, "expires_at": time.time() + 100 * DAY}
                    await session.execute(update(models.Session).values(values))
            async with server.core.database.read() as session:
                row = (await session.scalars(select(models.Session))).one()
            if days != 7.0:
                assert row.ends_at == pytest.approx(row.created_at + ends * DAY)
                assert row.expires_at <= row.ends_at


async def test_a_link_made_in_a_session_does_not_prolong_it(server: Server) -> None:
    """Signing in anew by one's own link, again and again, ends when the first session does; an
    administrator's link for somebody else begins a life of its own."""
    cookie = await session_by(server, "admin")
    await server.user("ann")
    ends = []
    for day in (0.0, 3.0, 6.0):
        server.clock.ahead = day * DAY
        async with browser(server, cookie) as client:
            async with server.core.database.write() as session:
                # As if it had been used all the time.
                await session.execute(
                    update(models.Session).values(expires_at=models.Session.ends_at)
                )
            urls = [
                (await client.post(f"/api/v1/users/{name}/sign-in-links")).json()["url"]
                for name in ("admin", "ann")
            ]
        made = [await links.sign_in_with_link(server.core, url.rsplit("/", 1)[1]) for url in urls]
        cookie = made[0].token
        rows = {}
        async with server.core.database.read() as session:
            for row in await session.scalars(select(models.Session)):
                rows[row.created_at, row.user_id] = row.ends_at
        newest = max(at for at, _ in rows)
        ends.append(max(end for (_, user), end in rows.items() if user == 1))
        assert rows[newest, 2] == pytest.approx(newest + 7 * DAY, abs=60)
    assert ends == [pytest.approx(ends[0])] * 3


async def test_what_a_token_makes_lives_no_longer(server: Server) -> None:
    """Tokens, links and sessions: for oneself and for others, by the token and by a session that it
    began."""
    await server.user("ann")
    _, token = await token_of(server, "admin", days=2)
    end = time.time() + 2 * DAY
    cookie = await session_by(server, "admin", token)
    async with browser(server, cookie) as client:
        for name in ("admin", "ann"):
            made = (await server.post(f"/users/{name}/tokens", {}, token)).json()
            in_session = (await client.post(f"/api/v1/users/{name}/tokens", json={})).json()
            for each in (made, in_session):
                assert each["expires_at"] == pytest.approx(end, abs=60)
            for asking in (
                server.post(f"/users/{name}/tokens", {"days": 3}, token),
                client.post(f"/api/v1/users/{name}/tokens", json={"days": 3}),
            ):
                refused = await asking
                problem = refused.json()
                assert (refused.status_code, problem["code"], problem["field"]) == (
                    422,
                    "token-outlives",
                    "days",
                )
        async with server.core.database.read() as session:
            rows = (await session.scalars(select(models.Session))).all()
        assert [row.ends_at for row in rows] == [pytest.approx(end, abs=60)]
    server.clock.ahead = 2 * DAY - 300
    link = (await server.post("/users/ann/sign-in-links", None, token)).json()
    assert link["expires_at"] == pytest.approx(end, abs=60)


async def test_removing_a_token_ends_all_that_came_from_it(server: Server) -> None:
    """Tokens, sessions and links, whosever they are and over however many steps; at gateways and
    for what is open, at once. What came from another token stays."""
    await server.user("ann")
    top, token = await token_of(server, "admin", label="laptop")
    _, other = await token_of(server, "admin", label="desktop")
    _, child = await token_of(server, "ann", token)
    cookie = await session_by(server, "ann", child)
    async with browser(server, cookie) as client:
        grandchild = (await client.post("/api/v1/users/ann/tokens", json={})).json()["token"]
        link = (await client.post("/api/v1/users/ann/sign-in-links")).json()["url"]
    staying = await session_by(server, "ann", other)
    _, theirs = await token_of(server, "ann", other)
    assert all([await works(server, t) for t in (token, child, grandchild, theirs)])
    for each in (cookie, staying):
        await server.hand_over(each)
    async with (
        server.gateway() as gateway,
        browser(server, cookie) as client,
        server.client(grandchild) as program,
        server.client(theirs) as unharmed,
    ):
        await gateway.until(lambda table: len(table.sessions) == 2)
        ended = [events(asking, "/api/v1/workspaces/events") for asking in (client, program)]
        going_on = events(unharmed, "/api/v1/workspaces/events")
        for stream in (*ended, going_on):
            await anext(stream)
        removed = await server.call("DELETE", f"/api/v1/users/admin/tokens/{top}", other)
        assert removed.status_code == 204
        await gateway.until(lambda table: len(table.sessions) == 1)
        for stream in ended:
            async with asyncio.timeout(5):
                assert [item async for item in stream] == []
        await going_on.aclose()
    assert [await works(server, t) for t in (token, child, grandchild, other, theirs)] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert [await works(server, cookie=c) for c in (cookie, staying)] == [False, True]
    async with server.client(None, headers={"Origin": ORIGIN}) as client:
        assert (await client.post(link.removeprefix(ORIGIN), headers=PAGE)).status_code == 404


async def test_a_token_makes_nothing_while_it_is_removed(server: Server) -> None:
    """Of what it makes at the very moment, nothing is left afterwards."""
    await server.user("ann")
    for _ in range(6):
        token_id, token = await token_of(server, "ann")
        asked = [server.post("/users/ann/tokens", {}, token) for _ in range(4)]
        removal = server.call("DELETE", f"/api/v1/users/ann/tokens/{token_id}")
        answers = await asyncio.gather(*asked[:2], removal, *asked[2:])
        assert {answer.status_code for answer in answers} <= {201, 204, 401}
        for answer in answers:
            if answer.status_code == 201:
                assert not await works(server, answer.json()["token"])
    async with server.core.database.read() as session:
        left = (
            await session.scalars(select(models.ApiToken).where(models.ApiToken.user_id == 2))
        ).all()
    assert len(left) == 1


async def test_how_long_tokens_live(folder: Path) -> None:
    """As the installation has it, when nobody says anything; never longer than it allows; an
    administrator's too."""
    settings = Settings(token_days=5, token_longest_days=10)
    async with serving(folder, settings) as server:
        made = (await server.post("/users/admin/tokens", {})).json()
        assert made["expires_at"] == pytest.approx(time.time() + 5 * DAY, abs=60)
        refused = await server.post("/users/admin/tokens", {"days": 11})
        assert (refused.status_code, refused.json()["code"]) == (422, "token-too-long")
        assert (await server.post("/users/admin/tokens", {"days": 10})).status_code == 201
        server.clock.ahead = 5 * DAY + 60
        assert not await works(server, made["token"])
        assert await works(server, ADMIN)


async def test_how_many_tokens_links_and_sessions_one_may_have(folder: Path, database: str) -> None:
    """Also when they are asked for at once; those that have ended do not count. A session too many
    ends the one that would end first."""
    async with serving(folder, Settings(database=database, tokens_per_person=3)) as server:
        ann = await server.user("ann")
        asked = [server.post("/users/ann/tokens", {"days": 1}, ann) for _ in range(6)]
        answers = await asyncio.gather(*asked)
        assert sorted(answer.status_code for answer in answers) == [201, 201] + [429] * 4
        refused = next(answer.json() for answer in answers if answer.status_code == 429)
        assert (refused["code"], refused["limit"]) == ("too-many-tokens", 3)
        server.clock.ahead = DAY + 60
        assert (await server.post("/users/ann/tokens", {}, ann)).status_code == 201
        made = [await server.post("/users/ann/sign-in-links", None, ann) for _ in range(21)]
        assert [link.status_code for link in made] == [201] * 20 + [429]
        cookies = []
        for _ in range(3):
            for link in made[:20]:
                url = link.json()["url"]
                cookies.append(
                    (await links.sign_in_with_link(server.core, url.rsplit("/", 1)[1])).token
                )
            made = [await server.post("/users/ann/sign-in-links", None, ann) for _ in range(20)]
        alive = [
            await sessions.actor_of_session(server.core, cookie) is not None for cookie in cookies
        ]
        assert alive == [False] * 10 + [True] * 50


async def test_the_state_folders_token_is_the_installations(folder: Path, database: str) -> None:
    """It has no end and cannot be removed over the API; another one in its place ends what came
    from it. A token with the same label is nothing of the kind."""
    settings = Settings(database=database)
    async with serving(folder, settings) as server:
        label = (await server.get("/users/admin/tokens")).json()["items"][0]
        assert label["expires_at"] is None
        kept = await server.call("DELETE", f"/api/v1/users/admin/tokens/{label['id']}")
        assert (kept.status_code, kept.json()["code"]) == (409, "token-of-state-folder")
        _, look_alike = await token_of(server, "admin", label=label["label"])
        ann, cookie = await server.user("ann"), await server.session("admin")
    async with serving(folder, settings) as server:
        assert [await works(server, token) for token in (ADMIN, ann, look_alike)] == [
            True,
            True,
            True,
        ]
        assert await works(server, cookie=cookie)
    from moorage.server.setup import set_up

    async with serving(folder, settings) as server:
        server.home.secret_file("admin-token").write_text("another-secret\n")
        await set_up(server.core.database, server.home, settings, server.core.clock.now())
        tokens = (ADMIN, ann, look_alike, "another-secret")
        assert [await works(server, token) for token in tokens] == [False, False, False, True]
        assert not await works(server, cookie=cookie)


async def test_blocking_an_administrator_ends_what_their_tokens_made(server: Server) -> None:
    """Their own tokens, and what these made for others; unblocked, they have none of it. The state
    folder's own rests: what it made for others stays, so that nobody is locked out."""
    await server.post("/users", {"name": "eve", "role": "administrator"})
    _, eves = await token_of(server, "eve")
    _, planted = await token_of(server, "admin", eves)
    _, ours = await token_of(server, "admin")
    await server.post("/users", {"name": "bob", "role": "administrator"})
    bobs = await session_by(server, "bob")
    admins = await session_by(server, "admin")
    assert (await server.post("/users/eve/block")).status_code == 200
    assert [await works(server, token) for token in (eves, planted, ours)] == [False, False, True]
    async with browser(server, bobs) as client:
        assert (await client.post("/api/v1/users/admin/block")).status_code == 200
        assert (await server.get("/me")).json()["code"] == "user-blocked"
        assert [await works(server, ours), await works(server, cookie=admins)] == [False, False]
        assert (await client.post("/api/v1/users/admin/unblock")).status_code == 200
    assert [await works(server, ADMIN), await works(server, ours)] == [True, False]
