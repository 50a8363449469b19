"""Log files stay small, lines stay whole, and the supervisor's own lines look like everybody's."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest

from moorage.kernel import log
from moorage.supervisor.logs import (
    LONGEST_LINE,
    REMEMBERED,
    Console,
    Lines,
    RotatingFile,
    event_line,
)


def test_a_file_is_moved_aside_when_it_is_full(tmp_path: Path) -> None:
    """The newest lines are in the file itself; the oldest go."""
    file = RotatingFile(tmp_path / "x.log", limit=10, kept=2)
    for letter in "abcd":
        file.write(letter.encode() * 6)
    file.close()
    contents = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert contents == {"x.log": "d" * 6, "x.log.1": "c" * 6, "x.log.2": "b" * 6}


def test_a_file_is_continued(tmp_path: Path) -> None:
    """What a former supervisor wrote is kept, and counts."""
    (tmp_path / "x.log").write_text("12345678")
    file = RotatingFile(tmp_path / "x.log", limit=10)
    file.write(b"9")
    file.write(b"abc")
    file.close()
    assert (tmp_path / "x.log.1").read_text() == "123456789"
    assert (tmp_path / "x.log").read_text() == "abc"


def test_lines_are_cut_where_they_end() -> None:
    """Bytes come in any pieces; lines come out whole, and the last ones are remembered."""
    lines = Lines()
    assert lines.feed(b"one\ntw") == [b"one\n"]
    assert lines.feed(b"o\nthree") == [b"two\n"]
    assert lines.end() == [b"three\n"]
    assert lines.end() == []
    lines.feed(b"".join(b"%d\n" % number for number in range(100)))
    assert len(lines.last) == REMEMBERED
    assert lines.last[-1] == "99"


def test_a_line_without_an_end_is_cut() -> None:
    """A process that never ends its line fills no memory."""
    pieces = Lines().feed(b"x" * (LONGEST_LINE * 2 + 1))
    assert [len(piece) for piece in pieces] == [LONGEST_LINE + 1] * 2


def test_the_console_names_the_process() -> None:
    """Each line says whose it is."""
    reading, writing = os.pipe()
    Console(writing).write("server", b"hello\n", "34")
    Console(None).write("server", b"nowhere\n", "34")
    assert os.read(reading, 100) == b"server  | hello\n"
    os.close(reading)
    os.close(writing)


def test_a_console_that_went_away_ends_nothing() -> None:
    """A closed pipe is no reason to end what runs."""
    reading, writing = os.pipe()
    os.close(reading)
    console = Console(writing)
    console.write("server", b"one\n", "34")
    os.close(writing)
    console.write("server", b"two\n", "34")


def test_own_lines_have_the_common_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """One reader understands all processes' JSON lines, and one pair of eyes all console lines."""
    for fmt in ("json", "console"):
        captured = io.StringIO()
        monkeypatch.setattr(sys, "stderr", captured)
        log.configure("supervisor", fmt=fmt)  # type: ignore[arg-type]
        log.get().warning("it ended", child="server", code=1)
        theirs = captured.getvalue()
        ours = event_line(
            fmt, "warning", "it ended", {"child": "server", "code": 1}, now=1_795_466_630.25
        ).decode()
        assert re.search(r"2026-11-23T20:43:50\.250000Z", ours)
        if fmt == "json":
            assert json.loads(ours).keys() == json.loads(theirs).keys()
            assert len(json.loads(ours)["timestamp"]) == len(json.loads(theirs)["timestamp"])
        else:
            shape = re.sub(r"\d", "0", ours.rstrip())
            assert shape in re.sub(r"\d", "0", theirs).replace(" process=supervisor", "")
