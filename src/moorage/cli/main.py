"""`moor`: the table of its commands, and the one place where an error becomes an exit code."""

from __future__ import annotations

import os
import sys

import click

from moorage.cli import output
from moorage.cli.context import Context
from moorage.cli.groups import LazyGroup
from moorage.kernel.errors import MoorageError


def _print_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from moorage.cli.version import version

        context.invoke(version)
        context.exit()


def _install_completion(
    context: click.Context, _option: click.Parameter, shell: str | None
) -> None:
    if shell is not None and not context.resilient_parsing:
        from moorage.cli.completion import install

        install(app, shell)
        context.exit()


def _show_completion(context: click.Context, _option: click.Parameter, shell: str | None) -> None:
    if shell is not None and not context.resilient_parsing:
        from moorage.cli.completion import script

        click.echo(script(app, shell))
        context.exit()


@click.group(
    cls=LazyGroup,
    places={
        "Workspaces": {
            "create": "moorage.cli.creation:create",
            "list": "moorage.cli.workspaces:list_",
            "show": "moorage.cli.workspaces:show",
            "start": "moorage.cli.workspaces:start",
            "restart": "moorage.cli.workspaces:restart",
            "rebuild": "moorage.cli.rebuild:rebuild",
            "rename": "moorage.cli.workspaces:rename",
            "stop": "moorage.cli.workspaces:stop",
            "delete": "moorage.cli.workspaces:delete",
            "ports": "moorage.cli.ports:ports",
            "open": "moorage.cli.ports:open_",
            "logs": "moorage.cli.logs:logs",
            "exec": "moorage.cli.terminal:exec_",
            "run": "moorage.cli.run:run",
        },
        "People and agents": {
            "sign-in-link": "moorage.cli.sign_in:sign_in_link",
            "users": "moorage.cli.users:users",
            "agents": "moorage.cli.agents:agents",
            "audit": "moorage.cli.audit:audit",
        },
        "This machine": {
            "up": "moorage.cli.installation:up",
            "down": "moorage.cli.installation:down",
            "status": "moorage.cli.installation:status",
            "server": "moorage.cli.processes:server",
            "agent": "moorage.cli.processes:agent",
            "gateway": "moorage.cli.processes:gateway",
        },
        "Devfiles": {"devfile": "moorage.cli.devfile:devfile"},
        "This program": {"version": "moorage.cli.version:version"},
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
@click.option(
    "--install-completion",
    metavar="[SHELL]",
    is_flag=False,
    flag_value="",
    is_eager=True,
    expose_value=False,
    callback=_install_completion,
    help="Set up completion for the current shell, or for bash, zsh or fish.",
)
@click.option(
    "--show-completion",
    metavar="[SHELL]",
    is_flag=False,
    flag_value="",
    is_eager=True,
    expose_value=False,
    callback=_show_completion,
    help="Print the script that does so.",
)
def app() -> None:
    """On-demand development environments on your own infrastructure."""


def main() -> None:
    """Runs the command line. Exit codes are those of `kernel.errors`; 130 after Ctrl-C."""
    if sys.stdin is None:  # closed: the next descriptor that is opened would be taken for it
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin = os.fdopen(0)
    context = Context()
    try:
        code = app.main(prog_name="moor", standalone_mode=False, obj=context)
    except MoorageError as error:
        output.show_error(error, as_json=context.as_json)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort as error:
        click.echo("Aborted.", err=True)
        code = output.INTERRUPTED if isinstance(error.__cause__, KeyboardInterrupt) else 1
    sys.exit(code)


if __name__ == "__main__":
    main()
