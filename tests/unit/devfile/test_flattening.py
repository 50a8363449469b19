"""Parents, plugins, overrides, merge and variables, and where their mistakes are shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import published
from moorage.devfile import (
    IMPORTED_FROM,
    DevfileError,
    Problem,
    Reference,
    against_specification,
    dump,
    flatten,
    parse,
)
from moorage.devfile.flattening import MAX_DEPTH
from moorage.devfile.variables import replace, substitute
from moorage.documents.reporting import Report
from moorage.documents.tree import Map
from moorage.resolvers import RegistryFolder

Documents = Callable[[dict[str, str]], Any]

PARENT = """\
schemaVersion: 2.2.0
metadata: {name: base}
variables: {tag: '1'}
components:
  - name: py
    container:
      image: 'python:{{tag}}'
      memoryLimit: 1Gi
      command: [sleep]
      env:
        - {name: A, value: '1'}
  - name: data
    volume: {size: 1Gi}
commands:
  - {id: run, exec: {component: py, commandLine: x, group: {kind: run, isDefault: true}}}
events: {postStart: [run]}
"""
CHILD = """\
schemaVersion: 2.2.0
parent:
  uri: base.yaml
"""


def _problems(text: str, documents: Any) -> list[Problem]:
    with pytest.raises(DevfileError) as caught:
        flatten(parse(text), documents)
    return list(caught.value.problems)


def test_a_parent_gives_its_elements(documents: Documents) -> None:
    """The child has the parent's elements, each saying where it came from; metadata stays its
    own."""
    flat = flatten(
        parse(CHILD + "metadata: {name: child}"), documents({"base.yaml": PARENT})
    ).devfile
    assert flat.parent is None
    assert flat.metadata.name == "child"
    assert [component.name for component in flat.components] == ["py", "data"]
    assert flat.components[0].container is not None
    assert flat.components[0].container.image == "python:1"
    assert {e.attributes[IMPORTED_FROM] for e in (*flat.components, *flat.commands)} == {
        "uri: base.yaml"
    }
    assert flat.events.post_start == ("run",)
    assert not flat.variables


def test_overrides_change_what_a_parent_brings(documents: Documents) -> None:
    """The child's overrides change fields, replace command, merge env, and change variables."""
    child = (
        CHILD
        + """\
  variables: {tag: '2'}
  components:
    - name: py
      attributes: {gl/inject-editor: true}
      container:
        memoryLimit: 2Gi
        command: [tail, -f]
        env: [{name: A, value: '3'}, {name: B, value: '4'}]
"""
    )
    flat = flatten(parse(child), documents({"base.yaml": PARENT})).devfile
    component = flat.components[0]
    assert component.container is not None
    assert component.container.image == "python:2"
    assert component.container.memory_limit == "2Gi"
    assert component.container.command == ("tail", "-f")
    assert {variable.name: variable.value for variable in component.container.env} == {
        "A": "3",
        "B": "4",
    }
    assert component.attributes == {"gl/inject-editor": True, IMPORTED_FROM: "uri: base.yaml"}


def test_a_grandparent_counts(documents: Documents) -> None:
    """Parents may have parents; what comes from further away is marked by the nearest import."""
    middle = CHILD + "components: [{name: tool, container: {image: t}}]"
    top = "schemaVersion: 2.2.0\nparent: {uri: middle.yaml}"
    flat = flatten(parse(top), documents({"base.yaml": PARENT, "middle.yaml": middle})).devfile
    assert [component.name for component in flat.components] == ["py", "data", "tool"]
    assert {component.attributes[IMPORTED_FROM] for component in flat.components} == {
        "uri: middle.yaml"
    }


def test_plugins_come_between_parent_and_own(documents: Documents) -> None:
    """The order is parent, plugins, own; events are united in this order, each once."""
    plugin = (
        PARENT.replace("name: py", "name: pl")
        .replace("component: py", "component: pl")
        .replace("name: data", "name: d2")
    )
    plugin = (
        plugin.replace("id: run", "id: plug")
        .replace("[run]", "[plug]")
        .replace("variables: {tag: '1'}\n", "")
    )
    plugin = plugin.replace("2.2.0", "2.0.0").replace("kind: run", "kind: test")
    parent = PARENT.replace("2.2.0", "2.0.0").replace("variables: {tag: '1'}\n", "")
    main = """\
schemaVersion: 2.0.0
parent: {uri: base.yaml}
components:
  - {name: own, container: {image: i}}
  - {name: p, plugin: {uri: plugin.yaml, components: [{name: pl, container: {image: other}}]}}
commands: [{id: mine, exec: {component: own, commandLine: x}}]
events: {postStart: [mine]}
"""
    flat = flatten(parse(main), documents({"base.yaml": parent, "plugin.yaml": plugin})).devfile
    assert [component.name for component in flat.components] == ["py", "data", "pl", "d2", "own"]
    assert flat.events.post_start == ("run", "plug", "mine")
    plugged = flat.component("pl")
    assert plugged is not None
    assert plugged.container is not None
    assert plugged.container.image == "other"


