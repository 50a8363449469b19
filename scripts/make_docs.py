"""Writes those parts of the documents that the code says, each between its two marks.

    python scripts/make_docs.py            # writes them; `make docs`
    python scripts/make_docs.py --check    # names those that are out of date, and fails

A part is made by a function of `scripts/documents` that returns Markdown.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from documents import commands, errors, metrics, settings, support
from wrap_markdown import wrapped

DOCS = Path(__file__).resolve().parents[1] / "docs"
PARTS: dict[tuple[str, str], Callable[[], str]] = {
    ("cli.md", "commands"): commands.made,
    ("errors.md", "codes"): errors.made,
    ("metrics.md", "metrics"): metrics.made,
    ("settings.md", "settings"): settings.made,
    ("devfile.md", "support table"): support.made,
}
"""Page and mark → what stands there."""


def with_part(text: str, mark: str, made: str) -> str:
    """The page with what is made between the marks. Raises `ValueError` for a page without them."""
    begin, end = f"<!-- {mark}: made by scripts/make_docs.py -->\n", f"<!-- end of {mark} -->\n"
    before, found, rest = text.partition(begin)
    _, ends, after = rest.partition(end)
    if not found or not ends:
        raise ValueError(f"The page has no {begin.strip()} … {end.strip()}")
    return f"{before}{begin}\n{wrapped(made).strip()}\n\n{end}{after}"


def main() -> int:
    stale = []
    for (name, mark), make in PARTS.items():
        page = DOCS / name
        text = page.read_text()
        made = with_part(text, mark, make())
        if made != text:
            stale.append(f"docs/{name}, {mark}")
            if "--check" not in sys.argv[1:]:
                page.write_text(made)
    if "--check" not in sys.argv[1:]:
        return 0
    for part in stale:
        print(f"{part}: out of date. Run `make docs`.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
