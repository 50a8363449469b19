"""Waiting for a workspace as a person or a programme at a shell does: with a view of it, until
Ctrl-C or a timeout."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from moorage.cli import output, post_start
from moorage.cli.client import Client
from moorage.cli.context import Context
from moorage.cli.following import wait
from moorage.cli.progress import Printed, stages
from moorage.cli.settling import going_on, may_be_repaired, settled, under_way
from moorage.cli.words import changed_words, state_word
from moorage.contract import DesiredState
from moorage.contract.agent import POST_START
from moorage.kernel.errors import MoorageError


def wait_running(
    context: Context,
    client: Client,
    workspace: dict[str, Any],
    seconds: float,
    *,
    patience: float,
) -> dict[str, Any]:
    """Waits with a view of the stages, and for what starts beside the editor, with what its
    postStart commands write; `patience`: seconds for these.

    When that ends in any other way, a programme gets the workspace all the same, as it was last
    heard of: for its name.
    """
    latest = workspace

    def show(now: dict[str, Any]) -> None:
        nonlocal latest
        latest = now
        progress.show(now)

    deadline = time.monotonic() + seconds
    try:
        with stages(as_json=context.as_json) as progress:
            running = wait(
                client,
                workspace["name"],
                DesiredState.RUNNING,
                seconds=seconds,
                show=show,
                say=progress.say,
            )
        latest = running or latest
        following: AbstractContextManager[None] = nullcontext()
        if under_way(latest) and patience and not context.as_json:
            output.note(f"{latest['title']} runs. {latest['url']}".rstrip())
            output.note("Waiting for its postStart commands; Ctrl-C leaves them to themselves.")
            until = min(time.monotonic() + patience, deadline)
            following = post_start.shown(client, latest["name"], until)
        with following:
            return settled(client, latest, deadline=deadline, patience=patience)
    except KeyboardInterrupt:
        if context.as_json:
            context.show_json(latest)
        title = workspace["title"]
        output.note(
            f"Its postStart commands go on. `moor logs {title} -c {POST_START} -f` shows what they write."
            if under_way(latest)
            else f"It goes on starting. `moor show {title}` says how far it is, `moor start {title}` waits again, "
            f"`moor delete {title}` removes it."
        )
        raise click.exceptions.Exit(output.INTERRUPTED) from None
    except MoorageError:
        if context.as_json:
            context.show_json(latest)
        elif may_be_repaired(latest):
            title = latest["title"]
            output.note(f"`moor start {title} --rescue` opens its files all the same.")
            changed = latest.get("devfile_changed")
            mended = f"A devfile that is mended and pushed is taken by `moor rebuild {title}`."
            output.note(changed_words(latest) if changed else mended)
        raise


def tell_started(context: Context, workspace: dict[str, Any], *, started: bool) -> None:
    """Prints the URL of a workspace that runs, or how to wait for one that was asked to."""
    title = workspace["title"]
    if started:
        runs = "runs, with trouble" if workspace.get("trouble") else "runs"
        runs = "runs, for repair" if workspace.get("rescue") else runs
        context.tell(workspace, f"{title} {runs}. {workspace['url']}".rstrip())
        if workspace.get("devfile_changed"):
            output.note(changed_words(workspace))
        if steps := going_on(workspace):
            verb = "goes" if len(steps) == 1 else "go"
            output.note(
                f"After its start, {' and '.join(steps)} {verb} on: `moor logs {title} -c {POST_START} -f`."
            )
    else:
        context.tell(workspace, f"{title} is starting. `moor start {title}` waits for it.")


def wait_ended(
    context: Context, client: Client, workspace: dict[str, Any], goal: DesiredState, seconds: float
) -> dict[str, Any] | None:
    """Waits with its state on one line, until it is stopped or terminated; returns it as
    `following.wait` does."""
    try:
        if context.as_json:
            return wait(client, workspace["name"], goal, seconds=seconds)
        console = output.console(error=True)
        if not console.is_terminal:
            printed = Printed(output.note)
            return wait(
                client,
                workspace["name"],
                goal,
                seconds=seconds,
                show=printed.show_reason,
                say=printed.say,
            )
        with console.status(f"{workspace['title']}: {state_word(workspace)} …") as shown:
            return wait(
                client,
                workspace["name"],
                goal,
                seconds=seconds,
                show=lambda now: shown.update(f"{now['title']}: {state_word(now)} …{_reason(now)}"),
                say=shown.update,
            )
    except KeyboardInterrupt:
        output.note(f"It goes on by itself. `moor show {workspace['title']}` says how far it is.")
        raise click.exceptions.Exit(output.INTERRUPTED) from None


def _reason(workspace: dict[str, Any]) -> str:
    cause = workspace["cause"]
    return f" {cause['message']}" if cause else ""
