"""Notifications between replicas."""

from __future__ import annotations

from moorage.server.storage.changes_postgres import payloads
from moorage.server.workspaces.changes import DesiredChanged


def test_notifications_fit() -> None:
    """However many there are, no payload is larger than PostgreSQL takes, and none is lost or
    repeated."""
    many = [DesiredChanged(workspace=f"workspace-1-1-{i:06}", agent=1) for i in range(500)] * 2
    made = payloads(many)
    assert all(len(payload) < 8000 for payload in made)
    assert sum(payload.count('"key"') for payload in made) == 500
