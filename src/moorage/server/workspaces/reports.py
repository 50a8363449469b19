"""Stores what agents report of workspaces as the actual state in their rows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import select

from moorage.contract import (
    ActualState,
    ActualWorkspace,
    DesiredState,
)
from moorage.kernel import log
from moorage.server.core import Core
from moorage.server.storage.database import announce
from moorage.server.workspaces import decisions
from moorage.server.workspaces.changes import ActualChanged, DesiredChanged
from moorage.server.workspaces.models import Workspace

_log = log.get(part="server.agents")


async def store_reports(core: Core, agent_id: int, workspaces: Sequence[ActualWorkspace]) -> None:
    """Stores what is news; ignores what is older than what is known, and what is not this
    agent's."""
    reports = {actual.name: actual for actual in workspaces}
    if not reports:
        return
    now = core.clock.now()
    query = select(Workspace).where(
        Workspace.agent_id == agent_id,
        Workspace.name.in_(reports),
        Workspace.terminated_at.is_(None),
    )
    async with core.database.write() as session:
        # In the order of ids, as `sent`: two that lock the same rows in other orders would wait for
        # each other.
        rows = (await session.scalars(query.order_by(Workspace.id).with_for_update())).all()
        for row in rows:
            actual = decisions.with_usable_address(reports.pop(row.name))
            if _store_volumes(row, actual):
                announce(session, DesiredChanged(workspace=row.name, agent=agent_id))
            if _store(core, row, actual, now):
                announce(session, ActualChanged(workspace=row.name, agent=agent_id))
    if reports:
        _log.debug(
            "a report names workspaces that are not there", agent=agent_id, names=sorted(reports)
        )


def _store_volumes(row: Workspace, actual: ActualWorkspace) -> bool:
    """Whether there are more than before: the agent, which does not remember them, is told."""
    known = decisions.volumes_of(row.volumes)
    volumes = decisions.volumes_after(known, generation=row.generation, report=actual)
    row.volumes = msgspec.json.encode(volumes).decode()
    return volumes != known


def _store(core: Core, row: Workspace, actual: ActualWorkspace, now: float) -> bool:
    """Whether anything has changed."""
    if not decisions.accepts(known=row.actual_generation, report=actual):
        return False
    encoded = msgspec.json.encode(actual).decode()
    changed = encoded != row.actual
    if row.received_at is None and actual.generation >= row.requested_generation:
        # The report may overtake the note of when the workspace was sent.
        row.sent_at = row.sent_at or now
        row.received_at = now
        core.metrics.stage_seconds.labels("received").observe(max(0.0, now - row.sent_at))
        changed = True
    if not changed:
        return False
    if actual.state is ActualState.RUNNING and row.state != ActualState.RUNNING.value:
        for stage in actual.stages:
            if stage.duration is not None:
                core.metrics.stage_seconds.labels(stage.name.value).observe(stage.duration)
    row.actual = encoded
    row.actual_generation = actual.generation
    row.state = actual.state.value
    row.updated_at = now
    if decisions.has_ended(
        desired=DesiredState(row.desired), generation=row.generation, report=actual
    ):
        row.terminated_at = now
    return True
