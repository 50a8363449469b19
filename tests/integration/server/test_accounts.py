"""Users, tokens, sign-in links, sessions, and the codes that hand a session over."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from integration.server.harness import GATEWAY, ORIGIN, Server
from moorage.contract import gateway as contract
from moorage.kernel.errors import NotFound
from moorage.server.accounts import links, sessions

CALLBACK = f"{ORIGIN}/auth/callback"


async def authorize(server: Server, cookie: str, redirect_uri: str = CALLBACK) -> httpx.Response:
    async with server.client(None, cookies={"moorage": cookie} if cookie else {}) as client:
        query = {"redirect_uri": redirect_uri, "state": "s 1"}
        return await client.get(contract.AUTHORIZE_PATH, params=query)


async def exchange(
    server: Server, code: str, redirect_uri: str = CALLBACK, token: str = GATEWAY
) -> httpx.Response:
    body = {"code": code, "redirect_uri": redirect_uri}
    return await server.call("POST", contract.EXCHANGE_PATH, token, json=body)


async def new_code(server: Server, name: str = "admin") -> str:
    answer = await authorize(server, await server.session(name))
    assert answer.status_code == 302
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


async def test_the_first_administrator(server: Server) -> None:
    """User 1 is there from the start, with the token of the state folder."""
    assert (await server.get("/me")).json() == {"id": 1, "name": "admin", "role": "administrator"}
    refused = await server.get("/me", "wrong")
    assert (refused.status_code, refused.json()["code"]) == (401, "token-invalid")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert (await server.get("/me", None)).json()["code"] == "not-signed-in"


async def test_adding_and_listing_users(server: Server) -> None:
    """An administrator adds users; a name is taken once, and must be one."""
    added = await server.post("/users", {"name": "ann.b-1"})
    assert (added.status_code, added.json()["role"]) == (201, "developer")
    again = await server.post("/users", {"name": "ann.b-1"})
    assert (again.status_code, again.json()["code"]) == (409, "user-exists")
    for name in ("", "Ann", "a b", "-a", "a" * 65, "../x", "ä"):
        wrong = await server.post("/users", {"name": name})
        assert (wrong.status_code, wrong.json()["field"]) == (422, "name"), name
    names = [user["name"] for user in (await server.get("/users")).json()["items"]]
    assert names == ["admin", "ann.b-1"]


async def test_developers_manage_nobody_but_themselves(server: Server) -> None:
    """A developer may have links and tokens of their own, and sees no list of users."""
    ann, _ = await server.user("ann"), await server.user("bob")
    assert (await server.get("/users", ann)).status_code == 403
    assert (await server.post("/users", {"name": "eve"}, ann)).status_code == 403
    assert (await server.post("/users/ann/block", None, ann)).status_code == 403
    assert (await server.post("/users/bob/block", None, ann)).status_code == 404
    assert (await server.post("/users/bob/sign-in-links", None, ann)).status_code == 404
    assert (await server.post("/users/bob/tokens", {}, ann)).status_code == 404
    assert (await server.post("/users/ann/sign-in-links", None, ann)).status_code == 201
    refused = await server.post("/users/admin/block")
    assert refused.json()["detail"] == "Nobody can block themselves."


async def test_api_tokens_are_shown_once_and_can_be_taken_away(server: Server) -> None:
    """A token works until it is deleted or has expired; the list holds no secret."""
    ann = await server.user("ann")
    made = (await server.post("/users/ann/tokens", {"label": "laptop", "days": 1}, ann)).json()
    assert (await server.get("/me", made["token"])).json()["name"] == "ann"
    listed = (await server.get("/users/ann/tokens", ann)).json()["items"]
    assert [set(item) for item in listed] == [
        {"id", "label", "created_at", "expires_at", "made_by"}
    ] * 2
    server.clock.ahead = 86401
    assert (await server.get("/me", made["token"])).status_code == 401
    assert (await server.get("/me", ann)).status_code == 200
    assert (
        await server.call("DELETE", f"/api/v1/users/ann/tokens/{listed[0]['id']}", ann)
    ).status_code == 204
    assert (await server.get("/me", ann)).status_code == 401


async def test_secrets_are_stored_as_fingerprints(sqlite_server: Server) -> None:
    """The database holds no token, link, cookie or code."""
    server = sqlite_server
    token = await server.user("ann")
    link = (await server.post("/users/ann/sign-in-links")).json()["url"].rsplit("/", 1)[1]
    cookie = await server.session("ann")
    code = await new_code(server, "ann")
    await server.core.database.close()
    stored = b"".join(file.read_bytes() for file in sorted(server.home.path.glob("moorage.db*")))
    for secret in (token, link, cookie, code, "admin-secret", "agent-secret", "gateway-secret"):
        assert secret.encode() not in stored


async def test_a_sign_in_link_works_once(server: Server) -> None:
    """Looking at a link burns nothing; using it does, also when two use it at the same time."""
    await server.user("ann")
    url = (await server.post("/users/ann/sign-in-links")).json()["url"]
    assert url.startswith(f"{ORIGIN}/sign-in/link/")
    token = url.rsplit("/", 1)[1]
    for _ in range(2):
        assert (await links.find_sign_in_link(server.core, token)).name == "ann"
    results = await asyncio.gather(
        *(links.sign_in_with_link(server.core, token) for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == [
        "NotFound",
        "NotFound",
        "SignedIn",
    ]
    with pytest.raises(NotFound) as used:
        await links.find_sign_in_link(server.core, token)
    assert used.value.message == "This sign-in link has been used already."


async def test_wrong_and_expired_links(server: Server) -> None:
    """Each says what is the matter, and how to get a new one."""
    url = (await server.post("/users/admin/sign-in-links")).json()["url"]
    server.clock.ahead = 601
    for token, message in (
        (url.rsplit("/", 1)[1], "This sign-in link has expired."),
        ("guess", "This sign-in link is not valid."),
    ):
        with pytest.raises(NotFound) as refused:
            await links.sign_in_with_link(server.core, token)
        assert refused.value.message == message
        assert "moor sign-in-link" in refused.value.hint


async def test_a_session_lives_while_it_is_used(server: Server) -> None:
    """Twelve hours without use end it; use before that keeps it."""
    cookie = await server.session("admin")
    async with server.client(None, cookies={"moorage": cookie}) as client:
        for hours in (11, 22, 33):
            server.clock.ahead = hours * 3600
            assert (await client.get("/api/v1/me")).status_code == 200
        server.clock.ahead = 46 * 3600
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_signing_out_ends_the_session_everywhere(server: Server) -> None:
    """The session leaves the route table at once, and the cookie is worth nothing any more."""
    cookie = await server.session("admin")
    await server.hand_over(cookie)
    actor = await sessions.actor_of_session(server.core, cookie)
    assert actor is not None
    async with server.gateway() as gateway:
        await gateway.until(lambda table: [s.id for s in table.sessions] == [actor.session])
        await sessions.sign_out(server.core, actor)
        await gateway.until(lambda table: table.sessions == ())
    assert await sessions.actor_of_session(server.core, cookie) is None


async def test_blocking_ends_everything_at_once(server: Server) -> None:
    """A blocked user's sessions leave the route table; token, link and code are refused; unblocking
    gives none of them back."""
    ann = await server.user("ann")
    cookie = await server.session("ann")
    link = (await server.post("/users/ann/sign-in-links")).json()["url"].rsplit("/", 1)[1]
    await server.hand_over(cookie)
    code = await new_code(server, "ann")
    async with server.gateway() as gateway:
        await gateway.until(lambda table: len(table.sessions) == 1)
        assert (await server.post("/users/ann/block")).json()["blocked"] is True
        await gateway.until(lambda table: table.sessions == ())
    refused = await server.get("/me", ann)
    assert (refused.status_code, refused.json()["code"]) == (401, "token-invalid")
    assert await sessions.actor_of_session(server.core, cookie) is None
    with pytest.raises(NotFound):
        await links.sign_in_with_link(server.core, link)
    assert (await exchange(server, code)).status_code == 403
    assert (await server.post("/users/ann/sign-in-links")).json()["code"] == "user-blocked"
    await server.post("/users/ann/unblock")
    assert (await server.get("/me", ann)).status_code == 401
    assert await sessions.actor_of_session(server.core, cookie) is None
    with pytest.raises(NotFound):
        await links.sign_in_with_link(server.core, link)


async def test_a_gateway_takes_a_session_over(server: Server) -> None:
    """Authorize gives the browser a code, and the code gives the gateway the session of the route
    table."""
    cookie = await server.session("admin")
    answer = await authorize(server, cookie)
    target = urlsplit(answer.headers["location"])
    query = parse_qs(target.query)
    assert answer.status_code == 302
    assert f"{target.scheme}://{target.netloc}{target.path}" == CALLBACK
    assert query["state"] == ["s 1"]
    exchanged = await exchange(server, query["code"][0])
    session = exchanged.json()
    assert (exchanged.status_code, session["user"], session["user_name"]) == (200, 1, "admin")
    async with server.gateway() as gateway:
        await gateway.until(lambda table: [s.id for s in table.sessions] == [session["id"]])


async def test_without_a_session_authorize_leads_to_sign_in(server: Server) -> None:
    """And back afterwards: `next` holds the whole request."""
    answer = await authorize(server, "")
    target = urlsplit(answer.headers["location"])
    assert (answer.status_code, target.path, target.netloc) == (302, "/sign-in", "")
    back = urlsplit(parse_qs(target.query)["next"][0])
    assert back.path == contract.AUTHORIZE_PATH
    assert parse_qs(back.query) == {"redirect_uri": [CALLBACK], "state": ["s 1"]}


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "",
        "https://evil.example.com/auth/callback",
        "http://moorage.localhost:8080.evil.example.com/auth/callback",
        "http://moorage.localhost:8080@evil.example.com/auth/callback",
        "http://8080-workspace-1-1-abcdef.moorage.localhost:8080/auth/callback",
        "http://moorage.localhost:8080/auth/callback/../../x",
        "http://moorage.localhost:8080/auth/callback?x=1",
        "http://moorage.localhost:8081/auth/callback",
        "//moorage.localhost:8080/auth/callback",
    ],
)
async def test_codes_go_to_gateways_alone(sqlite_server: Server, redirect_uri: str) -> None:
    """Any address but a gateway's own callback is refused, with no redirect at all."""
    answer = await authorize(sqlite_server, await sqlite_server.session("admin"), redirect_uri)
    assert answer.status_code == 422
    assert answer.json()["code"] == "redirect-unknown"
    assert "location" not in answer.headers


