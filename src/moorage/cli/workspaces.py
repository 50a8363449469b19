"""`moor list`, `show`, `start`, `stop`, `restart`, `delete`."""

from __future__ import annotations

import sys
from typing import Any

import click

from moorage.cli import output
from moorage.cli.client import Client
from moorage.cli.context import Context, output_option, pass_context, server_options
from moorage.cli.options import (
    exact_workspace_argument,
    timeout_option,
    wait_option,
    workspace_argument,
    yes_option,
)
from moorage.cli.words import since, state_word
from moorage.contract import DesiredState
from moorage.kernel.errors import InvalidInput


@click.command("list")
@click.option("--all", "everyones", is_flag=True, help="Everyone's, for an administrator.")
@server_options
@output_option
@pass_context
def list_(context: Context, *, everyones: bool) -> None:
    """List your workspaces."""
    with context.connect() as client:
        answer = client.get("/workspaces", all="true" if everyones else None)
    if context.as_json:
        output.show_json(answer)
        return
    headings = ["TITLE", "STATE", "AGENT", "AGE", "NAME", "REPOSITORY"]
    rows = [
        [
            item["title"],
            state_word(item),
            item["agent"],
            since(item["created_at"]),
            item["name"],
            item["repository"],
        ]
        for item in answer["items"]
    ]
    if everyones:
        headings.insert(1, "OWNER")
        for row, item in zip(rows, answer["items"], strict=True):
            row.insert(1, item["owner_name"])
    output.show_table(headings, rows, empty="No workspaces. `moor create REPOSITORY` makes one.")


@click.command()
@workspace_argument
@server_options
@output_option
@pass_context
def show(context: Context, workspace: str) -> None:
    """Show a workspace: state and its cause, stages, containers, ports."""
    from moorage.cli.details import show_details

    with context.connect() as client:
        found = client.workspace(workspace)
    if context.as_json:
        output.show_json(found)
    else:
        show_details(found)


@click.command()
@workspace_argument
@wait_option
@timeout_option
@server_options
@output_option
@pass_context
def start(context: Context, workspace: str, *, wait: bool, timeout: float) -> None:
    """Start a workspace. Files and home are as they were."""
    with context.connect() as client:
        name = client.workspace_name(workspace)
        _run(context, client, name, "start", wait=wait, timeout=timeout)


@click.command()
@exact_workspace_argument
@wait_option
@timeout_option
@server_options
@output_option
@pass_context
def restart(context: Context, workspace: str, *, wait: bool, timeout: float) -> None:
    """Start a workspace anew, with new containers. Files and home are as they were."""
    with context.connect() as client:
        name = client.workspace_exactly(workspace)["name"]
        _run(context, client, name, "restart", wait=wait, timeout=timeout)


@click.command()
@exact_workspace_argument
@wait_option
@timeout_option
@server_options
@output_option
@pass_context
def stop(context: Context, workspace: str, *, wait: bool, timeout: float) -> None:
    """Stop a workspace. Files and home stay."""
    with context.connect() as client:
        asked = client.post(f"/workspaces/{client.workspace_exactly(workspace)['name']}/stop")
        if wait:
            asked = _ended(context, client, asked, DesiredState.STOPPED, timeout) or asked
    context.tell(asked, f"{asked['title']} {'is stopped' if wait else 'is to stop'}.")


@click.command()
@exact_workspace_argument
@yes_option
@wait_option
@timeout_option
@server_options
@output_option
@pass_context
def delete(context: Context, workspace: str, *, yes: bool, wait: bool, timeout: float) -> None:
    """Delete a workspace with its files and its home. Nothing brings them back."""
    with context.connect() as client:
        found = client.workspace_exactly(workspace)
        if not yes:
            _ask(found)
        asked = client.delete(f"/workspaces/{found['name']}")
        if wait:
            gone = _ended(context, client, asked, DesiredState.TERMINATED, timeout)
            asked = gone or {**asked, "state": "Terminated"}
    context.tell(asked, f"{asked['title']} {'is deleted' if wait else 'is to be deleted'}.")


def _run(
    context: Context, client: Client, name: str, verb: str, *, wait: bool, timeout: float
) -> None:
    from moorage.cli.waiting import tell_started, wait_running

    asked = client.post(f"/workspaces/{name}/{verb}")
    if wait:
        asked = wait_running(context, client, asked, timeout)
    tell_started(context, asked, started=wait)


def _ended(
    context: Context, client: Client, asked: dict[str, Any], goal: DesiredState, timeout: float
) -> dict[str, Any] | None:
    from moorage.cli.waiting import wait_ended

    return wait_ended(context, client, asked, goal, timeout)


def _ask(workspace: dict[str, Any]) -> None:
    if not sys.stdin.isatty():
        raise InvalidInput(
            "Deleting asks first, and nobody can answer here.",
            code="not-confirmed",
            hint="Say it with --yes.",
        )
    question = f"Delete {workspace['title']} ({workspace['repository']}) with all its files?"
    if not click.confirm(question, err=True):
        raise click.exceptions.Exit(1)
