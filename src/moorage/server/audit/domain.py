"""The domain of the audit, as the application takes it in."""

from __future__ import annotations

from moorage.server.audit.denials import Denials
from moorage.server.audit.expiry import delete_expired
from moorage.server.domain import Domain

AUDIT = Domain(name="audit", expired=(delete_expired,), parts=lambda _core: (Denials(),))
