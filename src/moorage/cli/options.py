"""Arguments and options that several commands take as parameters. Those of all commands are in
`context`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _complete_workspace(
    context: click.Context, _argument: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from moorage.cli.completion import workspaces

    return workspaces(context, incomplete)


workspace_argument = click.argument(
    "workspace",
    metavar="WORKSPACE",
    help="Its title, its name, or a beginning of one that fits no other.",
    shell_complete=_complete_workspace,
)
exact_workspace_argument = click.argument(
    "workspace",
    metavar="WORKSPACE",
    help="Its whole title or name.",
    shell_complete=_complete_workspace,
)
"""For what cannot be undone."""
agent_argument = click.argument("agent", metavar="AGENT", help="Its name.")
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds to wait at most; what was asked for goes on by itself.",
)
wait_option = click.option(
    "--wait/--no-wait", default=True, show_default=True, help="Wait until it is done."
)
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
