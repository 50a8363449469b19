"""The status that `moor status` shows: processes, what they use, and whether the parts answer."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from moorage.kernel.errors import Misconfigured, MoorageError
from moorage.kernel.home import Home
from moorage.supervisor import preflight, proc, readiness, state
from moorage.supervisor.prepare import Options, Plan, plan
from moorage.supervisor.processes import PROCESSES, Process


class ProcessStatus(msgspec.Struct, frozen=True, omit_defaults=False):
    name: str
    state: str
    """`running`, `waiting` (restarts soon), `failed` (cannot run as it is set up), `stopped`;
    `down` when its supervisor is."""
    pid: int | None
    since: float
    """Seconds since the epoch."""
    restarts: int
    memory: int
    """Resident bytes of it and of all that it started."""
    last_exit: dict[str, Any] | None


class AgentStatus(msgspec.Struct, frozen=True):
    name: str
    set_back_at: float | None
    """When it last told something that shows that the database was set back (seconds since the
    epoch)."""
    found: list[dict[str, Any]]
    """Workspaces that it has and the server does not list, as the API says it."""


class Status(msgspec.Struct, frozen=True):
    running: bool
    healthy: bool
    """Everything runs and answers."""
    home: str
    url: str
    processes: list[ProcessStatus]
    parts: list[readiness.Part]
    accounts: str
    """Whom the processes run as, in words; "" when none does."""
    caveat: str
    """The agent's warning that this machine protects less than it should; "": none."""
    engine: str
    """`Docker 20.10.24`; "" when none answers."""
    disk_free: int
    """Bytes left where the home is."""
    workspaces: dict[str, int] | None
    """How many are in which state; None when the server does not say."""
    agents: list[AgentStatus]
    """Those agents that have something to say: what the server does not list, or that it was set
    back."""


def status(home: Home, processes: Sequence[Process] = PROCESSES) -> Status:
    wanted = plan(home, Options())
    report = state.read(home)
    running = report is not None and report.alive
    found = _processes(report) if report else []
    parts = asyncio.run(readiness.look(home, wanted, processes)) if running else []
    healthy = (
        running and all(p.state == "running" for p in found) and all(part.ready for part in parts)
    )
    return Status(
        running=running,
        healthy=healthy,
        home=str(home.path),
        url=wanted.url,
        processes=found,
        parts=parts,
        accounts=report.accounts if report and running else "",
        caveat=asyncio.run(_caveat(home)) if running else "",
        engine=_engine(wanted),
        disk_free=shutil.disk_usage(_existing(home)).free,
        workspaces=asyncio.run(_workspaces(home)) if running else None,
        agents=asyncio.run(_agents(home)) if running else [],
    )


def _processes(report: state.Report) -> list[ProcessStatus]:
    own = report.supervisor
    alive = own.alive
    first = ProcessStatus(
        name="supervisor",
        state="running" if alive else "down",
        pid=own.pid if alive else None,
        since=report.since,
        restarts=0,
        memory=proc.memory(own.pid) if alive else 0,
        last_exit=None,
    )
    return [first, *(_process(child, supervised=alive) for child in report.children)]


def _process(child: state.ChildReport, *, supervised: bool) -> ProcessStatus:
    pid = child.process.pid if child.process and child.process.alive else None
    last = child.last_exit
    return ProcessStatus(
        name=child.name,
        state=child.state if supervised else "down",
        pid=pid,
        since=child.since,
        restarts=child.restarts,
        memory=sum(proc.memory(member.pid) for member in proc.group(pid)) if pid else 0,
        last_exit=None if last is None else {**last._asdict(), "text": str(last)},
    )


def _engine(wanted: Plan) -> str:
    try:
        return preflight.find_engine(wanted.docker_host).name
    except Misconfigured:
        return ""


async def _caveat(home: Home) -> str:
    try:
        async with readiness.over(home.socket("agent")) as client:
            return str((await client.get("/healthz")).raise_for_status().json().get("caveat", ""))
    except (httpx.HTTPError, ValueError):
        return ""


async def _workspaces(home: Home) -> dict[str, int] | None:
    counts: dict[str, int] = {}
    try:
        headers = {"Authorization": f"Bearer {home.secret('admin-token')}"}
        async with readiness.over(home.socket("server")) as client:
            answer = await client.get("/api/v1/workspaces", params={"all": "true"}, headers=headers)
        for item in answer.raise_for_status().json()["items"]:
            counts[item["state"]] = counts.get(item["state"], 0) + 1
    except (httpx.HTTPError, MoorageError):
        return None
    return counts


async def _agents(home: Home) -> list[AgentStatus]:
    """Asking for what was found tells the server that somebody has seen it."""
    said = []
    try:
        headers = {"Authorization": f"Bearer {home.secret('admin-token')}"}
        async with readiness.over(home.socket("server")) as client:
            answer = await client.get("/api/v1/agents", headers=headers)
            for agent in answer.raise_for_status().json()["items"]:
                found = []
                if agent.get("found"):
                    path = f"/api/v1/agents/{agent['name']}/found"
                    found = (
                        (await client.get(path, headers=headers)).raise_for_status().json()["items"]
                    )
                back = agent.get("set_back_at")
                if found or back:
                    said.append(AgentStatus(agent["name"], back, found))
    except (httpx.HTTPError, MoorageError):
        return []
    return said


def _existing(home: Home) -> str:
    return next(str(path) for path in (home.path, *home.path.parents) if path.exists())
