"""`moor create`."""

from __future__ import annotations

from typing import Annotated

import typer

from moorage.cli import output
from moorage.cli.client import Client
from moorage.cli.options import HomeOption, OutputOption, ServerOption, TimeoutOption
from moorage.kernel.errors import InvalidInput

app = typer.Typer()


@app.command(rich_help_panel="Workspaces")
def create(
    repository: Annotated[
        str, typer.Argument(metavar="REPOSITORY", help="URL of a Git repository that has a devfile.")
    ],
    *,
    ref: Annotated[str, typer.Option(help="Branch, tag or commit.", show_default="the repository's")] = "",
    devfile: Annotated[str, typer.Option(help="Path of the devfile in the repository.")] = "",
    name: Annotated[str, typer.Option(help="Title.", show_default="the repository's name")] = "",
    agent: Annotated[
        str, typer.Option(help="Where it runs.", show_default="the connected one with the fewest workspaces")
    ] = "",
    env: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Environment variable; may be given often.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it runs.")] = True,
    open_: Annotated[bool, typer.Option("--open", help="Open the editor in a browser at the end.")] = False,
    timeout: TimeoutOption = 3600.0,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Create a workspace from a repository, and wait until it runs.

    Ctrl-C ends the waiting; the workspace goes on starting.
    """
    from moorage.cli import workspaces

    body = {
        "repository": repository,
        "ref": ref,
        "devfile": devfile,
        "name": name,
        "agent": agent,
        "env": environment(env or []),
    }
    with Client.connect(server, home) as client:
        workspace = client.post("/workspaces", {key: value for key, value in body.items() if value})
        if not output.as_json():
            for warning in workspace["warnings"]:
                output.note(f"warning: {output.problem_line(warning)}")
            output.note(
                f"{workspace['title']} ({workspace['name']}) is created on the agent {workspace['agent']}."
            )
        if wait:
            workspace = workspaces.wait_running(client, workspace, timeout)
        workspaces.tell(workspace, started=wait)
    if wait and open_ and workspace["url"]:
        from moorage.cli.ports import browse

        browse(workspace["url"])


def environment(pairs: list[str]) -> dict[str, str]:
    """`KEY=VALUE`, each once. Raises `InvalidInput` for one without `=`."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidInput(
                f"{pair!r} is no variable.", code="env-invalid", field="env", hint="Write KEY=VALUE."
            )
        found[key] = value
    return found
