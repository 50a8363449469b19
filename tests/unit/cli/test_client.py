"""Where the server is, and what its errors become."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from moorage.cli.client import Client, Target, match, problem, target
from moorage.cli.context import Context
from moorage.kernel.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    LimitReached,
    MoorageError,
    NotFound,
    NotSignedIn,
    TooLarge,
    Unavailable,
)
from moorage.kernel.home import Home
from unit.cli.serving import Server, as_json
from unit.cli.workspace import NAME, workspace

NOWHERE = Home(Path("/nowhere"))


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOORAGE_TOKEN", "MOORAGE_SERVER", "MOORAGE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_the_installation_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`client.json` says where and as whom; `MOORAGE_TOKEN` makes it somebody else."""
    (tmp_path / "client.json").write_text(
        json.dumps({"server": "unix:/run/x", "url": "http://x", "token": "one"})
    )
    assert target(None, Home(tmp_path)) == Target("unix:/run/x", "one")
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path))
    monkeypatch.setenv("MOORAGE_TOKEN", "two")
    assert target(None, Context().installation) == Target("unix:/run/x", "two")


def test_a_server_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its token comes from the environment, never from `client.json`, which is another server's."""
    with pytest.raises(NotSignedIn, match="MOORAGE_TOKEN"):
        target("https://moorage.example.com", NOWHERE)
    monkeypatch.setenv("MOORAGE_TOKEN", "secret")
    where = target("https://moorage.example.com/", NOWHERE)
    assert (where.origin, where.socket) == ("https://moorage.example.com", "")
    assert "secret" not in repr(where)
    with pytest.raises(InvalidInput):
        target("moorage.example.com", NOWHERE)


def test_no_installation(tmp_path: Path) -> None:
    """Who has not started one is told how to."""
    with pytest.raises(Unavailable, match="moor up") as missing:
        target(None, Home(tmp_path))
    assert missing.value.code == "no-installation"
    (tmp_path / "client.json").write_text("{")
    with pytest.raises(Unavailable):
        target(None, Home(tmp_path))


def test_a_server_that_is_away(tmp_path: Path) -> None:
    """The error says what to look at; nothing of httpcore gets through."""
    with pytest.raises(Unavailable, match="moor status") as away:
        Client(Target(f"unix:{tmp_path}/none.sock", "x"))
    assert away.value.code == "server-unreachable"
    client = Client(Target("http://127.0.0.1:9", "x"))
    with pytest.raises(Unavailable):
        client.get("/me")
    client.close()


def test_the_proxy_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server elsewhere is asked through `HTTP_PROXY`, with its user and password; the path is the
    whole URL."""
    asked = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Proxy-Authorization"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            return

    with HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        for name in ("HTTP_PROXY", "NO_PROXY", "ALL_PROXY"):
            monkeypatch.delenv(name.lower(), raising=False)
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTP_PROXY", f"http://me:a%40b@127.0.0.1:{proxy.server_port}")
        answering = threading.Thread(target=proxy.handle_request)
        answering.start()
        client = Client(Target("http://moorage.example.com", "x"))
        assert client.get("/me") == {}
        client.close()
        answering.join()
    assert asked == [
        ("http://moorage.example.com/api/v1/me", "Basic " + b64encode(b"me:a@b").decode())
    ]


@pytest.mark.parametrize("server", ["http://host:port", "http://[::1", "https://"])
def test_a_url_that_is_none(server: str) -> None:
    """It is refused in words."""
    with pytest.raises(MoorageError) as refused:
        Client(Target(server, "x")).get("/me")
    assert refused.value.code == "server-unreachable"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, NotSignedIn),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (422, InvalidInput),
        (429, LimitReached),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
        (500, MoorageError),
    ],
)
def test_a_problem_becomes_the_error_that_it_was(status: int, kind: type[MoorageError]) -> None:
    """Code, sentence and hint come through, and what else the server said."""
    body = {
        "title": "t",
        "status": status,
        "code": "c",
        "detail": "d.",
        "hint": "h.",
        "request_id": "r",
        "limit": 3,
    }
    error = problem(status, json.dumps(body).encode())
    assert type(error) is kind
    assert (error.code, error.message, error.hint) == ("c", "d.", "h.")
    assert error.details == {"request_id": "r", "limit": 3}


def test_the_field_and_the_problems_of_an_input() -> None:
    """A wrong devfile's problems keep their places."""
    problems = [{"code": "x", "message": "m", "line": 3, "column": 5}]
    body = {"code": "devfile-invalid", "detail": "d", "field": "devfile", "problems": problems}
    error = problem(422, json.dumps(body).encode())
    assert isinstance(error, InvalidInput)
    assert error.field == "devfile"
    assert error.details["problems"] == problems


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"detail": "x"}'])
def test_an_answer_of_something_else(content: bytes, status: int) -> None:
    """A proxy's error page is told by its status."""
    error = problem(status, content)
    assert isinstance(error, Unavailable)
    assert error.code == "unexpected-answer"
    assert str(status) in error.message


