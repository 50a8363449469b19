"""Audit: who has done what, written in the transaction that does it, in a chain that shows a gap.

`audit.record(session, actor, action, target)` stands beside `announce` in every service that does
an action of `authorization.CHANGING`. What is refused is written by `denials`; `audit_log` reads.

Must not: hold a secret, or what stands in people's workspaces.
"""

from __future__ import annotations

from moorage.server.audit.recording import Nobody, Occurrence, Outcome, Target, record

__all__ = ["Nobody", "Occurrence", "Outcome", "Target", "record"]
