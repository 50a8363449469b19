"""Causes of holding still where an agent knows more than its server. Pure."""

from __future__ import annotations

from moorage.contract import Cause


def server_set_back(place: str) -> Cause:
    """The server's word about a workspace is older than one that was carried out.

    `place`: of the other agent that did it; "": this.
    """
    if place:
        return works_elsewhere(place)
    return Cause(
        code="server-set-back",
        message="The server says of this workspace what was so earlier: its database was set back, as by restoring a backup.",
        hint="The workspace goes on as it is. The server takes over how it is, and then does what is asked of it again.",
    )


def works_elsewhere(place: str) -> Cause:
    return Cause(
        code="workspace-elsewhere",
        message=f"Another agent with this one's identity works on it: {place}.",
        hint="Is this installation a copy of another one that still runs? Then end one of them. Else an administrator takes the "
        "workspace over with `moor agents adopt`.",
    )
