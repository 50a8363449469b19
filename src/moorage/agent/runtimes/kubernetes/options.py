"""What the agent process says about its work on a cluster; see `[agent]` in `settings.toml` for what each means."""

from __future__ import annotations

import msgspec

from moorage.agent.settings import AgentSettings


class Options(msgspec.Struct, frozen=True, kw_only=True):
    tools_image: str = "moorage/tools:latest"
    requests_per_second: float = 50.0
    """To the API server, on average."""
    burst: int = 100
    """Requests at once."""
    clone_memory_limit: int = 1 << 30
    stop_timeout: int = 5
    crash_limit: int = 3
    crash_window: float = 600.0
    editor_timeout: float = 90.0
    clone_timeout: float = 1800.0
    pull_timeout: float = 1800.0
    schedule_timeout: float = 600.0
    """Seconds that a workspace waits for a node or a volume before it is given up: longer than an autoscaler takes."""


def of_agent(settings: AgentSettings) -> Options:
    return Options(
        tools_image=settings.tools_image,
        clone_memory_limit=settings.clone_memory_limit,
        stop_timeout=settings.stop_timeout,
        crash_limit=settings.crash_limit,
        crash_window=settings.crash_window,
        editor_timeout=settings.editor_timeout,
        clone_timeout=settings.clone_timeout,
        pull_timeout=settings.pull_timeout,
        requests_per_second=settings.requests_per_second,
        burst=max(1, int(settings.requests_per_second * 2)),
    )
