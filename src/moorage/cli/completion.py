"""What the shell offers for a name: asked of the server, and silent when it does not answer."""

from __future__ import annotations

import os

from moorage.kernel.errors import MoorageError


def workspaces(incomplete: str) -> list[str]:
    """Titles and names of the caller's workspaces that begin so."""
    from moorage.cli.client import Client

    try:
        with Client.connect(os.environ.get("MOORAGE_SERVER"), None) as client:
            items = client.get("/workspaces")["items"]
    except (MoorageError, KeyError, TypeError):
        return []
    names = [item["title"] for item in items] + [item["name"] for item in items]
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]
