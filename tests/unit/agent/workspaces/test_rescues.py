"""When a workspace that cannot run is brought up for repair, and how it comes back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.agent.runtimes.port import (
    Known,
    Observed,
    ObservedContainer,
    Progress,
    Rescue,
    Run,
    digest_of,
)
from moorage.agent.runtimes.rescue import made_as
from moorage.agent.workspaces import history as memory
from moorage.agent.workspaces.decide import decide
from moorage.agent.workspaces.decision import Action, Decision, Limits
from moorage.agent.workspaces.history import History
from moorage.contract import (
    ActualState,
    Cause,
    Container,
    ContainerState,
    DesiredState,
    DesiredWorkspace,
    WorkspaceSpec,
    images,
)

SPEC = WorkspaceSpec(containers=(Container(name="py", image="i:1"),), main_container="py")
NOW = 10_000.0
BOOM = Cause(code="container-crashed", message="Container py ended.", detail="boom", hint="Look.")
CLOSED = Cause(code="clone-refused", message="The repository is closed.")
LIMITS = Limits(crash_limit=3, crash_window=600, first_pause=1)
LOOPED = History(crashes=(NOW - 30, NOW - 20, NOW - 10))
MARK = Rescue(image="rescue:1", cause=BOOM)


def wish(**fields: Any) -> DesiredWorkspace:
    given = {"name": "w", "generation": 3, "desired": DesiredState.RUNNING, "spec": SPEC, **fields}
    return DesiredWorkspace(**given)


def main(*, ends: Cause | None = None, **fields: Any) -> ObservedContainer:
    state = ContainerState.RUNNING if ends is None else ContainerState.EXITED
    at = None if ends is None else NOW - 1
    return ObservedContainer(
        name="py", role="main", image="i:1", state=state, fault=ends, finished_at=at, **fields
    )


def seen(
    container: ObservedContainer | None = None, *, rescue: Rescue | None = None, **fields: Any
) -> Observed:
    sandbox = ObservedContainer(
        name="sandbox", role="sandbox", image="t", state=ContainerState.RUNNING
    )
    given: dict[str, Any] = {
        "restarts": 0,
        "spec": digest_of(made_as(wish(), rescue).spec),
        "generation": 3,
        "containers": (container or main(), sandbox),
        "address": "10.0.0.2",
        "progress": Progress(ready=True),
        "rescue": rescue,
        **fields,
    }
    known = Known(generation=given["generation"], desired=DesiredState.RUNNING, spec=SPEC)
    return Observed(name="w", data=True, run=Run(**given), known=known, recorded=True)


GONE = Observed(name="w", data=True, known=Known(generation=3), recorded=True)


def decided(
    observed: Observed,
    history: History = LOOPED,
    *,
    limits: Limits = LIMITS,
    **fields: Any,
) -> Decision:
    return decide(wish(**fields), observed, history, NOW, limits)


def test_a_crash_loop_of_the_main_container() -> None:
    """It is made anew as what it is repaired from, says why meanwhile, and never says that it has
    failed."""
    decision = decided(seen(main(ends=BOOM)))
    assert (decision.action, decision.state) == (Action.RECREATE, ActualState.STARTING)
    assert decision.rescue is not None
    assert decision.rescue.image == images.DEFAULT
    assert decision.rescue.cause.detail == "boom"
    assert "started again 3 times" in decision.rescue.cause.message
    assert decision.cause is not None
    assert decision.cause.code == "container-crashed"
    assert "repair" in decision.cause.message
    assert not decision.gives_up


@pytest.mark.parametrize(
    "observed",
    [
        seen(main(ends=BOOM, hopeless=True)),
        seen(progress=Progress(fault=Cause(code="editor-port-not-open", message="No answer."))),
    ],
    ids=["cannot begin", "editor that does not answer"],
)
def test_other_ways_in_which_the_main_container_cannot_run(observed: Observed) -> None:
    assert decided(observed, History()).rescue is not None


def test_what_fails_before_anything_runs() -> None:
    """An image of another machine is found out before a container is made: the fault of that start
    leads to the same. An image that is not to be had does not."""
    for code, expected in (("wrong-architecture", True), ("image-not-found", False)):
        cause = Cause(code=code, message="It cannot run.")
        history = memory.after_fault(History(), wish(), cause, final=True, now=NOW, pause=1)
        decision = decided(GONE, history)
        assert (decision.rescue is not None) is expected, code
        assert decision.state is (ActualState.STARTING if expected else ActualState.FAILED), code


@pytest.mark.parametrize(
    ("observed", "limits"),
    [
        (seen(progress=Progress(fault=CLOSED)), LIMITS),
        (seen(main(ends=BOOM)), msgspec.structs.replace(LIMITS, rescue=False)),
    ],
    ids=["clone refused", "turned off"],
)
def test_what_fails_as_it_is(observed: Observed, limits: Limits) -> None:
    decision = decided(observed, limits=limits)
    assert (decision.state, decision.gives_up) == (ActualState.FAILED, True)
    assert decision.rescue is None


def test_the_image_is_the_agents_the_servers_or_the_usual_one() -> None:
    crashed = seen(main(ends=BOOM))
    own = msgspec.structs.replace(LIMITS, rescue_image="own:1")
    images_ = [
        decided(crashed, limits=own, rescue_image="server:1").rescue,
        decided(crashed, rescue_image="server:1").rescue,
        decided(crashed).rescue,
    ]
    assert [each.image for each in images_ if each] == ["own:1", "server:1", images.DEFAULT]


def test_it_runs_with_trouble_and_is_left_alone() -> None:
    """An agent that starts anew knows it by what runs, repairs it as what it is, and tells why it
    is there."""
    decision = decided(seen(rescue=MARK), History())
    assert (decision.action, decision.state) == (Action.NONE, ActualState.RUNNING)
    [trouble] = decision.trouble
    assert trouble.code == "container-crashed"
    assert trouble.detail == "boom"
    assert "rescue:1" in trouble.hint
    assert "restart" in trouble.hint
    repair = decided(seen(rescue=MARK, missing=("container py",)), History())
    assert (repair.action, repair.rescue) == (Action.START, MARK)


def test_a_restart_tries_the_workspaces_own_again() -> None:
    decision = decided(seen(rescue=MARK), History(), restarts=1, generation=4)
    assert (decision.action, decision.rescue) == (Action.RECREATE, None)


def test_a_stop_and_start_tries_the_workspaces_own_again() -> None:
    history = memory.after_decision(History(), decided(seen(main(ends=BOOM))), wish(), NOW)
    assert history.pending_rescue(wish()) is not None
    decision = decided(GONE, history, generation=5)
    assert (decision.action, decision.rescue) == (Action.START, None)


def test_one_that_was_asked_for() -> None:
    """It takes the place of what runs, with the owner's wish as the reason."""
    decision = decided(seen(), History(), restarts=1, generation=4, rescue=True)
    assert decision.action is Action.RECREATE
    assert decision.rescue is not None
    assert decision.rescue.cause.code == "rescue-asked"
    up = decided(
        seen(rescue=decision.rescue, restarts=1, generation=4),
        History(),
        restarts=1,
        generation=4,
        rescue=True,
    )
    assert (up.action, up.state) == (Action.NONE, ActualState.RUNNING)
    assert up.trouble[0].code == "rescue-asked"


