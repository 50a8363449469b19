"""The server's newest word, as it is kept in a cluster."""

from __future__ import annotations

from typing import Any

import msgspec

from moorage.agent.runtimes.kubernetes.api.resources import read
from moorage.agent.runtimes.kubernetes.wanted import records
from moorage.agent.runtimes.port import Identity, known_of
from moorage.contract import (
    Container,
    Credential,
    DesiredState,
    DesiredWorkspace,
    Project,
    WorkspaceSpec,
)

NAME = "workspace-7-1-abc123"
IDENTITY = Identity("inst", 7, "here")
PROJECT = Project(name="app", clone_path="app", url="https://git.test/app.git")
SPEC = WorkspaceSpec(
    containers=(Container(name="py", image="i:1"),),
    main_container="py",
    projects=(
        msgspec.structs.replace(
            PROJECT, credential=Credential(host="git.test", username="u", password="secret-word")
        ),
    ),
)


def wish(**fields: Any) -> DesiredWorkspace:
    given = {
        "name": NAME,
        "generation": 3,
        "desired": DesiredState.RUNNING,
        "spec": SPEC,
        "owner": 5,
        **fields,
    }
    return DesiredWorkspace(**given)


def claim(name: str = NAME) -> dict[str, Any]:
    meta = {
        "name": name,
        "namespace": NAME,
        "uid": f"uid-{name}",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta}


def test_it_comes_back_as_it_was_without_credentials() -> None:
    """What is read is what was said; no password is in the Secret."""
    (secret,) = records.newer(wish(), IDENTITY, NAME, [read(claim())])
    assert secret["kind"] == "Secret"
    known = records.known_in([read(claim()), read(secret)])
    assert known == known_of(wish(), "here")
    assert known is not None
    assert known.spec is not None
    assert known.spec.projects == (PROJECT,)
    assert b"secret-word" not in msgspec.json.encode(known)


def test_an_older_word_takes_no_newer_ones_place() -> None:
    """The same word is not written again, nor an older one; a newer one is."""
    (secret,) = records.newer(wish(), IDENTITY, NAME, [])
    assert records.newer(wish(), IDENTITY, NAME, [read(secret)]) == []
    assert records.newer(wish(generation=2), IDENTITY, NAME, [read(secret)]) == []
    assert records.newer(wish(generation=4), IDENTITY, NAME, [read(secret)]) != []


def test_what_is_no_record() -> None:
    """A Secret that somebody spoilt tells nothing, and disturbs nothing."""
    (secret,) = records.newer(wish(), IDENTITY, NAME, [])
    for data in ({}, {"known": "!"}, {"known": "e30="}):
        assert records.known_in([read({**secret, "data": data})]) is None
    del secret["data"]
    assert records.known_in([read(secret)]) is None
