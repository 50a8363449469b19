"""Every rule beyond the schema: what it refuses, and the valid twin."""

from __future__ import annotations

import pytest

from moorage.devfile import DevfileError, Problem, flatten, parse, refusals

HEAD = "schemaVersion: 2.2.2\n"
TWO = "- {name: a, container: {image: i%s}}\n- {name: b, container: {image: i%s}}\n"


def _components(text: str) -> str:
    return f"components:\n{text}"


def _container(text: str) -> str:
    return _components(
        f"- {{name: a, container: {{image: i, {text}}}}}\n- {{name: data, volume: {{}}}}\n"
    )


def _commands(text: str) -> str:
    base = (
        "- {name: a, container: {image: i}}\n- {name: vol, volume: {}}\n"
        "- {name: img, image: {imageName: x, dockerfile: {uri: D}}}\n- {name: k8s, kubernetes: {inlined: x}}\n"
        "- {name: os, openshift: {inlined: x}}\n"
    )
    return _components(base) + f"commands:\n{text}"


def _exec(name: str, component: str = "a", more: str = "") -> str:
    return f"- {{id: {name}, exec: {{component: {component}, commandLine: x{more}}}}}\n"


def _apply(name: str, component: str = "a") -> str:
    return f"- {{id: {name}, apply: {{component: {component}}}}}\n"


def _composite(name: str, *members: str) -> str:
    return f"- {{id: {name}, composite: {{commands: [{', '.join(members)}]}}}}\n"


def _group(name: str, kind: str, default: str) -> str:
    return _exec(name, more=f", group: {{kind: {kind}, isDefault: {default}}}")


def _event(event: str, bound: str, commands: str) -> str:
    return _commands(commands) + f"events: {{{event}: [{bound}]}}\n"


def _image(git: str) -> str:
    return _components(f"- {{name: a, image: {{imageName: x, dockerfile: {{git: {git}}}}}}}")


def _project(git: str, key: str = "projects") -> str:
    return f"{key}:\n- {{name: p, git: {git}}}\n"


ORIGIN = "{remotes: {origin: u}}"
TWO_REMOTES = "remotes: {origin: u, fork: v}"

