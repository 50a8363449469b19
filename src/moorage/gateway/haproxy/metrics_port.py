"""The part of HAProxy's configuration that probes and Prometheus ask. Pure; see "A gateway of pods" in docs/architecture.md."""

from __future__ import annotations

CONNECTIONS = 64
"""Kept free of browsers: whatever these do, probes are answered."""


def texts(*, with_server: bool) -> tuple[str, ...]:
    """Templates; `with_server`: HAProxy reaches the server itself."""
    return (_TEXT, _OF_SERVER) if with_server else (_TEXT, "")


_TEXT = r"""
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
  http-request deny deny_status 404 if !local !ready !serving !{ path /healthz /metrics/haproxy /metrics/gateway }
  http-request return status 200 content-type text/plain string "HAProxy works.\n" if { path /healthz }
  http-request use-service prometheus-exporter if { path /metrics/haproxy }
  # Who chooses where to go turns away while the door is still open; who comes all the same is served until it closes.
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
  server gateway unix@$controller

backend metrics_gateway
  http-request set-path /metrics
  server gateway unix@$controller

backend metrics_agent
  http-request set-path /metrics
  server agent unix@$agent
"""

_OF_SERVER = """
backend metrics_server
  http-request set-path /metrics
$server_lines
"""
