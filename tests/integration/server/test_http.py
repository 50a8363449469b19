"""What every request goes through: problems, limits, CSRF, ids, metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.server.harness import ORIGIN, ConnectionRefused, Server, serving
from moorage.server.accounts import services
from moorage.server.settings import Settings

EVIL = "http://8080-workspace-1-2-abcdef.moorage.localhost:8080"


async def test_errors_are_problems(sqlite_server: Server) -> None:
    """FastAPI's own errors too: unknown address, wrong method, malformed body, wrong type."""
    server, json_type = sqlite_server, {"Content-Type": "application/json"}
    cases = [
        (await server.get("/nothing"), 404, "not-found"),
        (await server.call("PUT", "/api/v1/me"), 405, "method-not-allowed"),
        (
            await server.call("POST", "/api/v1/workspaces", content=b"{", headers=json_type),
            400,
            "bad-request",
        ),
        (await server.post("/workspaces", {"repository": 5}), 422, "invalid-input"),
        (await server.post("/workspaces", {"repository": "x", "odd": 1}), 422, "invalid-input"),
        (await server.get("/workspaces/x/logs?tail=-1"), 422, "invalid-input"),
    ]
    for answer, status, code in cases:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
        assert {"type", "title", "detail", "hint", "request_id"} <= problem.keys()
        assert answer.headers["x-request-id"] == problem["request_id"]
    assert (await server.post("/workspaces", {"repository": 5})).json()["field"] == "repository"


