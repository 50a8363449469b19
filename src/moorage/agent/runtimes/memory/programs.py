"""The few programs that there are in a container in memory."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Mapping

from moorage.agent.runtimes.port import LogChunk


class MemoryExec:
    """`echo`, `cat`, `true`, `false`, `printenv NAME`, `workspace-commands`, whose file nobody
    reads, and `sh -c` of a single one of them or of `exit N`."""

    def __init__(self, argv: tuple[str, ...], env: Mapping[str, str]) -> None:
        self._argv = _unwrapped(argv)
        self._env = env
        self._input: asyncio.Queue[bytes] = asyncio.Queue()
        self._code = 0

    async def output(self) -> AsyncIterator[LogChunk]:
        name, *words = self._argv
        name = name.rpartition("/")[2]
        match name:
            case "echo":
                yield LogChunk((" ".join(words) + "\n").encode())
            case "cat":
                while data := await self._input.get():
                    yield LogChunk(data)
            case "printenv" if words:
                if words[0] in self._env:
                    yield LogChunk(f"{self._env[words[0]]}\n".encode())
                else:
                    self._code = 1
            case "workspace-commands":
                while await self._input.get():
                    pass
            case "exit":
                self._code = int(words[0]) if words else 0
            case "true" | "false":
                self._code = int(name == "false")
            case _:
                self._code = 127
                yield LogChunk(f"{name}: not found\n".encode(), "stderr")

    async def write(self, data: bytes) -> None:
        await self._input.put(data)

    async def end_input(self) -> None:
        await self._input.put(b"")

    async def resize(self, columns: int, rows: int) -> None:
        """There is no terminal."""

    async def exit_code(self) -> int:
        return self._code


def _unwrapped(argv: tuple[str, ...]) -> list[str]:
    if argv[:2] == ("sh", "-c"):
        return shlex.split(argv[2])
    return list(argv)
