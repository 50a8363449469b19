"""The command line, run in this process."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from moorage.cli.main import main


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def moor(home: Path, *arguments: str, text: str | None = None, **environ: str) -> Done:
    """What `moor …` prints and exits with; standard input holds `text`, or nothing, and is no
    terminal."""
    environ = {"MOORAGE_HOME": str(home), "COLUMNS": "200", **environ}
    stdin = io.TextIOWrapper(io.BytesIO((text or "").encode()))
    with (
        mock.patch.dict(os.environ, environ),
        mock.patch("sys.argv", ["moor", *arguments]),
        mock.patch("sys.stdin", stdin),
        redirect_stdout(io.TextIOWrapper(io.BytesIO())) as out,
        redirect_stderr(io.TextIOWrapper(io.BytesIO())) as err,
    ):
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Done(code, _written(out), _written(err))


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()
