"""Devfile → WorkspaceSpec."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.contract import EditorSpec, Endpoint, Project, Resources, Volume, VolumeMount
from moorage.devfile import DevfileError, flatten, parse
from moorage.kernel.references import resolved
from moorage.translation import Options, Translation, to_workspace_spec
from moorage.translation.repository import OTHER

PROJECT = Project(name="app", clone_path="app", url="https://git.example.com/team/app.git")
EDITOR = EditorSpec(name="vscode", command=("code", "{port}"))

WALK_THROUGH = """\
schemaVersion: 2.2.0
components:
  - name: py
    attributes:
      gl/inject-editor: true
    container:
      image: registry.example.com/python-workspace:latest
      memoryRequest: 1024M
      memoryLimit: 2048M
      cpuRequest: 500m
      cpuLimit: 1000m
      endpoints:
        - name: http-python
          targetPort: 8080
"""


def _translate(text: str, **arguments: Any) -> Translation:
    return to_workspace_spec(flatten(parse(text)).devfile, **{"project": PROJECT, **arguments})


def _container(text: str, **arguments: Any) -> Any:
    """The container `a` of a devfile whose only container has this in it."""
    return _translate(
        f"schemaVersion: 2.2.2\ncomponents:\n- name: a\n  container: {{image: i{text}}}\n",
        **arguments,
    )


def _problems(text: str, **arguments: Any) -> list[tuple[str, str]]:
    with pytest.raises(DevfileError) as caught:
        _translate(text, **arguments)
    assert all(problem.line > 0 for problem in caught.value.problems)
    return [(problem.code, problem.path) for problem in caught.value.problems]


def _codes(translation: Translation) -> list[str]:
    return [warning.code for warning in translation.warnings]


def test_the_walk_throughs_devfile_becomes_its_workspace() -> None:
    """Image, resources, endpoint, project, editor and the two variables are there, and nothing is
    warned of."""
    translation = _translate(WALK_THROUGH, editor=EDITOR)
    assert translation.warnings == ()
    spec = translation.spec
    (container,) = spec.containers
    assert spec.main_container == container.name == "py"
    assert container.image == "registry.example.com/python-workspace:latest"
    assert container.resources == Resources(
        cpu_request=500, cpu_limit=1000, memory_request=1_024_000_000, memory_limit=2_048_000_000
    )
    assert container.endpoints == (Endpoint(name="http-python", port=8080),)
    assert container.env == {"PROJECTS_ROOT": "/projects", "PROJECT_SOURCE": "/projects/app"}
    assert container.override_command
    assert container.mount_sources
    assert (spec.projects, spec.editor, spec.folder) == ((PROJECT,), EDITOR, "/projects/app")


def test_a_single_container_is_the_main_one() -> None:
    """A devfile that was written for Che or odo marks none; its only container has the editor."""
    text = WALK_THROUGH.replace("gl/inject-editor: true", "other: x")
    translation = _translate(text)
    assert (translation.spec.main_container, translation.warnings) == ("py", ())


TWO = "schemaVersion: 2.2.0\ncomponents:\n- {name: a, attributes: {x: %s}, container: {image: i}}\n- {name: b, attributes: {x: %s}, container: {image: i}}\n"


def _two(first: str, second: str) -> str:
    return (TWO % (first, second)).replace("x:", "gl/inject-editor:")


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ("true", "false", "a"),
        ("false", "'true'", "b"),
        ("false", "false", "a"),
        ("maybe", "1", "a"),
        ("true", "true", ("several-main-containers", "components[1].attributes.gl/inject-editor")),
    ],
)
def test_exactly_one_container_has_the_editor(first: str, second: str, outcome: Any) -> None:
    """One marked container is the main one, else the first; two marked are an error with what to
    do."""
    if isinstance(outcome, str):
        assert _translate(_two(first, second)).spec.main_container == outcome
    else:
        with pytest.raises(DevfileError) as caught:
            _translate(_two(first, second))
        (problem,) = caught.value.problems
        assert problem.code == outcome[0]
        assert "gl/inject-editor" in problem.hint


@pytest.mark.parametrize(
    ("text", "main", "image"),
    [
        ("", "dev", OTHER.image),
        ("components: [{name: v, volume: {}}]", "dev", OTHER.image),
        ("components: [{name: dev, kubernetes: {inlined: x}}, {name: dev-1, volume: {}}]", "dev-2", OTHER.image),
        ("metadata: {language: go}\ncomponents: [{name: i, image: {imageName: x, dockerfile: {uri: D}}}]", "dev", "docker.io/library/golang:1.25"),
        ("metadata: {projectType: Python}", "dev", "docker.io/library/python:3.13"),
    ],
)  # fmt: skip
def test_a_devfile_without_a_container_gets_one(text: str, main: str, image: str) -> None:
    """One that only builds and deploys, or only names projects, is worked on in an image for its
    language, as in Che; a warning says so."""
    translation = _translate(f"schemaVersion: 2.2.0\n{text}")
    (container,) = translation.spec.containers
    assert (translation.spec.main_container, container.name, container.image) == (main, main, image)
    assert "default-container" in _codes(translation)


def test_a_devfile_without_a_container_gets_the_administrators_image() -> None:
    """Where there is a default devfile, its image, whatever the language; a container of one's own
    keeps its image."""
    options = Options(default_image="registry.example.com/base:1")
    text = "schemaVersion: 2.2.0\nmetadata: {language: go}\n"
    (made,) = _translate(text, options=options).spec.containers
    assert made.image == "registry.example.com/base:1"
    (own,) = _translate(WALK_THROUGH, options=options).spec.containers
    assert own.image == "registry.example.com/python-workspace:latest"


def test_a_devfile_whose_containers_all_run_before_the_workspace_is_refused() -> None:
    """There must be something to work in, and what was asked for is no place for it."""
    text = (
        "schemaVersion: 2.2.0\ncomponents: [{name: a, container: {image: i}}]\n"
        "commands: [{id: c, apply: {component: a}}]\nevents: {preStart: [c]}"
    )
    assert _problems(text) == [("no-container", "components")]


def test_only_a_flat_devfile_is_translated() -> None:
    """A parent must have been worked in before."""
    with pytest.raises(ValueError, match="flatten"):
        to_workspace_spec(parse("schemaVersion: 2.2.0\nparent: {uri: x}"))


@pytest.mark.parametrize(
    ("marked", "attribute", "override"),
    [
        (True, "", True),
        (True, ", overrideCommand: false", False),
        (True, ", overrideCommand: 'false'", False),
        (False, "", False),
        (False, ", overrideCommand: true", True),
    ],
)
def test_override_command(marked: bool, attribute: str, override: bool) -> None:
    """The main container's command is replaced unless the devfile says otherwise; another's is
    run."""
    text = (
        "schemaVersion: 2.2.0\ncomponents:\n"
        f"- {{name: a, attributes: {{gl/inject-editor: {str(marked).lower()}{attribute}}}, container: {{image: i, args: [tail, -f, /dev/null]}}}}\n"
        f"- {{name: b, attributes: {{gl/inject-editor: {str(not marked).lower()}}}, container: {{image: i}}}}\n"
    )
    translation = _translate(text)
    assert translation.spec.container("a").override_command is override
    assert translation.spec.container("a").args == ("tail", "-f", "/dev/null")
    assert translation.warnings == ()


def test_a_command_that_is_not_run_is_warned_of() -> None:
    """A main container's own server does not start: the person hears of it, with two ways out. One
    whose devfile wants it run is run."""
    translation = _container(", command: [npm], args: [start]")
    assert _codes(translation) == ["command-replaced"]
    assert translation.warnings[0].path == "components[0].container.command"
    assert "overrideCommand: false" in translation.warnings[0].hint
    for command in ("", ", command: [npm, start]"):
        asked = f"schemaVersion: 2.2.0\ncomponents:\n- name: a\n  attributes: {{overrideCommand: false}}\n  container: {{image: i{command}}}\n"
        assert _translate(asked).warnings == ()


@pytest.mark.parametrize(
    ("text", "resources"),
    [
        ("", Resources()),
        (", memoryLimit: 1Gi", Resources(memory_limit=2**30)),
        (", memoryLimit: '0', cpuLimit: '0'", Resources()),
        (", cpuRequest: '1.5'", Resources(cpu_request=1500)),
        (", cpuLimit: 1m", Resources(cpu_limit=1)),
    ],
)
def test_resources(text: str, resources: Resources) -> None:
    """Amounts become bytes and millicores; zero is no limit."""
    assert _container(text).spec.containers[0].resources == resources


def test_default_resources_give_way_to_what_is_asked() -> None:
    """Defaults fill what is missing and never turn a valid pair into one that contradicts
    itself."""
    defaults = Options(
        default_resources=Resources(
            cpu_request=200, cpu_limit=1000, memory_limit=2**30, pids_limit=500
        )
    )
    found = (
        _container(", cpuRequest: '2', memoryLimit: 4Gi", options=defaults)
        .spec.containers[0]
        .resources
    )
    assert found == Resources(
        cpu_request=2000, cpu_limit=2000, memory_limit=4 * 2**30, pids_limit=500
    )
    found = _container(", cpuLimit: 100m", options=defaults).spec.containers[0].resources
    assert found == Resources(cpu_request=100, cpu_limit=100, memory_limit=2**30, pids_limit=500)


def test_endpoints_carry_all_that_a_gateway_needs() -> None:
    """Name, port, exposure, protocol, secure and path."""
    translation = _container(
        ", endpoints: [{name: a, targetPort: 1, exposure: internal, protocol: https, secure: true, path: /x},"
        " {name: b, targetPort: 1, exposure: none}, {name: c, targetPort: 2, protocol: ws}]"
    )
    assert translation.spec.containers[0].endpoints == (
        Endpoint(name="a", port=1, exposure="internal", protocol="https", secure=True, path="/x"),
        Endpoint(name="b", port=1, exposure="none"),
        Endpoint(name="c", port=2, protocol="ws"),
    )
    assert translation.warnings == ()


def test_what_a_gateway_cannot_reach_is_warned_of() -> None:
    """A port that speaks neither HTTP nor WebSocket has no URL; annotations of an endpoint do
    nothing."""
    translation = _container(
        ", endpoints: [{name: db, targetPort: 5432, protocol: tcp, annotation: {a: b}}]"
    )
    assert _codes(translation) == ["endpoint-inside-only", "endpoint-extras-ignored"]


@pytest.mark.parametrize(
    ("text", "code", "path"),
    [
        (", endpoints: [{name: a, targetPort: 60001}]", "reserved-port", "endpoints[0].targetPort"),
        (", endpoints: [{name: a, targetPort: 60022}]", "reserved-port", "endpoints[0].targetPort"),
        (", env: [{name: 'A B', value: x}]", "bad-env-name", "env[0].name"),
        (", env: [{name: '', value: x}]", "bad-env-name", "env[0].name"),
        (", sourceMapping: src", "bad-path", "sourceMapping"),
        (", sourceMapping: /a/../etc", "bad-path", "sourceMapping"),
        (", sourceMapping: /", "reserved-path", "sourceMapping"),
        (", sourceMapping: //", "reserved-path", "sourceMapping"),
        (", sourceMapping: /proc/x", "reserved-path", "sourceMapping"),
        (", sourceMapping: /opt/moorage/bin", "reserved-path", "sourceMapping"),
    ],
)
def test_what_cannot_run_is_refused(text: str, code: str, path: str) -> None:
    """What would make a workspace that cannot start, or not safely, is an error at its place."""
    text = f"schemaVersion: 2.2.2\ncomponents:\n- name: a\n  container: {{image: i{text}}}\n"
    assert _problems(text) == [(code, f"components[0].container.{path}")]


@pytest.mark.parametrize("field", ["cpuRequest", "cpuLimit"])
@pytest.mark.parametrize(
    ("amount", "hint"), [("200", "200m"), ("1e3", "1000m"), ("64", "64m"), ("200m", ""), ("63", "")]
)
def test_a_forgotten_m_is_told(field: str, amount: str, hint: str) -> None:
    """`cpuRequest: 200` means two hundred processors, which is hardly what anybody means: a warning
    says what to write."""
    text = f"schemaVersion: 2.2.2\ncomponents:\n- name: a\n  container: {{image: i, {field}: '{amount}'}}\n"
    found = [w for w in _translate(text).warnings if w.code == "many-processors"]
    assert [w.path for w in found] == ([f"components[0].container.{field}"] if hint else [])
    assert all(hint in w.hint for w in found)


@pytest.mark.parametrize(
    ("field", "amount"),
    [
        ("cpuLimit", "1e99"),
        ("cpuRequest", "99999999E"),
        ("memoryLimit", "99999999999Ei"),
        ("memoryRequest", "8Ei"),
    ],
)
def test_more_than_any_machine_has_is_refused(field: str, amount: str) -> None:
    """Amounts beyond what numbers hold everywhere are errors at their place."""
    text = f"schemaVersion: 2.2.2\ncomponents:\n- name: a\n  container: {{image: i, {field}: '{amount}'}}\n"
    assert _problems(text) == [("amount-too-large", f"components[0].container.{field}")]


@pytest.mark.parametrize("limit", ["10", "512", "5M"])
def test_memory_without_a_unit_is_refused(limit: str) -> None:
    """A limit of some bytes, where no container starts, is an error that says how it is written."""
    text = f"schemaVersion: 2.2.2\ncomponents:\n- name: a\n  container: {{image: i, memoryLimit: '{limit}'}}\n"
    assert _problems(text) == [("memory-too-small", "components[0].container.memoryLimit")]


@pytest.mark.parametrize(
    "image",
    ["''", "'a b'", "-x", "'\\t'", "x/../../containers", "../x", "x?all=1", "x%2f..", "App"],
)
def test_an_image_must_be_a_name(image: str) -> None:
    """No blank, no option, not nothing, and no way out of its place in a URL."""
    text = f"schemaVersion: 2.2.2\ncomponents:\n- name: a\n  container: {{image: {image}}}\n"
    assert _problems(text) == [("bad-image", "components[0].container.image")]


def test_sources_are_mounted_as_asked() -> None:
    """sourceMapping moves the sources, and the two variables but for the main container, which has
    them in both places; a container may do without; the main one may not."""
    text = """\