RULES = [
    # components
    ("duplicate-name", "components[1].name", _components(TWO.replace("name: b", "name: a") % ("", "")), _components(TWO % ("", ""))),
    (
        "unknown-volume",
        "components[0].container.volumeMounts[0].name",
        _container("volumeMounts: [{name: dta}]"),
        _container("volumeMounts: [{name: data}]"),
    ),
    (
        "reserved-env",
        "components[0].container.env[0].name",
        _container("env: [{name: PROJECT_SOURCE, value: x}]"),
        _container("env: [{name: MY_PROJECT_SOURCE, value: x}]"),
    ),
    (
        "reserved-env",
        "components[0].container.env[1].name",
        _container("env: [{name: A, value: x}, {name: PROJECTS_ROOT, value: x}]"),
        _container("env: [{name: A, value: x}, {name: B, value: x}]"),
    ),
    ("bad-quantity", "components[0].container.memoryLimit", _container("memoryLimit: 1GB"), _container("memoryLimit: 1G")),
    ("bad-quantity", "components[0].container.memoryRequest", _container("memoryRequest: 1Gb"), _container("memoryRequest: 1Gi")),
    ("bad-quantity", "components[0].container.cpuRequest", _container("cpuRequest: half"), _container("cpuRequest: '0.5'")),
    ("bad-quantity", "components[0].container.cpuLimit", _container("cpuLimit: '-1'"), _container("cpuLimit: '1'")),
    ("bad-quantity", "components[0].volume.size", _components("- {name: a, volume: {size: big}}"), _components("- {name: a, volume: {size: 1Gi}}")),
    (
        "request-over-limit",
        "components[0].container.memoryRequest",
        _container("memoryRequest: 2Gi, memoryLimit: 2G"),
        _container("memoryRequest: 2G, memoryLimit: 2Gi"),
    ),
    (
        "request-over-limit",
        "components[0].container.cpuRequest",
        _container("cpuRequest: 1001m, cpuLimit: '1'"),
        _container("cpuRequest: 1000m, cpuLimit: '1'"),
    ),
    (
        "duplicate-endpoint",
        "components[1].container.endpoints[0].name",
        _components(TWO % (", endpoints: [{name: web, targetPort: 1}]", ", endpoints: [{name: web, targetPort: 2}]")),
        _components(TWO % (", endpoints: [{name: web, targetPort: 1}]", ", endpoints: [{name: app, targetPort: 2}]")),
    ),
    (
        "duplicate-endpoint",
        "components[1].kubernetes.endpoints[0].name",
        _components("- {name: a, container: {image: i, endpoints: [{name: web, targetPort: 1}]}}\n"
                    "- {name: b, kubernetes: {inlined: x, endpoints: [{name: web, targetPort: 1}]}}"),
        _components("- {name: a, container: {image: i, endpoints: [{name: web, targetPort: 1}]}}\n"
                    "- {name: b, kubernetes: {inlined: x, endpoints: [{name: app, targetPort: 1}]}}"),
    ),
    (
        "duplicate-port",
        "components[1].container.endpoints[0].targetPort",
        _components(TWO % (", endpoints: [{name: web, targetPort: 1}]", ", endpoints: [{name: app, targetPort: 1}]")),
        _container("endpoints: [{name: web, targetPort: 1}, {name: app, targetPort: 1}]"),
    ),
    (
        "bad-port",
        "components[0].container.endpoints[0].targetPort",
        _container("endpoints: [{name: web, targetPort: 70000}]"),
        _container("endpoints: [{name: web, targetPort: 65535}]"),
    ),
    ("not-one-remote", "components[0].image.dockerfile.git.remotes", _image(f"{{{TWO_REMOTES}}}"), _image(ORIGIN)),
    ("not-one-remote", "components[0].image.dockerfile.git.remotes", _image("{remotes: {}}"), _image(ORIGIN)),
    (
        "unknown-remote",
        "components[0].image.dockerfile.git.checkoutFrom.remote",
        _image("{remotes: {origin: u}, checkoutFrom: {remote: orign}}"),
        _image("{remotes: {origin: u}, checkoutFrom: {remote: origin}}"),
    ),
    # commands
    ("duplicate-name", "commands[1].id", _commands(_exec("x") + _exec("x")), _commands(_exec("x") + _exec("y"))),
    ("unknown-component", "commands[0].exec.component", _commands(_exec("x", "nobody")), _commands(_exec("x"))),
    ("wrong-component", "commands[0].exec.component", _commands(_exec("x", "img")), _commands(_exec("x"))),
    ("unknown-component", "commands[0].apply.component", _commands(_apply("x", "nobody")), _commands(_apply("x"))),
    ("wrong-component", "commands[0].apply.component", _commands(_apply("x", "vol")), _commands(_apply("x", "img"))),
    ("wrong-component", "commands[0].exec.component", _commands(_exec("x", "k8s")), _commands(_apply("x", "k8s"))),
    ("wrong-component", "commands[0].exec.component", _commands(_exec("x", "os")), _commands(_apply("x", "os"))),
    (
        "unknown-command",
        "commands[1].composite.commands[0]",
        _commands(_exec("x") + _composite("c", "y")),
        _commands(_exec("x") + _composite("c", "x")),
    ),
    (
        "composite-cycle",
        "commands[0].composite.commands[0]",
        _commands(_composite("c", "c")),
        _commands(_composite("c", "x") + _exec("x")),
    ),
    (
        "composite-cycle",
        "commands[2].composite.commands[0]",
        _commands(_composite("c", "d") + _composite("d", "e") + _composite("e", "c")),
        _commands(_composite("c", "d", "e") + _composite("d", "e") + _composite("e", "x") + _exec("x")),
    ),
    (
        "group-without-default",
        "commands[0].exec.group",
        _commands(_group("x", "run", "false") + _group("y", "run", "false")),
        _commands(_group("x", "run", "false") + _group("y", "run", "true")),
    ),
    (
        "group-defaults",
        "commands[1].exec.group.isDefault",
        _commands(_group("x", "run", "true") + _group("y", "run", "true")),
        _commands(_group("x", "run", "true") + _group("y", "build", "true")),
    ),
    # events
    ("unknown-command", "events.postStart[0]", _event("postStart", "y", _exec("x")), _event("postStart", "x", _exec("x"))),
    ("wrong-event-command", "events.preStart[0]", _event("preStart", "x", _exec("x")), _event("preStart", "x", _apply("x"))),
    ("wrong-event-command", "events.postStop[0]", _event("postStop", "x", _exec("x")), _event("postStop", "x", _apply("x"))),
    ("wrong-event-command", "events.postStart[0]", _event("postStart", "x", _apply("x")), _event("postStart", "x", _exec("x"))),
    ("wrong-event-command", "events.preStop[0]", _event("preStop", "x", _apply("x")), _event("preStop", "x", _exec("x"))),
    (
        "wrong-event-command",
        "events.postStart[0]",
        _event("postStart", "c", _exec("x") + _apply("y") + _composite("c", "x", "y")),
        _event("postStart", "c", _exec("x") + _exec("y") + _composite("c", "x", "y")),
    ),
    (
        "wrong-event-command",
        "events.preStart[0]",
        _event("preStart", "c", _exec("x") + _composite("c", "x")),
        _event("preStart", "c", _apply("x") + _composite("c", "x")),
    ),
    (
        "wrong-event-command",
        "events.postStart[0]",
        _event("postStart", "c", _exec("x") + _composite("d", "x") + _composite("c", "d")),
        _event("postStart", "d", _exec("x") + _composite("d", "x") + _composite("c", "d")),
    ),
    # projects
    ("no-remote", "projects[0].git.remotes", _project("{remotes: {}}"), _project(ORIGIN)),
    (
        "remote-not-chosen",
        "projects[0].git",
        _project(f"{{{TWO_REMOTES}}}"),
        _project(f"{{{TWO_REMOTES}, checkoutFrom: {{remote: fork}}}}"),
    ),
    (
        "unknown-remote",
        "projects[0].git.checkoutFrom.remote",
        _project("{remotes: {origin: u}, checkoutFrom: {remote: fork}}"),
        _project("{remotes: {origin: u}, checkoutFrom: {remote: origin}}"),
    ),
    (
        "remote-not-chosen",
        "dependentProjects[0].git",
        _project(f"{{{TWO_REMOTES}}}", "dependentProjects"),
        _project(ORIGIN, "dependentProjects"),
    ),
    ("no-remote", "dependentProjects[0].git.remotes", _project("{remotes: {}}", "dependentProjects"), _project(ORIGIN, "dependentProjects")),
    ("not-one-remote", "starterProjects[0].git.remotes", _project("{remotes: {}}", "starterProjects"), _project(ORIGIN, "starterProjects")),
    *(
        (
            "unknown-remote",
            f"{key}[0].git.checkoutFrom.remote",
            _project("{remotes: {origin: u}, checkoutFrom: {remote: fork}}", key),
            _project("{remotes: {origin: u}, checkoutFrom: {remote: origin}}", key),
        )
        for key in ("starterProjects", "dependentProjects")
    ),
    (
        "not-one-remote",
        "starterProjects[0].git.remotes",
        _project(f"{{{TWO_REMOTES}, checkoutFrom: {{remote: fork}}}}", "starterProjects"),
        _project(ORIGIN, "starterProjects"),
    ),
    (
        "duplicate-name",
        "projects[1].name",
        _project(ORIGIN) + "- {name: p, git: {remotes: {origin: u}}}\n",
        _project(ORIGIN) + "- {name: q, git: {remotes: {origin: u}}}\n",
    ),
    (
        "duplicate-name",
        "dependentProjects[1].name",
        _project(ORIGIN, "dependentProjects") + "- {name: p, zip: {location: u}}\n",
        _project(ORIGIN, "dependentProjects") + "- {name: q, zip: {location: u}}\n",
    ),
    (
        "duplicate-name",
        "starterProjects[1].name",
        _project(ORIGIN, "starterProjects") + "- {name: p, zip: {location: u}}\n",
        _project(ORIGIN, "starterProjects") + "- {name: q, zip: {location: u}}\n",
    ),
]  # fmt: skip


