"""Reads and ends grants. It is the one place where the server says which of them hold."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.contract import gateway as contract
from moorage.server.accounts.models import User
from moorage.server.sharing.changes import GrantChanged
from moorage.server.sharing.models import Grant
from moorage.server.storage.database import announce
from moorage.server.workspaces.models import Workspace


async def grants_in_force(session: AsyncSession) -> list[contract.Grant]:
    """All grants of workspaces that are there, to people who are not blocked."""
    query = (
        select(Grant, Workspace.name)
        .join(Workspace, Workspace.id == Grant.workspace_id)
        .join(User, User.id == Grant.user_id)
        .where(Workspace.terminated_at.is_(None), User.blocked.is_(False))
    )
    return [
        contract.Grant(user=row.user_id, workspace=name, port=row.port)
        for row, name in await session.execute(query)
    ]


async def withdraw(session: AsyncSession, workspace_id: int, ports: frozenset[int]) -> None:
    """Ends the grants of these ports, which nobody names any more: what listens there from now on
    is something else than what was shared. A grant of all ports goes on."""
    named = ports - {0}
    if not named:
        return
    those = (Grant.workspace_id == workspace_id) & Grant.port.in_(named)
    if await session.scalar(select(Grant.port).where(those).limit(1)) is not None:
        await session.execute(delete(Grant).where(those))
        announce(session, GrantChanged())
