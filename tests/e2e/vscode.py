"""What a person does in VS Code in the browser: look at the explorer, type into the terminal."""

from __future__ import annotations

from playwright.sync_api import Page, expect

LOADED = 60_000


def wait_until_loaded(page: Page) -> None:
    """The workbench is there, and its explorer."""
    expect(page.locator(".monaco-workbench")).to_be_visible(timeout=LOADED)
    expect(page.locator(".explorer-folders-view")).to_be_visible(timeout=LOADED)


def expect_file(page: Page, name: str) -> None:
    """The explorer shows it."""
    expect(page.locator(".explorer-folders-view").get_by_text(name, exact=True)).to_be_visible(
        timeout=LOADED
    )


def open_terminal(page: Page) -> None:
    """A terminal panel, with its prompt."""
    page.keyboard.press("Control+`")
    expect(page.locator(".terminal-wrapper.active .xterm-helper-textarea")).to_be_attached(
        timeout=LOADED
    )
    expect(page.locator(".terminal-wrapper.active .xterm-screen")).to_be_visible(timeout=LOADED)


def type_command(page: Page, command: str) -> None:
    """Types a line into the terminal that has the focus."""
    page.locator(".terminal-wrapper.active .xterm-helper-textarea").focus()
    page.keyboard.type(command)
    page.keyboard.press("Enter")


def list_tasks(page: Page) -> list[str]:
    """The names of the devfile's tasks, as the list shows them that is left open."""
    # The extension is there.
    expect(page.locator(".statusbar-item", has_text="Moorage")).to_be_visible(timeout=LOADED)
    page.keyboard.press("F1")
    rows = page.locator(".quick-input-list .monaco-list-row")
    page.locator(".quick-input-widget input[type=text]").fill(">Tasks: Run Task")
    rows.get_by_text("Tasks: Run Task", exact=True).first.click(timeout=LOADED)
    rows.filter(has_text="devfile").first.click(timeout=LOADED)
    found = rows.filter(has_text="devfile: ")
    expect(found.first).to_be_visible(timeout=LOADED)
    first_lines = (text.splitlines()[0].strip() for text in found.all_inner_texts())
    return sorted(line.removeprefix("devfile: ") for line in first_lines)
