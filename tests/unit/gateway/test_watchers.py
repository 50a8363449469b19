"""Who follows a workspace's page."""

from __future__ import annotations

import pytest

from moorage.gateway.table import Affected
from moorage.gateway.watchers import Watchers

WS, OTHER = "workspace-1-1-aaaaaa", "workspace-1-2-bbbbbb"


@pytest.mark.parametrize(
    ("affected", "woken"),
    [
        (Affected(), (False, False)),
        (Affected(workspaces={WS}), (True, False)),
        (Affected(workspaces={"workspace-1-3-cccccc"}), (False, False)),
        (Affected(users={1}), (True, True)),
    ],
)
def test_who_is_woken(affected: Affected, woken: tuple[bool, bool]):
    """Those of a workspace that changed; everybody where somebody's session began or ended."""
    watchers = Watchers()
    with watchers.watch(WS) as one, watchers.watch(OTHER) as other:
        watchers.wake(affected)
        assert (one.is_set(), other.is_set()) == woken


def test_who_looks_away_is_not_woken():
    """Other pages of the same workspace still are."""
    watchers = Watchers()
    with watchers.watch(WS) as stays:
        with watchers.watch(WS) as leaves:
            pass
        watchers.wake(Affected(workspaces={WS}))
        assert (stays.is_set(), leaves.is_set()) == (True, False)
    watchers.wake(Affected(users={1}))
