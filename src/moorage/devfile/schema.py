"""Checks a tree against the published JSON Schema of its version, and reports all that does not
fit.

`schemas.json` holds the published schemas in a compact form (`scripts/make_devfile_schemas.py`
makes it): a list of pieces, each `{"t": type}` with, for objects, `p` properties, `r` required
keys, `u` keys of which exactly one must be there, `a` what other keys may hold; for arrays `i` the
items' piece and `q` when they must differ; for strings `e` the allowed words, `m` the longest
length, `x` the pattern. Numbers refer to other pieces.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path as File
from typing import Any

import msgspec

from moorage.documents.limits import SUGGESTIONS
from moorage.documents.problems import Path, short
from moorage.documents.reporting import Report
from moorage.documents.tree import Map, Seq, plain

VERSIONS = ("2.0.0", "2.1.0", "2.2.0", "2.2.1", "2.2.2", "2.3.0")
NEWEST = VERSIONS[-1]
DEVWORKSPACE = "devworkspace"
"""The schema of a DevWorkspace's template: the newest, with plugins and custom elements."""

LONGEST_PATTERNED = 4096
"""Characters of a text that a pattern is tried on: names and versions are short, and patterns take
memory."""

_NAMES = {"o": "a mapping", "a": "a list", "s": "text", "b": "true or false", "i": "a whole number"}
_NAME_PATTERN = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_TOP = ("parent", "components", "commands", "events", "projects", "starterProjects")
"""Top-level keys that nobody means as metadata."""
Piece = dict[str, Any]
_TEXT = {"t": "s"}


def check(tree: Map, version: str, report: Report) -> None:
    """Adds a problem for everything that does not fit, and makes the tree plain where the schema
    lets it be anything.

    Null where a list or a mapping may stand is removed, as absent; a whole number written `8080.0`
    becomes `8080`. `version` is one of `VERSIONS`, or `DEVWORKSPACE`.
    """
    schemas = _schemas()
    _Check(schemas["pieces"], version, report).object(
        tree, schemas["pieces"][schemas["versions"][version]], ()
    )


def top_level_keys(version: str) -> tuple[str, ...]:
    schemas = _schemas()
    return tuple(schemas["pieces"][schemas["versions"][version]]["p"])


def fields(version: str) -> list[str]:
    """Every field of a version's schema as a path; list items are `[]`, the values of open mappings
    `*`."""
    schemas = _schemas()
    found: list[str] = []

    def walk(piece: Piece, at: str) -> None:
        if piece["t"] == "a":
            walk(schemas["pieces"][piece["i"]], f"{at}[]")
        elif piece["t"] == "o":
            for name, number in piece["p"].items():
                path = f"{at}.{name}" if at else name
                found.append(path)
                walk(schemas["pieces"][number], path)

    walk(schemas["pieces"][schemas["versions"][version]], "")
    return found


@cache
def _schemas() -> dict[str, Any]:
    loaded: dict[str, Any] = msgspec.json.decode(
        File(__file__).with_name("schemas.json").read_bytes()
    )
    for piece in loaded["pieces"]:
        if "x" in piece:
            # `$` of a JSON Schema is the text's end; Python's also stands before a last line break.
            piece["re"] = re.compile(piece["x"].replace("$", r"\Z"))
    return loaded


