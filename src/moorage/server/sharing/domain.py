"""The domain of sharing, as the application takes it in."""

from __future__ import annotations

from moorage.server.domain import Domain
from moorage.server.sharing.changes import GrantChanged
from moorage.server.sharing.services import withdraw
from moorage.server.workspaces.ports import PortGrants

SHARING = Domain(
    name="sharing",
    changes=(GrantChanged,),
    parts=lambda _core: (PortGrants(withdraw=withdraw),),
)
