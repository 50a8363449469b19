"""A stranger's text can neither hold a server up nor fill its memory while it becomes a
workspace."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pytest

from moorage.devfile import DevfileError, flatten, parse
from moorage.translation import from_devcontainer, to_workspace_spec

HEAD = "schemaVersion: 2.2.2\ncomponents:\n- name: a\n  attributes: {gl/inject-editor: true}\n  container: {image: i}\n"
COMMANDS = HEAD + "commands:\n- {id: k, exec: {component: a, commandLine: x}}\n"


def _numbered(text: str, count: int) -> str:
    return "".join(text.replace("@", str(number)) for number in range(count))


def _names(text: str, count: int) -> str:
    return "[" + ", ".join(text.replace("@", str(number)) for number in range(count)) + "]"


UNITS = {
    "projects": lambda n: HEAD + "projects:\n" + _numbered("- {name: p@, git: {remotes: {o: 'https://h/@'}}}\n", n),
    "containers": lambda n: HEAD + _numbered("- {name: c@, container: {image: i}}\n", n),
    "first containers": lambda n: (
        HEAD + _numbered("- {name: c@, container: {image: i}}\n", n)
        + "commands:\n" + _numbered("- {id: k@, apply: {component: c@}}\n", n) + f"events: {{preStart: {_names('k@', n)}}}\n"
    ),
    "commands": lambda n: (
        HEAD + "commands:\n" + _numbered("- {id: k@, exec: {component: a, commandLine: x}}\n", n)
        + f"events: {{postStart: {_names('k@', n)}}}\n"
    ),
    "volumes": lambda n: (
        HEAD + _numbered("- {name: v@, volume: {}}\n", n)
        + "- name: b\n  container:\n    image: i\n    volumeMounts:\n" + _numbered("    - {name: v@, path: /x/@}\n", n)
    ),
}  # fmt: skip


def _lines(work: Any) -> int:
    """How many lines of Python run."""
    count = 0

    def counted(_: Any, event: str, __: Any) -> Any:
        nonlocal count
        count += event == "line"
        return counted

    sys.settrace(counted)
    try:
        work()
    finally:
        sys.settrace(None)
    return count


@pytest.mark.parametrize("name", UNITS)
def test_twice_as_much_is_twice_the_work(name: str) -> None:
    """Nothing is looked at once for each other thing."""
    once, twice = (flatten(parse(UNITS[name](count))).devfile for count in (200, 400))
    assert _lines(lambda: to_workspace_spec(twice)) < 2.3 * _lines(lambda: to_workspace_spec(once))


@pytest.mark.parametrize(
    "make",
    [
        lambda n: {"forwardPorts": list(range(1, n))},
        lambda n: {"containerEnv": {f"A{i}": "x" for i in range(n)}},
        lambda n: {"postStartCommand": {f"k{i}": "x" for i in range(n)}},
        lambda n: {"postStartCommand": {"same" * 20 + f"{i}": "x" for i in range(n)}},
        lambda n: {"customizations": {"vscode": {"extensions": [f"a.b{i}" for i in range(n)]}}},
    ],
    ids=["ports", "env", "commands", "same commands", "extensions"],
)
def test_a_devcontainer_twice_as_large_is_twice_the_work(make: Any) -> None:
    """So it is with a devcontainer.json."""
    once, twice = (json.dumps({"image": "i", **make(count)}) for count in (200, 400))
    assert _lines(lambda: from_devcontainer(twice)) < 2.3 * _lines(lambda: from_devcontainer(once))


@pytest.mark.parametrize(
    "env",
    [
        {"A0": "x" * 10, **{f"A{i}": f"${{containerEnv:A{i - 1}}}" * 2 for i in range(1, 60)}},
        {"A": "x" * 100_000, "B": "${containerEnv:A}" * 10_000},
        {"A": "${containerWorkspaceFolder}" * 38_000, "B": "${containerEnv:A}" * 1000},
    ],
    ids=["doubling", "often", "folders"],
)
def test_variables_cannot_grow_a_devcontainer_without_end(env: dict[str, str]) -> None:
    """Variables that stand for others are refused before they fill the memory."""
    with pytest.raises(DevfileError) as caught:
        from_devcontainer(json.dumps({"image": "i", "containerEnv": env}))
    assert caught.value.problems[0].code == "too-large"


@pytest.mark.parametrize(
    "made",
    [
        {"postCreateCommand": {f"k{i}": "x" for i in range(20_000)}},
        {"containerEnv": {f"A{i}": "x" for i in range(20_000)}},
        {"settings": {"a": [0] * 50_000}},
    ],
    ids=["commands", "env", "settings"],
)
def test_a_devcontainer_of_too_many_values(made: dict[str, Any]) -> None:
    """What would come to more values than a devfile may have is refused as what it is, before it is
    one."""
    with pytest.raises(DevfileError) as caught:
        from_devcontainer(json.dumps({"image": "i", **made}))
    (problem,) = caught.value.problems
    assert (problem.code, problem.source) == ("too-many-values", ".devcontainer/devcontainer.json")


def test_warnings_of_a_devcontainer_end() -> None:
    """Of very many keys that are not known the first thousand are named."""
    made = from_devcontainer(json.dumps({"image": "i", **{f"k{i}": 1 for i in range(3000)}}))
    assert len(made.warnings) == 1000


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            HEAD.replace("{image: i}", "{image: i, env: [{name: A, value: x}" + "".join(f", {{name: A, value: '{'$(A)' * 100}'}}" for _ in range(50)) + "]}"),
            "too-much-text",
        ),
        (
            HEAD.replace("{image: i}", "{image: i, env: [{name: A, value: /" + "x" * 100_000 + "}]}")
            + "commands:\n- {id: k, exec: {component: a, commandLine: x, workingDir: '" + "$A" * 100_000 + "'}}\nevents: {postStart: [k]}\n",
            "bad-working-dir",
        ),
        (
            COMMANDS + "- {id: c, composite: {commands: " + _names("k", 10_000) + "}}\nevents: {postStart: " + _names("c", 10_000) + "}\n",
            "too-many-commands",
        ),
    ],
    ids=["places", "folder", "commands"],
)  # fmt: skip
def test_small_text_cannot_become_a_large_workspace(text: str, code: str) -> None:
    """What stands for much is counted, and refused with its place."""
    flat = flatten(parse(text)).devfile
    with pytest.raises(DevfileError) as caught:
        to_workspace_spec(flat)
    assert {problem.code for problem in caught.value.problems} == {code}
    assert all(problem.hint and problem.path and problem.line for problem in caught.value.problems)


@pytest.mark.parametrize(
    "work",
    [
        lambda: to_workspace_spec(flatten(parse(HEAD.replace("{image: i}", "{image: i, args: ['" + "x" * 300_000 + "']}"))).devfile),
        lambda: from_devcontainer(json.dumps({"image": "i", "containerEnv": {"A": "${a:b:" * 100_000}})),
    ],
    ids=["a long word", "variables that do not end"],
)  # fmt: skip
def test_no_expression_looks_again_and_again(work: Any) -> None:
    """Half a second at most, where looking from each place to the end would take minutes."""
    started = time.process_time()
    work()
    assert time.process_time() - started < 5
