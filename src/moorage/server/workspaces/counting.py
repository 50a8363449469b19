"""Counts workspaces by their state, for the metrics."""

from __future__ import annotations

import asyncio

from sqlalchemy import func, select

from moorage.contract import ActualState
from moorage.server.core import Core
from moorage.server.workspaces.models import Workspace

COUNT_SECONDS = 10.0


async def follow(core: Core) -> None:
    """Counts again and again. Runs for as long as the server."""
    while True:
        await _count(core)
        await asyncio.sleep(COUNT_SECONDS)


async def _count(core: Core) -> None:
    query = select(Workspace.state, func.count()).where(Workspace.terminated_at.is_(None))
    async with core.database.read() as session:
        by_state = dict((await session.execute(query.group_by(Workspace.state))).all())
    for state in ActualState:
        core.metrics.workspaces.labels(state.value).set(by_state.get(state.value, 0))
