"""Commands for several workspaces at once: which ones, and what becomes of the others when it fails
for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from moorage.cli import output
from moorage.cli.client import Client
from moorage.cli.context import Context
from moorage.contract import DesiredState
from moorage.kernel.errors import InvalidInput, MoorageError

Workspace = dict[str, Any]
"""A `Workspace` as the API says it."""
Finish = Callable[[], None]
"""Waits for what was asked for, and tells how it ended."""


def choose(
    client: Client,
    names: Sequence[str],
    everything: bool,
    *states: DesiredState,
    find: Callable[[str], Workspace] | None = None,
) -> list[Workspace]:
    """The workspaces that were named, or all of the caller's own that are to be in one of these
    states; each once.

    `find` takes a name for a workspace; without it, only a whole one does. Raises what it raises,
    and `InvalidInput` for names beside `--all`, and for neither.
    """
    if bool(names) == everything:
        raise InvalidInput(
            "Names and --all exclude each other." if names else "No workspace is named.",
            code="workspaces-unclear",
            field="workspace",
            hint="Name the workspaces, or say --all: all of yours.",
        )
    if everything:
        items = client.get("/workspaces")["items"]
        return [item for item in items if item["desired"] in states]
    find = find or client.workspace_exactly
    return list({found["name"]: found for found in map(find, names)}.values())


def each(
    context: Context,
    names: Sequence[str],
    chosen: list[Workspace],
    ask: Callable[[Workspace], Finish],
) -> None:
    """Asks for all of them first, then finishes one after the other.

    One that fails does not hold up the others: its error is printed, and the first one's code is
    the command's. For a programme, all are one document, unless one was named.
    """
    if len(names) == 1:
        ask(chosen[0])()
        return
    if not chosen and not context.as_json:
        output.say("There is none to do it to.")
    errors: list[MoorageError] = []
    finishing: list[Finish] = []
    with context.listing():
        for one in chosen:
            with _kept(context, errors):
                finishing.append(ask(one))
        for finish in finishing:
            with _kept(context, errors):
                finish()
    if errors:
        raise click.exceptions.Exit(errors[0].exit_code)


@contextmanager
def _kept(context: Context, errors: list[MoorageError]) -> Iterator[None]:
    """Prints an error that the block raises, and keeps it."""
    try:
        yield
    except MoorageError as error:
        output.show_error(error, as_json=context.as_json)
        errors.append(error)
