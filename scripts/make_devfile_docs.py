"""Writes the support table into `docs/devfile.md`, between its two marks.

python scripts/make_devfile_docs.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from moorage.translation.support import table

PAGE = Path(__file__).parents[1] / "docs/devfile.md"
BEGIN, END = (
    "<!-- support table: made by scripts/make_devfile_docs.py -->\n",
    "<!-- end of the support table -->\n",
)


def main() -> int:
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if "--check" in sys.argv[1:]:
        return 0 if made == text else 1
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
