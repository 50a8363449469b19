"""Gateways: each belongs to an agent, and is known by a token of its own."""

from __future__ import annotations

import asyncio

from sqlalchemy import select

from moorage.kernel.errors import Unavailable
from moorage.kernel.ids import fingerprint
from moorage.server.accounts.handover import CALLBACK_PATH
from moorage.server.agents.changes import TokenChanged
from moorage.server.agents.models import Gateway
from moorage.server.core import Core

_ASK_AGAIN = 1.0
"""Seconds, while the database does not answer."""


async def gateway_of_token(core: Core, token: str | None) -> Gateway | None:
    if not token:
        return None
    query = select(Gateway).where(
        Gateway.fingerprint == fingerprint(token), Gateway.revoked.is_(False)
    )
    async with core.database.read() as session:
        return (await session.scalars(query)).one_or_none()


async def until_token_ends(core: Core, gateway: Gateway) -> None:
    """Returns once the token that this gateway came with is not its own any more. A database that
    is away takes no token back."""
    with core.changes.subscribe(TokenChanged) as changes:
        while True:
            try:
                if not await _is_current(core, gateway):
                    return
            except Unavailable:
                await asyncio.sleep(_ASK_AGAIN)
                continue
            await changes.next()


async def _is_current(core: Core, gateway: Gateway) -> bool:
    query = select(Gateway.id).where(
        Gateway.id == gateway.id,
        Gateway.fingerprint == gateway.fingerprint,
        Gateway.revoked.is_(False),
    )
    async with core.database.read() as session:
        return await session.scalar(query) is not None


async def callbacks(core: Core) -> frozenset[str]:
    """The only addresses that hand-over codes are sent to: of gateways whose token has not been
    taken back."""
    query = select(Gateway.zone_url).where(Gateway.revoked.is_(False))
    async with core.database.read() as session:
        return frozenset(callback_of(url) for url in await session.scalars(query))


def callback_of(zone_url: str) -> str:
    return f"{zone_url}{CALLBACK_PATH}"
