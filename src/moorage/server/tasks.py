"""Tasks that belong together, as those of one connection do."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def until_one_ends(name: str, *work: Coroutine[Any, Any, None]) -> None:
    """Runs all until one ends or fails; then the others are cancelled, and waited for. Raises what failed first."""
    tasks = [asyncio.create_task(item, name=f"{name}.{number}") for number, item in enumerate(work)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if task in done:
            task.result()
