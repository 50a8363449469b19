"""Supervised background tasks."""

import asyncio

import pytest

from moorage.kernel import tasks
from moorage.kernel.errors import Unavailable
from moorage.kernel.tasks import Backoff, forever, is_set_within, leaves, running


def test_the_pause_doubles_up_to_its_most():
    """Each delay lies between half and the whole of a bound that doubles until it reaches the most;
    reset starts over."""
    backoff = Backoff(first=1.0, most=5.0)
    for bound in (1.0, 2.0, 4.0, 5.0, 5.0):
        assert bound / 2 <= backoff.delay() <= bound
    backoff.reset()
    assert backoff.delay() <= 1.0


async def test_a_task_that_fails_is_run_again():
    """A failure ends neither the task nor the process; only cancellation ends it."""
    runs = 0
    third = asyncio.Event()

    async def work():
        nonlocal runs
        runs += 1
        if runs == 3:
            third.set()
        if runs % 2:
            raise RuntimeError("broken")

    task = asyncio.create_task(forever("test", work, backoff=Backoff(first=0.001, most=0.002)))
    await asyncio.wait_for(third.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_ran_long_is_soon_run_again(monkeypatch):
    """However often it failed before: the pause of that time is over."""
    monkeypatch.setattr(tasks, "LONG_SECONDS", 0.05)
    backoff = Backoff(first=0.001, most=60.0)
    runs, again = 0, asyncio.Event()

    async def work():
        nonlocal runs
        runs += 1
        if runs == 9:
            again.set()
        await asyncio.sleep(0.1 if runs == 8 else 0)
        raise RuntimeError("broken")

    task = asyncio.create_task(forever("test", work, backoff=backoff))
    await asyncio.wait_for(again.wait(), 10)
    assert backoff.delay() <= 0.004
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_work_that_waits_by_itself_is_run_again_at_once():
    """Without a rest between two runs, however long the pause after a failure is."""
    runs, again = 0, asyncio.Event()

    async def work():
        nonlocal runs
        runs += 1
        if runs == 5:
            again.set()
        await asyncio.sleep(0)

    task = asyncio.create_task(
        forever("test", work, backoff=Backoff(first=60, most=60), rest=False)
    )
    await asyncio.wait_for(again.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_that_somebody_is_away_is_logged_once(capsys: pytest.CaptureFixture[str]):
    """At each try it would hide everything else; another fault is logged each time, and then who is
    away again."""
    errors = [
        Unavailable("Gone."),
        Unavailable("Gone."),
        RuntimeError("broken"),
        Unavailable("Gone."),
    ]
    done = asyncio.Event()

    async def work():
        if not errors:
            done.set()
            return
        raise errors.pop(0)

    async with running({"a task": work}, backoff=lambda: Backoff(first=0.001, most=0.002)):
        await asyncio.wait_for(done.wait(), 10)
    said = "".join(capsys.readouterr())
    assert said.count("away; trying again") == 2
    assert said.count("task failed; trying again") == 1


async def test_tasks_end_with_their_block():
    """Each runs under its name, and none is left behind."""
    begun = asyncio.Event()

    async def work():
        begun.set()
        await asyncio.sleep(3600)

    async with running({"one": work, "two": work}):
        await asyncio.wait_for(begun.wait(), 10)
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert {"one", "two"} <= names
    assert not {"one", "two"} & {task.get_name() for task in asyncio.all_tasks()}


def test_a_group_of_errors_is_made_of_its_leaves():
    """However deep groups lie in groups; an error alone is its own leaf."""
    one, two, three = ValueError("1"), KeyError("2"), OSError("3")
    group = ExceptionGroup("outer", [one, ExceptionGroup("inner", [two, three])])
    assert list(leaves(group)) == [one, two, three]
    assert list(leaves(one)) == [one]


async def test_an_event_is_waited_for_so_long_at_most():
    """Whether it is set is told."""
    event = asyncio.Event()
    assert not await is_set_within(event, 0.001)
    event.set()
    assert await is_set_within(event, 60)
