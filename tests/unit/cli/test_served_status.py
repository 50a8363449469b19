"""`moor status` beside a server that listens on TCP, as in a cluster's pod."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from unit.cli.running import moor
from unit.cli.workspace import workspace

AGENT = {
    "name": "local",
    "enabled": True,
    "revoked": False,
    "connected": True,
    "last_seen": 1.0,
}
Pod = Callable[..., Path]


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    """Makes a state folder as the server's pod has it, and the server, which knows such agents."""
    agents: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            items = agents if self.path.endswith("/agents") else [workspace(state="Running")]
            content = json.dumps({"items": items}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()

    def make(*, answers: bool = True, **agent: Any) -> Path:
        agents[:] = [{**AGENT, **agent}]
        port = server.server_address[1]
        if not answers:
            server.shutdown()
            server.server_close()
        document = {"server": f"http://127.0.0.1:{port}", "url": "http://dev", "token": "moor_x"}
        (tmp_path / "client.json").write_text(json.dumps(document))
        return tmp_path

    yield make
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_server_that_answers(pod: Pod) -> None:
    """What the server knows is told, and that `moor up` has nothing to do with it: exit code 0."""
    home = pod()
    done = moor(home, "status")
    assert done.returncode == 0, done.stderr
    assert "answers" in done.stdout
    assert "not running" not in done.stdout
    assert "1 Running" in done.stdout
    assert "Agent local:      connected" in done.stdout
    found = json.loads(moor(home, "status", "-o", "json").stdout)
    assert (found["running"], found["healthy"], found["workspaces"]) == (True, True, {"Running": 1})


@pytest.mark.parametrize(
    ("agent", "words", "code"),
    [
        ({"connected": False}, "away for", 8),
        ({"connected": False, "last_seen": None}, "has never been connected", 8),
        ({"connected": False, "revoked": True}, "away for", 0),
        ({"connected": False, "enabled": False}, "away for", 0),
    ],
)
def test_an_agent_that_is_away(pod: Pod, agent: dict[str, Any], words: str, code: int) -> None:
    """One that is to take workspaces and is not there is a fault; one that nobody waits for is
    none."""
    done = moor(pod(**agent), "status")
    assert (done.returncode, words in done.stdout) == (code, True)


def test_a_server_that_does_not_answer(pod: Pod) -> None:
    """That it is away is told with where to look, which is not `moor up`'s log: exit code 8."""
    done = moor(pod(answers=False), "status")
    assert done.returncode == 8
    assert "does not answer" in done.stdout
    assert "pod's log" in done.stdout
    assert "`moor up` starts it" not in done.stdout
