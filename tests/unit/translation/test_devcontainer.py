"""devcontainer.json → Devfile."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.contract import Project
from moorage.devfile import Devfile, DevfileError, flatten, refusals
from moorage.kernel.references import in_shell, resolved
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
        ({"remoteEnv": {"PATH": "${localEnv:HOME}/bin:/x"}}, ["remoteEnv.PATH"]),
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


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("printf %s ${containerWorkspaceFolder}/x", "/p/my app/x"),
        ('printf %s "${localWorkspaceFolder}/x"', "/p/my app/x"),
        ("printf %s 'a ${containerWorkspaceFolder}'", "a /p/my app"),
        ('printf %s \\"${containerWorkspaceFolderBasename}', '"my app'),
        ("printf %s ${localWorkspaceFolderBasename}", "my app"),
        ("printf %s ${containerEnv:A}-${containerEnv:NOPE:none}", "of a-none"),
        ("printf %s ${localEnv:NOPE:else}${localEnv:NOPE}", "else"),
        ('printf %s ${A} "$A"', "ofaof a"),
        (["printf", "%s", "${containerWorkspaceFolder}/a b"], "/p/my app/a b"),
        (["printf", "%s|", "", "$A", "${A}"], "|$A|${A}|"),
        (["printf", "%s", "it's ${localWorkspaceFolderBasename}"], "it's my app"),
    ],
)
def test_variables_in_commands_are_what_they_stand_for(command: Any, said: str) -> None:
    """However they stand in quotes, and with blanks in what they stand for; a shell's own variables
    stay the shell's."""
    converted = _converted(postStartCommand=command)
    assert _ignored(converted) == []
    body = converted.devfile.commands[0].exec
    assert body is not None
    env = {"PROJECT_SOURCE": "/p/my app", "A": "of a"}
    line = ["sh", "-c", str(body.command_line)]
    found = subprocess.run(line, env=env, capture_output=True, text=True, check=True)
    assert found.stdout == said


@pytest.mark.parametrize(
    ("key", "given_port", "port"),
    [
        ("appPort", "7123:8123", 8123),
        ("appPort", ["127.0.0.1:7123:8123"], 8123),
        ("appPort", "8123/tcp", 8123),
        ("appPort", 8123, 8123),
        ("appPort", "db:x", None),
        ("forwardPorts", ["db:5432"], None),
        ("forwardPorts", ["127.0.0.1:5432"], 5432),
    ],
)
def test_ports_are_the_containers(key: str, given_port: Any, port: int | None) -> None:
    """Of a port that Docker would publish, the machine's is left out; another container's is none
    of this one."""
    converted = _converted(**{key: given_port})
    found = [endpoint.target_port for endpoint in _container(converted.devfile).endpoints]
    assert found == ([port] if port else [])
    assert _ignored(converted) == ([] if port else [key])


def test_volumes_that_names_cannot_tell_apart_are_two() -> None:
    """`a_b` and `a-b` are two volumes; one source is one volume wherever it is mounted."""
    sources = ("a_b", "a-b", "A.B", "a_b")
    mounts = [f"source={source},target=/v{n},type=volume" for n, source in enumerate(sources)]
    container = _container(_converted(mounts=mounts).devfile)
    names = [mount.name for mount in container.volume_mounts]
    assert names == ["a-b", "a-b-2", "a-b-3", "a-b"]


@pytest.mark.parametrize(
    "given_keys",
    [
        {"workspaceFolder": "/workspaces/app"},
        {"workspaceFolder": "/workspaces/${localWorkspaceFolderBasename}"},
        {"postCreateCommand": "cd /workspaces/app && make"},
        {"customizations": {"vscode": {"settings": {"python.path": "/workspaces/app/.venv"}}}},
    ],
)
def test_sources_are_where_other_tools_put_them(given_keys: dict[str, Any]) -> None:
    """What names /workspaces finds the sources there, beside /projects, where the editor opens
    them."""
    converted = _converted(**given_keys)
    assert _ignored(converted) == []
    project = Project(name="p", clone_path="app", url="https://x.example/app")
    (container,) = to_workspace_spec(converted.devfile, project=project).spec.containers
    assert container.source_mapping == "/workspaces"
    assert container.env["PROJECT_SOURCE"] == "/projects/app"