schemaVersion: 2.2.0
components:
- {name: a, attributes: {gl/inject-editor: true}, container: {image: i, mountSources: false, sourceMapping: /src}}
- {name: b, container: {image: i, mountSources: false}}
"""
    translation = _translate(text)
    first, second = translation.spec.containers
    assert (first.mount_sources, first.source_mapping, first.env["PROJECT_SOURCE"]) == (
        True,
        "/src",
        "/projects/app",
    )
    assert (second.mount_sources, second.source_mapping) == (False, "/projects")
    assert _codes(translation) == ["sources-mounted"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("$(PROJECT_SOURCE)/x:$(PROJECTS_ROOT)", "/projects/app/x:/projects"),
        ("$(HOME)/.m2", "/projects/.home/.m2"),
        ("$(USER_NAME)@$(HOST)", "ann@$(HOST)"),
        ("$(USER_NAME)$(USER_NAME)", "annann"),
        ("$(LATER) $(UNKNOWN) $()", "$(LATER) $(UNKNOWN) $()"),
        ("$$(USER_NAME) $$$(USER_NAME) $USER_NAME ${USER_NAME}", "$(USER_NAME) $ann $USER_NAME ${USER_NAME}"),
        ("$(NESTED)", "hello $(X)"),
        ("$(", "$("),
        ("a$", "a$"),
    ],
)  # fmt: skip
def test_variables_name_those_before_them(value: str, expected: str) -> None:
    """`$(NAME)` is what Kubernetes makes of it, on every runtime: a variable that stands before, or
    one of the workspace's; others stay as they are, `$$` is `$`, and nothing is replaced twice."""
    env = (
        "{name: USER_NAME, value: ann}, {name: X, value: y}, {name: NESTED, value: hello $$(X)},"
        f" {{name: A, value: '{value}'}}, {{name: LATER, value: z}}"
    )
    assert _container(f", env: [{env}]").spec.containers[0].env["A"] == expected


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("$PATH:/x", "/bin:/x"),
        ("/x:${PATH}", "/x:/bin"),
        ("$(HOME)/b:$(PATH)", "/projects/.home/b:/bin"),
        ("/x:$PATHS", None),
        ("/x", None),
    ],
)
def test_path_is_the_images(text: str, path: str | None) -> None:
    """A variable that names itself stands for what the image sets, in a shell's spelling too: read
    word by word, `PATH: $PATH:/x` left a container without programs."""
    env = f"[{{name: PATH, value: '{text}'}}]"
    container = _container(f", env: {env}").spec.containers[0]
    assert resolved(container.image_env, {"PATH": "/bin"}).get("PATH") == path
    assert ("PATH" in container.env) == (path is None)


