"""An agent in a process of its own, to be killed. Its server is a file of wishes, its report a file
of states.

agent_process.py KUBECONFIG INSTALLATION TOOLS_IMAGE WISHES STATES
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import msgspec

from moorage.agent.runtimes.kubernetes.api import access
from moorage.agent.runtimes.kubernetes.backend import KubernetesBackend
from moorage.agent.runtimes.port import Identity
from moorage.agent.settings import AgentSettings
from moorage.agent.workspaces.fleet import Fleet
from moorage.contract import DesiredWorkspace
from moorage.kernel.clock import SystemClock
from moorage.kernel.home import write_private
from moorage.workspace_settings import RemoteDevelopment, Storage


def read(file: Path) -> str:
    return file.read_text()


async def main(
    kubeconfig: str, installation: str, tools_image: str, wishes: Path, states: Path
) -> None:
    backend = KubernetesBackend(
        access.from_kubeconfig(Path(kubeconfig)),
        AgentSettings(tools_image=tools_image, stop_timeout=1),
        RemoteDevelopment(storage=Storage(size="1Gi")),
        SystemClock(),
    )
    fleet = Fleet(backend, AgentSettings(), SystemClock())
    fleet.introduce(Identity(installation, 7))
    task = asyncio.create_task(fleet.run())
    seen = ""
    while not task.done():
        text = read(wishes)
        if text != seen:
            fleet.snapshot(msgspec.json.decode(text, type=tuple[DesiredWorkspace, ...]))
            seen = text
        write_private(states, json.dumps(fleet.states))
        await asyncio.sleep(0.1)
    task.result()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5])))
