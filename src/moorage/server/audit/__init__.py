"""Audit: who has changed what, written in the transaction that changes it.

`audit.record(session, actor, action, target)` stands beside `announce` in every service that does
an action of `authorization.CHANGING`.

Must not: hold a secret, or what stands in people's workspaces.
"""

from __future__ import annotations

from moorage.server.audit.recording import Target, record

__all__ = ["Target", "record"]
