"""Supervised background tasks."""

import asyncio

import pytest

from moorage.kernel import tasks
from moorage.kernel.tasks import Backoff, forever


def test_the_pause_doubles_up_to_its_most():
    """Each delay lies between half and the whole of a bound that doubles until it reaches the most; reset starts over."""
    backoff = Backoff(first=1.0, most=5.0)
    for bound in (1.0, 2.0, 4.0, 5.0, 5.0):
        assert bound / 2 <= backoff.delay() <= bound
    backoff.reset()
    assert backoff.delay() <= 1.0


async def test_a_task_that_fails_is_run_again():
    """A failure ends neither the task nor the process; only cancellation ends it."""
    runs = 0
    third = asyncio.Event()

    async def work():
        nonlocal runs
        runs += 1
        if runs == 3:
            third.set()
        if runs % 2:
            raise RuntimeError("broken")

    task = asyncio.create_task(forever("test", work, backoff=Backoff(first=0.001, most=0.002)))
    await asyncio.wait_for(third.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_ran_long_is_soon_run_again(monkeypatch):
    """However often it failed before: the pause of that time is over."""
    monkeypatch.setattr(tasks, "LONG_SECONDS", 0.05)
    backoff = Backoff(first=0.001, most=60.0)
    runs, again = 0, asyncio.Event()

    async def work():
        nonlocal runs
        runs += 1
        if runs == 9:
            again.set()
        await asyncio.sleep(0.1 if runs == 8 else 0)
        raise RuntimeError("broken")

    task = asyncio.create_task(forever("test", work, backoff=backoff))
    await asyncio.wait_for(again.wait(), 10)
    assert backoff.delay() <= 0.004
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
