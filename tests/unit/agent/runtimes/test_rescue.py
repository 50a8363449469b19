"""What a workspace is repaired from."""

from __future__ import annotations

from moorage.agent.runtimes import rescue
from moorage.agent.runtimes.port import Rescue, digest_of
from moorage.contract import (
    Cause,
    Container,
    DesiredState,
    DesiredWorkspace,
    EditorSpec,
    Project,
    Resources,
    Step,
    Volume,
    VolumeMount,
    WorkspaceSpec,
)

EDITOR = EditorSpec(name="vscode", command=("code-server",))
MAIN = Container(
    name="py",
    image="broken:1",
    env={"LD_PRELOAD": "/x.so", "MOORAGE_WORKSPACE_PAGE": "http://m/w", "VSCODE_PROXY_URI": "u"},
    resources=Resources(cpu_limit=500, cpu_request=400, memory_limit=64 << 20, pids_limit=5),
    volume_mounts=(VolumeMount("cache", "/usr"),),
)
SPEC = WorkspaceSpec(
    containers=(MAIN, Container(name="db", image="db:1")),
    main_container="py",
    editor=EDITOR,
    init_containers=(Container(name="first", image="i:1"),),
    volumes=(Volume(name="cache"), Volume(name="tmp", ephemeral=True)),
    projects=(Project(name="app", clone_path="app", url="https://git.test/app"),),
    post_start=(Step(id="s", commands=()),),
)
DESIRED = DesiredWorkspace(name="w", generation=1, desired=DesiredState.RUNNING, spec=SPEC)
MARK = Rescue(image="debian:1", cause=Cause(code="out-of-memory", message="It ended.", detail="x"))


def test_without_one_it_is_as_it_is() -> None:
    assert rescue.made_as(DESIRED, None) is DESIRED


def test_one_container_with_the_editor_and_the_files() -> None:
    """The main one alone, under its name, of the other image; nothing of the devfile runs, none of
    its variables is set and none of its volumes lies over the image."""
    spec = rescue.made_as(DESIRED, MARK).spec
    [container] = spec.containers
    assert (
        (container.name, container.image) == (spec.main_container, "debian:1") == ("py", "debian:1")
    )
    assert container.env == {"MOORAGE_WORKSPACE_PAGE": "http://m/w", "VSCODE_PROXY_URI": "u"}
    assert container.volume_mounts == (VolumeMount("cache", "/volumes/cache"),)
    assert (spec.editor, spec.projects, spec.volumes) == (EDITOR, SPEC.projects, SPEC.volumes)
    assert spec.init_containers == spec.post_start == ()
    assert spec.home == rescue.HOME
    assert digest_of(spec) != digest_of(SPEC)


def test_limits_hold_but_for_memory_that_no_editor_fits_into() -> None:
    [container] = rescue.made_as(DESIRED, MARK).spec.containers
    assert container.resources == Resources(cpu_limit=500, memory_limit=rescue.LEAST_MEMORY)


def test_a_run_says_what_it_is() -> None:
    """By its label, also to an agent that starts anew; what is none is its own."""
    assert rescue.of_labels(rescue.labels(MARK)) == MARK
    assert rescue.labels(None) == {}
    for found in ({}, {"moorage.dev/rescue": ""}, {"moorage.dev/rescue": "{"}):
        assert rescue.of_labels(found) is None
