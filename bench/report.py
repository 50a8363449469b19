"""Where the benchmarks' figures go: one line each on the terminal, all of them in
`build/bench.json`."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).resolve().parent.parent / "build" / "bench.json"

PROGRAMS = ("cli.py", "devfile.py", "gateway.py", "start.py", "streams.py", "workbench.py")
"""What `make bench` runs; `make bench-cluster` runs the cluster's."""


def record(
    name: str, value: float, unit: str, target: str, *, holds: bool, results: Path = RESULTS
) -> bool:
    """Prints `name: value unit (target …)`, and merges `{name: {value, unit, target, holds}}` into
    the results' file. Returns `holds`.

    Several programs may record at once: each sees the others' figures, and a reader never sees half
    a file.
    """
    figure = {"value": round(value, 4), "unit": unit, "target": target, "holds": holds}
    shown = f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    verdict = "" if holds else "  MISSED"
    print(f"{name}: {shown}{f' {unit}' if unit else ''} (target {target}){verdict}", flush=True)
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        figures = json.loads(results.read_text()) if results.exists() else {}
        figures[name] = figure
        part = results.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")
        part.replace(results)
    return holds


def run_all() -> int:
    """Runs the benchmarks that need no cluster. 1 when one failed or missed its target."""
    failed = []
    for program in PROGRAMS:
        print(f"== {program}", flush=True)
        if (
            subprocess.run(
                [sys.executable, str(Path(__file__).with_name(program))], check=False
            ).returncode
            != 0
        ):
            failed.append(program)
    figures = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    missed = sorted(name for name, figure in figures.items() if not figure["holds"])
    for text, names in (("failed", failed), ("missed", missed)):
        if names:
            print(f"{text}: {', '.join(names)}", flush=True)
    return 1 if failed or missed else 0


if __name__ == "__main__":
    RESULTS.unlink(missing_ok=True)
    sys.exit(run_all())
