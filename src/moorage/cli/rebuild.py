"""`moor rebuild`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import click

from moorage.cli import output
from moorage.cli.client import Client
from moorage.cli.context import Context, output_option, pass_context, server_options
from moorage.cli.groups import command
from moorage.cli.options import (
    exact_workspace_argument,
    post_start_option,
    timeout_option,
    wait_option,
    yes_option,
)
from moorage.contract import DesiredState
from moorage.kernel.errors import Conflict, InvalidInput

TRIES = 3
"""How often a difference that has changed meanwhile is looked at again for who agreed to any."""
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
Proposal = dict[str, Any]


@command(
    examples=[
        "moor rebuild app",
        "moor rebuild app --dry-run",
        "moor rebuild app --ref feature",
        "moor rebuild app --yes --no-wait",
    ]
)
@exact_workspace_argument
@click.option(
    "--ref",
    default=None,
    show_default="as before",
    help="Branch, tag or commit of the devfile; an empty one stands for the default branch. The clone stays on its own.",
)
@click.option(
    "--devfile",
    metavar="PATH",
    default=None,
    show_default="as before",
    help="Path of the devfile in the repository; an empty one stands for the usual names.",
)
@click.option("--dry-run", is_flag=True, help="Show the difference, and change nothing.")
@yes_option
@wait_option
@post_start_option
@timeout_option
@server_options
@output_option
@pass_context
def rebuild(
    context: Context,
    workspace: str,
    *,
    ref: str | None,
    devfile: str | None,
    dry_run: bool,
    yes: bool,
    wait: bool,
    post_start_wait: float,
    timeout: float,
) -> None:
    """Make a workspace anew from the devfile that is in its repository now. Files and home stay.

    It shows what changes, and asks. A workspace that runs is restarted with new containers; one
    that is stopped stays so, and is made anew at its next start. Volumes that the devfile no longer
    names are kept.
    """
    with context.connect() as client:
        asking = _Asking(client, client.workspace_exactly(workspace), ref, devfile)
        proposal = asking.proposal()
        if dry_run:
            _show(context, asking.workspace, proposal, whole=True)
            return
        if not proposal["changed"]:
            context.tell(asking.workspace, _unchanged(asking.workspace, proposal))
            return
        now = _agreed(context, asking, proposal, yes=yes)
        if now["desired"] != DesiredState.RUNNING:
            title = now["title"]
            context.tell(now, f"{title} is made anew at its next start: `moor start {title}`.")
            return
        from moorage.cli.settling import check
        from moorage.cli.waiting import tell_started, wait_running

        if wait:
            now = wait_running(context, client, now, timeout, patience=post_start_wait)
        tell_started(context, now, started=wait)
        if wait:
            check(now)


@dataclass(frozen=True)
class _Asking:
    """`ref`, `devfile`: what is asked for instead; None: as before."""

    client: Client
    workspace: dict[str, Any]
    ref: str | None
    devfile: str | None

    @property
    def _path(self) -> str:
        return f"/workspaces/{self.workspace['name']}/rebuild"

    def proposal(self) -> Proposal:
        found: Proposal = self.client.get(self._path, ref=self.ref, devfile=self.devfile)
        return found

    def take(self, digest: str) -> dict[str, Any]:
        body = {"digest": digest, "ref": self.ref, "devfile": self.devfile}
        made: dict[str, Any] = self.client.post(self._path, body)
        return made


def _agreed(context: Context, asking: _Asking, proposal: Proposal, *, yes: bool) -> dict[str, Any]:
    """Shows the difference, asks, and takes it; asks again for another one that came meanwhile."""
    tries = 0
    while True:
        if not context.as_json:
            _show(context, asking.workspace, proposal)
        if not yes:
            _confirm(asking.workspace, proposal)
        tries += 1
        try:
            return asking.take(proposal["digest"])
        except Conflict as error:
            if error.code != "devfile-changed" or tries == TRIES:
                raise
        output.note("It has changed again meanwhile.")
        proposal = asking.proposal()


def _confirm(workspace: dict[str, Any], proposal: Proposal) -> None:
    if not sys.stdin.isatty():
        raise InvalidInput(
            "Rebuilding asks first, and nobody can answer here.",
            code="not-confirmed",
            hint="Look at the difference with --dry-run, and agree to it with --yes.",
        )
    what = "It is restarted" if proposal["restarts"] else "It stays stopped"
    if not click.confirm(f"Rebuild {workspace['title']}? {what}; files and home stay.", err=True):
        raise click.exceptions.Exit(1)


def _show(
    context: Context, workspace: dict[str, Any], proposal: Proposal, *, whole: bool = False
) -> None:
    """On standard error, as the result is the workspace; for who asked for nothing else, the
    difference is the result (`whole`)."""
    if context.as_json:
        output.show_json(proposal)
        return
    say = output.say if whole else output.note
    if not proposal["changed"]:
        say(_unchanged(workspace, proposal))
        return
    for change in proposal["changes"]:
        say(f"{_SIGNS.get(change['kind'], '~')} {change['message']}")
    if proposal["diff"]:
        say("")
        for line in proposal["diff"].splitlines():
            click.echo(click.style(output.clean(line), fg=_COLOURS.get(line[:1])), err=not whole)
        say("")
    for warning in proposal["warnings"]:
        hint = f" {warning['hint']}" if warning["code"] == "clone-stays" else ""
        output.note(f"warning: {output.problem_line(warning)}{hint}")


def _unchanged(workspace: dict[str, Any], proposal: Proposal) -> str:
    at = " ".join(filter(None, (proposal["ref"], proposal["commit"][:12])))
    return (
        f"Nothing has changed: {workspace['title']} is made from what is there"
        f"{f' ({at})' if at else ''}."
    )
