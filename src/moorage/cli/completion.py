"""Completion in the shell: the script that calls `moor`, and the names of workspaces, agents,
containers, commands and ports, which the server is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from moorage.cli.client import Client
from moorage.cli.context import Context
from moorage.contract.agent import POST_START
from moorage.kernel.errors import InvalidInput, MoorageError

VARIABLE = "_MOOR_COMPLETE"
_PLACES = {
    "bash": (".bash_completions/moor.sh", ".bashrc", "source '{file}'"),
    "zsh": (".zfunc/_moor", ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit"),
    "fish": (".config/fish/completions/moor.fish", "", ""),
}
"""For each shell, below the home directory: where the script goes, and which line in which file
makes the shell read it."""


def workspaces(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """Titles and names of the caller's workspaces that begin so and were not said yet; none when
    the server does not answer."""

    def names(client: Client) -> list[str]:
        items = client.get("/workspaces")["items"]
        return [item["title"] for item in items] + [item["name"] for item in items]

    said = context.params.get("names") or ()
    return [item for item in _asked(context, incomplete, names) if item.value not in said]


def agents(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """Names of agents that begin so."""
    return _asked(
        context,
        incomplete,
        lambda client: [item["name"] for item in client.get("/agents")["items"]],
    )


def containers(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """Names of the containers of the workspace that was said."""
    return _asked(
        context,
        incomplete,
        lambda client: [item["name"] for item in _workspace(context, client)["containers"]],
    )


def logs(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """The same, and what else there is a log of."""

    def names(client: Client) -> list[str]:
        found = _workspace(context, client)
        steps = [POST_START] if found["post_start"] else []
        return [*(item["name"] for item in found["containers"]), "clone", *steps]

    return _asked(context, incomplete, names)


def commands(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """Ids of the devfile's commands that can be run in the workspace that was said."""

    def names(client: Client) -> list[str]:
        items = _workspace(context, client)["commands"]
        return [item["id"] for item in items if not item["unable"]]

    return _asked(context, incomplete, names)


def ports(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """Names and numbers of the ports that the workspace that was said declares."""

    def names(client: Client) -> list[str]:
        items = _workspace(context, client)["ports"]
        return [item["name"] for item in items] + [str(item["port"]) for item in items]

    return _asked(context, incomplete, names)


def _workspace(context: click.Context, client: Client) -> dict[str, Any]:
    # Where the value of an option is to be completed, click has not come to the arguments yet.
    said = context.params["workspace"] or next(iter(context.args), "")
    return client.workspace(said)


def _asked(
    context: click.Context, incomplete: str, names: Callable[[Client], list[str]]
) -> list[CompletionItem]:
    try:
        with context.ensure_object(Context).connect() as client:
            found = names(client)
    except (MoorageError, KeyError, TypeError):
        return []
    return [CompletionItem(name) for name in dict.fromkeys(found) if name.startswith(incomplete)]


def script(app: click.Command, shell: str) -> str:
    """The script that the shell runs to complete names. `shell`: "" is the current one.

    Raises `InvalidInput` for one that is not known.
    """
    kind = get_completion_class(_known(shell))
    assert kind is not None
    return kind(app, {}, "moor", VARIABLE).source()


def install(app: click.Command, shell: str) -> None:
    """Writes the script below the home directory, and the line that reads it into the shell's own
    file."""
    shell = _known(shell)
    place, own, line = _PLACES[shell]
    file = Path.home() / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(script(app, shell))
    if own:
        _add_line(Path.home() / own, line.format(file=file))
    click.echo(
        f"{shell} completion is in {file}. It works in terminals that are opened from now on."
    )


def _add_line(file: Path, line: str) -> None:
    text = file.read_text() if file.exists() else ""
    if line not in text:
        file.write_text(f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n")


def _known(shell: str) -> str:
    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in _PLACES:
        raise InvalidInput(
            f"There is no completion for {name or 'a shell that has no name'}.",
            code="shell-unknown",
            field="shell",
            hint=f"Name one of {', '.join(_PLACES)}.",
        )
    return name