def test_a_side_container_that_is_left_out_is_not_started_again() -> None:
    """It is trouble, which only a restart can end, and says so."""
    left = ObservedContainer(
        name="db",
        role="sidecar",
        image="evil/db:1",
        state=ContainerState.EXITED,
        fault=Cause(code="admission-refused", message="A policy refuses it."),
        left_out=True,
    )
    observed = seen(restarts_itself=True)
    assert observed.run is not None
    run = msgspec.structs.replace(observed.run, containers=(*observed.run.containers, left))
    decision = decided(msgspec.structs.replace(observed, run=run), History())
    assert (decision.action, decision.state) == (Action.NONE, ActualState.RUNNING)
    [trouble] = decision.trouble
    assert "when the workspace is restarted" in trouble.hint


def test_it_is_tried_once() -> None:
    """Where what it is to be repaired from cannot run either, it has failed, and both are told."""
    worse = Cause(code="container-crashed", message="It ended, too.", detail="bang")
    decision = decided(seen(main(ends=worse, hopeless=True), rescue=MARK), History())
    assert (decision.state, decision.gives_up) == (ActualState.FAILED, True)
    assert decision.cause is not None
    assert "Container py ended." in decision.cause.message
    assert "It ended, too." in decision.cause.message
    assert decision.cause.detail == "boom\nbang"


def test_what_is_interrupted_is_taken_up() -> None:
    """A start for repair that did not get through is tried again as that, not as the workspace's
    own; one that cannot be made has failed."""
    first = decided(seen(main(ends=BOOM)))
    history = memory.after_decision(LOOPED, first, wish(), NOW)
    slow = Cause(code="engine-slow", message="The engine is slow.")
    later = memory.after_fault(history, wish(), slow, final=False, now=NOW, pause=0)
    assert decided(GONE, later).rescue == first.rescue
    assert decided(seen(main(ends=BOOM)), later).rescue == first.rescue
    never = memory.after_fault(history, wish(), slow, final=True, now=NOW, pause=0)
    assert decided(GONE, never).state is ActualState.FAILED
    done = memory.after_success(history, first, NOW, LIMITS)
    assert done.pending_rescue(wish()) == first.rescue
    assert not done.crashes
