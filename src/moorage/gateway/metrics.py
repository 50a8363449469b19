"""The controller's metrics for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from moorage.gateway.table import Table
from moorage.kernel.clock import Clock


class Metrics:
    """Counts what the controller does, and reads the table's sizes."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self.registry = CollectorRegistry()
        self._heard_at = clock.now()
        self._clock = clock
        self.sign_ins = Counter(
            "moorage_gateway_sign_ins_total",
            "Sign-ins, by how they ended.",
            ["outcome"],
            registry=self.registry,
        )
        self.map_updates = Counter(
            "moorage_gateway_map_updates_total",
            "Changes of HAProxy's maps.",
            ["kind"],
            registry=self.registry,
        )
        self.map_seconds = Histogram(
            "moorage_gateway_map_update_seconds",
            "From a change that arrived to HAProxy's maps.",
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2),
            registry=self.registry,
        )
        self.closed = Counter(
            "moorage_gateway_closed_requests_total",
            "Open requests that were closed because access had ended.",
            registry=self.registry,
        )
        self.sessions_used = Counter(
            "moorage_gateway_sessions_used_total",
            "Sessions whose use the server was told of.",
            registry=self.registry,
        )
        self.starts = Counter(
            "moorage_gateway_starts_total",
            "Workspaces started from their page.",
            ["outcome"],
            registry=self.registry,
        )
        self.connected = Gauge(
            "moorage_gateway_server_connected",
            "1 while the server's stream is open.",
            registry=self.registry,
        )
        self.haproxy_connected = Gauge(
            "moorage_gateway_haproxy_connected",
            "1 while HAProxy is there and knows the table.",
            registry=self.registry,
        )
        self.certificate_expiry = Gauge(
            "moorage_gateway_certificate_expiry_seconds",
            "When the certificate that HAProxy presents ends: seconds since the epoch.",
            ["certificate"],
            registry=self.registry,
        )
        self.certificate_refused = Gauge(
            "moorage_gateway_certificate_refused",
            "1 while what is in the file is refused, and the certificate before goes on.",
            ["certificate"],
            registry=self.registry,
        )
        self.certificate_updates = Counter(
            "moorage_gateway_certificate_updates_total",
            "New certificates, by what became of them.",
            ["certificate", "outcome"],
            registry=self.registry,
        )
        self._gauge(
            "moorage_gateway_table_revision", "Revision of the route table.", lambda: table.revision
        )
        self._gauge(
            "moorage_gateway_table_age_seconds", "Since the server was last heard of.", self._age
        )
        self._gauge(
            "moorage_gateway_routes", "Workspaces in the route table.", lambda: len(table.routes)
        )
        self._gauge(
            "moorage_gateway_sessions", "Sessions in the route table.", lambda: len(table.sessions)
        )

    def heard(self) -> None:
        """The server said something just now."""
        self._heard_at = self._clock.now()

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)

    def _age(self) -> float:
        return max(0.0, self._clock.now() - self._heard_at)

    def _gauge(self, name: str, meaning: str, value: object) -> None:
        Gauge(name, meaning, registry=self.registry).set_function(value)  # type: ignore[arg-type]