def _refused(text: str) -> list[Problem]:
    """What the strict profile refuses."""
    try:
        return list(refusals(parse(HEAD + text), "strict"))
    except DevfileError as error:
        return list(error.problems)


@pytest.mark.parametrize(
    ("code", "path", "wrong", "right"), RULES, ids=[f"{r[0]}-{i}" for i, r in enumerate(RULES)]
)
def test_a_rule_refuses_its_violation_and_nothing_else(
    code: str, path: str, wrong: str, right: str
) -> None:
    """The violation is the only problem, stands at its path with a line, and its twin is valid."""
    problems = _refused(wrong)
    assert [(problem.code, problem.path) for problem in problems] == [(code, path)]
    assert problems[0].line > 1
    assert _refused(right) == []


def test_every_violation_is_reported() -> None:
    """Schema and rules are checked together: a person mends the devfile once."""
    with pytest.raises(DevfileError) as caught:
        parse(
            HEAD
            + _container(
                "memoryLimit: lots, cpuLimit: 1, endpoints: [{name: a, targetPort: 0}], imge: x"
            )
            + "commands:\n"
            + _exec("x", "nobody")
            + "events: {postStart: [x, y]}\n"
        )
    assert {problem.code for problem in caught.value.problems} == {
        "bad-quantity",
        "wrong-type",
        "bad-port",
        "unknown-key",
        "unknown-component",
        "unknown-command",
    }


