"""devcontainer.json → its object: which files are one, and what is wrong with their JSON."""

from __future__ import annotations

from typing import Any, Literal

from moorage.devfile import DevfileError, Problem
from moorage.translation.jsonc import NotJson, loads

FILE_NAMES = (".devcontainer/devcontainer.json", ".devcontainer.json")
"""The names that are looked for when a repository has no devfile, in this order."""
FOLDER = ".devcontainer"
"""Then `<name>/devcontainer.json` in this folder, in the order of their names."""
MAX_CHARACTERS = 1024 * 1024

_MARKS = frozenset(
    {
        "image",
        "build",
        "dockerFile",
        "dockerComposeFile",
        "features",
        "customizations",
        "postCreateCommand",
    }
)
"""One of these is in every devcontainer.json that says anything (the specification's reference)."""


def is_devcontainer(path: str) -> bool:
    """Whether a file of that path is read by this module."""
    return path.endswith(("/devcontainer.json", "/.devcontainer.json")) or path in FILE_NAMES


def kind_of(text: str) -> Literal["devcontainer", "broken", "other"]:
    """Whether a text is a devcontainer.json by what it says, JSON of another kind, or none."""
    try:
        found = loads(text)
    except NotJson:
        return "broken"
    return "devcontainer" if isinstance(found, dict) and _MARKS & found.keys() else "other"


def read(text: str | bytes, source: str) -> dict[str, Any]:
    """The object that the text holds; `source` is how errors call the file. Raises
    `DevfileError`."""
    try:
        decoded = text if isinstance(text, str) else text.decode()
        if len(decoded) > MAX_CHARACTERS:
            raise refused("too-large", "The devcontainer.json is larger than 1 MB.", source)
        found = loads(decoded)
    except UnicodeDecodeError as error:
        raise refused("not-utf8", "The devcontainer.json is not UTF-8 text.", source) from error
    except NotJson as error:
        raise refused(
            "json-syntax",
            f"This is not valid JSON: {error}.",
            source,
            line=error.line,
            column=error.column,
        ) from error
    if not isinstance(found, dict):
        raise refused(
            "not-a-mapping",
            "The devcontainer.json is not an object.",
            source,
            hint="Begin it with '{'.",
        )
    return found


def refused(
    code: str,
    message: str,
    source: str,
    *,
    path: str = "",
    hint: str = "",
    line: int = 0,
    column: int = 0,
) -> DevfileError:
    """The error of a devcontainer.json that cannot be used."""
    return DevfileError([Problem(code, message, path, line, column, hint, source)])
