"""The command line: what `moor list` and `moor --help` take, beside a Python that does nothing.

    python bench/cli.py

Of several runs, one of each after another, the least: what a command takes on a machine that does
nothing else meanwhile. The server answers at once, on a Unix socket, as that of `moor up` does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from report import record

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from unit.cli.serving import Server, as_json
from unit.cli.workspace import workspace

RUNS = 15
CPU, ALL = 0.25, 0.35
"""Seconds that a command may take, of the processor and in all."""


class Cost(NamedTuple):
    cpu: float
    all: float


@contextmanager
def installation() -> Iterator[Path]:
    """A state folder whose server has ten workspaces."""
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as folder:
        home = Path(folder)
        server = Server(home / "s.sock")
        server.respond = lambda *_: as_json(
            {"items": [workspace(title=f"app-{n}") for n in range(10)]}
        )
        (home / "client.json").write_text(
            json.dumps({"server": f"unix:{home}/s.sock", "token": "moor_bench"})
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield home
        server.shutdown()
        server.server_close()


def cost(*command: str | Path) -> Cost:
    """Seconds of one run."""
    started, before = time.perf_counter(), os.times()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    cpu = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return Cost(cpu, time.perf_counter() - started)


def main() -> int:
    moor = Path(sys.executable).with_name("moor")
    with installation() as home:
        commands: dict[str, tuple[str | Path, ...]] = {
            "python -c pass": (sys.executable, "-c", "pass"),
            "moor list": (moor, "list", "--home", home),
            "moor --help": (moor, "--help"),
        }
        runs = [{name: cost(*command) for name, command in commands.items()} for _ in range(RUNS)]
    least = {
        name: Cost(*map(min, zip(*(run[name] for run in runs), strict=True))) for name in commands
    }
    nothing = least.pop("python -c pass")
    record("cli: python -c pass", nothing.all, "s", "(for comparison)", holds=True)
    held = []
    for name, found in least.items():
        held += [
            record(
                f"cli: {name}, of the processor",
                found.cpu,
                "s",
                f"at most {CPU}",
                holds=found.cpu <= CPU,
            ),
            record(
                f"cli: {name}, in all", found.all, "s", f"at most {ALL}", holds=found.all <= ALL
            ),
        ]
        ratio = found.all / nothing.all
        record(f"cli: {name}, vs python -c pass", ratio, "times", "(for comparison)", holds=True)
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
