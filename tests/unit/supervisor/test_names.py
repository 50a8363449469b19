"""What `moor up` says about the zone's names."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from moorage.kernel.home import Home
from moorage.supervisor import names
from moorage.supervisor.prepare import Options, plan, prepare


def knows(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    """This machine's resolver knows these alone."""

    def getaddrinfo(host: str, _: object) -> list[object]:
        if host in hosts:
            return [object()]
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_an_installation_of_before_keeps_its_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a byte of its settings changes; it is told what another zone would do, and how to take
    it."""
    home = Home(tmp_path)
    home.make()
    before = '[server]\nzone = "localhost"\nport = 8080\n\n[gateway]\nzone = "localhost"\nport = 8080\naddress = "127.0.0.1"\n'
    home.settings.write_text(before)
    wanted = plan(home, Options())
    prepare(home, wanted)
    assert home.settings.read_text() == before
    assert wanted.url == "http://localhost:8080"
    knows(monkeypatch, "80-workspace-1-1-abc123.localhost")
    [note] = names.notes(wanted)
    assert "moor up --zone moorage.localhost" in note
    moved = plan(home, Options(zone="moorage.localhost"))
    prepare(home, moved)
    assert home.settings.read_text() == before.replace("localhost", "moorage.localhost")


@pytest.mark.parametrize(
    ("zone", "known", "said"),
    [
        ("moorage.localhost", (), True),
        ("moorage.localhost", ("80-workspace-1-1-abc123.moorage.localhost",), False),
        ("dev.localhost", (), True),
        ("dev.example.com", (), False),
    ],
)
def test_names_that_the_machine_does_not_know(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    zone: str,
    known: tuple[str, ...],
    said: bool,
) -> None:
    """Of a zone that browsers find by themselves, it is said which other programs do not, and where
    it stands what to do."""
    knows(monkeypatch, *known)
    notes = names.notes(plan(Home(tmp_path), Options(zone=zone)))
    assert [f"*.{zone}" in note and "docs/names.md" in note for note in notes] == [True] * said
