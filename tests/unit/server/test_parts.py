"""The small pure parts: CSRF, events, notifications, settings, routes, migrations, credentials."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from moorage.contract import Project, WorkspaceSpec
from moorage.kernel.errors import InvalidInput, Misconfigured, MoorageError, NotFound
from moorage.server.agents.services import with_credentials
from moorage.server.changes import RESYNC, Changed, LocalChanges
from moorage.server.changes_postgres import payloads
from moorage.server.database import unavailable
from moorage.server.http import csrf, events
from moorage.server.http.middleware import route_label
from moorage.server.http.problems import problem_of
from moorage.server.main import own_url
from moorage.server.migrations import runner
from moorage.server.settings import Credentials, Settings, load_credentials
from moorage.server.workspaces.editors import SHIPPED, load_editors

OWN = "http://localhost:8080"


@pytest.mark.parametrize(
    ("method", "websocket", "authorization", "origin", "refused"),
    [
        ("GET", False, False, None, False),
        ("GET", False, False, "http://evil", False),
        ("HEAD", False, False, "http://evil", False),
        ("POST", False, False, OWN, False),
        ("POST", False, False, None, True),
        ("POST", False, False, "null", True),
        ("DELETE", False, False, "http://x.localhost:8080", True),
        ("POST", False, True, None, False),
        ("POST", False, True, "http://evil", False),
        ("GET", True, False, OWN, False),
        ("GET", True, False, None, True),
        ("GET", True, False, "http://x.localhost:8080", True),
        ("GET", True, True, None, False),
    ],
)
def test_foreign_requests(
    method: str, websocket: bool, authorization: bool, origin: str | None, refused: bool
) -> None:
    """Unsafe methods and WebSockets need the server's own origin, unless they carry a token."""
    reason = csrf.refusal(
        method=method, websocket=websocket, authorization=authorization, origin=origin, own=OWN
    )
    assert bool(reason) is refused


def test_events_are_encoded() -> None:
    """Each line of the data is a line of its own, so that no text can end an event."""
    assert events.encode("x", "a\nevent: y\n\nb") == b"event: x\ndata: a\ndata: event: y\ndata: \ndata: b\n\n"
    assert events.encode("x", "") == b"event: x\ndata: \n\n"


async def test_a_subscription_hears_each_thing_once() -> None:
    """Whatever happened between two looks comes together; what one did not ask for does not come, but for RESYNC."""
    changes = LocalChanges()
    with changes.subscribe("desired") as subscription:
        desired, other = Changed(kind="desired", key="a"), Changed(kind="desired", key="b")
        await changes.after_commit([desired, Changed(kind="actual", key="a"), desired, other])
        assert await subscription.next() == [desired, other]
        await changes.after_commit([RESYNC])
        assert await subscription.next() == [RESYNC]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(subscription.next(), 0.01)
        await changes.after_commit([desired])
        assert await subscription.next() == [desired]


async def test_claims_are_granted_once() -> None:
    """Until whoever holds them releases them."""
    changes, one, other = LocalChanges(), object(), object()
    assert await changes.claim(1, one)
    assert await changes.claim(1, one)
    assert not await changes.claim(1, other)
    await changes.release(1, other)
    assert not await changes.claim(1, other)
    await changes.release(1, one)
    assert await changes.claim(1, other)


def test_notifications_fit() -> None:
    """However many there are, no payload is larger than PostgreSQL takes, and none is lost or repeated."""
    many = [Changed(kind="desired", key=f"workspace-1-1-{i:06}", agent=1) for i in range(500)] * 2
    made = payloads(many)
    assert all(len(payload) < 8000 for payload in made)
    assert sum(payload.count('"key"') for payload in made) == 500