def test_a_volume_below_workspaces_lies_where_the_editor_sees_it() -> None:
    """A folder of the sources that is a volume of its own is one in /projects."""
    mounts = ["source=m,target=/workspaces/app/node_modules,type=volume"]
    project = Project(name="p", clone_path="app", url="https://x.example/app")
    devfile = _converted(mounts=mounts).devfile
    (container,) = to_workspace_spec(devfile, project=project).spec.containers
    assert [mount.path for mount in container.volume_mounts] == ["/projects/app/node_modules"]


@pytest.mark.parametrize("folder", ["/src", "/workspaces/app/deep", "/workspace"])
def test_another_folder_is_said_to_have_no_effect(folder: str) -> None:
    """The editor opens the project."""
    assert _ignored(_converted(workspaceFolder=folder)) == ["workspaceFolder"]


@pytest.mark.parametrize(
    "command",
    [
        "sudo apt-get install -y x",
        "true && sudo -E make",
        ["sudo", "make"],
        {"a": "true", "b": "x; sudo y"},
    ],
)
def test_sudo_is_warned_of(command: Any) -> None:
    """Nobody is root in a workspace: that is said before a command fails."""
    (warning,) = _converted(postCreateCommand=command).warnings
    assert (warning.code, warning.path) == ("devcontainer-sudo", "post-create")
    assert _converted(postStartCommand="echo pseudo sudoku").warnings == ()


def test_text_in_the_environment_is_taken_as_it_is() -> None:
    """What a devfile's env would replace is written so that it stays."""
    converted = _converted(
        containerEnv={"A": "$(x) $$ ${containerWorkspaceFolder}", "B": "${containerEnv:A}"}
    )
    project = Project(name="p", clone_path="app", url="https://x.example/app")
    (container,) = to_workspace_spec(converted.devfile, project=project).spec.containers
    assert container.env["A"] == container.env["B"] == "$(x) $$ /projects/app"


@pytest.mark.parametrize(
    ("env", "image_env"),
    [
        ({"PATH": "${containerEnv:PATH}:/x"}, {"PATH": "/usr/bin:/x"}),
        ({"A": "${containerEnv:LANG:C}-${containerEnv:NO:d}-${containerEnv:NO}"}, {"A": "C.UTF-8-d-"}),
        ({"PATH": "/a b:${containerEnv:PATH}", "B": "${containerEnv:PATH}:$(x)$$"},
         {"PATH": "/a b:/usr/bin", "B": "/a b:/usr/bin:$(x)$$"}),
        ({"F": "${containerWorkspaceFolder}", "G": "${containerEnv:F}", "H": "${containerEnv:G}-${containerEnv:LANG}"},
         {"H": "/projects-C.UTF-8"}),
        ({"PATH": "${localEnv:NO}/y:${containerEnv:PATH}"}, {"PATH": "/y:/usr/bin"}),
    ],
)  # fmt: skip
def test_variables_of_the_image(env: dict[str, str], image_env: dict[str, str]) -> None:
    """containerEnv names what the image sets, as PATH, with a default where it sets nothing: the
    usual way to put a folder into PATH, which had no effect."""
    devfile = flatten(_converted(remoteEnv=env).devfile).devfile
    container = to_workspace_spec(devfile).spec.containers[0]
    image = {"PATH": "/usr/bin", "LANG": "C.UTF-8"}
    assert resolved(container.image_env, image) == image_env
    line = f'{in_shell(container.image_env)}; for n in {" ".join(image_env)}; do eval "echo \\"\\$$n\\""; done'
    shell = subprocess.run(
        ["/bin/sh", "-c", line], env=image, capture_output=True, text=True, check=True
    )
    assert shell.stdout.splitlines() == list(image_env.values())