def test_a_variable_that_is_set_again_has_its_last_value() -> None:
    """The second may name the first."""
    env = "{name: A, value: x}, {name: A, value: '$(A):y'}, {name: B, value: '$(A)'}"
    found = _container(f", env: [{env}]").spec.containers[0].env
    assert (found["A"], found["B"]) == ("x:y", "x:y")


def test_command_and_args_are_left_to_the_runtime() -> None:
    """Values of the environment may be secret: they stand in no process's words in the spec."""
    container = _container(
        ", env: [{name: TOKEN, value: s}], command: [run, $(TOKEN)], args: [$(TOKEN)]"
    ).spec.containers[0]
    assert (container.command, container.args) == (("run", "$(TOKEN)"), ("$(TOKEN)",))


HOMES = """\
schemaVersion: 2.2.0
components:
- {name: dev, container: {image: i, env: [{name: HOME, value: /home/user}, {name: A, value: $(HOME)/a}]}}
- {name: db, container: {image: d, env: [{name: HOME, value: /var/db}, {name: A, value: $(HOME)/a}]}}
- {name: bare, container: {image: d, mountSources: false, env: [{name: A, value: $(HOME)/a}]}}
"""


def test_a_devfiles_home_holds_but_for_the_main_containers() -> None:
    """The main container's is the workspace's, which is kept: that is said. Others have their
    own."""
    translation = _translate(HOMES)
    dev, db, bare = (container.env for container in translation.spec.containers)
    assert "HOME" not in dev
    assert (dev["A"], db["HOME"], db["A"]) == ("/projects/.home/a", "/var/db", "/var/db/a")
    assert (bare["A"], "HOME" in bare) == ("$(HOME)/a", False)
    kept = [warning for warning in translation.warnings if warning.code == "home-kept"]
    assert [warning.path for warning in kept] == ["components[0].container.env[0].name"]


