"""The domain of sharing, as the application takes it in."""

from __future__ import annotations

from moorage.server.domain import Domain
from moorage.server.sharing.changes import GrantChanged

SHARING = Domain(name="sharing", changes=(GrantChanged,))
