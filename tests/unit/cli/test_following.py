"""Waiting for a workspace."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from moorage.cli import following
from moorage.cli.client import Client
from moorage.cli.following import Verdict, events, failure, verdict, wait
from moorage.contract import DesiredState
from moorage.kernel.errors import Conflict, MoorageError, NotFound, Unavailable
from unit.cli.serving import Answer, Server, as_json
from unit.cli.workspace import NAME, cause, stages, workspace

RUNNING, STOPPED, TERMINATED = DesiredState.RUNNING, DesiredState.STOPPED, DesiredState.TERMINATED
UP = stages(queued="done", received="done", ready="done")


@pytest.mark.parametrize(
    ("goal", "changes", "expected"),
    [
        (RUNNING, {"state": "CreationRequested"}, Verdict.WAIT),
        (RUNNING, {"state": "Running", "stages": UP}, Verdict.REACHED),
        # Restarted, or failed before: the state is still the one of before the request.
        (
            RUNNING,
            {"state": "Running", "stages": stages(queued="done", received="running")},
            Verdict.WAIT,
        ),
        (RUNNING, {"state": "Failed", "stages": stages(queued="running")}, Verdict.WAIT),
        (
            RUNNING,
            {"state": "Failed", "stages": stages(queued="done", received="done")},
            Verdict.FAILED,
        ),
        (
            RUNNING,
            {"state": "Error", "stages": stages(queued="done", received="done")},
            Verdict.WAIT,
        ),
        (
            RUNNING,
            {"state": "Running", "stages": stages(received="done", editor="running")},
            Verdict.WAIT,
        ),
        (RUNNING, {"state": "Unknown", "stages": UP}, Verdict.WAIT),
        (RUNNING, {"desired": "Stopped"}, Verdict.OVERRULED),
        (STOPPED, {"desired": "Stopped", "state": "Running"}, Verdict.WAIT),
        (STOPPED, {"desired": "Stopped", "state": "Failed"}, Verdict.WAIT),
        (STOPPED, {"desired": "Stopped", "state": "Stopped"}, Verdict.REACHED),
        (STOPPED, {"desired": "Terminated", "state": "Stopped"}, Verdict.OVERRULED),
        (TERMINATED, {"desired": "Terminated", "state": "Terminating"}, Verdict.WAIT),
        (TERMINATED, {"desired": "Terminated", "state": "Terminated"}, Verdict.REACHED),
    ],
)
def test_verdict(goal: DesiredState, changes: dict[str, Any], expected: Verdict) -> None:
    """Whether waiting goes on."""
    assert verdict(workspace(**changes), goal) is expected


def test_events_are_read_as_the_standard_says() -> None:
    """Comments keep a connection alive and mean nothing; data may have several lines; half an event
    is none."""
    lines = [
        ": hello",
        "",
        "event: workspace",
        "data: {",
        "data: }",
        "",
        "data:x",
        "",
        "id: 5",
        "",
        "event: y",
        "data: z",
    ]
    assert list(events(lines)) == [("workspace", "{\n}"), ("message", "x")]


def stream(*states: dict[str, Any]) -> Answer:
    """A stream that says so much, and breaks off."""
    text = "".join(f"event: workspace\ndata: {json.dumps(state)}\n\n" for state in states)
    return 200, "text/event-stream", text.encode()


def play(server: Server, *answers: Answer) -> None:
    """Answers each request for events with the next one; any other with the workspace, while it is
    there."""
    left = list(answers)

    def respond(_method: str, path: str, _body: Any) -> Answer:
        if path.endswith("/events"):
            return left.pop(0)
        return (
            as_json(workspace()) if left else as_json({"code": "not-found", "detail": "Gone."}, 404)
        )

    server.respond = respond


def test_waiting_outlives_a_stream(server: Server, client: Client) -> None:
    """A server that is restarted meanwhile is asked again; each change is shown."""
    away = as_json({"code": "unavailable", "detail": "Restarting."}, 503)
    play(server, stream(workspace(state="Starting")), away, stream(workspace(stages=UP)))
    shown, said = [], list[str]()
    found = wait(
        client,
        NAME,
        RUNNING,
        seconds=20,
        show=lambda now: shown.append(now["state"]),
        say=said.append,
    )
    assert found is not None
    assert shown == ["Starting", "Running"]
    assert said == ["Restarting. Trying again."]


@pytest.mark.parametrize("status", [502, 504])
def test_waiting_outlives_a_proxys_words(server: Server, client: Client, status: int) -> None:
    """An ingress answers for a server that is being upgraded, with a page of its own."""
    play(
        server,
        stream(workspace(state="Starting")),
        (status, "text/html", b"<html>away</html>"),
        stream(workspace(stages=UP)),
    )
    said = list[str]()
    assert wait(client, NAME, RUNNING, seconds=20, say=said.append)
    assert len(said) == 1
    assert str(status) in said[0]


def test_a_server_that_stays_away_ends_waiting(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patience has an end."""
    monkeypatch.setattr(following, "PATIENCE", 0.0)
    play(server, *[as_json({"code": "unavailable", "detail": "Away."}, 503)] * 9)
    with pytest.raises(Unavailable, match="Away"):
        wait(client, NAME, RUNNING, seconds=20)


