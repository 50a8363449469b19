"""A start as a person sees it: live on a terminal, one line per stage elsewhere, nothing for a
programme."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from moorage.cli import output
from moorage.cli.following import Workspace, reason_of
from moorage.contract import Stage
from moorage.wording import StageLine, duration, stage_lines

if TYPE_CHECKING:
    from rich.console import RenderableType

_MARKS = {
    "done": "[green]✓[/]",
    "failed": "[red]✗[/]",
    "skipped": "[dim]–[/]",
    "waiting": "[dim]·[/]",
    "running": "[cyan]●[/]",
}
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Progress:
    """The view that `following.wait` reports to: `show` takes each change of a workspace, `say`
    anything else."""

    def __init__(self, show: Callable[[Workspace], None], say: Callable[[str], None]) -> None:
        self.show = show
        self.say = say


@contextmanager
def stages(*, as_json: bool) -> Iterator[Progress]:
    """Shows a workspace's stages on standard error for as long as the block runs."""
    console = output.console(error=True)
    if as_json:
        yield Progress(lambda _workspace: None, lambda _text: None)
    elif console.is_terminal:
        with _live() as progress:
            yield progress
    else:
        printed = Printed(output.note)
        yield Progress(printed.show, printed.say)


class Printed:
    """One line for each stage that has ended, and for each new reason to wait, in the order in
    which that happens."""

    def __init__(self, print_line: Callable[[str], None]) -> None:
        self._print = print_line
        self._known: set[tuple[str, ...]] = set()

    def show(self, workspace: Workspace) -> None:
        for line in lines_of(workspace, time.time()):
            if line.state in ("done", "failed"):
                taken = duration(line.seconds) if line.seconds is not None else ""
                self._once(
                    (line.name, line.state),
                    f"{line.title:<20}{line.said:<10}{taken:>8}  {line.detail}".rstrip(),
                )
        self.show_reason(workspace)

    def show_reason(self, workspace: Workspace) -> None:
        """Prints what it waits for, alone."""
        if workspace["state"] != "Failed" and (reason := reason_of(workspace)):
            # How far a download is is no new reason.
            self._once(("waits", re.sub(r"[\d.,]+ ?([kMGT]?B|%)?", "", reason)), f"waits: {reason}")

    def say(self, text: str) -> None:
        self._once(("said", text), text)

    def _once(self, key: tuple[str, ...], text: str) -> None:
        if key not in self._known:
            self._known.add(key)
            self._print(text)


def lines_of(workspace: Workspace, now: float) -> tuple[StageLine, ...]:
    return stage_lines(msgspec.convert(workspace["stages"], tuple[Stage, ...]), now)


def table(workspace: Workspace, now: float, *, said: str = "") -> RenderableType:
    """The stages with their times, and what it waits for."""
    from rich.console import Group
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column()
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column(style="dim", overflow="fold")
    for line in lines_of(workspace, now):
        mark = _MARKS[line.state]
        if line.live:
            mark = f"[cyan]{_FRAMES[int(now * 8) % len(_FRAMES)]}[/]"
        title = line.title if line.state != "waiting" else f"[dim]{line.title}[/]"
        grid.add_row(
            mark,
            title,
            duration(line.seconds) if line.seconds is not None else "",
            output.markup(line.detail),
        )
    extra = []
    cause = workspace["cause"]
    if cause and workspace["state"] != "Failed":
        extra.append(f"[yellow]{output.markup(cause['message'])}[/] {output.markup(cause['hint'])}")
    if said:
        extra.append(f"[yellow]{output.markup(said)}[/]")
    return Group(grid, *extra)


@contextmanager
def _live() -> Iterator[Progress]:
    from rich.live import Live
    from rich.text import Text

    latest: list[Workspace] = []
    said = [""]
    # The server's clock may be another one than ours: its times are shown relative to when we heard
    # of them.
    ahead = [0.0]

    def render() -> RenderableType:
        return table(latest[0], time.time() + ahead[0], said=said[0]) if latest else Text("")

    def show(workspace: Workspace) -> None:
        if not latest:
            begun = [stage["started_at"] for stage in workspace["stages"] if stage["started_at"]]
            ahead[0] = max(0.0, max(begun, default=0.0) - time.time())
        latest[:] = [workspace]
        said[0] = ""

    def say(text: str) -> None:
        said[0] = text

    with Live(get_renderable=render, console=output.console(error=True), refresh_per_second=8):
        yield Progress(show, say)