VOLUMES = """\
schemaVersion: 2.2.0
components:
- {name: a, container: {image: i, volumeMounts: [{name: keep, path: /var/keep/}, {name: gone}]}}
- {name: keep, volume: {size: 2Gi}}
- {name: gone, volume: {ephemeral: true}}
- {name: unused, volume: {}}
"""


def test_volumes() -> None:
    """Sizes and lifetimes are carried; a mount without a path lies at its name; what nobody mounts
    is not made."""
    spec = _translate(VOLUMES).spec
    assert spec.volumes == (
        Volume(name="keep", size=2 * 2**30),
        Volume(name="gone", ephemeral=True),
    )
    assert spec.containers[0].volume_mounts == (
        VolumeMount(volume="keep", path="/var/keep"),
        VolumeMount(volume="gone", path="/gone"),
    )


@pytest.mark.parametrize(
    ("path", "code"),
    [("/projects", "mount-twice"), ("/gone", "mount-twice"), ("/etc", "reserved-path"), ("../x", "bad-path"), ("/dev/x", "reserved-path")],
)  # fmt: skip
def test_a_volume_has_a_place_of_its_own(path: str, code: str) -> None:
    """Nothing is mounted over the sources, another volume, or the system."""
    assert [found for found, _ in _problems(VOLUMES.replace("/var/keep/", path))] == [code]


