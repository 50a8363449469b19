"""What devfiles in use have although the specification forbids it: read all the same, with a
warning that the strict profile takes for a refusal."""

from __future__ import annotations

import pytest

from moorage.devfile import (
    DevfileError,
    Flattened,
    against_specification,
    flatten,
    parse,
    refusals,
)

HEAD = "schemaVersion: 2.2.0\n"
DEV = "components:\n- {name: dev, container: {image: i%s}}\n"
COMMAND = "- {id: %s, exec: {component: %s, commandLine: x%s}}\n"


def _commands(*lines: str) -> str:
    return HEAD + DEV % "" + "commands:\n" + "".join(lines)


def _flat(text: str) -> Flattened:
    """The flat devfile; the strict profile refuses just what it warns of."""
    devfile = parse(text)
    flat = flatten(devfile)
    assert refusals(devfile, "full") == ()
    assert refusals(devfile, "strict") == against_specification(flat.warnings) == flat.warnings
    assert all(warning.line > 0 for warning in flat.warnings)
    return flat


def _warned(text: str) -> list[tuple[str, str]]:
    return [(warning.code, warning.path) for warning in _flat(text).warnings]


def _group(kind: str, default: str = "") -> str:
    return f", group: {{kind: {kind}{default and f', isDefault: {default}'}}}"


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (("run", "run", "build"), [("group-without-default", "commands[0].exec.group")]),
        (
            ("build, isDefault: true", "build, isDefault: true", "build, isDefault: true"),
            [
                ("group-defaults", "commands[1].exec.group.isDefault"),
                ("group-defaults", "commands[2].exec.group.isDefault"),
            ],
        ),
        (("test", "test, isDefault: true", "deploy"), []),
    ],
)
def test_groups_have_one_default_or_a_warning(
    groups: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    """Several commands of a group, of which none or several are its default, do not matter to a
    workspace."""
    lines = [COMMAND % (f"c{n}", "dev", _group(group)) for n, group in enumerate(groups)]
    assert _warned(_commands(*lines)) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((COMMAND % ("a", "gone", ""),), [("unknown-component", "commands[0].exec.component")]),
        (("- {id: a, apply: {component: gone}}\n",), [("unknown-component", "commands[0].apply.component")]),
        (("- {id: a, composite: {commands: [gone]}}\n",), [("unknown-command", "commands[0].composite.commands[0]")]),
    ],
)  # fmt: skip
def test_what_no_event_runs_may_name_what_is_not_there(
    lines: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    """A command that is only offered to people is warned of; one that an event runs, also as a step
    of another, is refused."""
    assert _warned(_commands(*lines)) == expected
    for bound in ("[a]", "[all]"):
        more = "- {id: all, composite: {commands: [a]}}\n"
        with pytest.raises(DevfileError) as caught:
            parse(_commands(*lines, more) + f"events: {{postStart: {bound}, preStart: {bound}}}\n")
        assert expected[0] in [(problem.code, problem.path) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "path", "check"),
    [
        ("events: {poststart: [a]}", "events.poststart", lambda d: d.events.post_start == ("a",)),
        ("events: {PostStart: [a]}", "events.PostStart", lambda d: d.events.post_start == ("a",)),
        ("Events: {postStart: [a]}", "Events", lambda d: d.events.post_start == ("a",)),
        ("events: {prestop: [a]}", "events.prestop", lambda d: d.events.pre_stop == ("a",)),
        ("attributes: {}\nstarterprojects: []", "starterprojects", lambda d: True),
    ],
)
def test_keys_in_another_case_are_read(text: str, path: str, check: object) -> None:
    """A key that differs from the specification's in case alone is what it is meant to be."""
    flat = _flat(_commands(COMMAND % ("a", "dev", "")) + text)
    assert [(warning.code, warning.path) for warning in flat.warnings] == [("key-case", path)]
    assert callable(check)
    assert check(flat.devfile)


def test_a_key_in_another_case_is_checked_and_never_replaces_the_right_one() -> None:
    """What stands under it must fit; where the right key is there, too, the other is unknown."""
    devfile = parse(HEAD + DEV % ", memorylimit: 1Gi")
    container = devfile.components[0].container
    assert container is not None
    assert container.memory_limit == "1Gi"
    for text, code in (
        (DEV % ", memorylimit: [1]", "wrong-type"),
        (DEV % ", memorylimit: lots", "bad-quantity"),
        (DEV % ", memoryLimit: 1Gi, memorylimit: 2Gi", "unknown-key"),
        (DEV % ", memorylimits: 2Gi", "unknown-key"),
    ):
        with pytest.raises(DevfileError) as caught:
            parse(HEAD + text)
        assert [problem.code for problem in caught.value.problems] == [code]