@pytest.mark.parametrize(
    ("more", "code", "path", "line"),
    [
        ("components: [{name: py, container: {image: i}}]", "already-imported", "components[0].name", 4),
        ("commands: [{id: run, exec: {component: py, commandLine: y}}]", "already-imported", "commands[0].id", 4),
        ("variables: {tag: '9'}", "already-imported", "variables.tag", 4),
        ("  components: [{name: nobody, container: {image: i}}]", "overrides-nothing", "parent.components[0]", 4),
        ("  variables: {nothing: x}", "overrides-nothing", "parent.variables.nothing", 4),
        ("commands: [{id: c, exec: {component: po, commandLine: y}}]\nevents: {postStart: [c]}", "unknown-component", "commands[1].exec.component", 4),
        ("  components: [{name: py, container: {memoryRequest: 2Gi}}]", "request-over-limit", "components[0].container.memoryRequest", 4),
        ("  components: [{name: py, container: {endpoints: [{name: e}]}}]", "missing-key", "components[0].container.endpoints[0]", 4),
    ],
)  # fmt: skip
def test_mistakes_in_a_merge_stand_at_their_line(
    documents: Documents, more: str, code: str, path: str, line: int
) -> None:
    """A mistake of the child is shown in the child, also when it shows only after the merge."""
    problems = _problems(CHILD + more, documents({"base.yaml": PARENT}))
    assert [(p.code, p.path, p.line, p.source) for p in problems] == [(code, path, line, "")]


def test_a_parents_own_mistake_stands_in_the_parent(documents: Documents) -> None:
    """What is wrong in the parent is shown with its address and its own line."""
    wrong = PARENT.replace("memoryLimit: 1Gi", "memoryLimit: lots")
    (problem,) = _problems(CHILD, documents({"base.yaml": wrong}))
    assert (problem.code, problem.source, problem.line) == ("bad-quantity", "base.yaml", 8)
    (problem,) = _problems(CHILD, documents({"base.yaml": PARENT.replace("image:", "imag:", 1)}))[
        1:
    ]
    assert (problem.code, problem.source, problem.line) == ("unknown-key", "base.yaml", 7)
    (problem,) = _problems(CHILD, documents({"base.yaml": "metadata: {}"}))
    assert (problem.code, problem.source) == ("missing-key", "base.yaml")


def test_nothing_is_fetched_without_a_resolver() -> None:
    """A parent or a plugin is a problem then, which says how an administrator allows it."""
    with pytest.raises(DevfileError) as caught:
        flatten(parse(CHILD))
    (problem,) = caught.value.problems
    assert (problem.code, problem.path, problem.line) == ("imports-not-allowed", "parent", 2)
    assert "administrator" in problem.hint
    assert "devfile_registry" in problem.hint


def test_a_changed_copy_is_flattened_as_it_is() -> None:
    """What is known of a devfile's text is not used for a copy that says something else."""
    devfile = parse("schemaVersion: 2.2.0\ncomponents: [{name: a, volume: {}}]")
    changed = dataclasses.replace(devfile, components=())
    assert flatten(changed).devfile.components == ()
    assert flatten(devfile).devfile.components != ()


def test_a_cycle_is_named(documents: Documents) -> None:
    """Devfiles that import each other are refused, with the circle."""
    one = "schemaVersion: 2.2.0\nparent: {uri: two}"
    two = "schemaVersion: 2.2.0\nparent: {uri: one}"
    (problem,) = _problems(one, documents({"one": one, "two": two}))
    assert problem.code == "import-cycle"
    assert "two → one → two" in problem.message


