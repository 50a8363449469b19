"""What a container may use on Docker."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.agent.runtimes.docker.limits import Machine, beyond, excess, memory_of, resources_of
from moorage.contract import Container, Resources, WorkspaceSpec
from moorage.workspace_settings import RemoteDevelopment, parse

GI = 1 << 30
DEFAULTS = "default_resources_per_workspace_container: {limits: {cpu: 500m, memory: 1Gi}, requests: {cpu: 100m, memory: 256Mi}}"
MOST = "max_resources_per_workspace: {limits: {cpu: '2', memory: 4Gi}}"


def settings(*texts: str) -> RemoteDevelopment:
    return parse("remote_development: {" + ", ".join(texts) + "}").remote_development


def spec(*given: dict[str, Any], init: tuple[dict[str, Any], ...] = ()) -> WorkspaceSpec:
    def made(prefix: str, tables: tuple[dict[str, Any], ...]) -> tuple[Container, ...]:
        return tuple(
            Container(name=f"{prefix}{number}", image="i", resources=Resources(**table))
            for number, table in enumerate(tables)
        )

    return WorkspaceSpec(
        containers=made("c", given), init_containers=made("i", init), main_container="c0"
    )


@pytest.mark.parametrize(
    ("own", "chosen", "number", "expected"),
    [
        ({}, settings(), 1, {}),
        (
            {},
            settings(DEFAULTS),
            1,
            {"cpu_limit": 500, "memory_limit": GI, "cpu_request": 100, "memory_request": GI // 4},
        ),
        (
            {"cpu_limit": 50, "memory_limit": 1000},
            settings(DEFAULTS),
            1,
            {"cpu_limit": 50, "memory_limit": 1000, "cpu_request": 50, "memory_request": 1000},
        ),
        ({}, settings(MOST), 1, {"cpu_limit": 2000, "memory_limit": 4 * GI}),
        ({}, settings(MOST), 2, {"cpu_limit": 1000, "memory_limit": 2 * GI}),
        ({"pids_limit": 9}, settings(), 1, {"pids_limit": 9}),
        (
            {},
            settings(MOST, DEFAULTS),
            2,
            {"cpu_limit": 500, "memory_limit": GI, "cpu_request": 100, "memory_request": GI // 4},
        ),
    ],
)
def test_who_says_what(
    own: dict[str, Any], chosen: RemoteDevelopment, number: int, expected: dict[str, Any]
) -> None:
    """The devfile, then the defaults, then a share of the maximum; a request is never above its
    limit."""
    wanted = spec(*([own] * number))
    assert resources_of(wanted.containers[0], wanted, chosen) == Resources(**expected)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (spec({"memory_limit": 4 * GI}), ""),
        (spec({"memory_limit": 4 * GI + 1}), "memory"),
        (
            spec({"memory_limit": 3 * GI}, {"memory_limit": 2 * GI}),
            "together use 5Gi of memory; the agent's settings allow 4Gi",
        ),
        (
            spec({"cpu_limit": 1500}, {"cpu_limit": 1000}),
            "use 2500m of processors; the agent's settings allow 2",
        ),
        (spec({"memory_limit": 3 * GI}, init=({"memory_limit": 3 * GI},)), ""),
        (spec({}, init=({"memory_limit": 5 * GI},)), "memory"),
        (spec({}, {}, {}), ""),
    ],
)
def test_what_is_too_much(wanted: WorkspaceSpec, words: str) -> None:
    """All containers together; those of preStart one after the other."""
    cause = excess(wanted, settings(MOST))
    assert (cause is None) is (not words)
    if cause is not None:
        assert words in cause.message
        assert cause.code == "max-resources-exceeded"
    assert excess(wanted, settings()) is None


@pytest.mark.parametrize(
    ("own", "machine", "words"),
    [
        (
            {"cpu_request": 200_000},
            Machine(cpu=2000, memory=GI),
            "claim 200 of processors; this machine has 2.",
        ),
        (
            {"memory_request": 2 * GI},
            Machine(cpu=2000, memory=GI),
            "claim 2 GiB of memory; this machine has 1 GiB.",
        ),
        ({"cpu_request": 2000, "memory_request": GI}, Machine(cpu=2000, memory=GI), None),
        ({"cpu_request": 200_000}, Machine(), None),
        ({"cpu_limit": 200_000}, Machine(cpu=2000, memory=GI), None),
    ],
)
def test_more_than_the_machine_has_is_refused(
    own: dict[str, Any], machine: Machine, words: str | None
) -> None:
    """A claim that the machine can never meet is refused with what it has; a limit above it is no
    claim."""
    for given in (spec(own), spec({}, init=(own,))):
        cause = beyond(given, settings(), machine)
        assert (cause is None) == (words is None)
        if cause is not None and words is not None:
            assert cause.code == "machine-too-small"
            assert words in cause.message
            assert cause.hint


@pytest.mark.parametrize(
    ("default", "given", "expected"),
    [
        (-1, [{}], [4 * GI]),
        (-1, [{}, {}], [2 * GI, 2 * GI]),
        (-1, [{"memory_request": 5 * GI}], [5 * GI]),
        (-1, [{"memory_limit": GI}, {}], [GI, 2 * GI]),
        (-1, [{"memory_limit": 1000 * GI}], [6 * GI]),
        (-1, [{"memory_limit": 8 * GI}, {"memory_limit": 4 * GI}], [4 * GI, 2 * GI]),
        (0, [{}, {"memory_limit": 1000 * GI}], [0, 6 * GI]),
        (GI, [{}, {}], [GI, GI]),
    ],
)
def test_a_workspace_leaves_memory_to_the_machine(
    default: int, given: list[dict[str, Any]], expected: list[int]
) -> None:
    """Unsaid it is half of the machine's memory for a workspace, and whatever is said three
    quarters, shared in proportion."""
    wish = spec(*given)
    machine = Machine(cpu=2000, memory=8 * GI)
    assert [memory_of(c, wish, settings(), default, machine) for c in wish.containers] == expected
    alone = spec({}, init=({"memory_limit": 1000 * GI},))
    assert memory_of(alone.init_containers[0], alone, settings(), default, machine) == 6 * GI


def test_an_unknown_machine_limits_nothing() -> None:
    """Where the engine does not say what it has, what is said holds."""
    wish = spec({}, {"memory_limit": GI})
    assert [memory_of(c, wish, settings(), -1, Machine()) for c in wish.containers] == [0, GI]
