"""How long a person waits from the command to VS Code's workbench, in a browser that has never seen
the editor.

The floor is measured in the same run and the same Chromium: `docker run` of the same image with the
same editor, opened as soon as it answers. Needs root, Docker and the images (`make images`); starts
and ends an installation of its own.
"""

from __future__ import annotations

import json
import statistics
import time

import httpx
from playwright.sync_api import Browser, Page, sync_playwright
from start import bare_editor, running_installation, tools_volume

from report import record  # isort: skip - `start` says where the tests' own modules are
from e2e.installation import CHROMIUM, Installation, eventually, sign_in, visit
from e2e.vscode import LOADED

RUNS = 5


def until_workbench(page: Page) -> None:
    """Until what a person works with is to be seen."""
    for part in (".monaco-workbench", ".explorer-folders-view"):
        page.locator(part).wait_for(state="visible", timeout=LOADED)


def painted(page: Page) -> float:
    """Seconds from going to the editor's page until something was to be seen there."""
    script = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
    return float(page.evaluate(script)) / 1000


def bare(browser: Browser, volume: str) -> float:
    """Seconds from `docker run` to the workbench."""
    page = browser.new_page()
    began = time.monotonic()
    with bare_editor(volume) as address:
        with httpx.Client(trust_env=False, timeout=5) as client:
            eventually(
                "the editor listens", lambda: _answers(client, f"{address}healthz"), every=0.02
            )
        visit(page, f"{address}?folder=/tmp")
        until_workbench(page)
        took = time.monotonic() - began
        page.close()
    return took


def ours(browser: Browser, installation: Installation, repository: str) -> tuple[float, float]:
    """Seconds from `POST /workspaces` to the workbench, by way of the page that waits for the
    start; and how long the editor's own page is empty."""
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, installation, "admin")
    with installation.api() as api:
        began = time.monotonic()
        created = api.post("/workspaces", json={"repository": repository})
        created.raise_for_status()
        name = created.json()["name"]
        visit(page, created.json()["url"])
        until_workbench(page)
        took = time.monotonic() - began
        empty = painted(page)
        context.close()
        api.delete(f"/workspaces/{name}").raise_for_status()
        eventually("it is deleted", lambda: api.get(f"/workspaces/{name}").status_code == 404)
    return took, empty


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == 200
    except httpx.TransportError:
        return False


def main() -> None:
    with running_installation() as (installation, repository), sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        volume = tools_volume(installation, repository)
        bare(browser, volume)
        floors, all_ours, empty = [], [], []
        for _ in range(RUNS):
            floors.append(bare(browser, volume))
            took, until_painted = ours(browser, installation, repository)
            all_ours.append(took)
            empty.append(until_painted)
        browser.close()
    rounded = {"floor_s": floors, "workbench_s": all_ours, "empty_s": empty}
    print(json.dumps({key: [round(t, 2) for t in times] for key, times in rounded.items()}))
    floor, own = statistics.median(floors), statistics.median(all_ours)
    record("workbench_floor", round(floor, 2), "s", "(for comparison)", holds=True)
    record("workbench", round(own, 2), "s", "(for comparison)", holds=True)
    ratio = round(own / floor, 2)
    record("workbench_vs_floor", ratio, "ratio", "at most 1.3", holds=ratio <= 1.3)
    blank = statistics.median(empty)
    record("editor_blank", round(blank, 2), "s", "at most 1", holds=blank <= 1)


if __name__ == "__main__":
    main()
