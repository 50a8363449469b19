"""The shared options: which server, as whom, and how results are printed; one `Context` for one
command line.

A command takes the options by a decorator and their values with the context, not as parameters of
its own:

    @click.command()
    @server_options
    @output_option
    @pass_context
    def list_(context: Context) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from moorage.cli import output
from moorage.cli.output import Format
from moorage.kernel.home import Home, default_home

if TYPE_CHECKING:
    from moorage.cli.client import Client

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class Context:
    """The shared options' values. Options of a group hold for its commands, which may say
    otherwise."""

    server: str | None = None
    home: Path | None = None
    format: Format = Format.TEXT
    _items: list[Any] | None = None

    @property
    def as_json(self) -> bool:
        """Results are for a programme."""
        return self.format is Format.JSON

    @property
    def installation(self) -> Home:
        """The state folder on this machine."""
        return Home(self.home.absolute() if self.home else default_home())

    def connect(self) -> AbstractContextManager[Client]:
        """A client of the server. Raises as `client.target` and `Client` do."""
        from moorage.cli.client import Client

        return Client.connect(self.server, self.installation)

    def tell(self, document: Any, sentence: str) -> None:
        """Prints the document for a programme, the sentence for a person."""
        if self.as_json:
            self.show_json(document)
        else:
            output.say(sentence)

    def show_json(self, document: Any) -> None:
        """Prints the document, or keeps it for the list that is being made."""
        if self._items is None:
            output.show_json(document)
        else:
            self._items.append(document)

    @contextmanager
    def listing(self) -> Iterator[None]:
        """Prints the documents that are told in the block at its end, as one: `{"items": […]}`."""
        self._items = []
        try:
            yield
        finally:
            items, self._items = self._items, None
            if self.as_json:
                output.show_json({"items": items})


pass_context = click.make_pass_decorator(Context, ensure=True)
"""Gives a command the context as its first argument."""


def home_option(command: Command) -> Command:
    return click.option(
        "--home",
        envvar="MOORAGE_HOME",
        show_envvar=True,
        type=click.Path(path_type=Path),
        help="State folder of the installation on this machine.",
        expose_value=False,
        callback=_keep("home"),
    )(command)


def server_options(command: Command) -> Command:
    """`--server` and `--home`."""
    return click.option(
        "--server",
        envvar="MOORAGE_SERVER",
        show_envvar=True,
        metavar="URL",
        help="A server elsewhere: its URL, or unix:PATH. Its token comes from MOORAGE_TOKEN.",
        expose_value=False,
        callback=_keep("server"),
    )(home_option(command))


def output_option(command: Command) -> Command:
    return click.option(
        "--output",
        "-o",
        type=click.Choice([each.value for each in Format]),
        show_default=Format.TEXT.value,
        help="For a person, or for a programme.",
        expose_value=False,
        callback=_keep("format", Format),
    )(command)


def _keep(
    field: str, convert: Callable[[Any], Any] = lambda value: value
) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Puts an option's value into the context when it was given; the environment's only where no
    group was told another."""

    def keep(context: click.Context, option: click.Parameter, value: Any) -> None:
        kept = context.ensure_object(Context)
        by_environment = (
            context.get_parameter_source(option.name or "") is ParameterSource.ENVIRONMENT
        )
        if value is not None and not (by_environment and getattr(kept, field) is not None):
            setattr(kept, field, convert(value))

    return keep