def test_projects_come_after_the_workspaces_own() -> None:
    """All of the devfile's projects are cloned, with remotes and revision; the workspace's own is
    not cloned twice."""
    text = (
        WALK_THROUGH.replace("2.2.0", "2.2.2")
        + """\
projects:
  - {name: same, git: {remotes: {origin: 'git@git.example.com:team/app'}}}
  - name: api
    clonePath: services/api
    git:
      remotes: {origin: 'https://git.example.com/api.git', fork: 'ssh://git@git.example.com/fork.git'}
      checkoutFrom: {remote: fork, revision: v1.2}
  - {name: archive, zip: {location: 'https://x.example/a.zip'}}
dependentProjects:
  - {name: lib, git: {remotes: {origin: 'https://git.example.com/lib'}}}
"""
    )
    translation = _translate(text)
    own, api, lib = translation.spec.projects
    assert own is PROJECT
    assert (api.clone_path, api.url, api.ref, api.remote) == (
        "services/api",
        "ssh://git@git.example.com/fork.git",
        "v1.2",
        "fork",
    )
    assert api.remotes == {"origin": "https://git.example.com/api.git"}
    assert (lib.name, lib.clone_path, lib.ref) == ("lib", "lib", "")
    assert _codes(translation) == ["project-not-cloned"]


def test_without_a_repository_the_first_project_is_the_main_one() -> None:
    """A workspace may come from a devfile alone."""
    text = WALK_THROUGH + "projects: [{name: p, git: {remotes: {o: 'https://x.example/y'}}}]"
    spec = _translate(text, project=None).spec
    assert spec.folder == "/projects/p"
    assert spec.containers[0].env["PROJECT_SOURCE"] == "/projects/p"
    assert _translate(WALK_THROUGH, project=None).spec.folder == "/projects"