def test_depth_is_limited(documents: Documents) -> None:
    """A chain of parents ends after ten."""
    chain = {
        f"p{i}": f"schemaVersion: 2.2.0\nparent: {{uri: p{i + 1}}}" for i in range(MAX_DEPTH + 2)
    }
    chain[f"p{MAX_DEPTH - 1}"] = "schemaVersion: 2.2.0"
    assert flatten(parse("schemaVersion: 2.2.0\nparent: {uri: p0}"), documents(chain))
    chain[f"p{MAX_DEPTH - 1}"] = f"schemaVersion: 2.2.0\nparent: {{uri: p{MAX_DEPTH}}}"
    (problem,) = _problems("schemaVersion: 2.2.0\nparent: {uri: p0}", documents(chain))
    assert problem.code == "imports-too-deep"


def test_the_number_and_size_of_imports_are_limited(documents: Documents) -> None:
    """Neither many plugins nor large or dense ones can exhaust a server."""
    dense = PARENT + "attributes: {a: [" + "x," * 20_000 + "]}\n"
    with pytest.raises(DevfileError) as caught:
        flatten(
            parse("schemaVersion: 2.2.0\nparent: {uri: a}"),
            documents(
                {"a": "parent: {uri: b}\n" + dense, "b": "parent: {uri: c}\n" + dense, "c": dense}
            ),
        )
    assert caught.value.problems[0].code == "too-many-values"
    plugin = "schemaVersion: 2.0.0"
    many = "schemaVersion: 2.0.0\ncomponents:\n" + "".join(
        f"- {{name: p{i}, plugin: {{uri: p}}}}\n" for i in range(60)
    )
    (problem,) = _problems(many, documents({"p": plugin}))
    assert problem.code == "too-many-imports"
    large = plugin + "\n" + "#" * 3_000_000
    three = "schemaVersion: 2.0.0\ncomponents:\n" + "".join(
        f"- {{name: p{i}, plugin: {{uri: p}}}}\n" for i in range(3)
    )
    (problem,) = _problems(three, documents({"p": large}))
    assert problem.code == "too-large"


@pytest.mark.parametrize(("child", "parent", "fits"), [("2.1.0", "2.2.0", False), ("2.2.0", "2.2.0", True), ("2.2.0", "2.1.0", True), ("2.2.1", "2.2.0-x", True), ("2.0.0", "2.3.0", False)])  # fmt: skip
def test_a_parent_is_not_newer(documents: Documents, child: str, parent: str, fits: bool) -> None:
    """A parent of a newer version than its child's is taken with a warning, and the result is of
    the parent's version."""
    text = f"schemaVersion: {child}\nparent: {{uri: p}}"
    served = documents({"p": f"schemaVersion: {parent}"})
    if fits:
        assert flatten(parse(text), served).devfile.schema_version == child
    else:
        flat = flatten(parse(text), served)
        assert [warning.code for warning in flat.warnings] == ["parent-newer"]
        assert against_specification(flat.warnings) == flat.warnings
        assert flat.devfile.schema_version == parent
        assert flatten(parse(dump(flat.devfile))).warnings == ()


def test_references_are_passed_on_as_written(documents: Documents) -> None:
    """The resolver hears id, registry, version, Kubernetes name, and the address that the document
    came from."""
    served = documents(
        {"go/1.2.0": "schemaVersion: 2.2.0\nparent: {uri: ../other.yaml}", "../other.yaml": PARENT}
    )
    text = (
        "schemaVersion: 2.2.0\nparent: {id: go, registryUrl: 'https://r.example', version: 1.2.0}"
    )
    flatten(parse(text), served, base="https://git.example/devfile.yaml")
    assert served.asked == [
        Reference(
            id="go",
            registry_url="https://r.example",
            version="1.2.0",
            base="https://git.example/devfile.yaml",
        ),
        Reference(uri="../other.yaml", base="go/1.2.0"),
    ]
    cluster = documents({"base": PARENT})
    flatten(
        parse("schemaVersion: 2.2.0\nparent: {kubernetes: {name: base, namespace: ns}}"), cluster
    )
    assert cluster.asked == [Reference(name="base", namespace="ns")]


def test_a_devworkspace_template_can_be_a_parent(documents: Documents) -> None:
    """What is imported may be a DevWorkspaceTemplate; the result can be written and read again."""
    template = """\
apiVersion: workspace.devfile.io/v1alpha2
kind: DevWorkspaceTemplate
metadata: {name: t}
spec:
  components:
    - {name: c, container: {image: i}}
    - {name: x, custom: {componentClass: Foo, embeddedResource: {kind: Foo}}}
"""
    flat = flatten(parse(CHILD), documents({"base.yaml": template})).devfile
    assert [component.kind for component in flat.components] == ["container", "custom"]
    assert parse(dump(flat)) == flat


