"""The last route table on disk."""

from __future__ import annotations

from pathlib import Path

from moorage.contract.gateway import Grant, Route, RouteTable, Session
from moorage.gateway import store
from moorage.gateway.table import Table
from moorage.kernel.home import Home

NOW = 1000.0
MESSAGE = RouteTable(
    revision=7,
    server_url="http://s",
    routes=(Route(workspace="workspace-1-1-aaaaaa", owner=1, address="10.0.0.1"),),
    sessions=(
        Session(id="session-ana", user=1, user_name="ana", expires_at=2000.0),
        Session(id="session-bob", user=2, user_name="bob", expires_at=1500.0),
    ),
    grants=(Grant(user=2, workspace="workspace-1-1-aaaaaa", port=80),),
)


def test_the_copy_on_disk_is_the_table(tmp_path: Path):
    """What is written is read again, as a table that the server has not confirmed; ended sessions stay ended."""
    home, ours = Home(tmp_path), Table()
    ours.replace(MESSAGE, NOW)
    ours.end("session-bob")
    store.save(home, ours)
    found = store.load(home, NOW)
    assert (found.known, found.confirmed) == (True, False)
    assert found.message() == ours.message()
    assert found.ended == {"session-bob": 1500.0}


def test_what_ended_meanwhile_is_left_out(tmp_path: Path):
    """A session that is over when the copy is read is not in the table."""
    home, ours = Home(tmp_path), Table()
    ours.replace(MESSAGE, NOW)
    store.save(home, ours)
    assert store.load(home, 1500.0).sessions.keys() == {"session-ana"}


def test_no_copy_or_a_broken_one_is_no_table(tmp_path: Path):
    """Then nothing is known, until the server speaks."""
    home = Home(tmp_path)
    assert not store.load(home, NOW).known
    home.make()
    for text in ("", "{", '{"table": {"type": "table"}}', "[]"):
        store.path(home).write_text(text)
        assert not store.load(home, NOW).known
