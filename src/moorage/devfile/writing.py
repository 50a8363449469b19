"""Devfile → YAML that reads as the same Devfile, by YAML 1.1 and 1.2 alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from moorage.devfile import schema
from moorage.devfile.conversion import to_tree
from moorage.devfile.model import Command, Component, Devfile, Project, StarterProject

_PLAIN = re.compile(
    r"[A-Za-z_/][^\n\t]*|[0-9]+\.[0-9]+\.[0-9]+[-\w.]*|[0-9]+(?:\.[0-9]+)?(?:m|[kMGT]|[KMGT]i)"
)
_SPECIAL = re.compile(r": |:$| #| $")
_WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "y", "n", "null"))
"""Words that some version of YAML takes for something else than text."""
_LONGEST_KEY = 200
"""A longer key must be announced with `?`; YAML allows 1024 characters."""


def dump(devfile: Devfile) -> str:
    """The devfile as text. One that a devfile's schema has no room for becomes a
    DevWorkspaceTemplate.

    A devfile has no room for plugins after 2.0.0, nor ever for custom elements.
    """
    tree = to_tree(devfile)
    if _needs_template(devfile):
        name = devfile.metadata.name or "devfile"
        tree = {
            "apiVersion": "workspace.devfile.io/v1alpha2",
            "kind": "DevWorkspaceTemplate",
            "metadata": {"name": name},
            "spec": tree,
        }
    return to_yaml(tree)


def to_yaml(value: Any) -> str:
    """JSON-like data as YAML in block style."""
    if not isinstance(value, dict | list) or not value:
        return _scalar(value, 0) + "\n"
    return "\n".join(_lines(value, 0)) + "\n"


def _needs_template(devfile: Devfile) -> bool:
    elements: tuple[Component | Command | Project | StarterProject, ...] = (
        *devfile.components,
        *devfile.commands,
        *devfile.projects,
        *devfile.starter_projects,
        *devfile.dependent_projects,
    )
    plugins = any(component.plugin is not None for component in devfile.components)
    return any(element.custom is not None for element in elements) or (
        plugins and devfile.version != schema.VERSIONS[0]
    )


def _lines(value: Any, indent: int) -> Iterator[str]:
    """The lines of a mapping or list that is not empty."""
    margin = " " * indent
    if isinstance(value, dict):
        for key, item in value.items():
            written = _key(key)
            if len(written) > _LONGEST_KEY:
                yield f"{margin}? {written}"
                written = ""
            if isinstance(item, dict | list) and item:
                yield f"{margin}{written}:"
                yield from _lines(item, indent + 2)
            else:
                yield f"{margin}{written}: {_scalar(item, indent + 2)}"
        return
    for item in value:
        if isinstance(item, dict | list) and item:
            inner = _lines(item, indent + 2)
            yield f"{margin}- {next(inner)[indent + 2 :]}"
            yield from inner
        else:
            yield f"{margin}- {_scalar(item, indent + 2)}"


def _key(key: str) -> str:
    return _scalar(key, 0) if "\n" not in key else _quoted(key)


def _scalar(value: Any, indent: int) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    text = str(value)
    if "\n" in text and indent and _fits_block(text):
        margin = " " * indent
        body = "\n".join(
            margin + line if line else "" for line in text.removesuffix("\n").split("\n")
        )
        return ("|" if text.endswith("\n") else "|-") + "\n" + body
    if (
        _PLAIN.fullmatch(text)
        and text.isprintable()
        and not _SPECIAL.search(text)
        and text.lower() not in _WORDS
    ):
        return text
    return _quoted(text)


def _fits_block(text: str) -> bool:
    """Whether a literal block keeps the text as it is."""
    lines = text.removesuffix("\n").split("\n")
    return (
        bool(lines[0])
        and bool(lines[-1])
        and lines[0][0] != " "
        and all(line.isprintable() and (not line or line.strip()) for line in lines)
    )


def _quoted(text: str) -> str:
    if "'" not in text and "\\" not in text and text.isascii() and text.isprintable():
        return f"'{text}'"
    return (
        '"' + "".join(_ESCAPES.get(character) or _character(character) for character in text) + '"'
    )


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def _character(character: str) -> str:
    if character.isprintable():
        return character
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
