"""The published schemas: embedded as published, and enforced."""

from __future__ import annotations

import copy
import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import published
from moorage.devfile import VERSIONS, DevfileError, parse, refusals, to_yaml
from moorage.devfile import schema as engine
from moorage.documents.reading import read
from moorage.documents.reporting import Report
from moorage.documents.tree import plain

ROOT = Path(__file__).parents[3]
DATA = published.DEVFILE
DEVFILES = [
    plain(read(file.read_bytes(), DevfileError))
    for file in sorted((DATA / "registry").rglob("devfile.yaml"))
]


@functools.cache
def _published(version: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(
        json.loads((DATA / f"schemas/devfile-{version}.json").read_text())
    )


def _codes(tree: dict[str, Any], version: str) -> list[str]:
    found = read(to_yaml(tree), DevfileError)
    report = Report(found, DevfileError)
    engine.check(found, version, report)
    return [problem.code for problem in (*report.problems, *report.warnings)]


@published.marker
def test_the_embedded_schemas_are_made_from_the_published_ones() -> None:
    """The script makes the very file that is embedded."""
    script = [sys.executable, "scripts/make_devfile_schemas.py", str(DATA / "schemas"), "--check"]
    assert subprocess.run(script, cwd=ROOT, check=False).returncode == 0


@published.marker
@pytest.mark.parametrize("version", VERSIONS)
def test_every_published_field_is_known(version: str) -> None:
    """The engine's list of fields is that of the published schema."""

    def walk(piece: dict[str, Any], at: str) -> set[str]:
        found: set[str] = set()
        for name, inner in piece.get("properties", {}).items():
            path = f"{at}.{name}" if at else name
            found |= {path} | walk(inner, path)
        return found | (
            walk(piece["items"], f"{at}[]") if isinstance(piece.get("items"), dict) else set()
        )

    assert set(engine.fields(version)) == walk(dict(_published(version).schema), "")


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key in value:
            found += _places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _places(item, (*path, index))
    return found


NEW_VALUES = [
    5,
    8080.0,
    1.5,
    "text",
    "Not A Name",
    True,
    [],
    ["a", "a"],
    {},
    {"a": "b"},
    "x" * 70,
    [1],
    [{"name": "n"}],
]
NEW_KEYS = [
    "image",
    "name",
    "container",
    "volume",
    "unknown",
    "targetPort",
    "deployByDefault",
    "uri",
    "git",
    "annotation",
]


def _new_value(draw: Any) -> Any:
    """A value of its own: a later change must not reach the list that it was drawn from."""
    return copy.deepcopy(draw(st.sampled_from(NEW_VALUES)))


def _mutated(tree: dict[str, Any], draw: Any) -> dict[str, Any]:
    made = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        places = _places(made)
        place = draw(st.sampled_from(places)) if places else ()
        if not place:
            continue
        parent: Any = made
        for step in place[:-1]:
            parent = parent[step]
        what = draw(st.sampled_from(["replace", "remove", "add"]))
        if what == "replace":
            parent[place[-1]] = copy.deepcopy(draw(st.sampled_from(NEW_VALUES)))
        elif what == "remove":
            del parent[place[-1]]
        elif isinstance(parent, dict):
            parent[draw(st.sampled_from(NEW_KEYS))] = copy.deepcopy(
                draw(st.sampled_from(NEW_VALUES))
            )
    return made


@published.marker
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data(), version=st.sampled_from(VERSIONS))
def test_the_engine_accepts_what_the_published_schema_accepts(
    data: st.DataObject, version: str
) -> None:
    """For real devfiles with random changes, the engine and a JSON Schema validator agree, in every
    version."""
    tree = _mutated(data.draw(st.sampled_from(DEVFILES)), data.draw)
    assert (not _codes(tree, version)) == _published(version).is_valid(tree)


def _devfile(version: str, **parts: Any) -> dict[str, Any]:
    return {"schemaVersion": version, **parts}


def _container(**parts: Any) -> list[dict[str, Any]]:
    return [{"name": "a", "container": {"image": "i", **parts}}]


IMAGE = [{"name": "a", "image": {"imageName": "i", "dockerfile": {"uri": "Dockerfile"}}}]
KUBERNETES = [{"name": "a", "kubernetes": {"inlined": "x", "deployByDefault": True}}]
DEPENDENT = [{"name": "p", "git": {"remotes": {"origin": "https://x.y/z"}}}]
LONG_ENDPOINT = [{"name": "longer-than-fifteen", "targetPort": 1}]
DEPLOY = [
    {
        "id": "c",
        "exec": {
            "component": "a",
            "commandLine": "x",
            "group": {"kind": "deploy", "isDefault": True},
        },
    }
]
PLUGIN = [{"name": "a", "plugin": {"uri": "https://x.y/z"}}]
GITHUB = [{"name": "p", "github": {"remotes": {"origin": "https://x.y/z"}}}]


