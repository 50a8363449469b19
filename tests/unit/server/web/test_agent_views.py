from __future__ import annotations

from typing import Any

import pytest

from moorage.server.agents import schemas
from moorage.server.web import agent_views

GIB = 1024**3


def agent(**fields: Any) -> schemas.Agent:
    given: dict[str, Any] = {
        "id": 2,
        "name": "blue",
        "enabled": True,
        "local": False,
        "revoked": False,
        "runtime": "kubernetes",
        "runtime_version": "v1.20.2",
        "version": "0.1.0",
        "connected": True,
        "last_seen": 1000.0,
        "second_seen": None,
        "capacity": schemas.Capacity(cpu=8000, memory=32 * GIB),
        "settings": schemas.Taken(version=0, problem=""),
        "workspaces": 0,
        "zone_url": "https://blue.example.dev",
        "dns_zone": "blue.example.dev",
        "created_at": 900.0,
    }
    return schemas.Agent(**given | fields)


@pytest.mark.parametrize(
    ("fields", "label", "tone"),
    [
        ({}, "Connected", "good"),
        ({"connected": False}, "Not connected", "bad"),
        ({"connected": False, "last_seen": None}, "Never connected", "quiet"),
        ({"connected": False, "revoked": True}, "Revoked", "bad"),
    ],
)
def test_badge(fields: dict[str, Any], label: str, tone: str) -> None:
    """A revoked agent is called that, whenever it was seen last."""
    badge = agent_views.badge(agent(**fields))
    assert (badge.label, badge.tone) == (label, tone)


@pytest.mark.parametrize(
    ("cpu", "memory", "words"),
    [
        (8000, 32 * GIB, "8 cores, 32 GiB"),
        (1000, 0, "1 core"),
        (1500, 2 * GIB, "1.5 cores, 2 GiB"),
        (0, 0, "–"),
    ],
)
def test_capacity(cpu: int, memory: int, words: str) -> None:
    """Cores and memory in the words that people use; what is not known is not invented."""
    assert agent_views.capacity(agent(capacity=schemas.Capacity(cpu=cpu, memory=memory))) == words


def test_runs() -> None:
    """What runs the workspaces, with its version; a dash before the agent has connected."""
    assert agent_views.runs(agent()) == "Kubernetes v1.20.2"
    assert agent_views.runs(agent(runtime="", runtime_version="")) == "–"


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({}, ["token", "revoke", "remove"]),
        ({"revoked": True}, ["token", "remove"]),
        ({"workspaces": 3}, ["token", "revoke"]),
        ({"local": True}, []),
    ],
)
def test_questions(fields: dict[str, Any], asked: list[str]) -> None:
    """Only what can be done is offered: the agent of `moor up` has its tokens in files, one in use
    cannot be removed."""
    assert [q.id for q in agent_views.questions(agent(**fields))] == asked


def test_notes() -> None:
    """A second process with the same token, and an agent that takes nothing new, are told."""
    assert agent_views.notes(agent()) == ()
    said = [note.message for note in agent_views.notes(agent(enabled=False, second_seen=999.0))]
    assert "same token" in said[0]
    assert "no new workspaces" in said[1]


def settings(**fields: Any) -> schemas.WorkspaceSettings:
    given: dict[str, Any] = {
        "agent": "blue",
        "version": 3,
        "newest": 3,
        "text": "remote_development: {}\n",
        "source": "api",
        "author": "ana",
        "created_at": 1000.0,
        "file": False,
        "taken": schemas.Taken(version=3, problem=""),
        "effective": "",
        "warnings": [],
    }
    return schemas.WorkspaceSettings(**given | fields)


def test_settings_panel() -> None:
    """The newest version can be changed, an earlier one is called that, and an agent's own file is
    not changed here."""
    panel = agent_views.settings_panel(settings())
    assert (panel.said, panel.older, panel.editable) == ("Version 3", False, True)
    assert agent_views.settings_panel(settings(version=2)).older
    assert not agent_views.settings_panel(settings(file=True)).editable
    assert "defaults" in agent_views.settings_panel(settings(version=0, newest=0)).said


def test_what_could_not_be_saved_stays() -> None:
    """A text that was refused is shown as it was written, at a height that fits it."""
    panel = agent_views.settings_panel(settings(), "a: 1\n" * 100)
    assert panel.text == "a: 1\n" * 100
    assert panel.lines == 30


def test_settings_that_the_agent_cannot_use() -> None:
    """That an agent goes on with an earlier version is told, with its reason."""
    refused = settings(
        version=4, newest=4, taken=schemas.Taken(version=3, problem="No such namespace.")
    )
    (note,) = agent_views.detail(agent(), refused).notes
    assert note.tone == "bad"
    assert "version 3" in note.message
    assert note.hint == "No such namespace."


def test_versions() -> None:
    """Each says whose it is: a person's, the agent's own file's, or Moorage's own."""
    found = [
        schemas.SettingsVersion(version=3, source="api", author="ana", created_at=3.0),
        schemas.SettingsVersion(version=2, source="file", author="", created_at=2.0),
        schemas.SettingsVersion(version=1, source="api", author="", created_at=1.0),
    ]
    assert [v.by for v in agent_views.versions(found)] == [
        "by ana",
        "from the agent's file",
        "by Moorage",
    ]