def test_settings_and_their_zone() -> None:
    """The zone's address follows the public URL's scheme; ports that are the scheme's own are left out."""
    assert Settings().zone_url == Settings().origin == OWN
    secure = Settings(public_url="https://moorage.example.com/", zone="w.example.com", port=443)
    assert (secure.origin, secure.zone_url, secure.secure) == (
        "https://moorage.example.com",
        "https://w.example.com",
        True,
    )
    assert Settings(zone="Dev.Example.COM", port=80).origin == "http://dev.example.com"


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://moorage.example.com", "https://moorage.example.com"),
        ("HTTPS://Moorage.Example.COM/", "https://moorage.example.com"),
        ("https://moorage.example.com:443", "https://moorage.example.com"),
        ("http://moorage.example.com:80/", "http://moorage.example.com"),
        ("http://moorage.example.com:443", "http://moorage.example.com:443"),
        ("https://moorage.example.com:8443", "https://moorage.example.com:8443"),
        (" https://moorage:0443 ", "https://moorage"),
        ("http://10.0.0.7:8080", "http://10.0.0.7:8080"),
        ("http://[2001:DB8:0:0::1]:80", "http://[2001:db8::1]"),
        ("https://my_host.example.com?#", "https://my_host.example.com"),
    ],
)
def test_the_public_url_as_browsers_write_it(text: str, origin: str) -> None:
    """What a browser sends as `Origin` has no capitals and no port that is the scheme's own."""
    settings = Settings(public_url=text, zone="w.example.com", port=443)
    settings.check()
    assert settings.origin == origin
    assert settings.secure == origin.startswith("https:")


@pytest.mark.parametrize(
    "text",
    [
        "moorage.example.com",
        "ftp://x",
        "https://x/path",
        "https://x?query",
        "https://x#fragment",
        "https://",
        "https://me@x",
        "https://x:port",
        "https://x:99999",
        "https://x:0",
        "https://[x",
        "https://[fe80::1%eth0]",
        "https://10.0.0",
        "https://10.0.0.256",
        "https://x y",
        "https://m\u00fcnchen.example",
    ],
)
def test_a_public_url_that_is_no_origin(text: str) -> None:
    """It is refused at the start, and what one looks like is said."""
    with pytest.raises(Misconfigured, match="must be an origin"):
        Settings(public_url=text).check()


def test_database_trouble_in_plain_words() -> None:
    """A full disk is told from a database that is away."""
    assert unavailable("database or disk is full").code == "no-space"
    assert unavailable("connection refused").code == "database-unavailable"


def test_credentials_must_be_private(tmp_path: Path) -> None:
    """A file that others can read is refused; one that is no such file says what it should hold; none is none."""
    file = tmp_path / "git.toml"
    file.write_text('["Git.example.com"]\nusername = "u"\npassword = "p"\n')
    file.chmod(0o644)
    with pytest.raises(Misconfigured, match="can be read by others"):
        load_credentials(str(file))
    file.chmod(0o600)
    credentials = load_credentials(str(file))
    url = "https://git.example.com/team/app.git"
    assert credentials.of(url, asked=url) == ("u", "p")
    assert repr(credentials) == "Credentials(origins=['https://git.example.com'])"
    file.write_text('["git.example.com"]\nusername = "u"\n')
    with pytest.raises(Misconfigured, match="password"):
        load_credentials(str(file))
    file.write_text('["git.example.com/team"]\nusername = "u"\npassword = "p"\n')
    with pytest.raises(Misconfigured, match="no host"):
        load_credentials(str(file))
    assert load_credentials("").of(url, asked=url) is None


@pytest.mark.parametrize(
    ("table", "url", "given"),
    [
        ("h", "https://h/x", True),
        ("h", "http://h/x", False),
        ("h", "https://h:444/x", False),
        ("h", "ssh://h/x", False),
        ("H:443", "https://h/x", True),
        ("h:444", "https://h:444/x", True),
        ("h:444", "http://h:444/x", False),
        ("https://h", "https://h/x", True),
        ("http://h", "http://h/x", True),
        ("http://h", "https://h/x", False),
        ("http://h:3000", "http://h:3000/x", True),
        ("http://h:3000", "http://h/x", False),
    ],
)
def test_credentials_are_for_https_unless_the_file_says_http(
    tmp_path: Path, table: str, url: str, given: bool
) -> None:
    """A table names a host for https, or says http itself; it opens that host on that port by that protocol."""
    file = tmp_path / "git.toml"
    file.touch(mode=0o600)
    file.write_text(f'["{table}"]\nusername = "u"\npassword = "p"\n')
    assert (load_credentials(str(file)).of(url, asked=url) is not None) == given


