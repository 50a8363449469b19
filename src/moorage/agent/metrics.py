"""The agent's figures for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from moorage.contract import ActualState, ActualWorkspace, StageName

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

RECONCILE_SECONDS = Histogram(
    "moorage_agent_reconcile_seconds",
    "Time of one action on one workspace.",
    ["action"],
    buckets=_SECONDS,
)
RECONCILE_ERRORS = Counter(
    "moorage_agent_reconcile_errors_total",
    "Actions that did not succeed, by the cause's code.",
    ["code"],
)
WORKSPACES = Gauge("moorage_agent_workspaces", "Workspaces by their actual state.", ["state"])
STAGE_SECONDS = Histogram(
    "moorage_agent_stage_seconds",
    "Duration of the stages of starts that became ready.",
    ["stage"],
    buckets=_SECONDS,
)
START_SECONDS = Histogram(
    "moorage_agent_start_seconds",
    "From a start's arrival at the agent until the workspace is ready.",
    buckets=_SECONDS,
)
ENGINE_SECONDS = Histogram(
    "moorage_agent_engine_request_seconds",
    "Time of requests to the container engine.",
    ["method"],
    buckets=_SECONDS,
)
ENGINE_ERRORS = Counter(
    "moorage_agent_engine_errors_total",
    "Requests to the container engine that failed, by status.",
    ["status"],
)
CONNECTED = Gauge("moorage_agent_connected", "1 while the agent is connected to its server.")
RECONNECTS = Counter("moorage_agent_reconnects_total", "Connections to the server that ended.")
COLLECTED = Counter(
    "moorage_agent_collected_total",
    "Workspaces that were not listed and were removed by the server's word.",
)
CHANNELS = Gauge("moorage_agent_channels", "Logs and commands that are open.", ["kind"])


def count_report(before: ActualWorkspace | None, after: ActualWorkspace) -> None:
    """Counts a workspace's new state and, when it became ready, how long its start took.

    `before` is None for a workspace's first report.
    """
    if before is not None:
        WORKSPACES.labels(before.state.value).dec()
    WORKSPACES.labels(after.state.value).inc()
    if (
        after.state is not ActualState.RUNNING
        or before is None
        or before.state is not ActualState.STARTING
    ):
        return
    begun = None
    for stage in after.stages:
        if stage.name is StageName.RECEIVED:
            begun = stage.started_at
        if stage.duration is not None:
            STAGE_SECONDS.labels(stage.name.value).observe(stage.duration)
        if stage.name is StageName.READY and stage.finished_at is not None and begun is not None:
            START_SECONDS.observe(stage.finished_at - begun)
