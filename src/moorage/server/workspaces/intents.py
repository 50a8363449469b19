"""Writes an intent into its row, with the clocks that follow from it."""

from __future__ import annotations

from moorage.contract import DesiredState
from moorage.server.workspaces.decisions import Intent
from moorage.server.workspaces.models import Workspace


def intent_of(workspace: Workspace) -> Intent:
    return Intent(DesiredState(workspace.desired), workspace.generation, workspace.restarts)


def apply(workspace: Workspace, intent: Intent, now: float, *, why: str = "") -> None:
    """`why`: what asked for it when it was no person, in plain words."""
    workspace.desired = intent.desired.value
    workspace.generation = intent.generation
    workspace.restarts = intent.restarts
    workspace.updated_at = now
    workspace.stopped_by = why
    if intent.desired is DesiredState.RUNNING:
        workspace.requested_at = now
        workspace.requested_generation = intent.generation
        workspace.sent_at = None
        workspace.received_at = None
    workspace.delete_at = None
    workspace.set_back_at = None
    workspace.stopped_at = now if intent.desired is DesiredState.STOPPED else None
