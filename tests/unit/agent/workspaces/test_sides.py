"""Side containers that end: when each is started again, and what is said meanwhile."""

from __future__ import annotations

import msgspec

from moorage.agent.runtimes.port import Known, Observed, ObservedContainer, Progress, Run, digest_of
from moorage.agent.workspaces import history as memory
from moorage.agent.workspaces.decide import decide
from moorage.agent.workspaces.decision import Action, Decision, Limits
from moorage.agent.workspaces.history import History
from moorage.agent.workspaces.reports import report_of
from moorage.contract import (
    ActualState,
    Cause,
    Container,
    ContainerState,
    DesiredState,
    DesiredWorkspace,
    WorkspaceSpec,
)

SPEC = WorkspaceSpec(
    containers=(Container(name="py", image="i"), Container(name="db", image="i")),
    main_container="py",
)
WISH = DesiredWorkspace(name="w", generation=1, desired=DesiredState.RUNNING, spec=SPEC)
LIMITS = Limits(crash_limit=3, crash_window=600, first_pause=1, rescue=False)
BOOM = Cause(
    code="container-crashed", message="Container db ended with exit code 9.", detail="no data"
)
UP = ContainerState.RUNNING
KNOWN = Known(generation=1)


def seen(now: float, *, down: bool, main: ContainerState = UP, itself: bool = False) -> Observed:
    """`down`: the side container has just ended; `main`: the state of the main one."""
    main_ended = main is not UP
    containers = (
        ObservedContainer(
            name="py",
            role="main",
            image="i",
            state=main,
            exit_code=1 if main_ended else None,
            finished_at=now if main_ended else None,
        ),
        ObservedContainer(name="sandbox", role="sandbox", image="t", state=UP),
        ObservedContainer(
            name="db",
            role="sidecar",
            image="i",
            state=ContainerState.EXITED if down else UP,
            exit_code=9 if down else None,
            started_at=now - 1,
            finished_at=now if down else None,
            fault=BOOM if down else None,
        ),
    )
    run = Run(
        restarts=0,
        spec=digest_of(SPEC),
        containers=containers,
        address="10.0.0.2",
        progress=Progress(ready=True),
        restarts_itself=itself,
    )
    return Observed(name="w", data=True, run=run, known=KNOWN, recorded=True)


class Clockwork:
    """Decides again and again, each time when it was asked to."""

    def __init__(self) -> None:
        self.now = 10_000.0
        self.history = History()

    def step(self, *, down: bool, main: ContainerState = UP, itself: bool = False) -> Decision:
        observed = seen(self.now, down=down, main=main, itself=itself)
        decision = decide(WISH, observed, self.history, self.now, LIMITS)
        self.history = memory.after_decision(self.history, decision, WISH, self.now)
        if decision.action is not Action.NONE:
            self.history = memory.after_success(self.history, decision, self.now, LIMITS)
        return decision


def test_one_that_always_ends_takes_nothing_down() -> None:
    """It is started again for ever, with pauses that double up to five minutes, and the workspace
    runs all the while and says why that one does not."""
    clock, pauses, last = Clockwork(), list[float](), 0.0
    for _ in range(60):
        decision = clock.step(down=True)
        assert decision.state is ActualState.RUNNING
        [trouble] = decision.trouble
        assert (trouble.code, trouble.detail, trouble.since) == (BOOM.code, BOOM.detail, 10_000.0)
        assert trouble.message.startswith(BOOM.message)
        assert "again by itself" in trouble.hint
        if decision.action is Action.START:
            pauses.append(clock.now - last if last else 0.0)
            last = clock.now
        clock.now += decision.again_in or 0.0
    assert pauses[:10] == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert set(pauses[10:]) == {300.0}


def test_the_trouble_goes_when_it_runs_again() -> None:
    """What runs again is trouble for ten seconds more, so that one that keeps ending is not told
    well in between; nobody has to ask for that look."""
    clock = Clockwork()
    assert clock.step(down=True).action is Action.START
    decision = clock.step(down=False)
    assert (decision.action, len(decision.trouble), decision.again_in) == (Action.NONE, 1, 10.0)
    clock.now += 10.0
    decision = clock.step(down=False)
    assert (decision.state, decision.trouble, decision.again_in) == (ActualState.RUNNING, (), None)
    assert clock.step(down=True).action is Action.START
    assert clock.history.sides["db"].starts == 2  # what was so lately still counts
    clock.step(down=False)
    clock.now += 600.0
    clock.step(down=False)
    assert clock.history.sides == {}


def test_a_sidecars_ends_do_not_count_for_the_main_container() -> None:
    """The main container has all its tries, however often another has ended."""
    clock = Clockwork()
    for _ in range(20):
        decision = clock.step(down=True)
        clock.now += decision.again_in or 0.0
    decision = clock.step(down=True, main=ContainerState.EXITED)
    assert (decision.action, decision.crash) == (Action.START, True)
    assert len(clock.history.crashes) == 1


def test_restarts_are_counted() -> None:
    """How often a container was started again is known where the engine does not count, and begins
    anew with new containers."""
    clock = Clockwork()
    for _ in range(8):
        clock.now += clock.step(down=True).again_in or 0.0
    assert clock.history.restarts == {"db": 4}
    report = report_of(
        WISH,
        ActualState.RUNNING,
        None,
        run=seen(clock.now, down=True).run,
        restarts=clock.history.restarts,
        progress=Progress(ready=True),
        post_start={},
        received=0.0,
        now=clock.now,
    )
    assert {status.name: status.restarts for status in report.containers} == {"py": 0, "db": 4}
    halt = Decision(action=Action.HALT, state=ActualState.FAILED)
    assert memory.after_success(clock.history, halt, clock.now, LIMITS).restarts == {"db": 4}
    anew = Decision(action=Action.RECREATE, state=ActualState.STARTING)
    assert memory.after_success(clock.history, anew, clock.now, LIMITS).restarts == {}


def test_an_engine_that_starts_it_again_itself() -> None:
    """Nothing is done, and all is told."""
    clock = Clockwork()
    for _ in range(5):
        decision = clock.step(down=True, itself=True)
        assert (decision.action, len(decision.trouble)) == (Action.NONE, 1)
        clock.now += 30.0
    clock.step(down=False, itself=True)
    clock.now += 10.0
    assert clock.step(down=False, itself=True).trouble == ()


def test_an_engines_outage_is_no_trouble() -> None:
    """What ended while the engine was away is started again at once, and nobody hears of it."""
    clock = Clockwork()
    for _ in range(9):
        clock.now += clock.step(down=True).again_in or 0.0
    clock.history = memory.after_outage(clock.history, clock.now)
    decision = clock.step(down=True)
    assert (decision.action, decision.trouble) == (Action.START, ())


def test_trouble_is_told_of_what_runs_alone() -> None:
    """A workspace that starts, stops or has failed says its own cause."""
    observed = seen(10_000.0, down=True)
    assert observed.run is not None
    starting = msgspec.structs.replace(observed.run, progress=Progress())
    for wish, run in (
        (WISH, starting),
        (msgspec.structs.replace(WISH, desired=DesiredState.STOPPED), observed.run),
    ):
        now = msgspec.structs.replace(observed, run=run)
        assert decide(wish, now, History(), 10_000.0, LIMITS).trouble == ()
