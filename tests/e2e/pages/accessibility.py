"""What axe-core finds wrong with a page as it is: contrast, names, roles, landmarks, order of
headings, …"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
_RUN = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(v =>
  ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.target.join(" ") + ": " + n.failureSummary)}))"""


def assert_accessible(page: Page, name: str) -> None:
    """No rule of axe-core is broken, the best practices included. What moves stands still first:
    its colours are looked at as they are in the end."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_AXE)
    found: list[dict[str, Any]] = page.evaluate(_RUN)
    told = [f"{v['id']} ({v['help']})\n    " + "\n    ".join(v["nodes"]) for v in found]
    assert not told, f"{name}:\n" + "\n".join(told)
