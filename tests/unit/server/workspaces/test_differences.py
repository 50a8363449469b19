"""What is said of two specs that differ, and what is not."""

from __future__ import annotations

import msgspec
import pytest

from moorage.contract import Container, EditorSpec, Project, Volume, VolumeMount, WorkspaceSpec
from moorage.contract.spec import Command, Endpoint, Resources, Step
from moorage.server.workspaces.differences import LINES, differences, gone_ports, lines

PY = Container(
    name="py",
    image="python:1",
    env={"A": "1", "B": "2"},
    endpoints=(Endpoint(name="web", port=8080),),
    resources=Resources(memory_limit=1 << 30),
)
DB = Container(name="db", image="postgres:17")
EDITOR = EditorSpec(name="code", command=("code",))
SPEC = WorkspaceSpec(
    containers=(PY, DB),
    main_container="py",
    editor=EDITOR,
    volumes=(Volume(name="pg"), Volume(name="tmp", ephemeral=True)),
    projects=(
        Project(name="app", clone_path="app", url="https://g/app", ref="main", commit="a" * 40),
    ),
    post_start=(Step(id="install", commands=(Command("i", "py", "pip install ."),)),),
)


def py(**fields: object) -> WorkspaceSpec:
    return spec(containers=(msgspec.structs.replace(PY, **fields), DB))


def spec(**fields: object) -> WorkspaceSpec:
    return msgspec.structs.replace(SPEC, **fields)


def project(**fields: str) -> WorkspaceSpec:
    return spec(projects=(msgspec.structs.replace(SPEC.projects[0], **fields),))


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (SPEC, []),
        (project(commit="b" * 40), []),
        (py(image="python:2"), ["Container py has the image python:2 instead of python:1."]),
        (
            py(env={"A": "hidden", "C": "hidden"}),
            ["Container py: variables added: C; removed: B; with another value: A."],
        ),
        (
            py(resources=Resources(memory_limit=2 << 30, cpu_limit=500)),
            ["Container py: cpu limit 500m instead of none, memory limit 2Gi instead of 1Gi."],
        ),
        (
            py(volume_mounts=(VolumeMount("pg", "/pg"),)),
            ["Container py has other volumes mounted: pg at /pg."],
        ),
        (py(command=("x",)), ["Container py is started by another command."]),
        (py(mount_sources=False), ["Container py has the sources no more."]),
        (py(labels={"a": "b"}), ["Container py has other labels or annotations."]),
        (spec(containers=(PY,)), ["Container db is gone."]),
        (
            spec(containers=(PY, DB, Container(name="c", image="redis:8"))),
            ["Container c is new, of the image redis:8."],
        ),
        (
            spec(init_containers=(Container(name="c", image="redis:8"),)),
            ["PreStart step c is new, of the image redis:8."],
        ),
        (spec(main_container="db"), ["The editor runs in db instead of py."]),
        (
            py(endpoints=(Endpoint(name="api", port=9090),)),
            [
                "Port 8080 (web) is no longer named: with whomever it was shared, they lose it.",
                "Port 9090 (api) is new.",
            ],
        ),
        (
            py(endpoints=(Endpoint(name="web", port=8080, protocol="https"),)),
            ["Port 8080 (web) has another protocol, path or exposure."],
        ),
        (spec(post_start=()), ["Command install after the start is gone."]),
        (
            spec(pre_stop=(Step(id="dump", commands=(Command("d", "db", "dump\nall"),)),)),
            ["Command dump before the stop is new: dump…"],
        ),
        (
            spec(volumes=()),
            [
                "Volume pg is no longer named: it is kept, with what is in it, until the workspace is deleted.",
                "Volume tmp is no longer named: it goes, as it lived no longer than a run.",
            ],
        ),
        (
            spec(volumes=(Volume(name="pg", size=1), Volume(name="tmp"), Volume(name="new"))),
            [
                "Volume pg keeps the size that it was made with.",
                "Volume tmp lasts from now on: it begins empty.",
                "Volume new is new.",
            ],
        ),
        (project(ref="other"), ["The devfile is of other instead of main, and followed there."]),
        (
            project(url="https://g/other"),
            [
                "app is to be of https://g/other main instead of https://g/app main: a clone that is there stays as it is."
            ],
        ),
        (
            spec(projects=(*SPEC.projects, Project(name="l", clone_path="l", url="https://g/l"))),
            ["https://g/l is cloned into l."],
        ),
        (
            spec(editor=msgspec.structs.replace(EDITOR, command=("other",))),
            ["The editor code is set up in another way: its administrator has changed it."],
        ),
        (spec(editor=None), ["There is no editor any more."]),
    ],
)
def test_each_difference_is_said_once(then: WorkspaceSpec, said: list[str]) -> None:
    """By a sentence each, with no variable's value; a commit alone is no difference."""
    assert [found.message for found in differences(SPEC, then)] == said


def test_a_volume_that_is_there_again() -> None:
    """What was kept of a volume that nobody named is told to come back with it."""
    then = spec(volumes=(*SPEC.volumes, Volume(name="old"), Volume(name="x", ephemeral=True)))
    found = differences(SPEC, then, kept=("", "old", "x"))
    assert [each.message for each in found] == [
        "Volume old is mounted again, with what is in it.",
        "Volume x is new.",
    ]


def test_no_field_is_overlooked() -> None:
    """A spec that differs in what has no words of its own is said to differ all the same."""
    for field in msgspec.structs.fields(Container):
        before = getattr(PY, field.name)
        other = {
            str: "x", int: 1, bool: not before, dict: {"x": "y"}, tuple: ("x",), type(None): ("x",),
        }.get(type(before))  # fmt: skip
        if field.name in {"name", "endpoints", "resources", "volume_mounts"}:
            continue  # in the table above
        assert differences(SPEC, py(**{field.name: other})), field.name


def test_lines_of_devfiles() -> None:
    """As `diff -u` has them; nothing for the same, and for what takes too long to compare."""
    found = lines("a: 1\nb: 2\n", "a: 1\nb: 3\n")
    assert found.splitlines()[2:] == ["@@ -1,2 +1,2 @@", " a: 1", "-b: 2", "+b: 3"]
    assert not lines("a: 1\n", "a: 1\n")
    assert not lines("x\n" * LINES, "y\n")


def test_ports_that_are_gone() -> None:
    """Those that nobody names any more, whatever they are called."""
    renamed = py(endpoints=(Endpoint(name="other", port=8080),))
    assert gone_ports(SPEC, renamed) == frozenset()
    assert gone_ports(SPEC, py(endpoints=())) == {8080}