def test_problems_come_in_the_order_of_the_document() -> None:
    """They are sorted by line and column."""
    with pytest.raises(DevfileError) as caught:
        parse(
            HEAD
            + "commands: [{id: x, exec: {component: n, commandLine: 1}}]\ncomponents: [{name: A, volume: {}}]\n"
        )
    assert [problem.line for problem in caught.value.problems] == [2, 3]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("componets: []", "'components'"),
        (_container("memorylimit: 1Gi"), "'memoryLimit'"),
        (_container("endpoints: [{name: a, targetPort: 1, exposure: publick}]"), "'public'"),
        (_commands(_exec("build") + _composite("all", "buid")), "'build'"),
        (_container("volumeMounts: [{name: dat}]"), "'data'"),
        (_container("cpuLimit: 2"), "Quote it: '2'"),
        (_container("mountSources: yes"), "true, without quotes"),
        (_container("endpoints: [{name: a, targetPort: '80'}]"), "Remove the quotes"),
        (_components("- {name: My App, container: {image: i}}"), "'my-app'"),
        (_components("- name: a\n  volume:\n"), "volume: {}"),
        (
            _components("- name: a\n  container: {image: i}\n  memoryLimit: 1Gi\n"),
            "'container': indent it more",
        ),
        (_container("attributes: {}"), "the element of the list: indent it less"),
        (
            _components("- name: a\n  container: {image: i}\n  commands: []\n"),
            "the top of the devfile: indent it less",
        ),
        ("events: {commands: []}\n", "the top of the devfile: indent it less"),
        ("metadata:\n  name: x\n  components: []\n", "the top of the devfile: indent it less"),
        ("metadata:\n  events: {}\n", "the top of the devfile: indent it less"),
    ],
)
def test_a_mistake_comes_with_what_was_meant(text: str, hint: str) -> None:
    """A mistyped key, word or reference comes with the nearest that is known; a wrong type with how
    to write it."""
    assert hint in _refused(text)[0].hint


@pytest.mark.parametrize(
    "text", ["metadata: {components: some}", "metadata: {components: []}\ncomponents: []"]
)
def test_metadata_may_be_called_as_it_likes(text: str) -> None:
    """Only what stands there by its indentation is told from what is meant as metadata."""
    assert _refused(text) == []


def test_a_later_versions_field_says_since_when() -> None:
    """A field of a later version is read, with a warning that names the version that has it."""
    devfile = parse(
        "schemaVersion: 2.1.0\ncomponents: [{name: a, image: {imageName: x, dockerfile: {uri: D}}}]"
    )
    assert devfile.components[0].kind == "image"
    (warning,) = flatten(devfile).warnings
    assert (warning.code, warning.path, warning.line) == ("newer-key", "components[0].image", 2)
    assert "since schemaVersion 2.2.0" in warning.hint


def test_an_error_carries_its_problems_as_data() -> None:
    """The error has a code, a field, and the problems in a form that an API can pass on."""
    with pytest.raises(DevfileError) as caught:
        parse("schemaVersion: 2.2.0\ncomponents: [{name: a, container: {}}]")
    error = caught.value
    assert (error.code, error.status, error.field) == ("devfile-invalid", 422, "devfile")
    assert error.details["problems"] == [
        {
            "code": "missing-key",
            "message": "The key 'image' is missing here.",
            "path": "components[0].container",
            "line": 2,
            "column": 24,
            "hint": "Add a line 'image: …'.",
            "source": "",
        }
    ]
    assert "line 2" in str(error)


def test_a_million_mistakes_are_not_all_listed() -> None:
    """The list ends after a hundred, and says how many there are."""
    with pytest.raises(DevfileError) as caught:
        parse(HEAD + "".join(f"k{i}: x\n" for i in range(5000)))
    assert len(caught.value.problems) == 100
    assert caught.value.left_out == 900
