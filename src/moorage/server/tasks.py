"""Tasks that belong together, as those of one connection do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from moorage.kernel.errors import Unavailable

T = TypeVar("T")
Gone = Callable[[], Coroutine[Any, Any, None]]
"""Its coroutine ends when whoever asked waits no longer."""


async def until_one_ends(name: str, *work: Coroutine[Any, Any, None]) -> None:
    """Runs all until one ends or fails; then the others are cancelled, and waited for. Raises what
    failed first."""
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


async def unless_gone(gone: Gone, work: Coroutine[Any, Any, T]) -> T:
    """Returns what `work` comes to; when `gone()` ends first, nobody waits for it any more: it is
    cancelled, and waited for.

    Raises `Unavailable` then, which nobody reads.
    """
    waiting = asyncio.create_task(gone(), name="gone")
    working = asyncio.create_task(work, name="work")
    try:
        await asyncio.wait((waiting, working), return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended = working.done()
        for task in (waiting, working):
            task.cancel()
        await asyncio.gather(waiting, working, return_exceptions=True)
    if not ended:
        raise Unavailable("Whoever asked has gone.", code="client-gone")
    return working.result()
