"""The domain of workspaces, as the application takes it in."""

from __future__ import annotations

from moorage.server.domain import Domain
from moorage.server.workspaces import counting, limits, looks
from moorage.server.workspaces.changes import ActualChanged, DesiredChanged
from moorage.server.workspaces.expiry import delete_expired
from moorage.server.workspaces.routes import api

WORKSPACES = Domain(
    name="workspaces",
    api=(api,),
    background={
        "server.workspaces.limits": limits.keep,
        "server.workspaces.counting": counting.follow,
        "server.workspaces.looks": looks.follow,
    },
    expired=(delete_expired,),
    changes=(DesiredChanged, ActualChanged),
    parts=lambda _core: (looks.Looks(),),
)
