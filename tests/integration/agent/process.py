"""The agent as the process that it is."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp

from integration.agent.fake_server import TOKEN
from moorage.kernel.home import Home, write_private


class AgentProcess:
    """`python -m moorage.agent` on a state folder of its own. Settings are given as environment
    variables."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.home = Home(home)
        self.home.make()
        write_private(self.home.secret_file("agent-token"), TOKEN)
        self._settings = {
            f"MOORAGE_AGENT_{name.upper()}": str(value) for name, value in settings.items()
        }
        self._process: asyncio.subprocess.Process | None = None
        self.log = home / "agent.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "moorage.agent", "--home", str(self.home.path),
                env={**os.environ, **self._settings}, stdout=log, stderr=log,
            )  # fmt: skip

    async def kill(self) -> None:
        """As `kill -9` does: without a last word."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """Its exit code after SIGTERM."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            return await self._process.wait()

    async def exit_code(self) -> int:
        """Once it has ended by itself."""
        assert self._process is not None
        async with asyncio.timeout(60):
            return await self._process.wait()

    async def get(self, path: str) -> tuple[int, str]:
        """Of its own socket."""
        connector = aiohttp.UnixConnector(str(self.home.socket("agent")))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://agent{path}") as response,
        ):
            return response.status, await response.text()

    def resident(self) -> int:
        """Bytes."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