class _Check:
    def __init__(self, pieces: list[Piece], version: str, report: Report) -> None:
        self.pieces = pieces
        self.version = version
        self.report = report

    def object(self, node: dict[str, Any], piece: Piece, path: Path) -> None:
        if path == ("metadata",):
            self._misplaced(node)
        if piece["a"] is False and not node.keys() <= piece["p"].keys():
            self._respell(node, piece, path)
        dropped = [
            key for key, value in node.items() if not self._entry(node, key, value, piece, path)
        ]
        for key in dropped:
            del node[key]
        for key in piece.get("r", ()):
            if key not in node:
                self._missing(key, path)
        if "u" in piece:
            self._union(node, piece["u"], path)

    def _entry(self, node: dict[str, Any], key: str, value: Any, piece: Piece, path: Path) -> bool:
        """Checks one entry of a mapping; false when it reads as absent."""
        number = piece["p"].get(key)
        if number is None:
            number = piece["a"]
            if number is True:
                self._make_plain(node, key, value)
                return True
            if number is False:
                number = self._of_another_version(piece, (*path, key))
            if number is None:
                return True
        part = self.pieces[number]
        if type(value) is str and part == _TEXT:
            return True
        if value is None and part["t"] in "oa":
            return False
        self._value(node, key, value, part, (*path, key))
        return True

    def _respell(self, node: dict[str, Any], piece: Piece, path: Path) -> None:
        """Reads keys in another case as what they are meant to be, where that is not there."""
        known = {name.lower(): name for name in piece["p"]}
        for key in [key for key in node if key not in piece["p"]]:
            name = known.get(key.lower()) if len(key) <= LONGEST_PATTERNED else None
            if name is None or name in node or _version_with((*path, key), self.version):
                continue
            self.report.warn(
                "key-case",
                f"The key {key!r} is written {name!r}.",
                (*path, key),
                of_key=True,
                hint=f"Write {name!r}: other readers of devfiles do not know {key!r}.",
            )
            node[name] = node.pop(key)
            if isinstance(node, Map):
                node.marks[name] = node.marks.pop(key, 0)

    def _of_another_version(self, piece: Piece, path: Path) -> int | None:
        """The number of the piece by which a key is read that this version does not have: another
        version's, with a warning; None for a key that none has, which is a problem."""
        version = _version_with(path, self.version)
        if not version:
            self._unknown(piece, path)
            return None
        if VERSIONS.index(version) > _index(self.version):
            code = "newer-key"
            hint = f"It is known since schemaVersion {version}; this devfile says {self.version}."
        else:
            code, hint = "older-key", f"It was dropped after schemaVersion {version}."
        self.report.warn(
            code,
            f"The key {short(str(path[-1]))!r} is of another version of devfiles.",
            path,
            of_key=True,
            hint=hint,
        )
        number: int = _piece(path[:-1], version)["p"][path[-1]]
        return number

    def array(self, node: list[Any], piece: Piece, path: Path) -> None:
        part = self.pieces[piece["i"]]
        for index, value in enumerate(node):
            self._value(node, index, value, part, (*path, index))
            if self.report.is_full:
                return
        if piece.get("q"):
            seen: set[str] = set()
            for index, value in enumerate(node):
                if isinstance(value, str):
                    if value in seen:
                        self.report.add(
                            "not-unique",
                            f"{short(value)!r} stands in this list twice.",
                            (*path, index),
                        )
                    seen.add(value)

    def string(self, value: Any, piece: Piece, path: Path) -> None:
        if not isinstance(value, str):
            self._wrong_type(value, piece, path)
            return
        allowed = piece.get("e")
        if allowed is not None and value not in allowed and value in _other_words(path):
            self.report.warn(
                "newer-key", f"{short(value)!r} is of another version of devfiles.", path
            )
        elif allowed is not None and value not in allowed:
            self.report.add(
                "not-one-of",
                f"{short(value)!r} is none of {', '.join(allowed)}.",
                path,
                hint=self.report.suggest(value, allowed) if len(allowed) > 1 else "",
            )
        if len(value) > piece.get("m", len(value)):
            said = f"{short(value)!r} has {len(value)} characters; {piece['m']} are the most."
            if len(value) <= _longest(path):
                self.report.warn("long-name", said, path, hint="Other readers want a shorter one.")
            else:
                self.report.add("too-long", said, path)
        pattern = piece.get("re")
        if pattern is not None and (len(value) > LONGEST_PATTERNED or not pattern.search(value)):
            self._bad_pattern(value, piece, path)

    def _value(self, parent: Any, key: Any, value: Any, piece: Piece, path: Path) -> None:
        kind = piece["t"]
        if kind == "s":
            self.string(value, piece, path)
        elif kind == "o" and isinstance(value, dict):
            if piece["a"] is True and not piece["p"]:
                self._make_plain(parent, key, value)
            else:
                self.object(value, piece, path)
        elif kind == "a" and isinstance(value, list):
            self.array(value, piece, path)
        elif (kind == "b" and isinstance(value, bool)) or (kind == "i" and type(value) is int):
            return
        elif kind == "i" and isinstance(value, float) and value.is_integer():
            parent[key] = int(value)
        else:
            self._wrong_type(value, piece, path)

    @staticmethod
    def _make_plain(parent: Any, key: Any, value: Any) -> None:
        if isinstance(value, Map | Seq):
            parent[key] = plain(value)

    def _union(self, node: dict[str, Any], choices: list[str], path: Path) -> None:
        chosen = [key for key in choices if key in node] or [
            key for key in node if key in _other_choices(path, self.version)
        ]
        if len(chosen) == 1:
            return
        if not chosen:
            names = ", ".join(choices)
            what = (
                f"One of {names} is missing here."
                if len(choices) > 1
                else f"{names} is missing here."
            )
            hint = (
                "A volume without settings is written 'volume: {}'." if "volume" in choices else ""
            )
            self.report.add("choice-missing", what, path, hint=hint)
        else:
            self.report.add(
                "choice-twice",
                f"Only one of {' and '.join(chosen)} may stand here.",
                (*path, chosen[1]),
                of_key=True,
                hint="Make an element of its own for each.",
            )

    def _unknown(self, piece: Piece, path: Path) -> None:
        if self.report.is_full:
            return
        key = str(path[-1])
        if _has(path, DEVWORKSPACE):
            hint = "It belongs to DevWorkspace resources; a devfile cannot hold it."
        else:
            hint = self._belongs(path, piece) or self.report.suggest(key, piece["p"])
        self.report.add(
            "unknown-key",
            f"The key {short(key)!r} is not known here.",
            path,
            of_key=True,
            hint=hint,
        )

    def _belongs(self, path: Path, piece: Piece) -> str:
        """Where a key that stands in a wrong place belongs: further out, or into what stands beside
        it."""
        key = path[-1]
        if len(self.report.problems) >= SUGGESTIONS:
            return ""
        for length in range(len(path) - 2, -1, -1):
            outer = path[:length]
            if (length == 0 or isinstance(path[length], str)) and _has((*outer, key), self.version):
                where = f"the key {outer[-1]!r}" if outer and isinstance(outer[-1], str) else ""
                where = where or ("the element of the list" if outer else "the top of the devfile")
                return f"It belongs to {where}: indent it less."
        beside: Any = self.report.tree
        for step in path[:-1]:
            beside = beside[step]
        for name in piece["p"]:
            if name in beside and _has((*path[:-1], name, key), self.version):
                return f"It belongs to {name!r}: indent it more."
        return ""

    def _misplaced(self, metadata: dict[str, Any]) -> None:
        """Top-level keys below `metadata`, where anything may stand: they are there by their
        indentation alone."""
        for key in _TOP:
            if isinstance(metadata.get(key), list | dict) and key not in self.report.tree:
                self.report.add(
                    "misplaced-key",
                    f"The key {key!r} stands inside of 'metadata', where it has no effect.",
                    ("metadata", key),
                    of_key=True,
                    hint="It belongs to the top of the devfile: indent it less, as 'metadata' itself.",
                )

    def _missing(self, key: str, path: Path) -> None:
        hint = (
            f"Add a line '{key}: …'."
            if path
            else "Begin the devfile with a line such as 'schemaVersion: 2.2.0'."
        )
        self.report.add("missing-key", f"The key {key!r} is missing here.", path, hint=hint)

    def _bad_pattern(self, value: str, piece: Piece, path: Path) -> None:
        if piece["x"] == _NAME_PATTERN:
            message = f"{short(value)!r} is no name: only a-z, 0-9 and '-' inside."
            fixed = re.sub(r"[^a-z0-9]+", "-", value.lower()[:200]).strip("-")
            hint = f"Write {fixed!r}, for instance." if fixed else ""
        else:
            message = f"{short(value)!r} is no version."
            hint = "A version has three numbers, as in 1.2.0."
        self.report.add(
            "bad-name" if piece["x"] == _NAME_PATTERN else "bad-version", message, path, hint=hint
        )

    def _wrong_type(self, value: Any, piece: Piece, path: Path) -> None:
        hint = ""
        kind = piece["t"]
        if kind == "s" and isinstance(value, bool | int | float):
            written = str(value).lower() if isinstance(value, bool) else str(value)
            hint = f"Quote it: '{written}'."
        elif (
            kind == "b"
            and isinstance(value, str)
            and value.lower() in ("yes", "no", "on", "off", "true", "false")
        ):
            hint = f"Write {'true' if value.lower() in ('yes', 'on', 'true') else 'false'}, without quotes."
        elif kind == "i" and isinstance(value, str) and value.isdigit():
            hint = "Remove the quotes."
        elif kind == "a":
            hint = "Begin each item with '- '."
        self.report.add(
            "wrong-type",
            f"{_NAMES[kind].capitalize()} is wanted here, not {_is(value)}.",
            path,
            hint=hint,
        )


