"""What was found when a workspace's repository was looked at for another devfile. Pure."""

from __future__ import annotations

import msgspec

from moorage.server.workspaces.models import Workspace


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    code: str
    message: str
    hint: str = ""


class Look(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found. Compared with the devfile that the workspace is made from, which nothing but
    a rebuild changes: that forgets it."""

    changed: bool = False
    ref: str = ""
    commit: str = ""
    failure: Failure | None = None
    """Why the devfile there could not be read, or not be taken; `changed` is then as before."""


def look_of(workspace: Workspace) -> Look:
    return msgspec.json.decode(workspace.look, type=Look) if workspace.look else Look()


def encode(look: Look) -> str:
    """As it is stored; "" for nothing that differs."""
    return "" if look == Look() else msgspec.json.encode(look).decode()
