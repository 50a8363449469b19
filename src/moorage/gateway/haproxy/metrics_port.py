"""The part of HAProxy's configuration that probes and Prometheus ask. Pure; see "A gateway of pods"
in docs/architecture.md.

A process whose metrics are to be read is one more row of `backends`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from moorage.gateway.haproxy.upstream import Upstream

CONNECTIONS = 64
"""Kept free of browsers: whatever these do, probes are answered."""


@dataclass(frozen=True)
class MetricsBackend:
    """A process whose metrics are at `/metrics/<name>`."""

    name: str
    upstream: Upstream
    elsewhere: bool = False
    """Whether other hosts may read them, too."""

    @property
    def template(self) -> str:
        """The template of its section."""
        servers = self.upstream.lines(self.name)
        return f"\nbackend metrics_{self.name}\n  http-request set-path /metrics\n{servers}\n"


def backends(
    controller: Upstream, agent: Upstream, server: Upstream | None
) -> tuple[MetricsBackend, ...]:
    """The processes whose metrics HAProxy reaches. `server`: None where it does not reach it."""
    found = (MetricsBackend("gateway", controller, elsewhere=True), MetricsBackend("agent", agent))
    return (*found, MetricsBackend("server", server)) if server else found


def paths(rows: Iterable[MetricsBackend]) -> str:
    """Where their metrics are, as an access list has it."""
    return " ".join(f"/metrics/{each.name}" for each in rows)


TEXT = r"""
frontend metrics
$metrics_binds
  maxconn $metrics_connections
  acl local dst 127.0.0.0/8 ::1
  acl ready path /healthz/gateway
  acl serving path /healthz/serving
  acl ending str($ending) -m str -f $stages
  acl closed str($closed) -m str -f $stages
  # A web page that had its name resolved to 127.0.0.1 names itself here.
  http-request deny deny_status 403 if local !{ req.fhdr(host),host_only -m str 127.0.0.1 localhost }
  # What else lies on this machine is nothing to other hosts.
  http-request deny deny_status 404 if !local !ready !serving !{ path /healthz /metrics/haproxy $metrics_paths_elsewhere }
  http-request return status 200 content-type text/plain string "HAProxy works.\n" if { path /healthz }
  http-request use-service prometheus-exporter if { path /metrics/haproxy }
  # Who chooses where to go turns away while the door is still open; who comes all the same is
  # served until it closes.
  http-request return status 503 content-type text/plain string "Ending: go elsewhere.\n" if ready ending
  http-request return status 503 content-type text/plain string "Ending: no new connections.\n" if serving closed
  http-request deny deny_status 404 if !ready !serving !{ path $metrics_paths }
  use_backend ready if ready || serving
  use_backend metrics_%[path,field(3,/)]

backend ready
  timeout connect 1s
  timeout server 3s
  http-error status 503 content-type text/plain string "Waiting for the controller, which does not answer: it may be starting.\n"
  http-request set-path /healthz/ready
$controller
"""