@pytest.mark.parametrize(
    ("version", "twin", "parts", "code"),
    [
        ("2.0.0", "2.1.0", {"variables": {"a": "b"}}, "newer-key"),
        ("2.0.0", "2.1.0", {"attributes": {"a": "b"}}, "newer-key"),
        ("2.0.0", "2.1.0", {"components": _container(cpuLimit="1")}, "newer-key"),
        ("2.0.0", "2.1.0", {"components": _container(memoryRequest="1Mi")}, "newer-key"),
        (
            "2.0.0",
            "2.1.0",
            {"components": [{"name": "a", "volume": {"ephemeral": True}}]},
            "newer-key",
        ),
        ("2.1.0", "2.0.0", {"components": PLUGIN}, "older-key"),
        ("2.1.0", "2.0.0", {"projects": GITHUB}, "older-key"),
        ("2.1.0", "2.2.0", {"components": IMAGE}, "newer-key"),
        ("2.1.0", "2.2.0", {"components": KUBERNETES}, "newer-key"),
        (
            "2.1.0",
            "2.2.0",
            {"components": _container(annotation={"service": {"a": "b"}})},
            "newer-key",
        ),
        ("2.1.0", "2.2.0", {"commands": DEPLOY, "components": _container()}, "newer-key"),
        ("2.2.0", "2.1.0", {"components": _container(endpoints=LONG_ENDPOINT)}, "long-name"),
        ("2.2.0", "2.2.0", {"metadata": {"architectures": ["amd65"]}}, "not-one-of"),
        ("2.2.0", "2.2.0", {"metadata": {"architectures": ["amd64", "amd64"]}}, "not-unique"),
        ("2.2.1", "2.2.2", {"dependentProjects": DEPENDENT}, "newer-key"),
        ("2.3.0", "2.0.0", {"components": PLUGIN}, "older-key"),
    ],
)
def test_each_version_knows_its_own_fields(
    version: str, twin: str, parts: dict[str, Any], code: str
) -> None:
    """What a version does not have is refused there by the strict profile, and accepted in the
    version that has it."""
    text = to_yaml(_devfile(version, **parts))
    if code.startswith("not-"):
        with pytest.raises(DevfileError) as caught:
            parse(text)
        assert code in [problem.code for problem in caught.value.problems]
    else:
        assert code in [problem.code for problem in refusals(parse(text), "strict")]
    if "architectures" in parts.get("metadata", {}):
        parts = {"metadata": {"architectures": ["amd64", "arm64"]}}
    right = parse(to_yaml(_devfile(twin, **parts)))
    assert right.schema_version == twin
    assert refusals(right, "strict") == ()


@pytest.mark.parametrize("version", [*VERSIONS, "2.2.0-latest", "2.1.0-alpha.1"])
def test_every_version_is_read(version: str) -> None:
    """Each version's smallest devfile is valid, a suffix included."""
    devfile = parse(f"schemaVersion: {version}")
    assert devfile.schema_version == version
    assert devfile.version == version.partition("-")[0]


@pytest.mark.parametrize(
    "version", ["1.0.0", "2.2.9", "3.0.0", "2.2", "'2'", "2.2.0+build", "2.2.0-", "latest", "''"]
)
def test_other_versions_are_refused(version: str) -> None:
    """A version that does not exist is refused, with those that do."""
    with pytest.raises(DevfileError) as caught:
        parse(f"schemaVersion: {version}")
    assert caught.value.problems[0].code in ("unsupported-version", "wrong-type")
    assert caught.value.problems[0].line == 1


@pytest.mark.parametrize(
    "part", ["components", "commands", "projects", "events", "metadata", "variables", "parent"]
)
def test_null_reads_as_absent(part: str) -> None:
    """Null where a list or a mapping may stand is as if the key were not there."""
    assert parse(f"schemaVersion: 2.2.0\n{part}: null") == parse("schemaVersion: 2.2.0")


def test_null_deep_inside_reads_as_absent() -> None:
    """So it is anywhere in the document, but a list's item is no place for it."""
    text = "schemaVersion: 2.2.0\nmetadata: {tags: null}\ncomponents:\n- name: a\n  container: {image: i, env: null}"
    assert parse(text).components[0].container is not None
    with pytest.raises(DevfileError):
        parse("schemaVersion: 2.2.0\ncomponents: [null]")
    with pytest.raises(DevfileError):
        parse("schemaVersion: null")


@published.marker
def test_the_whole_registry_is_valid() -> None:
    """Every devfile of the public registry is valid by itself, or as far as one with a parent can
    be."""
    files = sorted((DATA / "registry").rglob("devfile.yaml"))
    assert len(files) == 55
    for file in files:
        assert parse(file.read_bytes()).metadata.name