@pytest.mark.parametrize(
    ("project", "code"),
    [
        ("git: {remotes: {o: 'file:///etc'}}", "bad-project-url"),
        ("git: {remotes: {o: '/etc/passwd'}}", "bad-project-url"),
        ("git: {remotes: {o: 'ext::sh -c id'}}", "bad-project-url"),
        ("git: {remotes: {o: '--upload-pack=x'}}", "bad-project-url"),
        ("git: {remotes: {o: 'ssh://-oProxyCommand=x/y'}}", "bad-project-url"),
        ("git: {remotes: {o: 'git@-oProxyCommand=x:y'}}", "bad-project-url"),
        ("git: {remotes: {o: 'ssh://a@-oProxyCommand=x/y'}}", "bad-project-url"),
        ("git: {remotes: {o: 'https://'}}", "bad-project-url"),
        ("git: {remotes: {o: 'https://[x/y'}}", "bad-project-url"),
        ("git: {remotes: {o: 'https://x:port/y'}}", "bad-project-url"),
        ("git: {remotes: {o: 'https://a\u2100b/y'}}", "bad-project-url"),
        ("git: {remotes: {o: 'https://x/y'}, checkoutFrom: {revision: '--force'}}", "bad-revision"),
        ("git: {remotes: {o: 'https://x/y'}, checkoutFrom: {revision: 'a b'}}", "bad-revision"),
        ("clonePath: ../x, git: {remotes: {o: 'https://x/y'}}", "bad-clone-path"),
        ("clonePath: a/../../x, git: {remotes: {o: 'https://x/y'}}", "bad-clone-path"),
        ("clonePath: /x, git: {remotes: {o: 'https://x/y'}}", "bad-clone-path"),
        ("clonePath: ., git: {remotes: {o: 'https://x/y'}}", "bad-clone-path"),
        ("clonePath: .home/x, git: {remotes: {o: 'https://x/y'}}", "bad-clone-path"),
        ("clonePath: .moorage/clone, git: {remotes: {o: 'https://x/y'}}", "bad-clone-path"),
        ("clonePath: .git/hooks, git: {remotes: {o: 'https://x/y'}}", "bad-clone-path"),
        ("clonePath: app/.GIT, git: {remotes: {o: 'https://x/y'}}", "bad-clone-path"),
    ],
)
def test_a_project_reaches_nothing_but_its_remote(project: str, code: str) -> None:
    """No local path, no command, no option of Git, no place outside of the projects' folder, no two
    in one place."""
    assert [
        found for found, _ in _problems(WALK_THROUGH + f"projects: [{{name: p, {project}}}]")
    ] == [code]


EVENTS = """\
schemaVersion: 2.2.0
components:
- {name: main, attributes: {gl/inject-editor: true}, container: {image: i, sourceMapping: /src, env: [{name: SUB, value: web}]}}
- {name: prepare, container: {image: p, args: [chown]}}
- {name: db, container: {image: d}}
- {name: k, kubernetes: {inlined: x}}
commands:
- {id: init, apply: {component: prepare}}
- {id: deploy, apply: {component: k}}
- {id: all-init, composite: {commands: [init, deploy]}}
- {id: install, exec: {component: main, commandLine: npm i, label: Install, env: [{name: A, value: b}]}}
- {id: serve, exec: {component: main, commandLine: npm start, workingDir: '${PROJECT_SOURCE}/$SUB'}}
- {id: seed, exec: {component: db, commandLine: seed, workingDir: sql}}
- {id: both, composite: {commands: [serve, seed], parallel: true}}
- {id: unbound, exec: {component: main, commandLine: x}}
events:
  preStart: [all-init]
  postStart: [install, both]
  preStop: [seed]
  postStop: [init]
"""


def test_events_become_init_containers_and_steps() -> None:
    """preStart's containers run before, once; postStart and preStop become steps, composites in
    parallel."""
    translation = _translate(EVENTS)
    spec = translation.spec
    assert [container.name for container in spec.init_containers] == ["prepare"]
    assert spec.init_containers[0].args == ("chown",)
    assert not spec.init_containers[0].override_command
    assert [container.name for container in spec.containers] == ["main", "db"]
    install, both = spec.post_start
    assert (install.id, install.parallel, both.id, both.parallel) == (
        "install",
        False,
        "both",
        True,
    )
    (command,) = install.commands
    assert (command.id, command.container, command.command_line, command.env) == (
        "install",
        "main",
        "npm i",
        {"A": "b"},
    )
    assert (command.label, command.working_dir) == ("Install", "/src/app")
    assert [command.working_dir for command in both.commands] == [
        "/src/app/web",
        "/projects/app/sql",
    ]
    assert [step.id for step in spec.pre_stop] == ["seed"]
    assert sorted(_codes(translation)) == [
        "apply-not-carried",
        "component-not-carried",
        "event-not-carried",
    ]


def test_a_container_that_is_also_used_runs_beside_the_others_too() -> None:
    """A container that preStart applies and an exec command needs is both."""
    text = EVENTS.replace(
        "component: db, commandLine: seed", "component: prepare, commandLine: seed"
    )
    spec = _translate(text).spec
    assert [container.name for container in spec.init_containers] == ["prepare"]
    assert [container.name for container in spec.containers] == ["main", "prepare", "db"]


