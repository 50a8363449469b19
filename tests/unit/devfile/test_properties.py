"""What holds for every devfile, and for any bytes at all."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moorage.devfile import Devfile, DevfileError, dump, flatten, parse, to_yaml
from moorage.devfile.conversion import to_model, to_tree
from moorage.devfile.writing import to_yaml as write
from moorage.documents.limits import MAX_BYTES, MAX_NODES
from moorage.documents.reading import read
from moorage.documents.tree import plain

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["no", "on", "true", "null", "1.0", "0o7", "0x1", "{{a}}", "a: b", " a", "a ", "- a", "#", "a #b", "x\ny\n", "\n", "x\n y", "|", "~", "1e3", "'", '"', "\\", "\x85", "\ufeff", "2026-01-01", "y", "=", "<<"]
)  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
ATTRIBUTES = st.dictionaries(TEXTS, JSON, max_size=3)
PORTS = st.integers(1, 65535)
AMOUNTS = st.sampled_from(["1Gi", "512M", "1000", "2.5G"])


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


CONTAINERS = st.builds(
    lambda image, rest: {"image": image, **rest},
    TEXTS,
    _some(
        memoryLimit=AMOUNTS,
        cpuLimit=st.sampled_from(["1", "500m"]),
        command=st.lists(TEXTS, max_size=2),
        args=st.lists(TEXTS, max_size=2),
        env=st.lists(st.builds(lambda n, v: {"name": n, "value": v}, TEXTS.filter(lambda n: n != "PROJECTS_ROOT"), TEXTS), max_size=2),
        mountSources=st.booleans(),
        sourceMapping=TEXTS,
        dedicatedPod=st.booleans(),
        annotation=_some(service=st.dictionaries(TEXTS, TEXTS, max_size=2)),
    ),
)  # fmt: skip
KINDS = st.one_of(
    st.builds(lambda body: {"container": body}, CONTAINERS),
    st.builds(lambda body: {"volume": body}, _some(size=AMOUNTS, ephemeral=st.booleans())),
    st.builds(lambda text: {"kubernetes": {"inlined": text}}, TEXTS),
    st.builds(lambda text: {"openshift": {"uri": text, "deployByDefault": True}}, TEXTS),
    st.builds(lambda text: {"image": {"imageName": text, "dockerfile": {"uri": text}}}, TEXTS),
)


@st.composite
def devfiles(draw: st.DrawFn) -> dict[str, Any]:
    """Trees of devfiles that are valid by construction."""
    components = [
        {"name": name, **draw(KINDS), **draw(_some(attributes=ATTRIBUTES))}
        for name in draw(st.lists(NAMES, unique=True, max_size=4))
    ]
    containers = [component["name"] for component in components if "container" in component]
    for index, component in enumerate(components):
        if "container" in component and draw(st.booleans()):
            component["container"]["endpoints"] = [
                {"name": f"e{index}", "targetPort": 1000 + index, "path": draw(TEXTS)}
            ]
    commands = [
        {"id": name, "exec": {"component": draw(st.sampled_from(containers)), "commandLine": draw(TEXTS), **draw(_some(label=TEXTS, workingDir=TEXTS))}}
        for name in (draw(st.lists(NAMES, unique=True, max_size=3)) if containers else [])
    ]  # fmt: skip
    events = (
        {"postStart": [command["id"] for command in commands]}
        if commands and draw(st.booleans())
        else {}
    )
    return {
        "schemaVersion": "2.2.2",
        "metadata": draw(_some(name=TEXTS, description=TEXTS, tags=st.lists(TEXTS, max_size=2), attributes=ATTRIBUTES, alpha=JSON)),
        "components": components,
        "commands": commands,
        "events": events,
        **draw(_some(variables=st.dictionaries(st.sampled_from("abc"), TEXTS, max_size=2), attributes=ATTRIBUTES)),
    }  # fmt: skip


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def _parsed(tree: dict[str, Any]) -> Devfile | None:
    """None when variables or reserved names, which the generator may hit on, make it invalid."""
    try:
        return parse(to_yaml(tree))
    except DevfileError as error:
        if {problem.code for problem in error.problems} <= {"reserved-env", "bad-quantity"}:
            return None
        raise


@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(tree=devfiles())
def test_a_dump_reads_as_the_same_devfile(tree: dict[str, Any]) -> None:
    """What is written of a devfile is read as the same one."""
    devfile = _parsed(tree)
    if devfile is not None:
        assert parse(dump(devfile)) == devfile
        assert to_model(to_tree(devfile)) == devfile


@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(tree=devfiles())
def test_flattening_twice_is_flattening_once(tree: dict[str, Any]) -> None:
    """The flat devfile flattens to itself, also when it has been written and read in between."""
    devfile = _parsed(tree)
    if devfile is not None:
        flat = flatten(devfile).devfile
        assert flatten(flat).devfile == flat
        assert flatten(parse(dump(flat))).devfile == flat


@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(value=st.dictionaries(TEXTS, JSON, max_size=4))
def test_written_yaml_reads_as_the_same_value(value: dict[str, Any]) -> None:
    """The writer quotes what must be quoted, by this reader and by one of YAML 1.1."""
    import yaml

    assert plain(read(write(value), DevfileError)) == value
    if not any(isinstance(key, str) and key == "<<" for key in _keys(value)):
        assert yaml.safe_load(write(value)) == _as_yaml_1_1(value)


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for item in value.values() for key in _keys(item))]
    return [key for item in value for key in _keys(item)] if isinstance(value, list) else []


def _as_yaml_1_1(value: Any) -> Any:
    """YAML 1.1 as PyYAML has it wants a point in a number with an exponent."""
    if isinstance(value, dict):
        return {key: _as_yaml_1_1(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_yaml_1_1(item) for item in value]
    return (
        repr(value)
        if isinstance(value, float) and "e" in repr(value) and "." not in repr(value)
        else value
    )


@settings(max_examples=1500, deadline=None, suppress_health_check=SLOW)
@given(data=st.binary(max_size=400) | TEXTS.map(str.encode) | st.text(alphabet="ab{}[]:-,&*!|>'\"%@`#?\n \t", max_size=120).map(str.encode))  # fmt: skip
def test_any_bytes_give_a_devfile_or_an_error(data: bytes) -> None:
    """Nothing else is raised, and nothing takes long."""
    for text in (data, b"schemaVersion: 2.2.0\n" + data, b"schemaVersion: 2.2.0\ncomponents:\n- name: a\n  container:\n    image: " + data):  # fmt: skip
        started = time.process_time()
        parsed = _parsed_or_error(text)
        took = time.process_time() - started
        problems = parsed.problems if isinstance(parsed, DevfileError) else ()
        assert isinstance(parsed, Devfile) or problems
        assert all(problem.message and problem.code for problem in problems)
        assert took < 1


def _parsed_or_error(text: bytes) -> Devfile | DevfileError:
    try:
        return parse(text)
    except DevfileError as error:
        return error


def test_a_devfile_is_frozen() -> None:
    """Nobody changes a devfile that others hold."""
    devfile = parse("schemaVersion: 2.2.0\ncomponents: [{name: a, container: {image: i}}]")
    with pytest.raises(AttributeError):
        devfile.schema_version = "2.3.0"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        devfile.components[0].name = "b"  # type: ignore[misc]


MEASURE = """
import sys
from moorage.devfile import parse
text = sys.stdin.buffer.read()
assert len(parse(text).components) == 5_500
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def test_the_largest_devfile_takes_little_memory() -> None:
    """A process that reads 3 MB with as many values as are taken stays below 200 MB, interpreter
    included."""
    text = "schemaVersion: 2.2.2\ncomponents:\n" + "".join(
        f"- name: c{i}\n  container:\n   image: foo{i}\n   memoryLimit: 1Gi\n   env:\n   - name: a\n     value: b\n"
        for i in range(5_500)
    )
    assert 0.98 * MAX_NODES < 9 * 5_500 < MAX_NODES
    text += "#" * (MAX_BYTES - len(text))
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE], input=text.encode(), capture_output=True, check=True
    ).stdout
    assert int(measured) < 200 * 1024
