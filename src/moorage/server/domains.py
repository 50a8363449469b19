"""All domains of the server, in the order of their packages. Adding one adds a line here."""

from __future__ import annotations

from moorage.server import connections, web
from moorage.server.accounts.domain import ACCOUNTS
from moorage.server.agents.domain import AGENTS
from moorage.server.audit.domain import AUDIT
from moorage.server.audit_log.domain import AUDIT_LOG
from moorage.server.domain import Domain
from moorage.server.found.domain import FOUND
from moorage.server.http.domain import HTTP
from moorage.server.routing.domain import ROUTING
from moorage.server.sharing.domain import SHARING
from moorage.server.workspaces.domain import WORKSPACES

DOMAINS: tuple[Domain, ...] = (
    HTTP,
    AUDIT,
    ACCOUNTS,
    AUDIT_LOG,
    AGENTS,
    WORKSPACES,
    FOUND,
    SHARING,
    ROUTING,
    connections.CONNECTIONS,
    web.WEB,
)