def test_the_editors_container_is_no_step_before() -> None:
    """It cannot run to its end first."""
    text = EVENTS.replace("apply: {component: prepare}", "apply: {component: main}")
    assert ("main-is-init", "components[0]") in _problems(text)


def test_what_a_workspace_does_not_do_is_said() -> None:
    """Image, Kubernetes and OpenShift components, dedicated pods and a global limit have no effect,
    visibly."""
    text = """\
schemaVersion: 2.2.0
metadata: {globalMemoryLimit: 4Gi}
components:
- {name: a, container: {image: i, dedicatedPod: true, annotation: {service: {a: b}, deployment: {x.example/y: z}}}}
- {name: b, image: {imageName: x, dockerfile: {uri: D}}}
- {name: c, kubernetes: {inlined: x}}
- {name: d, openshift: {uri: x}}
"""
    translation = _translate(text)
    assert _codes(translation) == [
        "dedicated-pod-ignored",
        "annotations-ignored",
        "component-not-carried",
        "component-not-carried",
        "component-not-carried",
        "memory-limit-ignored",
    ]
    assert all(warning.line > 0 and warning.message for warning in translation.warnings)
    assert translation.spec.containers[0].annotations == {"x.example/y": "z"}


OVERRIDES = """\
schemaVersion: 2.2.0
attributes:
  pod-overrides: {metadata: {labels: {team: a}}, spec: {hostNetwork: true}}
components:
- name: a
  attributes:
    pod-overrides:
      metadata:
        annotations: {x.example/a: b, cluster-autoscaler.kubernetes.io/safe-to-evict: 'false'}
        finalizers: [x]
    container-overrides:
      resources: {limits: {cpu: '2', memory: 1Gi, nvidia.com/gpu: '1'}, requests: {cpu: 250m}}
      securityContext: {privileged: true}
  container: {image: i, cpuLimit: '1', memoryRequest: 1M}
"""


def test_overrides_are_limited_to_what_is_safe() -> None:
    """Labels, annotations that no cluster reads, cpu and memory are taken; all else is named in a
    warning."""
    translation = _translate(OVERRIDES)
    (container,) = translation.spec.containers
    assert container.labels == {"team": "a"}
    assert container.annotations == {"x.example/a": "b"}
    assert container.resources == Resources(
        cpu_limit=2000, cpu_request=250, memory_limit=2**30, memory_request=10**6
    )
    said = " ".join(warning.message for warning in translation.warnings)
    assert _codes(translation) == ["override-ignored"] * 3
    for ignored in ("spec", "safe-to-evict", "finalizers", "nvidia.com/gpu", "securityContext"):
        assert ignored in said
    for taken in ("team", "x.example/a", "limits.cpu", "memory"):
        assert taken not in said


@pytest.mark.parametrize(
    "value",
    ["x", "[a]", "{metadata: {labels: {a: [b]}}}", "{metadata: [x]}", "{metadata: {labels: x}}"],
)
def test_overrides_of_any_shape_do_no_harm(value: str) -> None:
    """An override that is no override is ignored."""
    text = f"schemaVersion: 2.2.0\ncomponents:\n- name: a\n  attributes: {{pod-overrides: {value}, container-overrides: {value}}}\n  container: {{image: i}}\n"
    translation = _translate(text)
    assert translation.spec.containers[0].labels == {}
    assert set(_codes(translation)) == {"override-ignored"}


def test_all_mistakes_are_reported_at_once() -> None:
    """A person mends everything in one go."""
    text = """\
schemaVersion: 2.2.0
components:
- {name: a, container: {image: 'a b', env: [{name: '1 2', value: x}], sourceMapping: x}}
- {name: b, container: {image: i, endpoints: [{name: e, targetPort: 60001}]}}
projects: [{name: p, git: {remotes: {o: '/x'}}}]
"""
    assert [code for code, _ in _problems(text)] == [
        "bad-image",
        "bad-env-name",
        "bad-path",
        "reserved-port",
        "bad-project-url",
    ]


THREE = """\
schemaVersion: 2.2.0
components:
- {name: db, container: {image: d, mountSources: false}}
- {name: web, container: {image: w}, attributes: {%s}}
- {name: tools, container: {image: t}, attributes: {%s}}
"""
CHE = "controller.devfile.io/merge-contribution"