@pytest.mark.parametrize(
    ("asked", "opened"),
    [
        ("https://h/team/app.git", ["https://h/team/app", "https://H:443/team/app.git/"]),
        ("https://h/team/secret", ["https://h/team/secret"]),
        ("https://evil.org/team/app.git", []),
        ("http://h/team/app.git", []),
    ],
)
def test_a_credential_is_for_the_project_that_was_asked_for(asked: str, opened: list[str]) -> None:
    """A foreign repository's devfile may name projects on the company's host: it gets no credential for them. One that names its
    own repository keeps it, however it writes that."""
    urls = (
        "https://h/team/app",
        "https://H:443/team/app.git/",
        "https://h/team/secret",
        "http://h/team/app.git",
        "https://h:444/team/app.git",
        "https://me@h/team/app.git",
        "https://h@evil.org/team/app.git",
        "ssh://h/team/app.git",
        "https://h.evil.org/team/app.git",
        "https://[x/team/app.git",
    )
    projects = tuple(Project(name="p", clone_path="p", url=url, remotes={"r": url}) for url in urls)
    spec = WorkspaceSpec(containers=(), main_container="", projects=projects)
    given = with_credentials(spec, Credentials({"https://h": ("u", "p")}), asked=asked)
    assert [project.url for project in given.projects if project.credential is not None] == opened


def test_problems() -> None:
    """Every error of the tree has its status, code, field and details; an unknown one tells nothing."""
    problem = problem_of(InvalidInput("Bad.", code="x-bad", hint="Do.", field="ref", limit=3), "r1")
    assert problem == {
        "type": "about:blank",
        "title": "Not accepted",
        "status": 422,
        "code": "x-bad",
        "detail": "Bad.",
        "hint": "Do.",
        "request_id": "r1",
        "field": "ref",
        "limit": 3,
    }
    assert problem_of(NotFound("No."), "r")["status"] == 404
    assert problem_of(MoorageError("Odd."), "r")["status"] == 500
    unknown = problem_of(RuntimeError("password=hunter2"), "r9")
    assert "hunter2" not in str(unknown)
    assert "r9" in unknown["hint"]


@pytest.mark.parametrize(
    ("scope", "label"),
    [
        ({"path": "/a/w/start", "route": 1, "path_params": {"name": "w"}}, "/a/{name}/start"),
        ({"path": "/a/5", "route": 1, "path_params": {"id": 5}}, "/a/{id}"),
        ({"path": "/assets/x/y.css", "route": 1, "path_params": {"path": "x/y.css"}}, "/assets/{path}"),
        ({"path": "/w/w", "route": 1, "path_params": {}}, "/w/w"),
        ({"path": "/guess"}, "other"),
    ],
)
def test_route_labels(scope: dict[str, object], label: str) -> None:
    """Parameters never become labels."""
    assert route_label(scope) == label


def test_head_is_the_newest_migration() -> None:
    """What the start compares with is what the folder holds."""
    versions = Path(runner.__file__).parent / "versions"
    assert max(file.name[:4] for file in versions.glob("[0-9]*.py")) == runner.HEAD


def test_the_shipped_editors(tmp_path: Path) -> None:
    """The file that comes with Moorage is usable; one in the state folder takes its place; a broken one is refused."""
    shipped = load_editors(tmp_path / "none.toml")
    assert SHIPPED.exists()
    assert next(iter(shipped)) == "code-server"
    assert shipped["code-server"].port == 60001
    own = tmp_path / "editors.toml"
    own.write_text('[other]\ncommand = ["x", "{port}"]\n')
    assert list(load_editors(own)) == ["other"]
    for broken in ("", "[x]\n", "x = 1\n", "[["):
        own.write_text(broken)
        with pytest.raises(Misconfigured):
            load_editors(own)


def test_credentials_that_a_pod_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes mounts a Secret as a file of root's that the pod's group may read: that is taken, but not what all may read."""
    file = tmp_path / "credentials.toml"
    file.write_text('["git.example.com"]\nusername = "u"\npassword = "p"\n')
    monkeypatch.setattr("os.geteuid", lambda: file.stat().st_uid + 1)
    file.chmod(0o440)
    url = "https://git.example.com/app"
    assert load_credentials(str(file)).of(url, asked=url) == ("u", "p")
    for mode in (0o444, 0o460):
        file.chmod(mode)
        with pytest.raises(Misconfigured) as refused:
            load_credentials(str(file))
        assert refused.value.code == "credentials-readable"


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("[::]:8000", "http://[::1]:8000"),
        (":8000", "http://127.0.0.1:8000"),
        ("*:8000", "http://127.0.0.1:8000"),
        ("10.0.0.7:80", "http://10.0.0.7:80"),
    ],
)
def test_where_a_server_finds_itself(listen: str, url: str) -> None:
    """Whoever is on the same machine reaches a server that listens everywhere by the loopback address."""
    assert own_url(listen) == url
