"""What GitLab refuses: each with its accepted twin."""

from __future__ import annotations

import pytest

from moorage.devfile import parse, refusals

GOOD = """\
schemaVersion: 2.2.0
components:
  - name: py
    attributes: {gl/inject-editor: true}
    container: {image: i, endpoints: [{name: web, targetPort: 8080}]}
  - {name: data, volume: {}}
commands:
  - {id: go, exec: {component: py, commandLine: x, label: Go}}
  - {id: init, apply: {component: py}}
events: {postStart: [go], preStart: [init]}
variables: {tag: x}
"""


def test_what_gitlab_accepts_passes() -> None:
    """The walk-through's kind of devfile has nothing that GitLab refuses."""
    assert refusals(parse(GOOD), "gitlab") == ()


@pytest.mark.parametrize(
    ("find", "put", "code", "path"),
    [
        ("2.2.0", "2.1.0", "gitlab-version", "schemaVersion"),
        ("2.2.0", "2.3.0", "gitlab-version", "schemaVersion"),
        ("2.2.0", "2.2.0-x", "gitlab-version", "schemaVersion"),
        ("components:", "parent: {uri: u}\ncomponents:", "gitlab-parent", "parent"),
        ("components:", "projects: [{name: p, zip: {location: u}}]\ncomponents:", "gitlab-projects", "projects"),
        ("components:", "starterProjects: [{name: p, zip: {location: u}}]\ncomponents:", "gitlab-projects", "starterProjects"),
        ("components:", "components:\n  - {name: k, kubernetes: {inlined: x}}", "gitlab-component", "components[0].kubernetes"),
        ("components:", "components:\n  - {name: k, openshift: {inlined: x}}", "gitlab-component", "components[0].openshift"),
        ("components:", "components:\n  - {name: k, image: {imageName: x, dockerfile: {uri: D}}}", "gitlab-component", "components[0].image"),
        ("components:", "attributes: {pod-overrides: {}}\ncomponents:", "gitlab-overrides", "attributes.pod-overrides"),
        ("editor: true", "editor: true, container-overrides: {}", "gitlab-overrides", "components[0].attributes.container-overrides"),
        ("{image: i,", "{image: i, dedicatedPod: true,", "gitlab-field", "components[0].container.dedicatedPod"),
        ("{image: i,", "{image: i, sourceMapping: /x,", "gitlab-field", "components[0].container.sourceMapping"),
        ("{image: i,", "{image: i, mountSources: true,", "gitlab-field", "components[0].container.mountSources"),
        ("components:", "projects: []\ncomponents:", "gitlab-projects", "projects"),
        ("components:", "starterProjects: []\ncomponents:", "gitlab-projects", "starterProjects"),
        ("editor: true", "editor: true, pod-overrides: {}", "gitlab-overrides", "components[0].attributes.pod-overrides"),
        ("{image: i,", "{image: i, command: [sh],", "gitlab-command", "components[0].container.command"),
        ("{image: i,", "{image: i, args: [sh],", "gitlab-command", "components[0].container.args"),
        ("name: data, volume: {}", "name: b, attributes: {overrideCommand: true}, container: {image: i, args: [x]}", "gitlab-command", "components[1].container.args"),
        ("editor: true", "editor: true, overrideCommand: 'false'", "gitlab-override-command", "components[0].attributes.overrideCommand"),
        ("editor: true", "editor: true, overrideCommand: null", "gitlab-override-command", "components[0].attributes.overrideCommand"),
        ("label: Go", "group: {kind: run, isDefault: true}", "gitlab-exec", "commands[0].exec.group"),
        ("label: Go", "env: [{name: A, value: b}]", "gitlab-exec", "commands[0].exec.env"),
        ("label: Go", "env: []", "gitlab-exec", "commands[0].exec.env"),
        ("label: Go", "hotReloadCapable: true", "gitlab-exec", "commands[0].exec.hotReloadCapable"),
        ("label: Go", "label: GL-go", "gitlab-reserved-name", "commands[0].exec.label"),
        ("tag: x", "GL_tag: x", "gitlab-reserved-name", "variables.GL_tag"),
        ("editor: true", "editor: false", "gitlab-editor", "components"),
        ("name: data, volume: {}", "name: data, attributes: {gl/inject-editor: 'false'}, container: {image: i}", "gitlab-editor", "components[1].attributes"),
        ("name: data, volume: {}", "name: data, attributes: {gl/inject-editor: 0}, volume: {}", "gitlab-editor", "components[1].attributes"),
        ("id: init, apply: {component: py}", "id: init, apply: {component: py}}\n  - {id: x, exec: {component: nobody, commandLine: x}", "unknown-component", "commands[2].exec.component"),
        ("name: web", "name: a-name-longer-than-fifteen", "long-name", "components[0].container.endpoints[0].name"),
        ("{image: i,", "{image: i, env: [{name: PROJECT_SOURCE, value: x}],", "reserved-env", "components[0].container.env[0].name"),
        ("postStart", "poststart", "key-case", "events.poststart"),
        ("commands:", "commands:\n  - {id: all, composite: {commands: [go]}}", "gitlab-composite", "commands[0].composite"),
        ("{postStart: [go],", "{postStart: [go], preStop: [go],", "gitlab-event", "events.preStop"),
        ("{postStart: [go],", "{postStart: [go], postStop: [init],", "gitlab-event", "events.postStop"),
        ("name: data", "name: gl-data", "gitlab-reserved-name", "components[1].name"),
        ("name: web", "name: gl-web", "gitlab-reserved-name", "components[0].container.endpoints[0].name"),
        ("id: init", "id: init}\n  - {id: gl-x", "gitlab-reserved-name", "commands[2].id"),
        ("label: Go", "label: gl-go", "gitlab-reserved-name", "commands[0].exec.label"),
        ("apply: {component: py}", "apply: {component: py, label: gl-go}", "gitlab-reserved-name", "commands[1].apply.label"),
        ("name: py\n", "name: gl-py\n", "gitlab-reserved-name", "components[0].name"),
        ("tag: x", "gl-tag: x", "gitlab-reserved-name", "variables.gl-tag"),
        ("tag: x", "gl_tag: x", "gitlab-reserved-name", "variables.gl_tag"),
        ("editor: true", "other: true", "gitlab-editor", "components"),
        ("name: data, volume: {}", "name: data, attributes: {gl/inject-editor: true}, container: {image: i}", "gitlab-editor", "components[1].attributes"),
        ("name: data", f"name: {'d' * 28}", "gitlab-volume-name", "components[1].name"),
    ],
)  # fmt: skip
def test_what_gitlab_refuses_is_told(find: str, put: str, code: str, path: str) -> None:
    """Each refusal is found, alone, at its path and line; the full profile takes the same
    devfile."""
    text = GOOD.replace(find, put, 1)
    if code == "gitlab-reserved-name" and "gl-x" in put:
        text = text.replace("gl-x, apply", "gl-x, exec").replace(
            "{id: init}", "{id: init, apply: {component: py}}"
        )
        text = text.replace("exec: {component: py}", "exec: {component: py, commandLine: x}")
    if "name: gl-py" in text:
        text = text.replace("component: py", "component: gl-py")
    devfile = parse(text)
    assert refusals(devfile, "full") == ()
    problems = refusals(devfile, "gitlab")
    assert [(problem.code, problem.path) for problem in problems] == [(code, path)]
    assert problems[0].line > 0


