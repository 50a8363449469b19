"""Ends what a supervisor that was killed left behind.

Its children are told to end at its death (`PR_SET_PDEATHSIG`), but HAProxy's workers, or a child
that hangs, may still hold a socket or the port.
"""

from __future__ import annotations

import os
import select
import signal
import time

from moorage.kernel.home import Home
from moorage.supervisor import proc, state
from moorage.supervisor.proc import Identity


def leftovers(home: Home) -> list[Identity]:
    """Living processes of an earlier supervisor of this home.

    A process is one of them when it leads a group that the last report names, with the start time
    that it names; or when it is in such a group and its command line or its current folder names
    this home: an id alone may be somebody else's by now.
    """
    report = state.read(home)
    if report is None or report.alive:
        return []
    found: list[Identity] = []
    for child in report.children:
        if child.process is None:
            continue
        members = proc.group(child.process.pid)
        if child.process in members:
            found += members
        else:
            found += [member for member in members if _names(member.pid, home)]
    return found


def end_leftovers(home: Home, *, patience: float = 3.0) -> list[Identity]:
    """Tells them to end, kills after `patience` seconds those that have not, and returns all of
    them."""
    found = leftovers(home)
    for process in found:
        _signal(process, signal.SIGTERM)
    wait_for_end(found, patience)
    for process in found:
        _signal(process, signal.SIGKILL)
    wait_for_end(found, patience)
    return found


def wait_for_end(processes: list[Identity], seconds: float) -> bool:
    """Waits until all of them have ended; False when one still lives after `seconds`."""
    deadline = time.monotonic() + seconds
    for process in processes:
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            continue
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            while process.alive and (left := deadline - time.monotonic()) > 0:
                poll.poll(left * 1000)
        finally:
            os.close(descriptor)
    return not any(process.alive for process in processes)


def _names(pid: int, home: Home) -> bool:
    return any(str(home.path) in text for text in (*proc.command_line(pid), proc.folder(pid)))


def _signal(process: Identity, number: signal.Signals) -> None:
    if not process.alive:
        return
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return
