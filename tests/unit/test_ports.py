"""The ports that tests are given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ports

ASK = "import ports, sys; print(*(ports.free_ports(2) for _ in range(150)), flush=True); sys.stdin.read()"


def test_no_two_processes_are_told_the_same() -> None:
    """Also while nobody has bound what they were told; neighbours count as told."""
    folder = Path(ports.__file__).parent
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ASK],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    told = []
    for process in asking:
        assert process.stdout is not None
        told += [int(port) for port in process.stdout.readline().split()]
    for process in asking:
        process.communicate()
    assert len(told) == 450
    assert len({port + neighbour for port in told for neighbour in (0, 1)}) == 900


def test_the_same_process_is_told_another_each_time() -> None:
    """Its own locks do not keep it out of a port."""
    told = [ports.free_port() for _ in range(50)]
    assert len(set(told)) == 50