@pytest.mark.parametrize(
    ("old", "version", "more", "found"),
    [
        ("go", "2.2.0", "", {"commands[0].id", "events.postStart[0]"}),
        ("init", "2.2.0", "", {"commands[1].id", "events.preStart[0]"}),
        ("", "2.2.2", "dependentProjects: [{name: p, zip: {location: u}}]\n", {"schemaVersion", "dependentProjects"}),
        ("", "2.0.0", "PLUGIN", {"schemaVersion", "components[0].plugin"}),
    ],
)  # fmt: skip
def test_what_gitlab_refuses_twice(old: str, version: str, more: str, found: set[str]) -> None:
    """A reserved name is told wherever it stands; what only another version has is refused with
    that version."""
    text = GOOD.replace("2.2.0", version, 1)
    if old:
        text = text.replace(f"id: {old},", f"id: gl-{old},").replace(f"[{old}]", f"[gl-{old}]")
    if more == "PLUGIN":
        text = text.replace("components:\n", "components:\n  - {name: p, plugin: {uri: u}}\n", 1)
        text = text.replace("variables: {tag: x}\n", "")
    else:
        text += more
    assert {problem.path for problem in refusals(parse(text), "gitlab")} == found


def test_a_volume_name_of_27_characters_passes() -> None:
    """The limit is 27, not less."""
    assert refusals(parse(GOOD.replace("name: data", f"name: {'d' * 27}")), "gitlab") == ()


@pytest.mark.parametrize(
    ("find", "put"),
    [
        ("{image: i,", "{image: i, mountSources: false,"),
        ("{image: i,", "{image: i, dedicatedPod: false,"),
        ("{image: i,", "{image: i, command: [], args: [],"),
        ("editor: true", "editor: 'yes'"),
        ("editor: true", "editor: true, overrideCommand: true"),
        (
            "attributes: {gl/inject-editor: true}\n    container: {image: i,",
            "attributes: {gl/inject-editor: true, overrideCommand: false}\n    container: {image: i, args: [x],",
        ),
        ("name: data, volume: {}", "name: b, container: {image: i, args: [x]}"),
        ("label: Go", "label: Go, hotReloadCapable: false, workingDir: /x"),
        ("postStart: [go],", "postStart: [go], preStop: [], postStop: [],"),
        ("components:", "attributes: {container-overrides: {}}\ncomponents:"),
        ("editor: true", "editor: true, container-overrides: null, pod-overrides: false"),
    ],
)
def test_what_gitlabs_validator_lets_pass_is_not_refused(find: str, put: str) -> None:
    """It asks for the value, not for the key, where it does; and a container beside the main one
    may have a command."""
    assert find in GOOD
    assert refusals(parse(GOOD.replace(find, put, 1)), "gitlab") == ()
