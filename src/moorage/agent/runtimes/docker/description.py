"""The engine's description of itself and of its machine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from moorage.agent.runtimes.docker.engine import Engine
from moorage.agent.runtimes.docker.limits import Machine, machine_of

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_SECONDS = 10
LOOPBACK_IPV6 = Path("/proc/sys/net/ipv6/conf/lo/disable_ipv6")
"""There where the kernel has IPv6."""


class EngineDescription(msgspec.Struct, frozen=True, kw_only=True):
    """An engine, as far as starts depend on it."""

    podman: bool
    version: str
    machine: Machine
    architecture: str
    """As images name it; "": not known."""
    folder: str
    """Where it keeps its files; "": not on this machine."""


async def describe(engine: Engine) -> EngineDescription:
    """Raises `EngineError`, `RuntimeFault`."""
    version, info = await asyncio.gather(
        engine.request("GET", "version", timeout=_SECONDS),
        engine.request("GET", "info", timeout=_SECONDS),
    )
    architecture = info.get("Architecture", "")
    return EngineDescription(
        podman=_is_podman(version),
        version=str(version["Version"]),
        machine=msgspec.structs.replace(machine_of(info), ipv6=engine.is_local and _has_ipv6()),
        architecture=_ARCHITECTURES.get(architecture, architecture),
        folder=str(info.get("DockerRootDir") or "") if engine.is_local else "",
    )


def _has_ipv6() -> bool:
    return LOOPBACK_IPV6.exists()


def _is_podman(version: Mapping[str, Any]) -> bool:
    return any("podman" in part.get("Name", "").lower() for part in version.get("Components") or ())
