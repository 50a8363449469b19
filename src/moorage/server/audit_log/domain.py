"""The domain of the audit log, as the application takes it in."""

from __future__ import annotations

from moorage.server.audit_log.routes import api
from moorage.server.domain import Domain

AUDIT_LOG = Domain(name="audit_log", api=(api,))