async def test_an_error_that_nobody_foresaw(
    sqlite_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client learns nothing but the request's id, by which the log has the rest."""

    async def fail(*_: object) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr(services, "list_users", fail)
    answer = await sqlite_server.get("/users")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert problem["request_id"] in problem["hint"]
    assert (await sqlite_server.get("/me")).status_code == 200


@pytest.mark.parametrize(
    "public_url",
    ["HTTP://Moorage.Example.COM/", "http://moorage.example.com:80", "http://moorage.example.com"],
)
async def test_the_public_url_in_other_words(folder: Path, public_url: str) -> None:
    """However it is written, it is the origin that browsers send; any other is another site's."""
    async with serving(folder, Settings(public_url=public_url)) as server:
        for origin, status in (
            ("http://moorage.example.com", 404),
            ("http://moorage.example.com:8080", 403),
        ):
            headers = {"Origin": origin, "Accept": "text/html"}
            answer = await server.call(
                "POST", "/sign-in", None, data={"link": "none"}, headers=headers
            )
            assert answer.status_code == status, answer.text


async def test_addresses_that_are_none(sqlite_server: Server) -> None:
    """What cannot be read as a URL leads nowhere, and is no error of the server's: before signing
    in, and with any `Host`."""
    page = {"Accept": "text/html", "Origin": ORIGIN}
    for bad in ("//[", "///[", "http://[x"):
        shown = await sqlite_server.call(
            "GET", "/sign-in", None, params={"next": bad}, headers=page
        )
        assert shown.status_code == 200, shown.text
        assert bad not in shown.text
        pasted = await sqlite_server.call(
            "POST", "/sign-in", None, data={"link": f"{bad}/abc", "next": bad}, headers=page
        )
        assert pasted.status_code == 404, pasted.text
    for host in ("[", "[x", "a:b:c", "//["):
        assert (
            await sqlite_server.call("GET", "/sign-in", None, headers={"Host": host})
        ).status_code == 200
        assert (await sqlite_server.call("GET", "/", None, headers={"Host": host})).status_code in (
            303,
            401,
        )


async def test_an_oversized_request(sqlite_server: Server) -> None:
    """More than 1 MB is refused, whether the length is declared or not, and before anything else
    happens."""
    big = b'{"repository": "' + b"x" * 1_000_000 + b'"}'

    async def chunks() -> object:
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    for content in (big, chunks()):
        answer = await sqlite_server.call("POST", "/api/v1/workspaces", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "request-too-large")
        assert answer.json()["detail"] == "The request is larger than 1000000 bytes."


@pytest.mark.parametrize(
    "origin", [None, EVIL, "null", "http://moorage.localhost:8081", f"{ORIGIN}.evil.example.com"]
)
async def test_cookies_alone_change_nothing(sqlite_server: Server, origin: str | None) -> None:
    """With the cookie, an unsafe request from anywhere but the server's own pages is refused."""
    cookie = await sqlite_server.session("admin")
    async with sqlite_server.client(None, cookies={"moorage": cookie}) as client:
        headers = {"Origin": origin} if origin else {}
        answer = await client.post("/api/v1/users", json={"name": "eve"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign-origin")
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 200
    assert len((await sqlite_server.get("/users")).json()["items"]) == 1


async def test_the_servers_own_pages_and_tokens_may(sqlite_server: Server) -> None:
    """With its own origin a cookie is enough; a token needs no origin, and is not mended by a
    cookie when it is wrong."""
    cookie = await sqlite_server.session("admin")
    async with sqlite_server.client(None, cookies={"moorage": cookie}) as client:
        answer = await client.post(
            "/api/v1/users", json={"name": "ann"}, headers={"Origin": ORIGIN}
        )
        assert answer.status_code == 201
        for header in ("Bearer wrong", "Basic YWRtaW46eA==", ""):
            answer = await client.post(
                "/api/v1/users", json={"name": "eve"}, headers={"Authorization": header}
            )
            assert answer.status_code == 401
    assert (await sqlite_server.post("/users", {"name": "bob"})).status_code == 201


async def test_websockets_of_other_sites_are_refused(sqlite_server: Server) -> None:
    """A workspace's page cannot open a terminal elsewhere with the cookie that its visitor's
    browser sends along."""
    cookie = await sqlite_server.session("admin")
    for headers in ({"Origin": EVIL}, {}):
        with pytest.raises(ConnectionRefused) as refused:
            async with sqlite_server.websocket(
                "/api/v1/workspaces/x/exec", Cookie=f"moorage={cookie}", **headers
            ):
                pass
        assert refused.value.response.status_code == 403
        assert b"foreign-origin" in (refused.value.response.body or b"")
    with pytest.raises(ConnectionRefused) as refused:
        async with sqlite_server.websocket(
            "/api/v1/workspaces/x/exec", Cookie=f"moorage={cookie}", Origin=ORIGIN
        ):
            pass
    assert refused.value.response.status_code == 404


async def test_openapi_without_a_foreign_page(sqlite_server: Server) -> None:
    """The description is there, whole, for anybody; no page loads scripts from elsewhere."""
    document = (await sqlite_server.call("GET", "/api/v1/openapi.json", None)).json()
    assert {
        "/api/v1/me",
        "/api/v1/workspaces",
        "/api/v1/workspaces/{name}/start",
        "/api/v1/agents",
    } <= set(document["paths"])
    assert not [path for path in document["paths"] if not path.startswith("/api/v1")]
    for path in ("/docs", "/redoc"):
        assert (await sqlite_server.call("GET", path)).status_code == 404


async def test_every_address_of_the_api_asks_who_it_is(sqlite_server: Server) -> None:
    """Without a token, or with a wrong one, each method of each address answers 401, before it
    looks at anything else."""
    document = (await sqlite_server.call("GET", "/api/v1/openapi.json", None)).json()
    asked = 0
    for path, methods in document["paths"].items():
        address = path.replace("{name}", "x").replace("{token_id}", "1")
        for method in methods:
            answer = await sqlite_server.call(method.upper(), address, "wrong", json={})
            assert answer.status_code == 401, (method, path)
            asked += 1
    assert asked > 20


async def test_metrics_and_health(sqlite_server: Server) -> None:
    """Requests are counted by route, not by address, so that names fill no label."""
    await sqlite_server.get("/workspaces/one")
    await sqlite_server.get("/workspaces/two")
    await sqlite_server.get("/nothing/at/all")
    assert (await sqlite_server.call("GET", "/healthz", None)).text == "ok\n"
    text = (await sqlite_server.call("GET", "/metrics", None)).text
    assert (
        'moorage_server_requests_total{method="GET",route="/api/v1/workspaces/{name}",status="404"} 2.0'
        in text
    )
    assert 'route="other",status="404"} 1.0' in text
    assert "nothing" not in text
