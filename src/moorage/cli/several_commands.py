"""A composite command of several containers: its commands one after the other, or beside each
other."""

from __future__ import annotations

import asyncio
import threading

from moorage.cli import output
from moorage.cli.client import Target
from moorage.cli.execution import Execution, Write, write_all
from moorage.cli.run import Command, argv

LONGEST_LINE = 64 * 1024
"""Bytes; a longer one is broken."""


class SeveralCommands:
    def __init__(self, target: Target, workspace: str, commands: list[Command]) -> None:
        self._target = target
        self._workspace = workspace
        self._commands = {item["id"]: item for item in commands}

    async def run(self, chosen: Command, write: Write = write_all) -> int:
        """In order until one fails; or all at once, each line after the name of its command, until
        all have ended. Returns the exit code of the first that failed, in the devfile's order."""
        if chosen["unable"]:
            output.note(f"{chosen['id']} is not run. {chosen['unable']}")
            return 0
        if chosen["container"]:
            execution = Execution(
                self._target,
                self._workspace,
                argv(chosen),
                container=chosen["container"],
                tty=False,
                write=write,
            )
            return await execution.run()
        members = [self._commands[name] for name in chosen["members"]]
        if chosen["parallel"]:
            codes = await asyncio.gather(*(self._marked(member) for member in members))
            return next((code for code in codes if code), 0)
        for member in members:
            code = await self.run(member, write)
            if code:
                return code
        return 0

    async def _marked(self, member: Command) -> int:
        lines = MarkedLines(f"{member['id']} | ")
        try:
            code = await self.run(member, lines.write)
        finally:
            lines.end()
        if code:
            output.note(f"{member['id']} has ended with exit code {code}.")
        return code


class MarkedLines:
    """Writes whole lines, each after a mark."""

    _one_at_a_time = threading.Lock()

    def __init__(self, mark: str, write: Write = write_all) -> None:
        self._mark = mark.encode()
        self._write = write
        self._begun: dict[int, bytes] = {}
        """By descriptor: what has come of a line that has not ended."""

    def write(self, descriptor: int, data: memoryview) -> None:
        text = self._begun.get(descriptor, b"") + bytes(data)
        whole, end, rest = text.rpartition(b"\n")
        if end:
            self._out(descriptor, whole)
        if len(rest) > LONGEST_LINE:
            self._out(descriptor, rest)
            rest = b""
        self._begun[descriptor] = rest

    def end(self) -> None:
        """What has come of a last line is one."""
        for descriptor, text in self._begun.items():
            if text:
                self._out(descriptor, text)
        self._begun = {}

    def _out(self, descriptor: int, text: bytes) -> None:
        lines = b"".join(self._mark + line + b"\n" for line in text.split(b"\n"))
        with self._one_at_a_time:
            self._write(descriptor, memoryview(lines))
