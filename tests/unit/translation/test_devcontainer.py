"""devcontainer.json → Devfile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.contract import Project
from moorage.devfile import Devfile, DevfileError, flatten, refusals
from moorage.translation import Converted, from_devcontainer, to_workspace_spec
from moorage.translation.jsonc import NotJson, loads


def _converted(**given_keys: Any) -> Converted:
    return from_devcontainer(json.dumps({"image": "i", **given_keys}))


def _container(devfile: Devfile) -> Any:
    return devfile.components[0].container


def _ignored(converted: Converted) -> list[str]:
    assert {warning.code for warning in converted.warnings} <= {"devcontainer-not-carried"}
    return [warning.path for warning in converted.warnings]


FULL = """\
// For format details, see the reference.
{
  "name": "Node", /* a comment */
  "image": "mcr.example.com/devcontainers/javascript-node:18", // "image": "other"
  "forwardPorts": [3000, "db:5432", "localhost:4000", 3000],
  "portsAttributes": {"3000": {"label": "Web App", "protocol": "https"}, "4000": {"onAutoForward": "ignore"}},
  "containerEnv": {"A": "${containerWorkspaceFolder}/x", "URL": "http://x//y"},
  "remoteEnv": {"B": "${containerEnv:A}:y", "C": "${localEnv:NOPE:fallback}"},
  "postCreateCommand": "npm install",
  "postStartCommand": ["npm", "run", "my server"],
  "mounts": ["source=modules,target=${containerWorkspaceFolder}/node_modules,type=volume"],
  "hostRequirements": {"cpus": 2, "memory": "8gb"},
  "customizations": {"vscode": {"extensions": ["dbaeumer.vscode-eslint"], "settings": {"editor.tabSize": 2,},},},
}
"""


def test_a_whole_devcontainer_becomes_a_workspace() -> None:
    """Image, ports, environment, commands, volumes, requirements and VS Code's part are carried."""
    converted = from_devcontainer(FULL)
    devfile = converted.devfile
    assert _ignored(converted) == ["forwardPorts"]
    assert refusals(devfile, "gitlab") == ()
    assert devfile.metadata.name == "Node"
    assert devfile.components[0].attributes["moorage.dev/vscode"] == {
        "extensions": ["dbaeumer.vscode-eslint"],
        "settings": {"editor.tabSize": 2},
    }
    project = Project(name="p", clone_path="p", url="https://x.example/p")
    spec = to_workspace_spec(flatten(devfile).devfile, project=project).spec
    (container,) = spec.containers
    assert container.image == "mcr.example.com/devcontainers/javascript-node:18"
    assert [(e.name, e.port, e.protocol, e.exposure) for e in container.endpoints] == [
        ("web-app", 3000, "https", "public"),
        ("port-4000", 4000, "http", "none"),
    ]
    assert container.env["A"] == "/projects/p/x"
    assert container.env["B"] == "/projects/p/x:y"
    assert container.env["C"] == "fallback"
    assert container.env["URL"] == "http://x//y"
    assert container.resources.cpu_request == 2000
    assert container.resources.memory_request == 8 * 2**30
    assert [(mount.volume, mount.path) for mount in container.volume_mounts] == [
        ("modules", "/projects/p/node_modules")
    ]
    assert [step.id for step in spec.post_start] == ["post-create", "post-start"]
    assert "npm install" in spec.post_start[0].commands[0].command_line
    assert spec.post_start[1].commands[0].command_line == "npm run 'my server'"


@pytest.mark.parametrize("key", ["build", "dockerFile", "dockerComposeFile"])
def test_what_must_be_built_is_refused(key: str) -> None:
    """Without an image there is nothing to run: the error says what to do."""
    with pytest.raises(DevfileError) as caught:
        from_devcontainer(json.dumps({key: {"dockerfile": "Dockerfile"}}))
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("devcontainer-no-image", key)
    assert ".devfile.yaml" in problem.hint


@pytest.mark.parametrize(
    "key",
    [
        "build",
        "features",
        "initializeCommand",
        "postAttachCommand",
        "runArgs",
        "privileged",
        "capAdd",
        "securityOpt",
        "remoteUser",
        "containerUser",
        "workspaceFolder",
        "workspaceMount",
        "otherPortsAttributes",
        "runServices",
        "somethingNew",
    ],
)
def test_what_is_not_carried_is_said(key: str) -> None:
    """Each key without effect is named, with the reason."""
    converted = _converted(**{key: ["x"]})
    assert _ignored(converted) == [key]
    assert "no effect" in converted.warnings[0].message


@pytest.mark.parametrize(
    ("given_keys", "ignored"),
    [
        ({"mounts": ["source=/var/run/docker.sock,target=/x,type=bind"]}, ["mounts[0]"]),
        (
            {
                "mounts": [
                    {"type": "volume", "source": "v", "target": "/v"},
                    {"type": "tmpfs", "target": "/t"},
                ]
            },
            ["mounts[1]"],
        ),
        ({"mounts": "x"}, []),
        (
            {"hostRequirements": {"storage": "32gb", "gpu": True}},
            ["hostRequirements.storage", "hostRequirements.gpu"],
        ),
        ({"remoteEnv": {"PATH": "${containerEnv:PATH}:/x"}}, ["remoteEnv.PATH"]),
        ({"remoteEnv": {"A": None}}, ["remoteEnv.A"]),
        ({"containerEnv": {"PROJECT_SOURCE": "x"}}, ["containerEnv.PROJECT_SOURCE"]),
        ({"containerEnv": {"A": "${localEnv:HOME}"}}, ["containerEnv.A"]),
        ({"containerEnv": ["A"]}, ["containerEnv"]),
        ({"customizations": {"jetbrains": {}}}, ["customizations.jetbrains"]),
        ({"forwardPorts": [0, "x", 99999, None]}, ["forwardPorts"] * 4),
        ({"postStartCommand": 5}, ["post-start"]),
        ({"$schema": "x", "shutdownAction": "none"}, []),
    ],
)
def test_parts_that_are_not_carried_are_said(
    given_keys: dict[str, Any], ignored: list[str]
) -> None:
    """Within a key that is carried, what is not is named by its path."""
    assert _ignored(_converted(**given_keys)) == ignored


