"""HAProxy's runtime API (management guide, section 9.3): a question, an answer, each on a
connection of its own.

Nothing reaches it that `words` does not allow, whoever asks. An entry of a map that cannot be
written is left out and said, and keeps no other away: what is not in the map is not let through.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from moorage.gateway.haproxy import drain, words
from moorage.gateway.haproxy.access_map import Difference, writable
from moorage.kernel.errors import Unavailable

_LINE_LIMIT = 12_000
"""Bytes of one command with its payload: HAProxy takes a buffer (16 KiB)."""
_ANSWER_SECONDS = 10.0
_DRAIN_BEGINS = 4.0
"""Seconds within which a HAProxy that was told to end, when we were, says so (`haproxy.drain`)."""
_DRAIN_LOOK = 0.25
_VERSION = re.compile(r"New version created: (\d+)")


class Runtime:
    """Asks HAProxy, and changes what it has in memory."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def ask(self, *commands: str) -> str:
        """The answers, one after the other. Raises `Unavailable`, and `Misconfigured` for what is
        no command."""
        return await self._send(";".join(words.line(command) for command in commands))

    async def _give(self, command: str, payload: Iterable[str]) -> str:
        """The answer to a command that comes with lines. Raises as `ask`."""
        lines = "\n".join(words.line(line) for line in payload)
        return await self._send(f"{words.line(command)} <<\n{lines}\n")

    async def _send(self, text: str) -> str:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                try:
                    writer.write(text.encode() + b"\n")
                    await writer.drain()
                    return (await reader.read()).decode()
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise Unavailable(
                f"HAProxy does not answer: {error!r}.", code="haproxy-away"
            ) from error

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[asyncio.Task[None]]:
        """A task that is done when this HAProxy has ended: the next one knows nothing. Raises
        `Unavailable`."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        except OSError as error:
            raise Unavailable(
                f"HAProxy does not answer: {error!r}.", code="haproxy-away"
            ) from error
        gone = asyncio.create_task(_until_end(reader), name="gateway.haproxy.gone")
        try:
            writer.write(b"prompt\n")
            yield gone
        finally:
            gone.cancel()
            writer.close()

    async def drained(self) -> None:
        """Returns when HAProxy has ended, or was not told to end within a few seconds."""
        deadline = time.monotonic() + _DRAIN_BEGINS
        with suppress(Unavailable):
            while await self._is_ending() or time.monotonic() < deadline:  # noqa: ASYNC110 - not of this process
                await asyncio.sleep(_DRAIN_LOOK)

    async def change(self, name: str, difference: Difference) -> None:
        """Changes a map in place: first what goes, so that a failure leaves too little in it rather
        than too much."""
        await self._run(f"del map {name} {key}" for key in difference.removed if words.is_word(key))
        await self._run(
            f"set map {name} {key} {value}" for key, value in writable(difference.changed)
        )
        await self._add(f"add map {name}", difference.added)

    async def replace(self, name: str, entries: Iterable[tuple[str, str]]) -> None:
        """Changes all of a map at one moment."""
        answer = await self.ask(f"prepare map {name}")
        version = _VERSION.search(answer)
        if version is None:
            raise Unavailable(
                f"HAProxy refused to prepare {name}: {answer.strip()}", code="haproxy-refused"
            )
        await self._add(f"add map @{version[1]} {name}", entries)
        _check(await self.ask(f"commit map @{version[1]} {name}"))

    async def describe(self, streams: Iterable[str]) -> str:
        """All that HAProxy says of these streams, by the ids that `show sess` gives. One that has
        ended meanwhile is left out. Raises as `ask`."""
        answers = [
            await self.ask(*chunk) for chunk in _chunks(f"show sess {each}" for each in streams)
        ]
        return "".join(answers)

    async def shutdown(self, streams: Iterable[str]) -> None:
        """Ends requests (and WebSockets) by the ids that `show sess` gives. One that has ended
        meanwhile is no error."""
        for chunk in _chunks(f"shutdown session {stream}" for stream in streams):
            await self.ask(*chunk)

    async def stage_certificate(self, name: str, pem: str) -> str:
        """Reads a new content for a certificate that is in use, and returns what `show ssl cert`
        says of it. It is used once it is committed. Raises `Unavailable`, code `haproxy-refused`
        when HAProxy cannot read it.

        `pem`: no empty line, and a line's end at its end.
        """
        answer = await self._give(f"set ssl cert {name}", pem.splitlines())
        if "Transaction created" not in answer and "Transaction updated" not in answer:
            raise _refused("HAProxy does not take it", answer)
        return await self.ask(f"show ssl cert *{name}")

    async def commit_certificate(self, name: str) -> None:
        """New connections get it from now on; open ones go on as they are. Raises as
        `stage_certificate`."""
        answer = await self.ask(f"commit ssl cert {name}")
        if "Success!" not in answer:
            raise _refused("HAProxy does not take it", answer)

    async def abort_certificate(self, name: str) -> None:
        """Forgets what was staged; that nothing was is no error."""
        await self.ask(f"abort ssl cert {name}")

    async def _is_ending(self) -> bool:
        return drain.is_ending(await self.ask(f"show acl {drain.STAGES}"))

    async def _run(self, commands: Iterable[str]) -> None:
        for chunk in _chunks(commands):
            _check(await self.ask(*chunk))

    async def _add(self, command: str, entries: Iterable[tuple[str, str]]) -> None:
        for chunk in _chunks(f"{key} {value}" for key, value in writable(entries)):
            _check(await self._give(command, chunk))


async def _until_end(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(4096):
            pass
    except OSError:
        pass


def _chunks(lines: Iterable[str]) -> Iterator[list[str]]:
    """The lines, in portions that HAProxy takes."""
    pending: list[str] = []
    size = 0
    for line in lines:
        if pending and size + len(line) + 1 > _LINE_LIMIT:
            yield pending
            pending, size = [], 0
        pending.append(line)
        size += len(line) + 1
    if pending:
        yield pending


def _check(answer: str) -> None:
    """HAProxy says nothing when it did as it was told. What is gone already need not be taken
    away."""
    said = [
        line for line in answer.splitlines() if line.strip() and "not found" not in line.lower()
    ]
    if said:
        raise Unavailable(f"HAProxy refused a change: {said[0]}", code="haproxy-refused")


def _refused(what: str, answer: str) -> Unavailable:
    said = [line.strip() for line in answer.splitlines() if line.strip()]
    return Unavailable(
        f"{what}: {said[0] if said else 'it does not say why'}", code="haproxy-refused"
    )
