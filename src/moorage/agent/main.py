"""The agent's composition root."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import signal
import sys
from pathlib import Path

from moorage.agent.connection import Connection, server_address, websocket_url
from moorage.agent.place import place_of
from moorage.agent.runtimes import bounds
from moorage.agent.runtimes.bounds import Bounds
from moorage.agent.runtimes.port import Backend
from moorage.agent.settings import AgentSettings
from moorage.agent.status import Status, listening_address
from moorage.agent.workspaces.fleet import Fleet
from moorage.agent.workspaces.settings import SettingsReceiver
from moorage.kernel import log, settings
from moorage.kernel.clock import SystemClock
from moorage.kernel.errors import Misconfigured, MoorageError
from moorage.kernel.home import Home, default_home, narrow_umask
from moorage.kernel.tasks import leaves


def main(argv: list[str] | None = None) -> int:
    """Runs until SIGTERM or SIGINT. Returns the exit code: 9 when the installation cannot run like
    this."""
    parser = argparse.ArgumentParser(prog="python -m moorage.agent")
    parser.add_argument("--home", type=Path, default=None, help="the state folder")
    narrow_umask()
    home = Home((parser.parse_args(argv).home or default_home()).absolute())
    try:
        agent_settings = settings.load(AgentSettings, "agent", home.settings)
        log.configure("agent", fmt=agent_settings.log_format, level=agent_settings.log_level)
        check(agent_settings)
        asyncio.run(run(home, agent_settings))
    except MoorageError as error:
        print(f"moorage agent: {error}", file=sys.stderr)  # noqa: T201 - where the supervisor reads why
        return error.exit_code
    return 0


def check(agent_settings: AgentSettings) -> None:
    """Raises `Misconfigured` for what would only fail later."""
    try:
        pool = ipaddress.IPv4Network(agent_settings.network_pool)
    except ValueError as error:
        raise Misconfigured(
            f"network_pool is no IPv4 network: {error}.",
            code="network-pool-invalid",
            hint="Set it under [agent] to something like 10.213.0.0/16.",
        ) from error
    if pool.prefixlen > 28:
        raise Misconfigured(
            f"network_pool {pool} is too small: each workspace takes a /28 of it.",
            code="network-pool-invalid",
        )
    if agent_settings.ca_bundle and not Path(agent_settings.ca_bundle).is_file():
        raise Misconfigured(
            f"The CA bundle {agent_settings.ca_bundle} is not there.",
            code="ca-bundle-unreadable",
            hint="Correct ca_bundle under [agent].",
        )
    if agent_settings.server and not agent_settings.server.startswith("unix:"):
        websocket_url(agent_settings.server)
    listening_address(agent_settings.status_listen)


async def run(home: Home, agent_settings: AgentSettings) -> None:
    """Runs the agent until a signal asks it to end. Raises `MoorageError` when it cannot go on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    backend = make_backend(agent_settings)
    try:
        workspace_settings = SettingsReceiver(agent_settings, backend, make_bounds(agent_settings))
        fleet = Fleet(backend, agent_settings, SystemClock(), _place(home, agent_settings))
        address = server_address(agent_settings.server, home.socket("server"))
        token = home.secret("agent-token")
        connection = Connection(address, token, fleet, backend, workspace_settings)
        listen = listening_address(agent_settings.status_listen)
        async with (
            Status(home.socket("agent"), listen, fleet, connection, lambda: backend.caveat),
            asyncio.TaskGroup() as group,
        ):
            tasks = [
                group.create_task(fleet.run(), name="fleet"),
                group.create_task(connection.run(), name="connection"),
            ]
            await _until(stop, tasks)
            for task in tasks:
                task.cancel()
    except* MoorageError as group_of_errors:
        raise next(leaves(group_of_errors)) from None
    finally:
        await backend.close()


def make_backend(agent_settings: AgentSettings) -> Backend:
    """Imports only the one that is used: each brings libraries with it."""
    if agent_settings.runtime == "memory":
        from moorage.agent.runtimes.memory import MemoryBackend

        return MemoryBackend(SystemClock())
    if agent_settings.runtime == "kubernetes":
        from moorage.agent.runtimes.kubernetes.backend import KubernetesBackend

        return KubernetesBackend.from_settings(agent_settings, SystemClock())
    from moorage.agent.runtimes.docker.backend import DockerBackend

    return DockerBackend(agent_settings, SystemClock())


def _place(home: Home, agent_settings: AgentSettings) -> str:
    if agent_settings.runtime != "kubernetes" or agent_settings.kubeconfig:
        return place_of(home.path)
    from moorage.agent.runtimes.kubernetes.api.access import own_namespace

    return place_of(home.path, own_namespace())


def make_bounds(agent_settings: AgentSettings) -> Bounds | None:
    """Where there is a cluster to guard."""
    if agent_settings.runtime != "kubernetes":
        return None
    from moorage.agent.runtimes.kubernetes.api.access import own_namespace

    return bounds.of_agent(agent_settings, own_namespace())


async def _until(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    waiting = asyncio.create_task(stop.wait(), name="stop signal")
    try:
        await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
