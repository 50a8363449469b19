"""Arguments and options that several commands take as parameters. Those of all commands are in
`context`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


Command = TypeVar("Command", bound=Callable[..., Any])
Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def _complete(kind: str) -> Complete:
    """What the function of that name in `completion` finds."""

    def complete(
        context: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from moorage.cli import completion

        found: list[CompletionItem] = getattr(completion, kind)(context, incomplete)
        return found

    return complete


workspace_argument = click.argument(
    "workspace",
    metavar="WORKSPACE",
    help="Its title, its name, or a beginning of one that fits no other.",
    shell_complete=_complete("workspaces"),
)
exact_workspace_argument = click.argument(
    "workspace",
    metavar="WORKSPACE",
    help="Its whole title or name.",
    shell_complete=_complete("workspaces"),
)
"""For what cannot be undone."""


def workspaces_argument(help_: str) -> Callable[[Command], Command]:
    """Several workspaces, or `--all`; which of them is `help_`'s to say."""

    def add(command: Command) -> Command:
        argument = click.argument(
            "names",
            metavar="WORKSPACE...",
            nargs=-1,
            help=help_,
            shell_complete=_complete("workspaces"),
        )
        everything = click.option(
            "--all", "everything", is_flag=True, help="All of yours that it can be done to."
        )
        return argument(everything(command))

    return add


agent_option = click.option(
    "--agent",
    default="",
    show_default="the connected one with the fewest workspaces",
    help="Where it runs.",
    shell_complete=_complete("agents"),
)
port_argument = click.argument(
    "port",
    required=False,
    default="",
    help="Number or name of a port; the editor's, when left out.",
    shell_complete=_complete("ports"),
)
command_argument = click.argument(
    "command",
    metavar="[COMMAND]",
    required=False,
    default="",
    help="Id of one of the devfile's commands; all are listed, when left out.",
    shell_complete=_complete("commands"),
)
agent_argument = click.argument(
    "agent", metavar="AGENT", help="Its name.", shell_complete=_complete("agents")
)
container_option = click.option(
    "--container",
    "-c",
    default="",
    show_default="the editor's",
    help="Which one.",
    shell_complete=_complete("containers"),
)
log_option = click.option(
    "--container",
    "-c",
    default="",
    show_default="the editor's",
    help="Which one; clone: what cloning said; postStart: what the postStart commands write.",
    shell_complete=_complete("logs"),
)
tty_option = click.option(
    "--tty/--no-tty",
    "-t/-T",
    default=None,
    show_default="when input and output are one",
    help="With a terminal.",
)
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds to wait at most; what was asked for goes on by itself.",
)
post_start_option = click.option(
    "--post-start-wait",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for postStart commands once it runs; they go on by themselves.",
)
wait_option = click.option(
    "--wait/--no-wait", default=True, show_default=True, help="Wait until it is done."
)
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
