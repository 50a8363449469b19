"""Whether a text is a devfile at all, be it a wrong one. Pure.

Errors speak of names, values and lines. Where a text was fetched for somebody (out of a repository,
over HTTP), they may be shown only of what is a devfile: of any other file they would be a way to
read it, line by line.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from moorage.devfile import schema
from moorage.devfile.errors import DevfileError
from moorage.documents.problems import Problem
from moorage.documents.reading import read

CODE = "not-a-devfile"
HINT = (
    "A devfile is YAML, and has a line such as 'schemaVersion: 2.2.0' at its beginning. Version 1 is no longer used. Nothing is"
    " shown of a file of another kind."
)
_VERSION = re.compile(r"2\.[0-9]{1,3}\.[0-9]{1,3}(?:-[0-9a-z.-]{1,40})?")
_FIRST_VERSION = re.compile(r"1\.[0-9]{1,3}\.[0-9]{1,3}(?:-[0-9a-z.-]{1,40})?")
_FIRST_KEYS = frozenset(
    {"apiVersion", "metadata", "attributes", "projects", "components", "commands"}
)
"""All that a devfile of version 1 has."""
_RESOURCE = re.compile(r"workspace\.devfile\.io/v[0-9a-z]{1,20}")
_KEY = re.compile(
    r"""(["']?)(?P<key>[A-Za-z]+)\1\s*:(?:\s+(["']?)(?P<value>[^\s"'#]+)\3)?\s*(?:#.*)?"""
)
_SKIPPED = re.compile(r"\s*(?:#.*)?|---\s*|%YAML.*|\s.*|- .*")
"""Lines that may stand before the version: nothing, comments, and what belongs to a key before
it."""
_LINES = 500
"""How far the version is looked for."""


def is_devfile(text: str | bytes) -> bool:
    """Whether it says of itself that it is a devfile: a mapping with a schema's version, or, when
    it is no YAML, lines that are a devfile's up to the one that names the version."""
    try:
        return _says_so(read(text, DevfileError))
    except DevfileError:
        return _begins_like_one(text if isinstance(text, str) else text.decode(errors="replace"))


def not_a_devfile(name: str) -> DevfileError:
    """`name`: how whoever asked for it called the file."""
    return DevfileError([Problem(CODE, f"{name} is no devfile.", hint=HINT)])


def _says_so(tree: dict[str, Any]) -> bool:
    if _is_version("schemaVersion", tree.get("schemaVersion")):
        return True
    version = tree.get("apiVersion")
    if tree.keys() <= _FIRST_KEYS and isinstance(version, str) and len(tree) > 1:
        return _FIRST_VERSION.fullmatch(version) is not None
    return _is_version("apiVersion", version)


def _begins_like_one(text: str) -> bool:
    for line in text.splitlines()[:_LINES]:
        if _SKIPPED.fullmatch(line):
            continue
        found = _KEY.fullmatch(line)
        if found is None or found["key"] not in _keys():
            return False
        if _is_version(found["key"], found["value"]):
            return True
    return False


@cache
def _keys() -> frozenset[str]:
    known = (schema.top_level_keys(version) for version in schema.VERSIONS)
    return frozenset({"apiVersion", "kind"}.union(*known))


def _is_version(key: str, value: Any) -> bool:
    pattern = {"schemaVersion": _VERSION, "apiVersion": _RESOURCE}.get(key)
    return pattern is not None and isinstance(value, str) and pattern.fullmatch(value) is not None
