"""What postStart commands write, as it is read."""

from __future__ import annotations

import asyncio

import pytest

from moorage.agent.workspaces.output import KEPT, LEFT_OUT, Output


async def read(output: Output, *, follow: bool = False, tail: int | None = None) -> bytes:
    return b"".join([chunk.data async for chunk in output.read(follow=follow, tail=tail)])


@pytest.mark.parametrize(
    ("tail", "expected"),
    [(None, b"a\nb\nc"), (0, b""), (1, b"c"), (2, b"b\nc"), (9, b"a\nb\nc")],
)
async def test_the_last_lines(tail: int | None, expected: bytes) -> None:
    output = Output()
    for data in (b"a\n", b"b", b"\nc"):
        output.add(data)
    assert await read(output, tail=tail) == expected


async def test_following_ends_with_the_commands() -> None:
    """Several readers hear what is written while they read; each has all of it."""
    output = Output()
    output.add(b"first ")
    readers = [asyncio.create_task(read(output, follow=True)) for _ in range(2)]
    await asyncio.sleep(0)
    output.add(b"second ")
    await asyncio.sleep(0)
    output.add(b"third")
    await asyncio.sleep(0)
    assert not any(reader.done() for reader in readers)
    output.end()
    assert await asyncio.gather(*readers) == [b"first second third"] * 2


async def test_what_is_no_longer_kept_is_said() -> None:
    """Also to one who follows and was too slow."""
    output = Output()
    slow = output.read(follow=True, tail=None)
    output.add(b"x" * 10)
    assert (await anext(slow)).data == b"x" * 10
    output.add(b"y" * (KEPT + 5))
    output.end()
    assert await read(output) == LEFT_OUT + b"y" * KEPT
    assert b"".join([chunk.data async for chunk in slow]) == LEFT_OUT + b"y" * KEPT


async def test_our_own_lines_begin_on_a_line() -> None:
    output = Output()
    output.say("one")
    output.add(b"half")
    output.say("two")
    assert await read(output) == b"one\nhalf\ntwo\n"
