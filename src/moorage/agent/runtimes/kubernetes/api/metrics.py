"""The Kubernetes runtime's figures for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

REQUESTS = Counter(
    "moorage_agent_cluster_requests_total",
    "Requests to the cluster's API server; status 0: no answer.",
    ["verb", "kind", "status"],
)
WAITED = Counter(
    "moorage_agent_cluster_request_wait_seconds_total",
    "Time that requests waited for the limit on their rate.",
)
TOKENS = Gauge(
    "moorage_agent_cluster_request_tokens",
    "Requests that may start at once; below 0: that many are waiting.",
)
