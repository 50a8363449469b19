"""Browsers for tests: contexts, each of which is a browser of somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from playwright.sync_api import Browser, BrowserContext


def contexts(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """What makes them, for a fixture; all are closed at its end."""
    made: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        made.append(browser.new_context(viewport={"width": 1280, "height": 800}, **options))
        return made[-1]

    yield make
    for context in made:
        context.close()
