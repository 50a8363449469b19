"""Limits what somebody sees of a workspace who may not look into it: how it is, and why in
Moorage's words. Pure.

An administrator keeps others' workspaces in order by their state, by codes and by messages, which
Moorage itself writes. What a workspace's programs wrote (the ends of logs, a command's output), and
what stands in its files, is the owner's alone. Each field is named here that others see; one that
is not named is left out, so that nothing new is shown by oversight.
"""

from __future__ import annotations

from pydantic import BaseModel

from moorage.server.workspaces import schemas

SHOWN: dict[type[BaseModel], frozenset[str]] = {
    schemas.Workspace: frozenset(
        {
            "name", "title", "owner", "owner_name", "agent", "settings", "repository", "ref", "full_ref", "commit", "devfile_path", "devfile_changed", "desired",
            "state", "url", "port_url", "folder", "generation", "created_at", "updated_at", "stages", "cause", "trouble", "rescue", "notice", "containers", "ports",
        }
    ),
    schemas.Stage: frozenset({"name", "state", "started_at", "finished_at", "duration"}),
    schemas.Cause: frozenset({"code", "message", "hint", "since"}),
    schemas.Notice: frozenset({"code", "message", "hint", "at"}),
    schemas.Container: frozenset({"name", "image", "state", "exit_code", "restarts", "started_at"}),
    schemas.Port: frozenset({"port", "name", "declared", "exposure", "protocol"}),
}  # fmt: skip
"""By model. Left out: `detail`, which ends with the last lines of a log; `devfile_look`,
`warnings`, `commands` and the paths in ports' addresses, which quote the devfile; `post_start`,
whose outcomes quote what the commands said."""


def outside(workspace: schemas.Workspace) -> schemas.Workspace:
    shown = _outside(workspace)
    assert isinstance(shown, schemas.Workspace)
    return shown


def ports_outside(ports: list[schemas.Port]) -> list[schemas.Port]:
    return [port for port in map(_outside, ports) if isinstance(port, schemas.Port)]


def _outside(value: object) -> object:
    if isinstance(value, list):
        return [_outside(item) for item in value]
    if not isinstance(value, BaseModel):
        return value
    kind = type(value)
    fields = {name: getattr(value, name) for name in kind.model_fields}
    return kind(**{n: _outside(v) if n in SHOWN[kind] else _nothing(v) for n, v in fields.items()})


def _nothing(value: object) -> object:
    """Raises `TypeError` for a kind of field of which nobody has said what it is when it is left
    out."""
    if value is None or isinstance(value, BaseModel):  # which its field says may be missing
        return None
    if isinstance(value, str | list | dict):
        return type(value)()
    raise TypeError(f"{type(value).__name__} cannot be left out of what others see.")