def test_an_answer_that_is_no_json(server: Server, client: Client) -> None:
    """Something else may listen at the address."""
    server.respond = lambda *_: (200, "text/html", b"<html>")
    with pytest.raises(Unavailable, match="not answer like a Moorage server"):
        client.get("/me")


def test_the_token_goes_along(server: Server, client: Client) -> None:
    """Every request carries it as a bearer token."""
    client.post("/users", {"name": "ana", "role": None})
    assert server.asked == [("POST", "/api/v1/users", {"name": "ana"})]
    assert server.tokens == {"Bearer moor_token"}


ITEMS = [
    workspace(name="workspace-1-1-aaaaaa", title="app"),
    workspace(name="workspace-1-1-bbbbbb", title="app-two"),
    workspace(name="workspace-1-2-cccccc", title="other"),
]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("app", "workspace-1-1-aaaaaa"),
        ("app-", "workspace-1-1-bbbbbb"),
        ("o", "workspace-1-2-cccccc"),
        ("workspace-1-1-a", "workspace-1-1-aaaaaa"),
        ("workspace-1-2", "workspace-1-2-cccccc"),
    ],
)
def test_a_workspace_by_the_beginning_of_its_name(wanted: str, name: str) -> None:
    """A title that is exact wins; else a beginning that fits one only."""
    assert match(wanted, ITEMS) == name


@pytest.mark.parametrize(
    ("wanted", "kind", "code"),
    [
        ("ap", InvalidInput, "workspace-ambiguous"),
        ("workspace", InvalidInput, "workspace-ambiguous"),
        ("x", NotFound, "workspace-not-found"),
    ],
)
def test_a_name_that_fits_none_or_several(wanted: str, kind: type[MoorageError], code: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(kind) as refused:
        match(wanted, ITEMS)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("app-", "Did you mean app-two?"),
        ("app-two-", "`moor list` shows yours."),
        ("a", "Did you mean app or app-two?"),
        ("workspace-1-2", "Did you mean workspace-1-2-cccccc?"),
    ],
)
def test_what_cannot_be_undone_wants_the_whole_name(
    server: Server, client: Client, wanted: str, hint: str
) -> None:
    """A beginning is not taken, but those that have it are named."""
    server.respond = lambda _method, path, _body: (
        as_json({"items": ITEMS})
        if path.endswith("/workspaces")
        else as_json({"code": "workspace-not-found", "detail": "None."}, 404)
    )
    with pytest.raises(NotFound) as refused:
        client.workspace_exactly(wanted)
    assert (refused.value.code, refused.value.hint) == ("workspace-not-found", hint)


def test_what_cannot_be_undone_wants_another_persons_name(server: Server, client: Client) -> None:
    """An administrator's title may be somebody else's when their own is gone: then the full name is
    needed."""
    server.respond = lambda _method, path, _body: as_json(
        {"id": 1} if path.endswith("/me") else workspace()
    )
    with pytest.raises(NotFound, match=f"ana has one: say {NAME}"):
        client.workspace_exactly("app")
    assert client.workspace_exactly(NAME)["owner"] == 2


def test_the_server_is_asked_for_the_name_first(server: Server, client: Client) -> None:
    """A name that holds a slash or a question mark stays one segment of the path."""
    server.respond = lambda *_: as_json(workspace())
    assert client.workspace_name("a/b?c") == NAME
    assert server.asked == [("GET", "/api/v1/workspaces/a%2Fb%3Fc", None)]
