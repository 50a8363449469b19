"""The web pages: server-rendered, live by server-sent events, usable without JavaScript.

Pages call the domains' services, as the API does, and never the database or the API. What a page
says is made in `views` (pure) and what a form holds is read in `forms` (pure); `pages` renders; the
other modules are routes, thin.
"""

from __future__ import annotations

from moorage.server.authorization import Action
from moorage.server.domain import Domain, Link
from moorage.server.web import (
    administration,
    agents,
    assets,
    audit,
    creation,
    found,
    handover,
    help_page,
    rebuilding,
    several,
    sign_in,
    workspaces,
)
from moorage.server.web.pages import render_problem

__all__ = ["WEB", "render_problem"]

WEB = Domain(
    name="web",
    pages=tuple(
        page.router
        for page in (
            assets,
            sign_in,
            handover,
            help_page,
            workspaces,
            rebuilding,
            several,
            creation,
            agents,
            found,
            administration,
            audit,
        )
    ),
    navigation=(
        Link("/", "Workspaces"),
        Link("/agents", "Agents"),
        Link("/users", "Users", Action.LIST_USERS),
        Link("/audit", "Audit", Action.SEE_AUDIT),
    ),
)
