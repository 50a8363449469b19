"""Every command of `moor`, with its arguments, its options and their help."""

from __future__ import annotations

from collections.abc import Iterator

import click

from moorage.cli.groups import Command, Group
from moorage.cli.main import app

SHARED = ("server", "home", "output")
"""Options that most commands have: said once."""


def made() -> str:
    return "\n".join(_group(click.Context(app, info_name="moor"), app))


def _group(context: click.Context, group: click.Group) -> Iterator[str]:
    assert isinstance(group, Group)
    for heading, names in group.sections(context).items():
        if group is app:
            yield f"### {heading}\n"
        for name in names:
            command = group.get_command(context, name)
            assert command is not None
            below = click.Context(command, info_name=name, parent=context)
            yield from _command(below, command)
            if isinstance(command, click.Group):
                yield from _group(below, command)


def _command(context: click.Context, command: click.Command) -> Iterator[str]:
    words = [
        context.command_path,
        *(piece for p in command.params for piece in p.get_usage_pieces(context)),
    ]
    yield f"#### `{' '.join(words)}`\n"
    for paragraph in (command.help or "").split("\n\n"):
        yield " ".join(paragraph.split()) + "\n"
    if isinstance(command, Command):
        yield "\n".join(["```sh", *command.examples, "```"]) + "\n"
    rows = [_row(context, p) for p in command.params if p.name not in SHARED]
    if rows:
        yield "\n".join(["| | |", "|---|---|", *rows]) + "\n"
    shared = [f"`--{p.name}`" for p in command.params if p.name in SHARED]
    if shared:
        yield f"Takes {', '.join(shared)}, too.\n"


def _row(context: click.Context, parameter: click.Parameter) -> str:
    record = parameter.get_help_record(context)
    assert record is not None, parameter.name
    left, right = record
    return f"| `{left.replace('|', chr(92) + '|')}` | {right.replace('|', chr(92) + '|')} |"