async def test_a_code_is_good_once(server: Server) -> None:
    """A second exchange is refused, also when both come at the same time."""
    code = await new_code(server)
    answers = await asyncio.gather(*(exchange(server, code) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 403, 403]
    assert (await exchange(server, code)).json()["code"] == "code-invalid"


async def test_wrong_expired_and_foreign_codes(server: Server) -> None:
    """A code that was guessed, is 31 s old, or was made for another address opens nothing; nor does
    any without a token."""
    assert (await exchange(server, "guess")).json()["code"] == "code-invalid"
    code = await new_code(server)
    assert (await exchange(server, code, "http://moorage.localhost:8080/other")).status_code == 403
    assert (await exchange(server, code)).status_code == 403
    code = await new_code(server)
    server.clock.ahead = 31
    assert (await exchange(server, code)).status_code == 403
    server.clock.ahead = 0
    code = await new_code(server)
    assert (await exchange(server, code, token="admin-secret")).status_code == 401
    assert (await exchange(server, code)).status_code == 200


async def test_a_code_of_a_session_that_ended(server: Server) -> None:
    """Signing out between sign-in and exchange leaves the code worthless."""
    cookie = await server.session("admin")
    answer = await authorize(server, cookie)
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    actor = await sessions.actor_of_session(server.core, cookie)
    assert actor is not None
    await sessions.sign_out(server.core, actor)
    assert (await exchange(server, code)).json()["code"] == "code-invalid"
