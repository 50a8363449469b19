"""Flow control of a channel."""

from __future__ import annotations

import asyncio

from moorage.contract.flow import CreditWindow


async def test_who_has_the_window_under_way_waits():
    """Until the other side has read some; then as much may be sent as it has read."""
    window = CreditWindow(10)
    assert await window.take(4) == 4
    assert await window.take(100) == 6
    waiting = asyncio.create_task(window.take(100))
    await asyncio.sleep(0)
    assert not waiting.done()
    window.open(3)
    assert await asyncio.wait_for(waiting, 10) == 3


async def test_a_message_that_is_larger_than_what_is_left_goes_whole():
    """The next one waits until all of it is made up for."""
    window = CreditWindow(10)
    await window.spend(25)
    waiting = asyncio.create_task(window.spend(1))
    for count in (5, 10):
        window.open(count)
        await asyncio.sleep(0)
        assert not waiting.done()
    window.open(1)
    await asyncio.wait_for(waiting, 10)


async def test_nobody_is_given_more_than_the_window():
    """Whatever the other side claims to have read."""
    window = CreditWindow(10)
    window.open(1_000_000)
    assert await window.take(100) == 10
