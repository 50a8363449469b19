"""What is done next, as tables."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.agent.runtimes.port import (
    Known,
    Observed,
    ObservedContainer,
    Progress,
    Run,
    digest_of,
    known_of,
)
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
    Volume,
    WorkspaceSpec,
)

NAME = "workspace-1-1-abc123"
SPEC = WorkspaceSpec(containers=(Container(name="py", image="i:1"),), main_container="py")
OTHER = WorkspaceSpec(containers=(Container(name="py", image="i:2"),), main_container="py")
LIMITS = Limits(crash_limit=3, crash_window=600, first_pause=1, rescue=False)
"""What becomes of what is given up where it is not brought up for repair: see `test_rescues`."""
NOW = 10_000.0
BOOM = Cause(
    code="container-crashed", message="Container py ended with exit code 1.", detail="boom"
)


def wish(state: DesiredState = DesiredState.RUNNING, **fields: Any) -> DesiredWorkspace:
    given = {"name": NAME, "generation": 3, "desired": state, "spec": SPEC, **fields}
    return DesiredWorkspace(**given)


def container(role: str = "main", **fields: Any) -> ObservedContainer:
    name = {"main": "py", "sidecar": "db"}.get(role, role)
    given = {"name": name, "role": role, "image": "i:1", "state": ContainerState.RUNNING, **fields}
    return ObservedContainer(**given)


def ended(role: str = "main", **fields: Any) -> ObservedContainer:
    given = {"exit_code": 1, "finished_at": NOW - 1, "fault": BOOM, **fields}
    return container(role, state=ContainerState.EXITED, **given)


def run(*containers: ObservedContainer, **fields: Any) -> Run:
    given = {
        "restarts": 0,
        "spec": digest_of(SPEC),
        "generation": 3,
        "containers": containers or (container(), container("sandbox")),
        "address": "10.0.0.2",
        "progress": Progress(ready=True),
        **fields,
    }
    return Run(**given)


HERE = "the state folder /a"


def noted(generation: int = 3, place: str = HERE) -> Known:
    return Known(generation=generation, desired=DesiredState.RUNNING, place=place, spec=SPEC)


def seen(
    found: Run | None = None,
    *,
    data: bool = True,
    volumes: frozenset[str] = frozenset(),
    leftovers: bool = True,
    known: Known | None = None,
) -> Observed:
    """Where there is data, the server's word is kept beside it, unless `known` says something
    else."""
    known = known or (noted() if data else None)
    return Observed(
        name=NAME,
        data=data,
        leftovers=leftovers,
        volumes=volumes,
        run=found,
        known=known,
        recorded=known is not None,
    )


def unnoted(found: Run | None = None) -> Observed:
    """As an agent of an earlier version left it."""
    known = Known(generation=found.generation) if found is not None else None
    return Observed(name=NAME, data=True, leftovers=found is not None, run=found, known=known)


NOTHING = seen(data=False, leftovers=False)
STOPPED = seen(leftovers=False)
HALTED = run(ended(), ended("sandbox"))
FAILED = History(failed=BOOM, failed_generation=3)

TABLE: dict[str, tuple[DesiredWorkspace | None, Observed, Action, ActualState]] = {
    "not listed, runs": (None, seen(run()), Action.HALT, ActualState.STOPPING),
    "not listed, runs, of an earlier version": (None, unnoted(run()), Action.HALT, ActualState.STOPPING),
    "not listed, halted": (None, seen(HALTED), Action.NONE, ActualState.STOPPED),
    "not listed, only data": (None, STOPPED, Action.NONE, ActualState.STOPPED),
    "not listed, only data, of an earlier version": (None, unnoted(), Action.NONE, ActualState.STOPPED),
    "not listed, only a network": (None, seen(data=False), Action.NONE, ActualState.STOPPED),
    "not listed, only a record": (
        None, seen(data=False, leftovers=False, known=noted()), Action.NONE, ActualState.STOPPED,
    ),
    "not listed, runs, of another agent": (
        None, seen(run(), known=noted(place="elsewhere")), Action.NONE, ActualState.RUNNING,
    ),
    "listed older, to be terminated, runs": (
        wish(DesiredState.TERMINATED, generation=2), seen(run()), Action.NONE, ActualState.RUNNING,
    ),
    "listed older, to be terminated, only data": (
        wish(DesiredState.TERMINATED, generation=2), STOPPED, Action.NONE, ActualState.STOPPED,
    ),
    "listed older, to be terminated, of an earlier version": (
        wish(DesiredState.TERMINATED, generation=2), unnoted(run()), Action.NONE, ActualState.RUNNING,
    ),
    "listed older, to be stopped": (
        wish(DesiredState.STOPPED, generation=2), seen(run()), Action.NONE, ActualState.RUNNING,
    ),
    "listed older, another spec and restart": (
        wish(generation=2, spec=OTHER, restarts=7), seen(run()), Action.NONE, ActualState.RUNNING,
    ),
    "listed older, to run, is stopped since": (
        wish(generation=2), STOPPED, Action.NONE, ActualState.STOPPED,
    ),
    "listed older, to run, a container ended": (
        wish(generation=2), seen(HALTED), Action.NONE, ActualState.STOPPED,
    ),
    "to be terminated, of another agent": (
        wish(DesiredState.TERMINATED, generation=4), seen(run(), known=noted(place="elsewhere")),
        Action.NONE, ActualState.RUNNING,
    ),
    "to be stopped, of another agent before": (
        wish(DesiredState.STOPPED, generation=4), seen(run(), known=noted(place="elsewhere")),
        Action.STOP, ActualState.STOPPING,
    ),
    "runs, a newer word": (wish(generation=4), seen(run()), Action.NOTE, ActualState.RUNNING),
    "runs, of an earlier version": (wish(), unnoted(run()), Action.NOTE, ActualState.RUNNING),
    "stopped, of an earlier version": (
        wish(DesiredState.STOPPED), unnoted(), Action.NOTE, ActualState.STOPPED,
    ),
    "not listed, gone": (None, NOTHING, Action.NONE, ActualState.TERMINATED),
    "to be terminated in a generation that is another word here": (
        wish(DesiredState.TERMINATED), seen(run()), Action.NONE, ActualState.RUNNING,
    ),
    "to be terminated in a generation that is another word here, only data": (
        wish(DesiredState.TERMINATED), STOPPED, Action.NONE, ActualState.STOPPED,
    ),
    "to be terminated, runs, of an earlier version": (
        wish(DesiredState.TERMINATED), unnoted(run()), Action.REMOVE, ActualState.TERMINATING,
    ),
    "to be terminated, runs": (
        wish(DesiredState.TERMINATED, generation=4), seen(run()), Action.REMOVE, ActualState.TERMINATING,
    ),
    "to be terminated, gone": (wish(DesiredState.TERMINATED), NOTHING, Action.NONE, ActualState.TERMINATED),
    "to be stopped, runs": (wish(DesiredState.STOPPED), seen(run()), Action.STOP, ActualState.STOPPING),
    "to be stopped, halted": (wish(DesiredState.STOPPED), seen(HALTED), Action.STOP, ActualState.STOPPING),
    "to be stopped, only a network is left": (
        wish(DesiredState.STOPPED), seen(), Action.STOP, ActualState.STOPPING,
    ),
    "to be stopped, is": (wish(DesiredState.STOPPED), STOPPED, Action.NONE, ActualState.STOPPED),
    "to be stopped, never ran": (wish(DesiredState.STOPPED), NOTHING, Action.NONE, ActualState.STOPPED),
    "to run, nothing there": (wish(), NOTHING, Action.START, ActualState.STARTING),
    "to run, is stopped": (wish(), STOPPED, Action.START, ActualState.STARTING),
    "to run, runs": (wish(), seen(run()), Action.NONE, ActualState.RUNNING),
    "to run, not ready": (wish(), seen(run(progress=Progress())), Action.NONE, ActualState.STARTING),
    "to run, no address": (wish(), seen(run(address="")), Action.NONE, ActualState.STARTING),
    "a restart is asked for": (wish(restarts=1), seen(run()), Action.RECREATE, ActualState.STARTING),
    "a new spec waits for a restart": (wish(spec=OTHER), seen(run()), Action.NONE, ActualState.RUNNING),
    "something is missing": (
        wish(), seen(run(missing=("container py",))), Action.START, ActualState.RUNNING,
    ),
    "something is missing, and the spec is another": (
        wish(spec=OTHER), seen(run(missing=("container py",))), Action.RECREATE, ActualState.RUNNING,
    ),
    "main is gone: nobody is led there until it is made again": (
        wish(), seen(run(container("sandbox"), missing=("container py",))), Action.START, ActualState.STARTING,
    ),
    "the sandbox is gone": (
        wish(), seen(run(container(), missing=("the sandbox",))), Action.START, ActualState.STARTING,
    ),
    "a sidecar would end again: the rest goes on": (
        wish(), seen(run(container(), container("sandbox"), ended("sidecar", hopeless=True))),
        Action.START, ActualState.RUNNING,
    ),
    "a sidecar has ended, and the spec is another: nothing else is made anew for it": (
        wish(spec=OTHER), seen(run(container(), container("sandbox"), ended("sidecar"))), Action.NONE, ActualState.RUNNING,
    ),
    "a sidecar has ended on an engine that starts it again itself": (
        wish(), seen(run(container(), container("sandbox"), ended("sidecar"), restarts_itself=True)),
        Action.NONE, ActualState.RUNNING,
    ),
    "main has ended": (
        wish(), seen(run(ended(), container("sandbox"))), Action.START, ActualState.STARTING,
    ),
    "a sidecar has ended: the page stays": (
        wish(), seen(run(container(), container("sandbox"), ended("sidecar"))), Action.START, ActualState.RUNNING,
    ),
    "the sandbox has ended": (
        wish(), seen(run(container(), ended("sandbox"))), Action.START, ActualState.STARTING,
    ),
    "a preStart step has ended, as it should": (
        wish(), seen(run(container(), container("sandbox"), ended("init", exit_code=0, fault=None))),
        Action.NONE, ActualState.RUNNING,
    ),
    "the start can't succeed": (
        wish(), seen(run(progress=Progress(fault=BOOM))), Action.HALT, ActualState.FAILED,
    ),
    "it ended, and would end again": (
        wish(), seen(run(ended(hopeless=True), container("sandbox"))), Action.HALT, ActualState.FAILED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_without_history(case: str) -> None:
    """What is desired and observed decides what is done, and what is said meanwhile."""
    desired, observed, action, state = TABLE[case]
    decision = decide(desired, observed, History(), NOW, LIMITS, here=HERE)
    assert (decision.action, decision.state) == (action, state)


HISTORIES: dict[str, tuple[DesiredWorkspace, Observed, History, Action, ActualState]] = {
    "failed, still runs": (wish(), seen(run()), FAILED, Action.HALT, ActualState.FAILED),
    "failed, halted": (wish(), seen(HALTED), FAILED, Action.NONE, ActualState.FAILED),
    "failed before anything was made": (wish(), NOTHING, FAILED, Action.NONE, ActualState.FAILED),
    "failed, asked for again": (
        wish(generation=4), seen(HALTED), FAILED, Action.RECREATE, ActualState.STARTING,
    ),
    "failed, asked for again, nothing there": (
        wish(generation=4), NOTHING, FAILED, Action.START, ActualState.STARTING,
    ),
    "failed, to be stopped": (
        wish(DesiredState.STOPPED, generation=4), seen(HALTED), FAILED, Action.STOP, ActualState.STOPPING,
    ),
    "must wait with the next try": (
        wish(), NOTHING, History(error=BOOM, retry_at=NOW + 5), Action.NONE, ActualState.ERROR,
    ),
    "has waited": (wish(), NOTHING, History(error=BOOM, retry_at=NOW - 5), Action.START, ActualState.STARTING),
    "ended the first time": (
        wish(), seen(run(ended(), container("sandbox"))), History(), Action.START, ActualState.STARTING,
    ),
    "ended again at once": (
        wish(), seen(run(ended(), container("sandbox"))), History(crashes=(NOW - 0.5,)),
        Action.NONE, ActualState.STARTING,
    ),
    "ended again some time later": (
        wish(), seen(run(ended(), container("sandbox"))), History(crashes=(NOW - 1.5,)),
        Action.START, ActualState.STARTING,
    ),
    "ended too often": (
        wish(), seen(run(ended(), container("sandbox"))), History(crashes=(NOW - 9, NOW - 6, NOW - 3)),
        Action.HALT, ActualState.FAILED,
    ),
    "ended often, but long ago": (
        wish(), seen(run(ended(), container("sandbox"))), History(crashes=(NOW - 900, NOW - 800, NOW - 700)),
        Action.START, ActualState.STARTING,
    ),
    "ended while the engine was away": (
        wish(), seen(HALTED), History(crashes=(NOW - 9, NOW - 6, NOW - 3), excused_until=NOW),
        Action.START, ActualState.STARTING,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HISTORIES)
def test_with_history(case: str) -> None:
    """Former tries decide whether and when it is tried again."""
    desired, observed, history, action, state = HISTORIES[case]
    decision = decide(desired, observed, history, NOW, LIMITS)
    assert (decision.action, decision.state) == (action, state)


BASED = msgspec.structs.replace(
    SPEC, volumes=(Volume(name="pg"), Volume(name="tmp", ephemeral=True))
)
OWN, BOTH = frozenset({""}), frozenset({"", "pg"})
LOSSES: dict[str, tuple[DesiredWorkspace, Observed, Action, ActualState, str]] = {
    "all is there": (
        wish(spec=BASED, volumes=("", "pg")), seen(volumes=BOTH), Action.START, ActualState.STARTING, "",
    ),
    "never had any": (wish(spec=BASED), NOTHING, Action.START, ActualState.STARTING, ""),
    "all is lost, with the namespace": (
        wish(volumes=("",)), NOTHING, Action.NONE, ActualState.FAILED, "files-lost",
    ),
    "a devfile's volume is lost": (
        wish(spec=BASED, volumes=("", "pg")), seen(volumes=OWN), Action.NONE, ActualState.FAILED, "files-lost",
    ),
    "a volume that the devfile has no more": (
        wish(volumes=("", "pg")), seen(volumes=OWN), Action.START, ActualState.STARTING, "",
    ),
    "a volume that the devfile has since": (
        wish(spec=BASED, volumes=("",)), seen(volumes=OWN), Action.START, ActualState.STARTING, "",
    ),
    "an ephemeral volume": (
        wish(spec=BASED, volumes=("", "tmp")), seen(volumes=OWN), Action.START, ActualState.STARTING, "",
    ),
    "lost while stopped": (
        wish(DesiredState.STOPPED, volumes=("",)), STOPPED, Action.NONE, ActualState.STOPPED, "files-lost",
    ),
    "lost, something is left to be stopped": (
        wish(DesiredState.STOPPED, volumes=("",)), seen(), Action.STOP, ActualState.STOPPING, "",
    ),
    "runs while its claim is being deleted": (
        wish(volumes=("",)), seen(run()), Action.NONE, ActualState.RUNNING, "files-going",
    ),
    "the same, a restart would lose it": (
        wish(volumes=("",), restarts=1), seen(run()), Action.NONE, ActualState.RUNNING, "files-going",
    ),
    "the same, to be stopped": (
        wish(DesiredState.STOPPED, volumes=("",)), seen(run()), Action.STOP, ActualState.STOPPING, "",
    ),
    "its pod ended": (
        wish(volumes=("",)), seen(run(ended(), container("sandbox"))),
        Action.HALT, ActualState.FAILED, "files-lost",
    ),
    "to be terminated": (
        wish(DesiredState.TERMINATED, generation=4, volumes=("",)), seen(),
        Action.REMOVE, ActualState.TERMINATING, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LOSSES)
def test_lost_volumes(case: str) -> None:
    """What was there and is gone is told, and not made anew; what still runs goes on."""
    desired, observed, action, state, code = LOSSES[case]
    noted = msgspec.structs.replace(observed, recorded=True, known=known_of(desired, HERE))
    decision = decide(desired, noted, History(), NOW, LIMITS, here=HERE)
    cause = decision.cause.code if decision.cause is not None else ""
    assert (decision.action, decision.state, cause) == (action, state, code)


def test_waits_longer_each_time() -> None:
    """The pause before a restart doubles."""
    observed = seen(run(ended(), container("sandbox")))
    first = decide(wish(), observed, History(crashes=(NOW,)), NOW, LIMITS)
    second = decide(wish(), observed, History(crashes=(NOW, NOW)), NOW, LIMITS)
    assert (first.again_in, second.again_in) == (1.0, 2.0)
    assert first.cause == BOOM


def test_crash_loop_tells_code_words_and_times() -> None:
    """What ended too often fails with the exit code, the last lines, and how often it was tried."""
    history = History(crashes=(NOW - 9, NOW - 6, NOW - 3))
    decision = decide(wish(), seen(run(ended(), container("sandbox"))), history, NOW, LIMITS)
    assert decision.gives_up
    assert decision.cause is not None
    assert decision.cause.code == "container-crashed"
    assert "exit code 1" in decision.cause.message
    assert "3 times" in decision.cause.message
    assert decision.cause.detail == "boom"


def test_an_engines_outage_is_no_crash() -> None:
    """Restarts after an outage are not counted, and what was counted before is forgotten."""
    history = memory.after_outage(
        History(crashes=(NOW - 9, NOW - 6, NOW - 3), error=BOOM, retry_at=NOW + 9), NOW
    )
    decision = decide(wish(), seen(HALTED), history, NOW, LIMITS)
    assert (decision.action, decision.crash) == (Action.START, False)
    assert memory.after_success(history, decision, NOW, LIMITS).crashes == ()


def simulated_loop(ends: int) -> tuple[list[Decision], History]:
    """Decides again and again about a container that ends `ends` times, one second after each
    start."""
    history, now, decisions = History(), NOW, []
    for _ in range(40):
        observed = seen(run(ended(finished_at=now), container("sandbox")) if ends else run())
        decision = decide(wish(), observed, history, now, LIMITS)
        decisions.append(decision)
        history = memory.after_decision(history, decision, wish(), now)
        if decision.action is not Action.NONE:
            history = memory.after_success(history, decision, now, LIMITS)
            ends = max(0, ends - 1)
        now += max(1.0, decision.again_in or 0.0)
    return decisions, history


def test_a_crash_loop_ends() -> None:
    """A container that always ends is started again three times, and then no more, for good."""
    decisions, history = simulated_loop(ends=1000)
    starts = [d for d in decisions if d.action is Action.START]
    assert len(starts) == 3
    assert decisions[-1].state is ActualState.FAILED
    assert history.failed is not None


def test_a_container_that_recovers_is_left_alone() -> None:
    """A container that ends twice and then runs is Running."""
    decisions, history = simulated_loop(ends=2)
    assert decisions[-1].state is ActualState.RUNNING
    assert history.failed is None


def test_faults() -> None:
    """A final fault ends this generation of a start; any other is tried again; of a stop, none is
    final."""
    final = memory.after_fault(History(), wish(), BOOM, final=True, now=NOW, pause=2)
    assert (final.failed_generation, final.retry_at) == (3, 0.0)
    again = memory.after_fault(History(), wish(), BOOM, final=False, now=NOW, pause=2)
    assert (again.failed, again.retry_at) == (None, NOW + 2)
    stop = memory.after_fault(
        History(), wish(DesiredState.STOPPED), BOOM, final=True, now=NOW, pause=2
    )
    assert (stop.failed, stop.retry_at) == (None, NOW + 2)


def test_a_refused_halt() -> None:
    """What ends a failed start is tried again after a pause, and the workspace goes on saying why
    it failed."""
    refusal = Cause(
        code="admission-refused", message="The cluster refuses an object of this workspace."
    )
    history = memory.after_fault(FAILED, wish(), refusal, final=True, now=NOW, pause=2)
    waits = decide(wish(), seen(run()), history, NOW + 1, LIMITS)
    assert (waits.action, waits.state, waits.cause) == (Action.NONE, ActualState.FAILED, BOOM)
    assert waits.again_in == 1
    tries = decide(wish(), seen(run()), history, NOW + 2, LIMITS)
    assert (tries.action, tries.cause) == (Action.HALT, BOOM)
    anew = memory.after_fault(FAILED, wish(generation=4), refusal, final=True, now=NOW, pause=2)
    assert (anew.failed, anew.failed_generation) == (msgspec.structs.replace(refusal, since=NOW), 4)


def test_a_repair_that_is_refused() -> None:
    """What is up stays Running with the cause while its repair waits, and while it is tried; only a
    workspace that is not up is in error meanwhile. Nothing is left of it once nothing is missing
    any more."""
    error = msgspec.structs.replace(BOOM, since=NOW - 9)
    broken = seen(run(missing=("its service",)))
    waits = decide(wish(), broken, History(error=error, retry_at=NOW + 5), NOW, LIMITS)
    assert (waits.action, waits.state, waits.cause, waits.again_in) == (
        Action.NONE, ActualState.RUNNING, error, 5,
    )  # fmt: skip
    history = History(error=error, retry_at=NOW - 5)
    tries = decide(wish(), broken, history, NOW, LIMITS)
    assert (tries.action, tries.state, tries.cause, tries.repair) == (
        Action.START, ActualState.RUNNING, error, True,
    )  # fmt: skip
    assert not decide(wish(), NOTHING, history, NOW, LIMITS).repair
    assert not decide(wish(), seen(run(ended(), container("sandbox"))), history, NOW, LIMITS).repair
    assert memory.after_decision(history, tries, wish(), NOW) == history
    mended = decide(wish(), seen(run()), history, NOW, LIMITS)
    assert mended.cause is None
    assert memory.after_decision(history, mended, wish(), NOW) == History()


def test_what_nobody_reaches() -> None:
    """A workspace on a node that does not answer is in error with that cause, also while it is
    repaired; it is neither ended nor started again, and one that is not up tells its own state."""
    away = Cause(code="node-not-answering", message="The node n1 does not answer.")

    def decided(history: History, **fields: Any) -> Decision:
        return decide(wish(), seen(run(unreachable=away, **fields)), history, NOW, LIMITS)

    for fields, history, action in (
        ({}, History(), Action.NONE),
        ({"missing": ("its service",)}, History(), Action.START),
        ({"missing": ("its service",)}, History(error=BOOM, retry_at=NOW + 5), Action.NONE),
    ):
        decision = decided(history, **fields)
        assert (decision.action, decision.state, decision.cause) == (
            action,
            ActualState.ERROR,
            away,
        )
        assert decision.repair is (action is Action.START)
    assert decided(History(), progress=Progress()).state is ActualState.STARTING
    assert decided(FAILED).state is ActualState.FAILED


def test_an_errors_beginning_is_kept() -> None:
    """While the same trouble lasts, its cause tells since when."""
    first = memory.after_fault(History(), wish(), BOOM, final=False, now=NOW, pause=2)
    second = memory.after_fault(first, wish(), BOOM, final=False, now=NOW + 60, pause=2)
    assert second.error is not None
    assert second.error.since == NOW


def test_success_forgets_trouble() -> None:
    """After a success there is neither error nor failure; after a halt, the failure stays."""
    history = msgspec.structs.replace(FAILED, error=BOOM)
    start = Decision(action=Action.START, state=ActualState.STARTING)
    halt = Decision(action=Action.HALT, state=ActualState.FAILED)
    assert memory.after_success(history, start, NOW, LIMITS) == History()
    assert memory.after_success(history, halt, NOW, LIMITS).failed == BOOM


def test_what_is_removed_though_nobody_lists_it() -> None:
    """Only what is just as the server was told; not what has another word about it by now, nor what
    another agent works on."""
    for found in (STOPPED, seen(run()), unnoted(run())):
        decision = decide(None, found, History(), NOW, LIMITS, removal=found.mark, here=HERE)
        assert decision.action is Action.REMOVE
    newer = seen(leftovers=False, known=noted(4))
    assert newer.mark != STOPPED.mark
    assert (
        decide(None, newer, History(), NOW, LIMITS, removal=STOPPED.mark, here=HERE).action
        is Action.NONE
    )
    other = msgspec.structs.replace(STOPPED, ids=("another volume of this name",))
    assert (
        decide(None, other, History(), NOW, LIMITS, removal=STOPPED.mark, here=HERE).action
        is Action.NONE
    )
    theirs = seen(leftovers=False, known=noted(place="elsewhere"))
    assert (
        decide(None, theirs, History(), NOW, LIMITS, removal=theirs.mark, here=HERE).action
        is Action.NONE
    )


def test_an_older_word_is_told() -> None:
    """A server that was set back is told so; where another agent wrote the newer word, that one is
    named."""
    old = wish(DesiredState.TERMINATED, generation=2)
    cause = decide(old, seen(run()), History(), NOW, LIMITS, here=HERE).cause
    assert cause is not None
    assert cause.code == "server-set-back"
    cause = decide(
        old,
        seen(run(), known=noted(place="the state folder /b")),
        History(),
        NOW,
        LIMITS,
        here=HERE,
    ).cause
    assert cause is not None
    assert cause.code == "workspace-elsewhere"
    assert "/b" in cause.message


def test_a_record_that_cannot_be_kept() -> None:
    """It takes nothing away from a workspace that is up, is tried again after a pause, and ends no
    failure's memory."""
    decision = decide(wish(generation=4), seen(run()), History(), NOW, LIMITS)
    assert decision.action is Action.NOTE
    history = memory.after_fault(History(), wish(generation=4), BOOM, final=False, now=NOW, pause=5)
    decision = decide(wish(generation=4), seen(run()), history, NOW + 1, LIMITS)
    assert (decision.action, decision.state) == (Action.NONE, ActualState.RUNNING)
    failed = decide(wish(generation=3), unnoted(HALTED), FAILED, NOW, LIMITS)
    assert (failed.action, failed.state) == (Action.NOTE, ActualState.FAILED)
    assert memory.after_success(FAILED, failed, NOW, LIMITS).failed == BOOM


def test_what_goes_on_with_something_wrong_says_so() -> None:
    """A run that is well but for a warning runs, with the warning as its cause."""
    warning = Cause(code="disk-nearly-full", message="…")
    decision = decide(
        wish(), seen(run(progress=Progress(ready=True, warning=warning))), History(), NOW, LIMITS
    )
    assert (decision.action, decision.state, decision.cause) == (
        Action.NONE,
        ActualState.RUNNING,
        warning,
    )
