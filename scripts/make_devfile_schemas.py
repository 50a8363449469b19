"""Makes `src/moorage/devfile/schemas.json` from the Devfile project's published JSON Schemas.

    python scripts/make_devfile_schemas.py FOLDER [--check]

FOLDER holds `devfile-<version>.json` for every version.

The published schemas repeat themselves: 630 kB, of which a tenth says anything new. Here every
distinct piece stands once, in a list that the pieces refer to by number; descriptions go. The
seventh entry, `devworkspace`, is the newest version with what a DevWorkspace's template may hold
besides: plugins and custom elements.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "src/moorage/devfile/schemas.json"
KINDS = {"object": "o", "array": "a", "string": "s", "boolean": "b", "integer": "i"}
KNOWN = {
    "object": {
        "type",
        "properties",
        "required",
        "oneOf",
        "additionalProperties",
        "description",
        "title",
        "default",
    },
    "array": {"type", "items", "uniqueItems", "description", "default"},
    "string": {"type", "enum", "maxLength", "pattern", "description", "default"},
    "boolean": {"type", "description", "default"},
    "integer": {"type", "description", "default"},
}


class Pieces:
    """The distinct pieces, and their numbers."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []
        self.numbers: dict[str, int] = {}

    def add(self, schema: dict[str, Any]) -> int:
        piece = self._piece(schema)
        text = json.dumps(piece, sort_keys=True)
        if text not in self.numbers:
            self.numbers[text] = len(self.all)
            self.all.append(piece)
        return self.numbers[text]

    def _piece(self, schema: dict[str, Any]) -> dict[str, Any]:
        kind = schema["type"]
        if unknown := schema.keys() - KNOWN[kind]:
            raise SystemExit(
                f"a schema of type {kind} says {sorted(unknown)}, which this script does not know"
            )
        piece: dict[str, Any] = {"t": KINDS[kind]}
        if kind == "object":
            piece["p"] = {
                name: self.add(part) for name, part in schema.get("properties", {}).items()
            }
            more = schema.get("additionalProperties", True)
            piece["a"] = more if isinstance(more, bool) else self.add(more)
            if "required" in schema:
                piece["r"] = sorted(schema["required"])
            if "oneOf" in schema:
                piece["u"] = [_one(choice) for choice in schema["oneOf"]]
        elif kind == "array":
            piece["i"] = self.add(schema["items"])
            if schema.get("uniqueItems"):
                piece["q"] = True
        elif kind == "string":
            for long, short in (("enum", "e"), ("maxLength", "m"), ("pattern", "x")):
                if long in schema:
                    piece[short] = schema[long]
        return piece


def _one(choice: dict[str, Any]) -> str:
    if choice.keys() != {"required"} or len(choice["required"]) != 1:
        raise SystemExit(f"a oneOf that is no choice between keys: {choice}")
    name: str = choice["required"][0]
    return name


def devworkspace(newest: dict[str, Any], oldest: dict[str, Any]) -> dict[str, Any]:
    """The newest version's schema, its plugins (as 2.0.0 has them, with the newest overrides) and
    custom elements."""
    made: dict[str, Any] = json.loads(json.dumps(newest))
    properties = made["properties"]
    made["required"] = []
    plugin = json.loads(
        json.dumps(oldest["properties"]["components"]["items"]["properties"]["plugin"])
    )
    for part in ("commands", "components"):
        plugin["properties"][part] = json.loads(
            json.dumps(properties["parent"]["properties"][part])
        )
    plugin["properties"]["version"] = properties["parent"]["properties"]["version"]
    text, anything = {"type": "string"}, {"type": "object", "additionalProperties": True}
    component = {
        "type": "object",
        "required": ["componentClass", "embeddedResource"],
        "properties": {"componentClass": text, "embeddedResource": anything},
        "additionalProperties": False,
    }
    group = properties["commands"]["items"]["properties"]["exec"]["properties"]["group"]
    command = {
        "type": "object",
        "required": ["commandClass", "embeddedResource"],
        "properties": {
            "commandClass": text,
            "embeddedResource": anything,
            "group": group,
            "label": text,
        },
        "additionalProperties": False,
    }
    project = {
        "type": "object",
        "required": ["projectSourceClass", "embeddedResource"],
        "properties": {"projectSourceClass": text, "embeddedResource": anything},
        "additionalProperties": False,
    }
    for name, key, value in (
        ("components", "plugin", plugin),
        ("components", "custom", component),
        ("commands", "custom", command),
        ("projects", "custom", project),
        ("starterProjects", "custom", project),
        ("dependentProjects", "custom", project),
    ):
        items = properties[name]["items"]
        items["properties"][key] = value
        items["oneOf"].append({"required": [key]})
    return made


def make(folder: Path) -> str:
    """The text of `schemas.json`. Raises `SystemExit` when a schema says what the engine does not
    check."""
    found = {}
    for file in folder.glob("devfile-*.json"):
        match = re.fullmatch(r"devfile-(\d+\.\d+\.\d+)", file.stem)
        if match:
            found[match[1]] = json.loads(file.read_text())
    order = sorted(found, key=lambda version: tuple(map(int, version.split("."))))
    pieces = Pieces()
    versions = {version: pieces.add(found[version]) for version in order}
    versions["devworkspace"] = pieces.add(devworkspace(found[order[-1]], found[order[0]]))
    rows = ",\n".join(json.dumps(piece, separators=(",", ":")) for piece in pieces.all)
    return f'{{"versions":{json.dumps(versions)},\n"pieces":[\n{rows}\n]}}\n'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    arguments = parser.parse_args()
    text = make(arguments.folder)
    if arguments.check:
        return 0 if TARGET.read_text() == text else 1
    TARGET.write_text(text)
    print(f"{TARGET.name}: {len(text)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
