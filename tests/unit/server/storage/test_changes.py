"""Notifications inside one process."""

from __future__ import annotations

import asyncio

import pytest

from moorage.server.storage.changes import RESYNC, LocalChanges
from moorage.server.workspaces.changes import ActualChanged, DesiredChanged


async def test_a_subscription_hears_each_thing_once() -> None:
    """Whatever happened between two looks comes together; what one did not ask for does not come,
    but for RESYNC."""
    changes = LocalChanges()
    with changes.subscribe(DesiredChanged) as subscription:
        desired, other = DesiredChanged(workspace="a"), DesiredChanged(workspace="b")
        await changes.after_commit([desired, ActualChanged(workspace="a"), desired, other])
        assert await subscription.next() == [desired, other]
        await changes.after_commit([RESYNC])
        assert await subscription.next() == [RESYNC]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(subscription.next(), 0.01)
        await changes.after_commit([desired])
        assert await subscription.next() == [desired]


async def test_claims_are_granted_once() -> None:
    """Until whoever holds them releases them."""
    changes, one, other = LocalChanges(), object(), object()
    assert await changes.claim(1, one)
    assert await changes.claim(1, one)
    assert not await changes.claim(1, other)
    await changes.release(1, other)
    assert not await changes.claim(1, other)
    await changes.release(1, one)
    assert await changes.claim(1, other)
