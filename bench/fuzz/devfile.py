"""Fuzzes the devfile engine with atheris: any bytes give a Devfile or a `DevfileError`, and what
holds for devfiles.

    pip install atheris
    python bench/fuzz/devfile.py FOLDER [-max_total_time=600] [libFuzzer options]

FOLDER keeps the corpus; it begins with the public registry's devfiles. Whatever is found ends the
run with a traceback and the input in a file; it then becomes a test in
`tests/unit/devfile/test_finds.py`.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["moorage.devfile", "moorage.translation"]):
    from moorage.devfile import DevfileError, dump, flatten, parse, refusals
    from moorage.translation import from_devcontainer, to_workspace_spec

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))

import published

SECONDS = 1.0


def check(data: bytes) -> None:
    """Raises when one of the engine's promises does not hold for these bytes."""
    if data.startswith(b"{"):
        said(lambda: from_devcontainer(data))
    started = time.process_time()
    devfile = said(lambda: parse(data))
    took = time.process_time() - started
    if took > SECONDS:
        raise AssertionError(f"too slow: {took} s")
    if devfile is None:
        return
    if parse(dump(devfile)) != devfile:
        raise AssertionError("a dump reads otherwise")
    refusals(devfile, "gitlab")
    flat = said(lambda: flatten(devfile).devfile)
    if flat is not None:
        if flatten(flat).devfile != flat:
            raise AssertionError("flattening twice is not flattening once")
        said(lambda: to_workspace_spec(flat))


def said(work: Callable[[], Any]) -> Any:
    """The work's result; None for a `DevfileError`, which must say something."""
    try:
        return work()
    except DevfileError as error:
        problems = error.problems
    if not problems or not all(problem.message and problem.code for problem in problems):
        raise AssertionError("an error that says nothing")
    return None


def seed(folder: Path) -> None:
    """Puts the published devfiles and cases into the corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in (*published.DEVFILE.rglob("*.yaml"), *published.DEVFILE.rglob("*.yml")):
        content = file.read_bytes()
        if len(content) < 6000:
            (folder / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        seed(Path(sys.argv[1]))
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
