"""Real devfiles, cut up and put together at random: what fuzzing bytes hardly reaches.

`MUTATIONS=100000 pytest …` looks longer.
"""

from __future__ import annotations

import copy
import os
import random
from typing import Any

import pytest

import published
from moorage.devfile import (
    VERSIONS,
    DevfileError,
    Reference,
    ResolutionError,
    Resolved,
    dump,
    flatten,
    parse,
    refusals,
    to_yaml,
)
from moorage.documents.reading import read
from moorage.documents.tree import plain
from moorage.translation import to_workspace_spec

DATA = published.DEVFILE
MUTATIONS = int(os.environ.get("MUTATIONS", "3000"))
PARTS = 10
TREES: list[Any] = [
    plain(read(file.read_bytes(), DevfileError))
    for folder in ("registry", "flatten")
    for file in sorted((DATA / folder).rglob("*.y*ml"))
    if b"---" not in file.read_bytes() and file.name != "env.yaml" and file.stat().st_size < 8000
]
VALUES: list[Any] = [
    *(None, 5, -1, 1.5, True, "text", "", "{{a}}", "{{ b }}", "a", "1Gi", "x" * 70, "/x"),
    *([], [None], ["a", "a"], [1], [[]], [{}], [{"name": "n"}]),
    *({}, {"a": "b"}, {"name": {}}, {"": ""}, {"{{a}}": "{{a}}"}),
]
KEYS = [
    "image",
    "name",
    "container",
    "volume",
    "unknown",
    "targetPort",
    "plugin",
    "uri",
    "git",
    "annotation",
    "attributes",
    "parent",
    "id",
    "commands",
    "events",
    "variables",
    "overrideCommand",
    "gl/inject-editor",
    "moorage.dev/vscode",
    "pod-overrides",
    "container-overrides",
    "remotes",
    "checkoutFrom",
    "composite",
    "kubernetes",
    "custom",
    "metadata",
    "schemaVersion",
    "endpoints",
    "env",
    "dependentProjects",
    "zip",
    "language",
    "extra",
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        found += _places(inner, (*path, key))
    return found


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def _mutated(chance: random.Random) -> Any:
    tree = copy.deepcopy(chance.choice(TREES))
    for _ in range(chance.randint(1, 4)):
        places = _places(tree)
        if not places:
            break
        place = chance.choice(places)
        parent = _at(tree, place[:-1])
        what = chance.random()
        if what < 0.4:
            parent[place[-1]] = copy.deepcopy(chance.choice(VALUES))
        elif what < 0.55:
            del parent[place[-1]]
        elif what < 0.75 and isinstance(parent, dict):
            parent[chance.choice(KEYS)] = copy.deepcopy(chance.choice(VALUES))
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(chance.choice(parent)))
        else:
            other = chance.choice(TREES)
            parent[place[-1]] = copy.deepcopy(_at(other, chance.choice(_places(other))))
    return tree


class _Strangers:
    """Every parent and plugin is another mutation; three addresses, so that there are circles."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.asked = 0

    def resolve(self, reference: Reference) -> Resolved:
        self.asked += 1
        if self.chance.random() < 0.1:
            raise ResolutionError("import-not-found", "There is none.")
        return Resolved(to_yaml(_mutated(self.chance)), f"d{self.asked % 3}")


def _check(seed: int) -> str:
    """How far it came. Raises when one of the engine's promises does not hold."""
    chance = random.Random(seed)
    tree = _mutated(chance)
    if chance.random() < 0.7:
        tree["schemaVersion"] = chance.choice(VERSIONS)
    came = "refused"
    try:
        devfile = parse(to_yaml(tree))
        came = "parsed"
        assert parse(dump(devfile)) == devfile
        refusals(devfile, "gitlab")
        flat = flatten(devfile, _Strangers(chance)).devfile
        came = "flattened"
        assert flatten(flat).devfile == flat
        assert parse(dump(flat)) == flat
        to_workspace_spec(flat)
        came = "translated"
    except DevfileError as error:
        problems = error.problems
        if not problems or not all(problem.code and problem.message for problem in problems):
            pytest.fail(f"seed {seed}: an error that says nothing")
    return came


@published.marker
@pytest.mark.parametrize("part", range(PARTS))
def test_the_promises_hold_for_mutations(part: int) -> None:
    """Whatever becomes of a devfile: a `DevfileError`, or one that can be written, flattened twice
    and translated."""
    came = [_check(seed) for seed in range(part, MUTATIONS, PARTS)]
    assert "refused" in came
    assert "flattened" in came or "translated" in came
