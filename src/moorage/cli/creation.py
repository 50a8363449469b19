"""`moor create`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from moorage.cli import output
from moorage.cli.context import Context, output_option, pass_context, server_options
from moorage.cli.groups import command
from moorage.cli.options import agent_option, post_start_option, timeout_option
from moorage.kernel.errors import InvalidInput


@command(
    examples=[
        "moor create https://gitlab.com/team/app.git",
        "moor create .",
        "moor create https://gitlab.com/team/app/-/merge_requests/7",
        "moor create https://github.com/team/app --ref feature --name app-2 --env DEBUG=1",
    ]
)
@click.argument(
    "repository",
    metavar="REPOSITORY",
    help="URL of a Git repository or of a page of it (branch, tag, merge request, folder), or a clone of it here (`.`): its remote and branch.",
)
@click.option(
    "--ref", default="", show_default="the repository's", help="Branch, tag or commit; or refs/…."
)
@click.option(
    "--devfile", metavar="PATH", default="", help="Path of the devfile in the repository."
)
@click.option(
    "--name", metavar="TITLE", default="", show_default="the repository's name", help="Title."
)
@agent_option
@click.option(
    "--env", multiple=True, metavar="KEY=VALUE", help="Environment variable; may be given often."
)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it runs.")
@click.option("--open", "open_", is_flag=True, help="Open the editor in a browser at the end.")
@post_start_option
@timeout_option
@server_options
@output_option
@pass_context
def create(
    context: Context,
    /,
    *,
    wait: bool,
    open_: bool,
    post_start_wait: float,
    timeout: float,
    **said: Any,
) -> None:
    """Create a workspace from a repository, and wait until it runs.

    It also waits for a while for the postStart commands, and shows what they write. Where one of
    them, or a side container, has failed, the workspace runs all the same, and the exit code is 10.
    It is 11 where its own environment cannot run, and one to repair it from does. Ctrl-C ends the
    waiting; the workspace goes on starting.
    """
    from moorage.cli.settling import check
    from moorage.cli.waiting import tell_started, wait_running

    said |= _meant(said["repository"], said["ref"])
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
            workspace = wait_running(context, client, workspace, timeout, patience=post_start_wait)
        tell_started(context, workspace, started=wait)
    if wait and open_ and workspace["url"]:
        from moorage.cli.ports import browse

        browse(workspace["url"])
    if wait:
        check(workspace)


def _meant(repository: str, ref: str) -> dict[str, str]:
    """The repository and the ref; for a clone here, its remote's."""
    from moorage.cli.clone import names_folder, read_clone

    if not names_folder(repository):
        return {}
    clone = read_clone(Path(repository).expanduser(), ref=ref)
    for note in clone.notes:
        output.note(f"warning: {note}")
    return {"repository": clone.repository, "ref": clone.ref}


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
