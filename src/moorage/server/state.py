"""What `main` puts together and every route and service is given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from moorage.contract import EditorSpec
from moorage.devfile import NoResolver, Resolver
from moorage.kernel.clock import Clock
from moorage.server.changes import Changes
from moorage.server.database import Database
from moorage.server.metrics import Metrics
from moorage.server.settings import Credentials, Settings

if TYPE_CHECKING:
    from moorage.server.accounts.revocation import Welcomes
    from moorage.server.agents.hub import AgentHub
    from moorage.server.http.feeds import Feeds
    from moorage.server.http.places import Places
    from moorage.server.repositories.services import RepositoryReader
    from moorage.server.routing.feed import RouteFeed


@dataclass
class ServerState:
    settings: Settings
    clock: Clock
    database: Database
    changes: Changes
    metrics: Metrics
    repositories: RepositoryReader
    hub: AgentHub
    """The agents that are connected to this replica."""
    feed: RouteFeed
    """The route table, and the gateways that are connected to this replica."""
    welcomes: Welcomes
    """By what people have something open for long here, and whether it still holds."""
    feeds: Feeds
    """What people watch here, made once for all streams of a person."""
    places: Places
    """What each person has open here, against the limits."""
    editors: dict[str, EditorSpec]
    """By name; the first is the default."""
    credentials: Credentials
    installation: str
    helm_values: dict[str, Any] | None = None
    """As of `settings.load_helm_values`."""
    address: str = ""
    """Where other replicas reach this one."""
    started_at: float = 0.0
    """Since when agents could have connected: when it started, or when its clock jumped."""
    resolver: Resolver = field(default_factory=NoResolver)
    """Finds the parents and plugins of devfiles."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is about to end: whatever streams comes to an end too."""
    render_problem: Callable[[Request, dict[str, Any]], Response] | None = None
    """Set by `main` when the pages are there: an error of a page request as a page."""