def _is(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {short(value)!r}"
    return "a mapping" if isinstance(value, dict) else "a list"


def _index(version: str) -> int:
    return VERSIONS.index(version) if version in VERSIONS else len(VERSIONS)


def _version_with(path: Path, current: str) -> str:
    """The first later version whose schema has this path, else the last earlier one; "" when none
    has."""
    now = _index(current)
    for version in (*VERSIONS[now + 1 :], *reversed(VERSIONS[:now])):
        if _has(path, version):
            return version
    return ""


def _longest(path: Path) -> int:
    """Characters that a text there may have in the most liberal version."""
    return max(
        (_piece(path, version).get("m", 0) for version in VERSIONS if _has(path, version)),
        default=0,
    )


def _other_words(path: Path) -> set[str]:
    """Words that some version allows there."""
    having = (version for version in VERSIONS if _has(path, version))
    return {word for version in having for word in _piece(path, version).get("e", ())}


def _other_choices(path: Path, current: str) -> set[str]:
    """Keys of which another version wants one there."""
    others = (version for version in VERSIONS if version != current and _has(path, version))
    return {key for version in others for key in _piece(path, version).get("u", ())}


def _has(path: Path, version: str) -> bool:
    try:
        _piece(path, version)
    except KeyError:
        return False
    return True


def _piece(path: Path, version: str) -> Piece:
    """The piece of a version's schema that stands at `path`. Raises `KeyError` where there is
    none."""
    schemas = _schemas()
    piece: Piece = schemas["pieces"][schemas["versions"][version]]
    for step in path:
        piece = schemas["pieces"][piece["i"] if isinstance(step, int) else piece["p"][step]]
    return piece


__all__ = ["DEVWORKSPACE", "NEWEST", "VERSIONS", "check", "fields", "top_level_keys"]
