"""What every command's help has."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from moorage.cli.groups import Command, Group
from moorage.cli.main import app
from unit.cli.running import moor


def leaves(group: Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, Group):
            yield from leaves(command, (*words, name))
        else:
            assert isinstance(command, Command), name
            yield " ".join((*words, name)), command


ALL = dict(leaves(app))  # type: ignore[arg-type] - a decorated group


@pytest.mark.parametrize("name", ALL)
def test_examples_are_command_lines(name: str) -> None:
    """Each command has examples of itself, and each can be parsed."""
    command = ALL[name]
    assert command.examples
    for example in command.examples:
        line = example.split(" > ")[0].split(" < ")[0]
        words = shlex.split(line)
        start = ["moor", *name.split()]
        assert words[: len(start)] == start, example
        command.make_context(name, words[len(start) :])


def test_help_shows_them(tmp_path: Path) -> None:
    said = moor(tmp_path, "stop", "--help").stdout
    assert said.endswith("Examples:\n  moor stop app\n  moor stop app web\n  moor stop --all\n")