def test_waiting_has_a_limit(server: Server, client: Client) -> None:
    """The error says that it goes on, and how to look."""
    play(server, *[stream(workspace(state="Starting"))] * 9)
    with pytest.raises(Unavailable, match="moor show") as late:
        wait(client, NAME, RUNNING, seconds=0.3)
    assert late.value.code == "timeout"


def endless(state: dict[str, Any], pause: float) -> Iterator[bytes]:
    """A stream that tells a state once, and then only that it lives."""
    yield f"event: workspace\ndata: {json.dumps(state)}\n\n".encode()
    for _ in range(int(60 / pause)):
        time.sleep(pause)
        yield b": still here\n\n"


@pytest.mark.parametrize("pause", [0.05, 30.0])
def test_the_limit_holds_while_a_stream_lives(server: Server, client: Client, pause: float) -> None:
    """Waiting ends at its time while the server goes on telling that nothing changes, or is silent.
    What the workspace waits for is said; the server is not blamed, nor asked again and again."""
    detail = "No node of the cluster has enough memory left for this workspace."
    waits = workspace(state="Starting", stages=stages(received="done", containers="running"))
    waits["stages"] = [
        {**each, "detail": detail} if each["state"] == "running" else each
        for each in waits["stages"]
    ]
    server.respond = lambda *_: (200, "text/event-stream", endless(waits, pause))
    said = list[str]()
    began = time.monotonic()
    with pytest.raises(Unavailable, match="enough memory") as late:
        wait(client, NAME, RUNNING, seconds=0.6, say=said.append)
    assert late.value.code == "timeout"
    assert 0.6 <= time.monotonic() - began < 5
    assert said == []
    assert len(server.asked) == 1


def test_deleted_is_the_goal_or_an_error(server: Server, client: Client) -> None:
    """Gone is what a deletion waits for, and what ends any other waiting."""
    play(server, stream(workspace(desired="Terminated", state="Terminating")))
    assert wait(client, NAME, TERMINATED, seconds=5) is None
    play(server, stream(workspace(state="Starting")))
    with pytest.raises(NotFound):
        wait(client, NAME, RUNNING, seconds=5)


def test_a_failed_start_raises_its_cause(server: Server, client: Client) -> None:
    """Message, code, hint and the lines behind them are those of the cause."""
    failed = workspace(
        state="Failed", stages=stages(received="done", image="failed"), cause=cause()
    )
    play(server, stream(failed))
    with pytest.raises(MoorageError) as raised:
        wait(client, NAME, RUNNING, seconds=5)
    error = raised.value
    assert (error.code, error.message, error.hint) == (
        "image-not-found",
        "The image cannot be found.",
        "Look.",
    )
    assert error.details == {"detail": "manifest unknown", "workspace": NAME}
    assert "does not say why" in failure(workspace(state="Failed")).message


def test_being_overruled(server: Server, client: Client) -> None:
    """Somebody who stops what another one waits for is heard of."""
    play(server, stream(workspace(desired="Stopped")))
    with pytest.raises(Conflict, match="Stopped"):
        wait(client, NAME, RUNNING, seconds=5)