def test_commands_by_name_run_side_by_side() -> None:
    """An object of commands is a composite that runs in parallel."""
    devfile = _converted(postCreateCommand={"One": "a", "two": ["b", "c d"], "none": ""}).devfile
    composite = devfile.command("post-create")
    assert composite is not None
    assert composite.composite is not None
    assert composite.composite.parallel
    assert composite.composite.commands == ("post-create-one", "post-create-two")


def test_commands_of_the_creation_run_in_order_and_once() -> None:
    """onCreate, updateContent and postCreate come first, in this order, each guarded by a mark in
    the home."""
    devfile = _converted(
        postStartCommand="d", postCreateCommand="c", onCreateCommand="a", updateContentCommand="b"
    ).devfile
    assert devfile.events.post_start == ("on-create", "update-content", "post-create", "post-start")
    lines = {command.id: command.exec.command_line for command in devfile.commands if command.exec}
    assert lines["post-start"] == "d"
    assert all(
        "$HOME/.moorage/done/" in str(lines[name])
        for name in ("on-create", "update-content", "post-create")
    )


def test_a_command_of_the_creation_runs_once_indeed(tmp_path: Any) -> None:
    """The guard works in a real shell: after success it does not run again, after a failure it
    does."""
    import subprocess

    lines = {}
    for key, command in (
        ("onCreateCommand", "echo ran >>log # x"),
        ("postCreateCommand", "echo tried >>log; false"),
    ):
        exec_command = _converted(**{key: command}).devfile.commands[0].exec
        assert exec_command is not None
        lines[key] = str(exec_command.command_line)
    for line in lines.values():
        for _ in range(2):
            subprocess.run(["sh", "-c", line], cwd=tmp_path, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=False)  # fmt: skip
    assert (tmp_path / "log").read_text().split() == ["ran", "tried", "tried"]


def test_override_command_is_carried() -> None:
    """It means the same in both formats."""
    assert (
        _converted(overrideCommand=False).devfile.components[0].attributes["overrideCommand"]
        is False
    )


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "json-syntax", (1, 1)),
        ('{\n  "image": }', "json-syntax", (2, 12)),
        ("[]", "not-a-mapping", (0, 0)),
        ("{}", "devcontainer-no-image", (0, 0)),
        ('{"image": 5}', "devcontainer-no-image", (0, 0)),
        ('{"image": NaN}', "json-syntax", (1, 1)),
        (b"\xff", "not-utf8", (0, 0)),
        ("[" * 100_000, "json-syntax", (1, 1)),
        ("/*" * 500_000, "json-syntax", (1, 6)),
        ('"' * 999_999, "json-syntax", (1, 3)),
        (" " * 2_000_000, "too-large", (0, 0)),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_devcontainer_is_refused(text: Any, code: str, place: tuple[int, int]) -> None:
    """Each with a code, and a place where there is one."""
    with pytest.raises(DevfileError) as caught:
        from_devcontainer(text)
    (problem,) = caught.value.problems
    assert (problem.code, (problem.line, problem.column)) == (code, place)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1,}', {"a": 1}),
        ('[1, 2, // x\n]', [1, 2]),
        ('{"a": "//", "b": "/* */", "c": ",]"}', {"a": "//", "b": "/* */", "c": ",]"}),
        ('/* a\n b */ {"a": "\\"//"}', {"a": '"//'}),
        ("\ufeff{}", {}),
    ],
)  # fmt: skip
def test_comments_and_trailing_commas(text: str, value: Any) -> None:
    """They are left out where they are comments, and kept where they are text."""
    assert loads(text) == value


def test_a_mistake_keeps_its_place_behind_a_comment() -> None:
    """Comments become blanks, so that lines and columns stay."""
    with pytest.raises(NotJson) as caught:
        loads('{ /* x\n */ "a": ? }')
    assert (caught.value.line, caught.value.column) == (2, 10)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["image", "name", "forwardPorts", "portsAttributes", "containerEnv", "remoteEnv", "mounts", "postCreateCommand", "postStartCommand", "hostRequirements", "customizations", "overrideCommand", "extensions", "settings"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers(-5, 70000) | st.text(max_size=20) | st.sampled_from(["8gb", "a=b,c", "${x}", "3000"]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.sampled_from(["vscode", "cpus", "memory", "type", "target"]), inner, max_size=3),
            max_leaves=6,
        ),
    )
)  # fmt: skip
def test_any_devcontainer_gives_a_devfile_or_an_error(tree: dict[str, Any]) -> None:
    """Whatever stands in the keys, the outcome is a devfile or a `DevfileError`."""
    try:
        made = from_devcontainer(json.dumps(tree)).devfile
    except DevfileError:
        return
    assert made.components[0].name == "dev"
