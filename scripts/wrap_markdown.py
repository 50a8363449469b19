"""Wraps the documents' prose at the width that code has. Tables, blocks of code and headings stay
as they are.

python scripts/wrap_markdown.py            # wraps what is too wide
python scripts/wrap_markdown.py --check    # names it, and fails; part of `make check`
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 100
ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+")
ALONE = re.compile(r"\s*(?:[|#<]|```|~~~|\[[^\]]+\]:|[-=*_]{3,}\s*$)")
"""Begins a line that is no prose: a table, a heading, HTML, code, a link's definition, a rule."""
GLUE = "\x00"
"""Stands for a space at which no line ends."""


def wrapped(text: str) -> str:
    """Paragraphs and items of lists that have a line that is too wide, filled anew; all else as it
    is."""
    return "".join(
        f"{line}\n"
        for prose, block in blocks(text.splitlines())
        for line in (filled(block) if prose else block)
    )


def blocks(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """Whether it is prose, and its lines: paragraphs and items of lists; what is no prose, line by
    line."""
    block: list[str] = []
    fence = ""
    for line in lines:
        mark = re.match(r"\s*(```|~~~)", line)
        prose = not fence and not mark and bool(line.strip()) and not ALONE.match(line)
        if block and (not prose or ITEM.match(line)):
            yield True, block
            block = []
        if prose:
            block.append(line)
        else:
            yield False, [line]
        if mark:
            fence = "" if fence else mark[1]
    if block:
        yield True, block


def filled(block: list[str]) -> list[str]:
    if max(map(len, block)) <= WIDTH:
        return block
    item = ITEM.match(block[0])
    first = item[0] if item else re.match(r"\s*", block[0])[0]  # type: ignore[index]
    further = " " * len(first)
    words = glued(" ".join(line.strip() for line in block)[len(first.strip()) :].strip()).split()
    lines, line = [], first
    for word in words:
        if len(line.rstrip()) + 1 + len(word) > WIDTH and line.strip() not in ("", first.strip()):
            lines.append(line.rstrip())
            line = further
        line += f"{word} "
    return [each.replace(GLUE, " ") for each in [*lines, line.rstrip()]]


def glued(text: str) -> str:
    """Keeps code together, and what would mean something else at the beginning of a line with the
    word before it."""
    text = re.sub(
        r"`[^`]{1,90}`|\[[^\]]{1,40}\](?=\()", lambda code: code[0].replace(" ", GLUE), text
    )
    return re.sub(r" (?=(?:[-+*>|=·]|#+|\d+[.)])(?: |$))", GLUE, text)


def main() -> int:
    files = {*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.md")}
    wide = []
    for file in sorted(files):
        name = str(file.relative_to(ROOT))
        text = file.read_text()
        if (made := wrapped(text)) != text:
            wide.append(name)
            if "--check" not in sys.argv[1:]:
                file.write_text(made)
    for name in wide:
        print(
            f"{name}: {'wider' if '--check' in sys.argv[1:] else 'was wider'} than {WIDTH} columns."
        )
    return 1 if wide and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