@published.marker
def test_samples_flatten_offline(data: Path) -> None:
    """Every sample of the registry flattens with the registry's folder, and every stack as it
    is."""
    registry = RegistryFolder(data / "registry")
    with_parent = 0
    for file in sorted((data / "registry").rglob("devfile.yaml")):
        devfile = parse(file.read_bytes())
        with_parent += devfile.parent is not None
        flat = flatten(devfile, registry)
        assert flat.devfile.is_flat
        assert not flat.warnings
        assert flatten(flat.devfile).devfile == flat.devfile
        assert parse(dump(flat.devfile)) == flat.devfile
    assert with_parent == 7


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{a}}", "A"),
        ("{{ a }}-{{\ta\n}}", "A-A"),
        ("x{{a}}y{{b}}z", "xAyBz"),
        ("{{c}}", "{{c}}"),
        ("{{ c }}{{a}}", "{{ c }}A"),
        ("{{a", "{{a"),
        ("a}}", "a}}"),
        ("{{}}", "{{}}"),
        ("{{{a}}}", "{{{a}}}"),
        ("{{a}}}", "A}"),
        ("{{ x\n{{a}}", "{{ x\nA"),
        ("{{x\ny}}{{a}}", "{{x\ny}}A"),
        ("{a}", "{a}"),
        ("{{a b}}", "{{a b}}"),
        ("{{nested}}", "{{a}}"),
    ],
)
def test_variables_are_replaced_once(text: str, result: str) -> None:
    """`{{ name }}` becomes its value; what is unknown stays; a value is not looked at again."""
    values = {"a": "A", "b": "B", "nested": "{{a}}"}
    assert replace(text, values.get) == result


def test_replacing_agrees_with_the_specifications_expression() -> None:
    r"""The linear replacement finds what `\{\{\s*(.*?)\s*\}\}` finds."""
    import itertools
    import re

    expression = re.compile(r"\{\{\s*(.*?)\s*\}\}")
    values = {"a": "1", "": "2", "{a": "3", "a{": "4", "a a": "5", "}": "6"}
    for length in range(1, 9):
        for pieces in itertools.product(("{", "}", "a", "\n"), repeat=length):
            text = "".join(pieces)
            wanted = expression.sub(lambda match: values.get(match[1], match[0]), text)
            assert replace(text, values.get) == wanted, repr(text)


def test_variables_cannot_grow_a_devfile_without_end() -> None:
    """A large value used often is refused."""
    text = (
        "schemaVersion: 2.2.0\nvariables: {a: "
        + "x" * 100_000
        + "}\ncomponents: [{name: c, container: {image: '"
        + "{{a}}" * 100
        + "'}}]"
    )
    with pytest.raises(DevfileError) as caught:
        parse(text)
    assert caught.value.problems[0].code == "too-much-text"


def test_variables_leave_names_and_cpu_alone() -> None:
    """Names, references, cpu amounts, annotations and attributes are not looked at."""
    tree = Map()
    tree["components"] = [
        {
            "name": "{{a}}",
            "attributes": {"x": "{{a}}"},
            "container": {"cpuLimit": "{{a}}", "annotation": {"service": {"x": "{{a}}"}}},
        }
    ]
    tree["commands"] = [
        {"id": "{{a}}", "exec": {"component": "{{a}}"}, "composite": {"commands": ["{{a}}"]}}
    ]
    tree["events"] = {"preStart": ["{{a}}"]}
    assert substitute(tree, Report(tree, DevfileError), values={"a": "A"}) is tree


def test_an_unknown_variable_is_a_warning_with_a_place() -> None:
    """The devfile stays usable, and the person hears of it."""
    text = "schemaVersion: 2.2.0\nvariables: {version: '1'}\ncomponents:\n- name: a\n  container:\n    image: 'i:{{verson}}'\n"
    flat = flatten(parse(text))
    (warning,) = flat.warnings
    assert (warning.code, warning.path, warning.line) == (
        "unknown-variable",
        "components[0].container.image",
        6,
    )
    assert "'version'" in warning.hint
    assert flat.devfile.components[0].container is not None
    assert flat.devfile.components[0].container.image == "i:{{verson}}"
