"""What holds for every test."""

import os
import signal
from typing import Any

import pytest

import published

# A shell without job control starts what runs in the background with these ignored, and every
# program that a test starts would inherit that, deaf to the Ctrl-C that the test sends.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

_LEFT_OUT = pytest.StashKey[int]()
_LEFT_OUT_OF_WORKER = "moorage_left_out"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what needs published data where there is none.

    Raises `pytest.UsageError` where that must not be."""
    if published.DATA is not None:
        return
    needing = [item for item in items if item.get_closest_marker(published.marker.name)]
    if needing and os.environ.get(published.REQUIRED):
        raise pytest.UsageError(f"{published.REQUIRED} is set. {published.left_out(len(needing))}")
    items[:] = [item for item in items if item not in needing]
    config.hook.pytest_deselected(items=needing)
    config.stash[_LEFT_OUT] = len(needing)
    if hasattr(config, "workeroutput"):
        config.workeroutput[_LEFT_OUT_OF_WORKER] = len(needing)


@pytest.hookimpl(specname="pytest_collection_modifyitems", tryfirst=True)
def pytest_keep_together(items: list[pytest.Item]) -> None:
    """Groups the tests that share something made once per module, so that parallel workers make it
    once, too.

    (A hook of another name than pytest's own is heard of only if it begins with `pytest_`.)"""
    for item in items:
        if item.get_closest_marker("xdist_group") is None and _shares_with_its_module(item):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def _shares_with_its_module(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function):
        return False
    found = item._fixtureinfo.name2fixturedefs
    return any(
        definition.scope == "module"
        for name in item.fixturenames
        for definition in found.get(name, ())
    )


@pytest.hookimpl(specname="pytest_collection_modifyitems", trylast=True)
def pytest_name_groups(items: list[pytest.Item]) -> None:
    """Makes `--dist loadgroup` keep groups together: pytest-xdist 3.8 notes a test's group where
    pytest 9.2 looks no more."""
    for item in items:
        if (named := getattr(item, "_nodeid", item.nodeid)) != item.nodeid:
            item._id = type(item._id).parse(named)  # type: ignore[attr-defined]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes over from a parallel worker how many tests were left out: each of them collects the
    same ones."""
    if number := getattr(node, "workeroutput", {}).get(_LEFT_OUT_OF_WORKER):
        node.config.stash[_LEFT_OUT] = number


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """One line for what was left out."""
    if number := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(published.left_out(number))
