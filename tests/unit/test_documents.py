"""The documents: what the code says in them is as the code says it, and what they name is there."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from moorage.kernel.errors import MoorageError

ROOT = Path(__file__).parents[2]
PAGES = sorted({*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")} - {ROOT / "CHANGELOG.md"})
PACKAGE = ROOT / "src/moorage"
ELSEWHERE = {"devfile/flatten/devworkspace"}
"""Folders of published data, which the repository does not hold."""
LOGGED = {"workspace-found"}
"""Codes of lines of a log, which no error carries."""


def test_what_is_made_from_the_code_is_as_the_code_is() -> None:
    """`make docs` would change nothing."""
    made = subprocess.run(
        [sys.executable, "scripts/make_docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr


def test_every_code_is_listed() -> None:
    """A code that is written anywhere in the source stands in `docs/errors.md`."""
    listed = set(re.findall(r"`([a-z0-9…-]+)`", (ROOT / "docs/errors.md").read_text()))
    for file in (ROOT / "src/moorage").rglob("*.py"):
        written = re.findall(
            r"""\b(?:default_)?code\s?=\s?"([a-z][a-z0-9]*(?:-[a-z0-9]+)*)\"""", file.read_text()
        )
        assert set(written) - LOGGED <= listed, file


def test_every_setting_says_what_it_is() -> None:
    """A row without a meaning is a field without a docstring."""
    rows = re.findall(
        r"^\| `(\w+)` \|.*\| (.*) \|$", (ROOT / "docs/settings.md").read_text(), re.MULTILINE
    )
    assert len(rows) > 100
    assert [field for field, meaning in rows if not meaning.strip()] == []


def _files() -> set[str]:
    """What the repository holds, by its path: files, and folders with a `/` at the end."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    there = {path for path in listed if (ROOT / path).exists()}
    return there | {f"{folder}/" for path in there for folder in map(str, Path(path).parents)}


FILES = _files()


def _is_there(path: str, page: Path) -> bool:
    """From the page, the repository's top, or below any folder of it: documents say
    `http/context.py` when they speak of the server."""
    if (page.parent / path).exists():
        return True
    return any(f"/{file}".rstrip("/").endswith(f"/{path.rstrip('/')}") for file in FILES)


def _expanded(path: str) -> list[str]:
    """`a/{b,c}.py` as `a/b.py` and `a/c.py`."""
    parts = [
        part[1:-1].split(",") if part.startswith("{") else [part]
        for part in re.split(r"(\{[^}]*\})", path)
    ]
    return ["".join(choice) for choice in product(*parts)]


def _spans(text: str) -> list[str]:
    """What stands between backticks, outside of blocks of code."""
    return re.findall(
        r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    )


def _anchors(text: str) -> set[str]:
    """The headings, as GitHub names them in links."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A link names a file of the repository, and a heading of it."""
    text = page.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in _anchors(file.read_text()), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_are_there(page: Path) -> None:
    """Modules and documents by their path, with or without the folders above, and modules by their
    dotted name."""
    spans = set(_spans(page.read_text())) - ELSEWHERE
    assert sorted(span for span in spans if not _names_what_is_there(span, page)) == []


def _names_what_is_there(span: str, page: Path) -> bool:
    """Whether it is, for what looks like the name of a file, a folder or a module; True for
    anything else."""
    packages = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    if re.fullmatch(r"(?:[\w.-]|/|\{[\w,]+\})+\.(?:py|md)", span):
        return all(_is_there(path, page) for path in _expanded(span))
    if re.fullmatch(r"(?:src|docs|tests|scripts|bench|deploy|examples)/[\w./-]*", span):
        return _is_there(span, page)
    if re.fullmatch(r"[a-z_]+(?:/[a-z_]+)+/?", span) and span.split("/", maxsplit=1)[0] in packages:
        return _is_there(span, page) or _is_there(f"{span.rstrip('/')}.py", page)
    names = span.removeprefix("moorage.").split(".")
    if re.fullmatch(r"[a-z_]+(?:\.[a-z_]+)+", ".".join(names)) and names[0] in packages:
        return _is_module(names) or _is_module(names[:-1]) or _is_value(names)
    return True


def _is_module(names: list[str]) -> bool:
    path = PACKAGE.joinpath(*names)
    return path.is_dir() or path.with_suffix(".py").is_file()


def _is_value(names: list[str]) -> bool:
    """Of the chart."""
    found: Any = yaml.safe_load((ROOT / "deploy/helm/moorage/values.yaml").read_text())
    for name in names:
        if not isinstance(found, dict) or name not in found:
            return False
        found = found[name]
    return True


def test_every_exit_code_is_told() -> None:
    """Each kind of error has one, and the page of the command line says what it means."""
    kinds = [MoorageError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    told = re.findall(r"^\| (\d+) \|", (ROOT / "docs/cli.md").read_text(), re.MULTILINE)
    assert {str(kind.exit_code) for kind in kinds} <= set(told)
