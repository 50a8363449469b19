"""`moor create`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from moorage.cli import output
from moorage.cli.context import Context, output_option, pass_context, server_options
from moorage.cli.options import timeout_option
from moorage.kernel.errors import InvalidInput


@click.command()
@click.argument(
    "repository", metavar="REPOSITORY", help="URL of a Git repository that has a devfile."
)
@click.option("--ref", default="", show_default="the repository's", help="Branch, tag or commit.")
@click.option(
    "--devfile", metavar="PATH", default="", help="Path of the devfile in the repository."
)
@click.option(
    "--name", metavar="TITLE", default="", show_default="the repository's name", help="Title."
)
@click.option(
    "--agent",
    default="",
    show_default="the connected one with the fewest workspaces",
    help="Where it runs.",
)
@click.option(
    "--env", multiple=True, metavar="KEY=VALUE", help="Environment variable; may be given often."
)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it runs.")
@click.option("--open", "open_", is_flag=True, help="Open the editor in a browser at the end.")
@timeout_option
@server_options
@output_option
@pass_context
def create(context: Context, /, *, wait: bool, open_: bool, timeout: float, **said: Any) -> None:
    """Create a workspace from a repository, and wait until it runs.

    Ctrl-C ends the waiting; the workspace goes on starting.
    """
    from moorage.cli.waiting import tell_started, wait_running

    # What is said otherwise is the request's body, under the same names.
    body = {**said, "env": environment(said["env"])}
    with context.connect() as client:
        workspace = client.post("/workspaces", {key: value for key, value in body.items() if value})
        if not context.as_json:
            for warning in workspace["warnings"]:
                output.note(f"warning: {output.problem_line(warning)}")
            output.note(
                f"{workspace['title']} ({workspace['name']}) is created on the agent {workspace['agent']}."
            )
        if wait:
            workspace = wait_running(context, client, workspace, timeout)
        tell_started(context, workspace, started=wait)
    if wait and open_ and workspace["url"]:
        from moorage.cli.ports import browse

        browse(workspace["url"])


def environment(pairs: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE`, each once. Raises `InvalidInput` for one without `=`."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidInput(
                f"{pair!r} is no variable.",
                code="env-invalid",
                field="env",
                hint="Write KEY=VALUE.",
            )
        found[key] = value
    return found
