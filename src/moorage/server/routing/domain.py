"""The domain of the route table, as the application takes it in."""

from __future__ import annotations

from moorage.server.domain import Domain
from moorage.server.routing import services
from moorage.server.routing.feed import RouteFeed

ROUTING = Domain(
    name="routing",
    background={
        "server.routing": services.follow,
        "server.routing.expiry": services.keep_forgetting,
    },
    parts=lambda core: (RouteFeed(core.settings.origin),),
)
