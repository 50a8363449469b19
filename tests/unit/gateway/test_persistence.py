"""The last route table on disk."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from pathlib import Path

from moorage.contract.gateway import Grant, Route, RouteTable, Session
from moorage.gateway import changes, persistence
from moorage.gateway.access import entries_of
from moorage.gateway.haproxy.access_map import file_text
from moorage.gateway.table import Affected, Table
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
    """What is written is read again, as a table that the server has not confirmed; ended sessions
    stay ended."""
    home, ours = Home(tmp_path), Table()
    changes.replace(ours, MESSAGE, NOW)
    changes.end(ours, "session-bob")
    persistence.save(home, ours)
    found = persistence.load(home, NOW)
    assert (found.known, found.confirmed) == (True, False)
    assert found.message() == ours.message()
    assert found.ended == {"session-bob": 1500.0}


def test_what_ended_meanwhile_is_left_out(tmp_path: Path):
    """A session that is over when the copy is read is not in the table."""
    home, ours = Home(tmp_path), Table()
    changes.replace(ours, MESSAGE, NOW)
    persistence.save(home, ours)
    assert persistence.load(home, 1500.0).sessions.keys() == {"session-ana"}


def test_a_copy_is_looked_at_as_a_message_is(tmp_path: Path):
    """What an older version, or somebody else, wrote there leads nowhere it should not, and is no
    more than text in the map that HAProxy begins with."""
    home = Home(tmp_path)
    home.make()
    names = [f"workspace-1-1-aaaaa{number}" for number in range(4)]
    addresses = ["::1%x;disable frontend web", "169.254.169.254", "FD00:0::1", "10.0.0.1"]
    routes = [
        Route(workspace=name, owner=1, address=address)
        for name, address in zip(names, addresses, strict=True)
    ]
    evil = Route(workspace="workspace-1-1-aaaaaa.z:;x", owner=1, address="10.0.0.2")
    sessions = (
        *MESSAGE.sessions,
        Session(id="a b;c 12345", user=1, user_name="", expires_at=2000.0),
    )
    message = RouteTable(
        revision=1, server_url="http://s\n  stats enable", routes=(*routes, evil), sessions=sessions
    )
    persistence.write(home, persistence.Stored(message, {"x y;z": 2000.0, "session-bob": 2000.0}))
    found = persistence.load(home, NOW)
    assert {name: route.address for name, route in found.routes.items()} == dict(
        zip(names, ["", "", "fd00::1", "10.0.0.1"], strict=True)
    )
    assert (found.server_url, found.ended) == ("", {"session-bob": 2000.0})
    text = file_text(entries_of(found, "z", NOW))
    assert text == f"{names[2]}.z/session-ana fd00::1\n{names[3]}.z/session-ana 10.0.0.1\n"
    narrowed = persistence.load(home, NOW, (ip_network("fd00::/8"),))
    assert [route.address for route in narrowed.routes.values()] == ["", "", "fd00::1", ""]


def test_no_copy_or_a_broken_one_is_no_table(tmp_path: Path):
    """Then nothing is known, until the server speaks."""
    home = Home(tmp_path)
    assert not persistence.load(home, NOW).known
    home.make()
    for text in ("", "{", '{"table": {"type": "table"}}', "[]"):
        persistence.path(home).write_text(text)
        assert not persistence.load(home, NOW).known


async def test_a_change_is_on_the_disk_soon(tmp_path: Path):
    """Whoever waits for it has it written; nothing is written where nothing changed."""
    home, ours = Home(tmp_path), Table()
    home.make()
    keeper = persistence.Persistence(home, ours)
    saving = asyncio.create_task(keeper.save_changes())
    changes.replace(ours, MESSAGE, NOW)
    await asyncio.sleep(0)
    assert not persistence.path(home).exists()
    keeper.note(Affected(revoked=True))
    await asyncio.wait_for(saving, 10)
    assert persistence.load(home, NOW).message() == ours.message()
