"""Groups of commands that import the module of the one that is asked for, and list all in sections.

Where imports go in `cli`, so that a command starts quickly: a module's top imports what each of its
commands needs, and a function imports what only it needs and what is heavy (rich, websockets, the
devfile engine, the supervisor). No command's module is imported at another's top.
`tests/unit/cli/test_imports.py` holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import click


class Command(click.Command):
    """Its help ends with examples: whole command lines."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def command(
    name: str | None = None, *, examples: Sequence[str], **options: Any
) -> Callable[[Callable[..., Any]], Command]:
    """A command of `moor`, as `click.command` makes one."""
    return click.command(name, cls=Command, examples=examples, **options)


class Group(click.Group):
    """Lists its commands in the order in which they are defined, with the whole first sentence of
    each."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def sections(self, ctx: click.Context) -> Mapping[str, Iterable[str]]:
        """Heading → names of commands."""
        return {"Commands": self.list_commands(ctx)}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(ctx)))
        for heading, names in self.sections(ctx).items():
            commands = {name: self.get_command(ctx, name) for name in names}
            rows = [
                (name.ljust(width), command.get_short_help_str(limit=200))
                for name, command in commands.items()
                if command
            ]
            with formatter.section(heading):
                formatter.write_dl(rows)


class LazyGroup(Group):
    """`places`: heading → name of a command → `module:attribute`, in the order in which the help
    lists them."""

    def __init__(
        self, *arguments: Any, places: Mapping[str, Mapping[str, str]], **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._sections = places
        self._places = {
            name: place for section in places.values() for name, place in section.items()
        }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._places)

    def sections(self, ctx: click.Context) -> Mapping[str, Iterable[str]]:
        return self._sections

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's module."""
        if cmd_name not in self._places:
            return None
        module, _, attribute = self._places[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command