@pytest.mark.parametrize(
    ("version", "text", "code"),
    [
        ("2.0.0", "variables: {a: b}\nattributes: {c: d}", "newer-key"),
        ("2.0.0", DEV % ", cpuLimit: '1', memoryRequest: 1Gi", "newer-key"),
        ("2.1.0", "components: [{name: k, kubernetes: {inlined: x, deployByDefault: true}}]", "newer-key"),
        ("2.1.0", "dependentProjects: [{name: p, git: {remotes: {origin: u}}}]", "newer-key"),
        ("2.1.0", "components: [{name: a, image: {imageName: x, dockerfile: {uri: D}}}]", "newer-key"),
        ("2.2.0", "projects: [{name: p, github: {remotes: {origin: u}}}]", "older-key"),
        ("2.2.0", "commands: [{id: c, vscodeTask: {inlined: x}}]", "older-key"),
        ("2.2.0", DEV % ", endpoints: [{name: a-name-longer-than-fifteen, targetPort: 1}]", "long-name"),
        ("2.4.0", "", "newer-version"),
        ("2.10.1-beta", "", "newer-version"),
    ],
)  # fmt: skip
def test_what_another_version_has_is_read(version: str, text: str, code: str) -> None:
    """Few who write a devfile know since when a field is there; readers other than the strict do
    not ask."""
    assert {warning for warning, _ in _warned(f"schemaVersion: {version}\n{text}\n")} == {code}


@pytest.mark.parametrize(
    "text",
    [
        "components: [{name: a, image: {imageNam: x, dockerfile: {uri: D}}}]",
        "components: [{name: a, image: {imageName: x}, container: {image: i}}]",
        "components: [{name: a, custom: {componentClass: x, embeddedResource: {}}}]",
        "dependentProjects: [{name: p, git: {remotes: {}}}]",
    ],
)
def test_what_another_version_has_is_checked(text: str) -> None:
    """Fields of another version must be right by that version."""
    with pytest.raises(DevfileError):
        parse(f"schemaVersion: 2.1.0\n{text}\n")


def test_merge_keys_take_over_what_a_mapping_has() -> None:
    """`<<: *name` is YAML 1.1, which almost every reader of devfiles takes; what is written out
    wins, and `<<` in quotes is a key like any other."""
    text = (
        HEAD
        + """\
attributes:
  shared: &limits {memoryLimit: 2Gi, cpuLimit: '1'}
  '<<': {}
components:
- name: one
  container: {image: i, <<: *limits, cpuLimit: '2'}
- name: two
  container:
    <<: [*limits]
    image: i
"""
    )
    flat = _flat(text)
    assert flat.warnings == ()
    limits = [(body.memory_limit, body.cpu_limit) for _, body in flat.devfile.containers()]
    assert limits == [("2Gi", "2"), ("2Gi", "1")]
    assert flat.devfile.attributes["<<"] == {}


def test_variables_that_the_workspace_sets_are_its_own() -> None:
    """A devfile that sets PROJECT_SOURCE is told that its value is not used."""
    text = (
        HEAD + DEV % ", env: [{name: PROJECT_SOURCE, value: /x}, {name: PROJECTS_ROOT, value: /}]"
    )
    assert [code for code, _ in _warned(text)] == ["reserved-env"] * 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "components:\n- {name: a, container: {image: i, endpoints: [{name: x, targetPort: 80}]}}\n"
            "- {name: b, container: {image: i, endpoints: [{name: y, targetPort: 80}]}}\n",
            [("duplicate-port", "components[1].container.endpoints[0].targetPort")],
        ),
        (
            "starterProjects: [{name: p, git: {remotes: {a: u, b: v}}}]",
            [("not-one-remote", "starterProjects[0].git.remotes")],
        ),
        (
            "starterProjects: [{name: p, git: {remotes: {a: u}, checkoutFrom: {remote: b}}}]",
            [("unknown-remote", "starterProjects[0].git.checkoutFrom.remote")],
        ),
        (
            "components: [{name: a, image: {imageName: x, dockerfile: {git: {remotes: {a: u, b: v}}}}}]",
            [("not-one-remote", "components[0].image.dockerfile.git.remotes")],
        ),
    ],
)
def test_what_a_workspace_makes_nothing_of_may_be_wrong(
    text: str, expected: list[tuple[str, str]]
) -> None:
    """Starter projects and images are for other tools; of two containers that name one port, one
    can listen on it."""
    assert _warned(HEAD + text) == expected
