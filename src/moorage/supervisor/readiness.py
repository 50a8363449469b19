"""Whether the parts of a running installation answer, and what stands in the way of the one that
does not."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import msgspec

from moorage.kernel.errors import BY_STATUS, Misconfigured, MoorageError, Unavailable
from moorage.kernel.home import Home
from moorage.supervisor import state
from moorage.supervisor.prepare import Plan
from moorage.supervisor.proc import Identity
from moorage.supervisor.processes import PROCESSES, Process

TRIES_BEFORE_GIVING_UP = 4
"""A process that ended so often before it answered once will not answer."""


class Part(msgspec.Struct, frozen=True):
    """One part's answer. `problem` is one clause for a person, "" when it is ready."""

    name: str
    problem: str = ""

    @property
    def ready(self) -> bool:
        return not self.problem


async def look(home: Home, plan: Plan, processes: Sequence[Process] = PROCESSES) -> list[Part]:
    """Asks all at once, a moment each, in the way that their rows name."""

    async def ask(process: Process) -> Part:
        try:
            return Part(process.name, await _answer(home, plan, process))
        except httpx.HTTPError as error:
            return Part(process.name, f"it does not answer ({str(error) or type(error).__name__})")

    return list(await asyncio.gather(*map(ask, processes)))


async def wait(
    home: Home,
    plan: Plan,
    supervisor: Identity,
    *,
    seconds: float,
    processes: Sequence[Process] = PROCESSES,
) -> None:
    """Returns when all parts that this supervisor runs are ready.

    Raises the `Misconfigured` of a process that says that it cannot run like this, or
    `Unavailable`, which names the parts that are not ready after `seconds` and the last lines that
    they wrote.
    """
    deadline = time.monotonic() + seconds
    while True:
        # Asked first, so that its last report is complete when it is read.
        gone = not supervisor.alive
        report = state.read(home)
        if report and report.supervisor != supervisor:  # the one before it
            report = None
        if problem := failure(report, gone=gone):
            raise problem
        parts = await look(home, plan, processes)
        if all(part.ready for part in parts):
            return
        if time.monotonic() >= deadline:
            raise _late(home, [part for part in parts if not part.ready], report, seconds)
        await asyncio.sleep(0.1)


def over(socket: Path) -> httpx.AsyncClient:
    """A client of the process that listens there."""
    transport = httpx.AsyncHTTPTransport(uds=str(socket))
    return httpx.AsyncClient(
        transport=transport, base_url="http://moorage", timeout=2.0, trust_env=False
    )


def failure(report: state.Report | None, *, gone: bool) -> MoorageError | None:
    """The error to stop waiting with; None while waiting makes sense."""
    for child in report.children if report else []:
        exit_ = child.last_exit
        if exit_ is None:
            continue
        if child.state == "failed":
            return Misconfigured(
                f"The {child.name} cannot run as it is set up: {last_words(exit_.lines)}",
                code="child-misconfigured",
                process=child.name,
                lines=exit_.lines,
            )
        if child.state == "waiting" and child.restarts >= TRIES_BEFORE_GIVING_UP:
            return Unavailable(
                f"The {child.name} keeps ending ({exit_}): {last_words(exit_.lines)}",
                code="child-keeps-ending",
                hint="`moor status` shows more; it is tried again and again until `moor down`.",
                process=child.name,
                lines=exit_.lines,
            )
    if gone:
        return Unavailable(
            "The supervisor ended.", code="supervisor-ended", hint="Look at logs/supervisor.log."
        )
    return None


def last_words(lines: list[str]) -> str:
    """The last line of a process that is no stack frame, as a sentence about its end."""
    said = [line.strip() for line in lines if line.strip() and not line.startswith((" ", "\t"))]
    return re.sub(r"^moor(age)? [a-z]+: ", "", said[-1]) if said else "it said nothing."


def _late(
    home: Home, parts: list[Part], report: state.Report | None, seconds: float
) -> Unavailable:
    children = {child.name: child for child in report.children} if report else {}
    clauses = []
    for part in parts:
        child = children.get(part.name)
        last = child.last_exit if child else None
        ended = f"; it ended last with {last}: {last_words(last.lines)}" if last else ""
        clauses.append(f"{part.name}: {part.problem}{ended}")
    return Unavailable(
        "\n  ".join([f"Not ready after {seconds:.0f} s.", *clauses]),
        code="not-ready",
        hint=f"It goes on trying. Look at `moor status` and {home.logs}; `moor down` ends it.",
        parts=[part.name for part in parts],
    )


async def _answer(home: Home, plan: Plan, process: Process) -> str:
    match process.readiness:
        case "health":
            return await _healthy(home, process.name)
        case "front":
            return await _front(plan)
        case "connected":
            return await _connected(home)


async def _healthy(home: Home, name: str) -> str:
    async with over(home.socket(name)) as client:
        answer = await client.get("/healthz")
    return "" if answer.is_success else f"it is not well ({answer.status_code})"


async def _front(plan: Plan) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}.get(plan.address, plan.address)  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    scheme, _, name = plan.zone_url.partition("://")
    # Whose certificate it is does not matter here: the question is whether it answers.
    async with httpx.AsyncClient(timeout=2.0, trust_env=False, verify=False) as client:  # noqa: S501
        answer = await client.get(
            f"{scheme}://{host}:{plan.port}/api/v1/me",
            headers={"Host": name},
            extensions={"sni_hostname": plan.zone},
        )
    if answer.status_code >= 502:
        return f"it does not reach the server ({answer.status_code})"
    return ""


async def _connected(home: Home) -> str:
    headers = {"Authorization": f"Bearer {json.loads(home.client.read_text())['token']}"}
    async with over(home.socket("server")) as client:
        answer = await client.get("/api/v1/agents", headers=headers)
    if answer.status_code in BY_STATUS:
        return f"the server does not say ({answer.status_code})"
    agents = answer.raise_for_status().json()["items"]
    return (
        "" if any(agent["connected"] for agent in agents) else "it is not connected to the server"
    )
