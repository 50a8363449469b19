"""Who exists is not told to those who may not see it, on any route."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import pytest

from integration.server.harness import ORIGIN, Server, addresses, counted

NAMED = {"/users": "bob", "/api/v1/users": "bob"}
"""Where a name in the address is a person's."""
WORKSPACES = ("/workspaces", "/api/v1/workspaces")
EVERYBODYS = ("/agents", "/api/v1/agents")
"""Everybody may list these."""
NOBODY, NOTHING = "nobody", "workspace-1-3-zzzzzz"
BODIES: tuple[Any, ...] = (
    {},
    {"name": "bob", "role": "developer", "label": "x", "days": 1, "only": "agent"},
)


def about_people(server: Server) -> list[tuple[str, str, str]]:
    """Method, address and whose name it holds (`person`, `workspace`), of all addresses with a name
    in them."""
    found = []
    for method, path in sorted(addresses(server)):
        kind = (
            "person"
            if path.startswith(tuple(NAMED))
            else "workspace"
            if path.startswith(WORKSPACES)
            else ""
        )
        if "{name}" in path and kind and method != "HEAD":
            found.append((method, path, kind))
        elif "{" in path and not path.startswith(
            ("/internal", "/assets", "/sign-in/link", *EVERYBODYS)
        ):
            assert method == "HEAD", f"{path}: say in this test whose name it holds"
    return found


def said(answer: httpx.Response, name: str) -> tuple[Any, ...]:
    """All of an answer but the name that was asked for, and what differs each time."""
    request_id = answer.headers["x-request-id"]
    text = answer.text.replace(request_id, "ID").replace(name, "NAME")
    headers = {
        k: v
        for k, v in answer.headers.items()
        if k not in ("x-request-id", "date", "content-length")
    }
    return answer.status_code, headers, text


@pytest.mark.parametrize("way", ["token", "cookie"])
async def test_a_developer_cannot_find_out_who_exists(
    server: Server, repository: str, way: str
) -> None:
    """Whoever asks for somebody else gets the answer that they get for nobody: each method of each
    address, of API and pages, by token and by cookie; for people, for administrators and for their
    workspaces, by name and by title."""
    ann, bob = await server.user("ann"), await server.user("bob")
    made = await server.post("/workspaces", {"repository": repository, "name": "secret-plan"}, bob)
    cookies = {"moorage": await server.session("ann")} if way == "cookie" else {}
    walked = 0
    async with server.client(
        ann if way == "token" else None, cookies=cookies, headers={"Origin": ORIGIN}
    ) as client:
        for (method, path, kind), body, accept in itertools.product(
            about_people(server), BODIES, ("application/json", "text/html")
        ):
            real = ("bob", "admin") if kind == "person" else (made.json()["name"], "secret-plan")
            unreal = NOBODY if kind == "person" else NOTHING
            api = path.startswith("/api/")
            answers = []
            for name in (*real, unreal):
                address = path.replace("{name}", name).replace("{token_id}", "1")
                if method == "WEBSOCKET":
                    continue
                content = {"json": body} if api else {"data": body}
                answer = await client.request(
                    method,
                    address,
                    headers={"Accept": accept},
                    **({} if method == "GET" else content),
                )
                answers.append(said(answer, name))
                assert answer.status_code >= 400, address
            assert answers[:-1] == answers[-1:] * (len(answers) - 1), (method, path)
            walked += len(answers)
    assert walked > 200
    for name in ("bob", "admin"):
        state = (await server.get(f"/users/{name}/tokens")).json()["items"]
        assert len(state) == 1


async def test_an_administrator_and_the_person_get_plain_answers(server: Server) -> None:
    """Who may see that somebody exists is told what is not possible, and why."""
    ann = await server.user("ann")
    refused = await server.post("/users/ann/block", None, ann)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    missing = await server.post("/users/nobody/block")
    assert (missing.status_code, missing.json()["code"]) == (404, "user-not-found")
    assert missing.json()["detail"] == "There is no user nobody."


async def test_a_new_person_is_added_by_administrators_alone(server: Server) -> None:
    """A developer who tries a name learns nothing of whether it is taken, or could be."""
    ann = await server.user("ann")
    answers = [
        await server.post("/users", {"name": name}, ann) for name in ("bob", "admin", "-x-", "ann")
    ]
    assert len({(a.status_code, a.json()["code"], a.json()["detail"]) for a in answers}) == 1
    assert answers[0].status_code == 403


async def test_others_titles_are_not_even_looked_for(server: Server, repository: str) -> None:
    """Nor does it take longer: a developer's question reads their own workspaces alone."""
    ann, bob = await server.user("ann"), await server.user("bob")
    name = (
        await server.post("/workspaces", {"repository": repository, "name": "plan"}, bob)
    ).json()["name"]
    for asked in (name, "plan", "nothing"):
        with counted(server) as statements:
            assert (await server.get(f"/workspaces/{asked}", ann)).status_code == 404
        looks = [s for s in statements if "JOIN agents" in s and "JOIN users" in s]
        assert looks
        assert all("workspaces.owner_id =" in s for s in looks)
    assert (await server.get("/workspaces/plan")).json()["name"] == name