@pytest.mark.parametrize(
    ("web", "tools", "main", "warned"),
    [
        ("", "", "web", ["main-container-chosen"]),
        ("", f"{CHE}: true", "tools", []),
        ("", f"{CHE}: 'true'", "tools", []),
        (f"{CHE}: false", "", "web", ["main-container-chosen"]),
        (f"{CHE}: true", f"{CHE}: true", "web", ["main-container-chosen"]),
        (f"{CHE}: true", "gl/inject-editor: true", "tools", []),
    ],
)
def test_where_none_is_marked_the_container_is_taken_that_che_takes(
    web: str, tools: str, main: str, warned: list[str]
) -> None:
    """Che's own mark counts where GitLab's is missing; without any, the first container that has
    the sources, and a warning says so."""
    translation = _translate(THREE % (web, tools))
    assert (translation.spec.main_container, _codes(translation)) == (main, warned)


def test_without_sources_anywhere_the_first_container_is_the_main_one() -> None:
    """Something to work in there always is, and it gets the sources."""
    text = (THREE % ("", "")).replace("image: w}", "image: w, mountSources: false}")
    text = text.replace("image: t}", "image: t, mountSources: false}")
    translation = _translate(text)
    assert translation.spec.main_container == "db"
    assert translation.spec.container("db").mount_sources


@pytest.mark.parametrize(
    "mapping",
    ["$PROJECT_SOURCE", "${PROJECT_SOURCE}", "$(PROJECT_SOURCE)", "$PROJECTS_ROOT", "${PROJECTS_ROOT}/app"],
)  # fmt: skip
def test_a_source_mapping_that_names_itself_is_the_usual_one(mapping: str) -> None:
    """`sourceMapping: $PROJECT_SOURCE` says nothing; the sources lie in /projects."""
    translation = _container(f", sourceMapping: '{mapping}'")
    assert translation.spec.containers[0].source_mapping == "/projects"
    assert _codes(translation) == ["source-mapping-ignored"]


MOUNT = """\
schemaVersion: 2.2.0
components:
- {name: a, container: {image: i, volumeMounts: [{name: v, path: '%s'}]}}
- {name: v, volume: {}}
"""


@pytest.mark.parametrize(
    ("path", "where", "warned"),
    [
        ("${PROJECT_SOURCE}/cache", "/projects/app/cache", []),
        ("$PROJECTS_ROOT/cache", "/projects/cache", []),
        ("$(PROJECTS_ROOT)/cache", "/projects/cache", []),
        ("~/.m2", "/projects/.home/.m2", []),
        ("${HOME}/.m2", "/projects/.home/.m2", []),
        ("data/cache", "/data/cache", ["mount-path-relative"]),
    ],
)
def test_mount_paths_are_read_as_a_shell_would(path: str, where: str, warned: list[str]) -> None:
    """Places in variables, the home folder and relative paths are understood."""
    translation = _translate(MOUNT % path)
    (mount,) = translation.spec.containers[0].volume_mounts
    assert (mount.path, _codes(translation)) == (where, warned)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "$OTHER/x", "~user/x", "${HOME}"])
def test_mount_paths_that_nobody_can_know_are_refused(path: str) -> None:
    """Nothing is guessed where it could be another place."""
    with pytest.raises(DevfileError) as caught:
        _translate(MOUNT % path)
    assert [problem.code for problem in caught.value.problems] == ["bad-path"]


@pytest.mark.parametrize(
    ("url", "remotes", "warned"),
    [
        ("https://upstream.example/company/app.git", {"upstream": "https://upstream.example/company/app.git"}, ["project-is-remote"]),
        ("https://upstream.example/company/App", {"upstream": "https://upstream.example/company/App"}, ["project-is-remote"]),
        ("https://git.example.com/team/app", {}, []),
        ("https://upstream.example/company/other.git", {}, ["project-left-out"]),
    ],
)  # fmt: skip
def test_a_devfile_in_a_fork_names_the_repository_it_was_forked_from(
    url: str, remotes: dict[str, str], warned: list[str]
) -> None:
    """The workspace's own repository has its folder; the original is a remote of it. A stranger for
    the same folder is left out."""
    text = WALK_THROUGH + f"projects: [{{name: app, git: {{remotes: {{origin: '{url}'}}}}}}]"
    translation = _translate(text)
    (project,) = translation.spec.projects
    assert (project.url, project.clone_path, project.remotes) == (PROJECT.url, "app", remotes)
    assert _codes(translation) == warned


def test_two_of_a_devfiles_own_projects_in_one_folder_are_refused() -> None:
    """Nobody can tell which is meant."""
    text = WALK_THROUGH + (
        "projects:\n- {name: a, git: {remotes: {o: 'https://x/a'}}}\n"
        "- {name: b, clonePath: a, git: {remotes: {o: 'https://x/b'}}}\n"
    )
    assert _problems(text) == [("clone-path-twice", "projects[1]")]
