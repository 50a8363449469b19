"""HAProxy's runtime API, and what stands for it in memory: the same tests for both."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from integration.gateway.installation import eventually
from moorage.gateway.haproxy.access_map import FILE, Difference, read_back
from moorage.gateway.haproxy.runtime import Runtime
from moorage.kernel.errors import Unavailable
from unit.gateway.haproxy_in_memory import RuntimeInMemory

pytestmark = pytest.mark.haproxy

WS = "workspace-1-1-aaaaaa"
ONE, TWO, THREE = (f"{port}-{WS}.z/session-1" for port in (1, 2, 3))
CONFIGURATION = """
global
  stats socket unix@runtime.sock level admin
defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
frontend web
  bind unix@web.sock
  http-request set-var(txn.address) path,map_str_ip(access.map)
"""
End = Callable[[], None]


@contextlib.asynccontextmanager
async def real(folder: Path) -> AsyncIterator[tuple[Runtime, End]]:
    (folder / "haproxy.cfg").write_text(CONFIGURATION)
    (folder / FILE).write_text("")
    process = await asyncio.create_subprocess_exec(
        "haproxy", "-db", "-f", "haproxy.cfg", cwd=folder
    )
    runtime = Runtime(folder / "runtime.sock")

    async def answers() -> bool:
        with contextlib.suppress(Unavailable):
            return bool(await runtime.ask("show info"))
        return False

    try:
        await eventually("HAProxy answers", answers)
        yield runtime, process.terminate
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def in_memory(_folder: Path) -> AsyncIterator[tuple[Runtime, End]]:
    runtime = RuntimeInMemory()

    def end() -> None:
        runtime.there = False
        runtime.ended.set()

    yield runtime, end


@pytest_asyncio.fixture(params=[real, in_memory], ids=["haproxy", "in memory"])
async def haproxy(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Runtime, End]]:
    """A HAProxy with an empty map, and how to end it."""
    async with request.param(tmp_path) as found:
        yield found


async def entries(runtime: Runtime) -> dict[str, str]:
    return read_back(await runtime.ask(f"show map {FILE}"), "z").get(WS, {})


async def test_a_map_is_changed_in_place(haproxy: tuple[Runtime, End]):
    """What goes, what changes and what is new; the rest stays."""
    runtime, _ = haproxy
    await runtime.change(FILE, Difference(added=((ONE, "10.0.0.1"), (TWO, "10.0.0.2"))))
    assert await entries(runtime) == {ONE: "10.0.0.1", TWO: "10.0.0.2"}
    difference = Difference(
        removed=(ONE,), changed=((TWO, "10.0.0.4"),), added=((THREE, "10.0.0.3"),)
    )
    await runtime.change(FILE, difference)
    assert await entries(runtime) == {TWO: "10.0.0.4", THREE: "10.0.0.3"}


async def test_a_map_is_replaced_as_a_whole(haproxy: tuple[Runtime, End]):
    """Nothing of before is left."""
    runtime, _ = haproxy
    await runtime.change(FILE, Difference(added=((ONE, "10.0.0.1"),)))
    await runtime.replace(FILE, [(TWO, "10.0.0.2"), (THREE, "fd00::3")])
    assert await entries(runtime) == {TWO: "10.0.0.2", THREE: "fd00::3"}
    await runtime.replace(FILE, [])
    assert await entries(runtime) == {}


async def test_its_end_is_noticed_and_then_it_does_not_answer(haproxy: tuple[Runtime, End]):
    """Whoever watches knows, and every question says that it is away."""
    runtime, end = haproxy
    async with runtime.watching() as gone:
        assert not gone.done()
        end()
        await asyncio.wait_for(gone, 10)
    for ask in (
        lambda: runtime.ask(f"show map {FILE}"),
        lambda: runtime.change(FILE, Difference(added=((ONE, "10.0.0.1"),))),
        lambda: runtime.replace(FILE, []),
        lambda: runtime.shutdown(["0x1"]),
    ):
        with pytest.raises(Unavailable):
            await ask()
    with pytest.raises(Unavailable):
        async with runtime.watching():
            pass


async def test_a_request_that_has_ended_is_closed_without_an_error(haproxy: tuple[Runtime, End]):
    """It may end between a look and the word that it shall."""
    runtime, _ = haproxy
    await runtime.shutdown(["0x55d0deadbeef"])
