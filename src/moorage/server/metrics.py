"""Metrics of the server, for Prometheus. One registry per server, so that a test can start
several."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "moorage_server_requests",
            "HTTP requests",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "moorage_server_request_seconds",
            "Time until an HTTP request was answered whole",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.workspaces = Gauge(
            "moorage_server_workspaces",
            "Workspaces by actual state",
            ("state",),
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            "moorage_server_stage_seconds",
            "Duration of the stages of a start",
            ("stage",),
            buckets=(*_SECONDS, 60.0, 120.0, 300.0),
            registry=self.registry,
        )
        self.git_seconds = Histogram(
            "moorage_server_git_read_seconds",
            "Time to read a devfile by Git",
            ("outcome",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.agents = Gauge(
            "moorage_server_agents_connected", "Agents connected here", registry=self.registry
        )
        self.gateways = Gauge(
            "moorage_server_gateways_connected", "Gateways connected here", registry=self.registry
        )
        self.channels = Gauge(
            "moorage_server_channels", "Open channels for logs and commands", registry=self.registry
        )

        self.streams = Gauge(
            "moorage_server_event_streams",
            "Open streams of server-sent events",
            registry=self.registry,
        )
        self.streams_dropped = Counter(
            "moorage_server_event_streams_dropped",
            "Streams that were cut off because nobody read them",
            registry=self.registry,
        )
        self.renderings = Counter(
            "moorage_server_renderings",
            "What was made for streams: once for all of a person's that show the same",
            ("event",),
            registry=self.registry,
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)
