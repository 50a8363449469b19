"""Deletes what has expired, in every domain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from moorage.server.core import Core
from moorage.server.domain import Domain

CLEAN_SECONDS = 3600.0


async def keep(core: Core, domains: Iterable[Domain]) -> None:
    """Cleans again and again. Runs for as long as the server."""
    while True:
        await clean(core, domains)
        await asyncio.sleep(CLEAN_SECONDS)


async def clean(core: Core, domains: Iterable[Domain]) -> None:
    async with core.database.write() as session:
        for domain in domains:
            for delete_expired in domain.expired:
                await delete_expired(core, session)
