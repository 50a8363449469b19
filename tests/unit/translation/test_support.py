"""The support table of `docs/devfile.md` tells the truth about every field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from moorage.devfile import (
    VERSIONS,
    DevfileError,
    Reference,
    ResolutionError,
    Resolved,
    flatten,
    parse,
    refusals,
    schema,
    to_yaml,
)
from moorage.resolvers.http import HttpResolver
from moorage.translation import to_workspace_spec
from moorage.translation.support import MEANING, STATUS, Row, rows

ROOT = Path(__file__).parents[3]
ROWS = list(rows())
PIECES = json.loads((ROOT / "src/moorage/devfile/schemas.json").read_text())
VALUES: dict[str, Any] = {
    **dict.fromkeys(("memoryLimit", "memoryRequest", "globalMemoryLimit", "size"), "1Gi"),
    **dict.fromkeys(("cpuLimit", "cpuRequest"), "1"),
    **dict.fromkeys(("sourceMapping", "path"), "/x"),
    **dict.fromkeys(("uri", "registryUrl", "location"), "https://x.example/y"),
    "remotes": {"origin": "https://x.example/y"},
    "remote": "origin",
    "targetPort": 8080,
    "version": "1.0.0",
    "kubernetes.name": "k",
    "deployment": {"x.example/a": "b"},
    "service": {"a": "b"},
    "annotation": {"a": "b"},
    "attributes": {"a": "b"},
    "variables": {"a": "b"},
    "clonePath": "p",
    "revision": "main",
}


def _version(row: Row) -> str:
    having = [version for version in VERSIONS if row.field in schema.fields(version)]
    return "2.2.0" if "2.2.0" in having else having[-1]


def _made(number: int, steps: list[str], name: str = "") -> Any:
    """The smallest value of a schema's piece that has the field at `steps` in it."""
    piece = PIECES["pieces"][number]
    if (
        name in VALUES
        and (piece["t"] != "o" or not steps)
        and not (piece["t"] == "o" and piece["p"])
    ):
        return VALUES[name]
    if piece["t"] == "a":
        return [_made(piece["i"], steps)]
    if piece["t"] == "o":
        wanted = {steps[0]} if steps else set()
        required = set(piece.get("r", ())) | wanted
        choices = piece.get("u", [])
        if choices and not required & set(choices):
            required.add(choices[0])
        return {
            key: _made(piece["p"][key], steps[1:] if key in wanted else [], key)
            for key in sorted(required)
        }
    return {"s": piece.get("e", ["a"])[0], "b": True, "i": 1}[piece["t"]]


def _sample(row: Row) -> str:
    """A valid devfile that has the row's field."""
    version = _version(row)
    steps = row.field.replace("[]", "").split(".")
    tree = _made(PIECES["versions"][version], steps)
    tree["schemaVersion"] = version
    others = tree.get("components", [])
    for component in others:
        component["name"] = "other"
        for mount in component.get("container", {}).get("volumeMounts", []):
            mount["name"] = "vol"
    main = {"name": "main", "attributes": {"gl/inject-editor": True}, "container": {"image": "i"}}
    tree["components"] = [*others, main, {"name": "vol", "volume": {}}]
    _connect_commands(tree)
    _connect_events(tree)
    assert _has(tree, steps), "the sample lacks its field"
    return to_yaml(tree)


def _connect_commands(tree: dict[str, Any]) -> None:
    for command in tree.get("commands", []):
        for kind in ("exec", "apply"):
            if kind in command:
                command[kind]["component"] = "main"
        if "commands" in command.get("composite", {}):
            command["composite"]["commands"] = ["own"]
    if any("composite" in command for command in tree.get("commands", [])):
        tree["commands"].append({"id": "own", "exec": {"component": "main", "commandLine": "x"}})


def _connect_events(tree: dict[str, Any]) -> None:
    for key, bound in tree.get("events", {}).items():
        bound[:] = ["event"]
        body = {"exec": {"component": "main", "commandLine": "x"}}
        if key in ("preStart", "postStop"):
            body = {"apply": {"component": "step"}}
            tree["components"].append({"name": "step", "container": {"image": "i"}})
        tree["commands"] = [{"id": "event", **body}]


def _has(tree: Any, steps: list[str]) -> bool:
    for step in steps:
        tree = tree[0] if isinstance(tree, list) else tree
        if step not in tree:
            return False
        tree = tree[step]
    return True


class _Empty:
    """Any parent or plugin is there, and empty."""

    def resolve(self, reference: Reference) -> Resolved:
        return Resolved("schemaVersion: 2.0.0", str(reference))


def test_the_table_covers_every_field_of_every_version() -> None:
    """No field is missing, none is made up, and every rule of the table is used."""
    known = {field for version in VERSIONS for field in schema.fields(version)}
    listed = {row.field for row in ROWS}
    assert listed <= known
    assert all(field.startswith(("parent.", "components[].plugin.")) for field in known - listed)
    assert {prefix for prefix in STATUS if prefix} <= listed
    assert {row.status for row in ROWS} == set(MEANING)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.field)
def test_a_field_is_treated_as_the_table_says(row: Row) -> None:
    """A devfile with the field in it is warned of, refused or taken without a word, as its row
    says."""
    devfile = parse(_sample(row))
    if row.status == "refused":
        with pytest.raises(DevfileError) as caught:
            flatten(devfile, HttpResolver(["x.example"]))
        assert caught.value.problems[0].code == "kubernetes-reference"
        return
    flat = flatten(devfile, _Empty())
    if row.field.startswith(("parent", "components[].plugin")):
        assert flat.devfile.is_flat
        return
    warnings = to_workspace_spec(flat.devfile).warnings
    assert bool(warnings) == (row.status == "warning"), [str(warning) for warning in warnings]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if _version(row) == "2.2.0"], ids=lambda row: row.field
)
def test_gitlab_treats_a_field_as_the_table_says(row: Row) -> None:
    """A devfile with the field in it passes GitLab's profile, or does not, as its row says."""
    problems = refusals(parse(_sample(row)), "gitlab")
    assert (not problems) == row.gitlab, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if _version(row) != "2.2.0"], ids=lambda row: row.field
)
def test_gitlab_takes_nothing_of_another_version(row: Row) -> None:
    """What 2.2.0 does not have, GitLab does not take."""
    assert not row.gitlab
    assert refusals(parse(_sample(row)), "gitlab")


def test_an_unknown_parent_is_not_passed_over() -> None:
    """The samples' own resolver is a real one: another refuses."""
    with pytest.raises(ResolutionError):
        HttpResolver([]).resolve(Reference(uri="https://x.example/y"))
