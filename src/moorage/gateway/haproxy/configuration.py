"""HAProxy's configuration as text. Pure.

HAProxy runs in `<home>/gateway`, so that paths in here are short and relative; it must do with
HAProxy 2.6.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template

from moorage import theme
from moorage.contract.agent import PATH as AGENTS_PATH
from moorage.contract.gateway import EXCHANGE_PATH, SESSION_PATH, START_PATH, USE_PATH
from moorage.contract.gateway import PATH as GATEWAYS_PATH
from moorage.contract.spec import EDITOR_PORT
from moorage.gateway.haproxy import (
    access_map,
    activity,
    backends,
    editor,
    frontend,
    metrics_port,
    words,
)
from moorage.gateway.haproxy.backends import ZoneBackend
from moorage.gateway.haproxy.connections import CONNECTIONS_TABLE, FRONTEND
from moorage.gateway.haproxy.drain import CLOSED, ENDING, STAGES
from moorage.gateway.haproxy.upstream import Upstream, by_socket
from moorage.kernel.addresses import EVERYWHERE
from moorage.kernel.sockets import format_address

RUNTIME_SOCKET = "../run/haproxy.sock"
"""The path as HAProxy's folder sees it."""
_OURS = r"(?:__Host-|__Secure-)?moorage(?:_[^=;\s]*)?"
"""Names of cookies of ours, the server's included, as a regular expression: no workspace gets or
sets one."""
RUNTIME_LISTENS = f"unix@{RUNTIME_SOCKET} mode 600"
"""Where nobody has bound it for HAProxy."""
ERRORS = "errors"
"""Folder with the pages that HAProxy answers with by itself."""
_BUFFER = 65_536
COOKIES_LIMIT = 48_000
"""Bytes of cookies that a request may have. More, up to the size of a buffer, still reaches the
rules, and gets a page that says how to be rid of them; beyond it, HAProxy reads nothing."""
_CONTROLLER = by_socket("../run/gateway.sock")
_AGENT = by_socket("../run/agent.sock")

_FROM_OUTSIDE = (
    "binds", "tls", "metrics_binds", "proxy_from", "key", "zone", "authority", "cookie", "runtime", "controller", "name_servers", "server_url",
)  # fmt: skip
"""Values that settings, other files or the server have a part in."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Everything that HAProxy is told to do. Settings of the same name say what each means."""

    zone: str
    scheme: str
    """`http` or `https`, as browsers see it."""
    authority: str
    """Host and port of the zone's own host, as browsers see it."""
    former_hosts: tuple[str, ...] = ()
    """Hosts that programs with a token reach the zone's own by, too."""
    session_cookie: str
    """Names who is signed in on a workspace's host."""
    cookie_prefix: str
    """The beginning of our cookies' names; "" without TLS."""
    key: str
    """The gateway's key, as it stands in its file."""
    server: Upstream | None
    """None: browsers are sent to `server_url` instead."""
    server_url: str = ""
    controller: Upstream = _CONTROLLER
    agent: Upstream = _AGENT
    address: str
    port: int
    everywhere: tuple[str, ...] = ("0.0.0.0",)  # noqa: S104 - asked for by name
    """The addresses that `*` stands for."""
    certificates: tuple[str, ...] = ()
    """Files that it presents; a key that is in none of them is beside it, with `.key` in place of
    `.crt`."""
    proxy_protocol: bool = False
    proxy_protocol_from: tuple[str, ...] = ()
    metrics_addresses: tuple[str, ...] = ("127.0.0.1",)
    metrics_port: int
    runtime_socket: str = RUNTIME_LISTENS
    """The socket that its runtime API listens on, and who may connect."""
    connections: int
    """Browsers' connections, at most; fewer where `open_files` are."""
    open_files: int = 1 << 20
    """The hard limit of this process."""
    threads: int = 0
    client_timeout_seconds: float
    idle_hours: float
    server_body_limit: int

    @property
    def browser_connections(self) -> int:
        """Browsers' connections: as many as open files allow for beside those of the metrics
        port."""
        most = (self.open_files - 200) // 2 - metrics_port.CONNECTIONS
        return max(16, min(self.connections, most))


def render(configuration: Configuration, zone_backends: Sequence[ZoneBackend] | None = None) -> str:
    """The text of the configuration. `zone_backends`: who answers on the zone's own host; None:
    those of `backends.zone_backends`.

    Raises `Misconfigured` for what cannot stand in it.
    """
    if zone_backends is None:
        zone_backends = backends.zone_backends(configuration.controller, configuration.server)
    metrics = metrics_port.backends(
        configuration.controller, configuration.agent, configuration.server
    )
    for upstream in (
        *(each.upstream for each in zone_backends),
        *(each.upstream for each in metrics),
    ):
        words.configured(upstream.lines("") if upstream else "")
    values = _values(configuration)
    for name in _FROM_OUTSIDE:
        words.configured(values[name])
    values["zone_routes"] = backends.routes(zone_backends)
    values["metrics_paths"] = metrics_port.paths(metrics)
    values["metrics_paths_elsewhere"] = metrics_port.paths(
        [each for each in metrics if each.elsewhere]
    )
    values["former_hosts"] = " ".join(configuration.former_hosts)
    values["former_rules"] = (
        _filled(frontend.FORMER_HOSTS, values) if values["former_hosts"] else ""
    )
    values["editor_rules"] = _filled(editor.REQUESTS, values)
    values["activity_rules"] = _filled(activity.REQUESTS, values)
    resolvers = _RESOLVERS if values["name_servers"] else ""
    values["own_answers"] = _filled(_own_answers(), values)
    parts = [_filled(text, values) for text in (_GLOBAL, resolvers, frontend.TEXT)]
    for kind in backends.KINDS:
        failures = {name: _filled(text, values) for name, text in _failures(kind).items()}
        templates = (
            *backends.WORKSPACES,
            *(each.template(kind) for each in zone_backends),
        )
        parts += [_filled(text, {**values, **failures, "kind": kind}) for text in templates]
    parts += [
        _filled(text, values) for text in (metrics_port.TEXT, *(each.template for each in metrics))
    ]
    return "\n".join(parts)


def _values(wanted: Configuration) -> dict[str, str]:
    """The values of the names in the templates."""
    return {
        **_listening(wanted),
        "key": base64.b64encode(wanted.key.encode()).decode(),
        "zone": wanted.zone,
        "scheme": wanted.scheme,
        "authority": wanted.authority,
        "cookie": wanted.session_cookie,
        "ours": _OURS,
        "prefix": wanted.cookie_prefix,
        "editor_port": str(EDITOR_PORT),
        "editor_mark": access_map.EDITOR_MARK,
        "tls_mark": access_map.TLS_MARK,
        "buffer": str(_BUFFER),
        "cookies_limit": str(COOKIES_LIMIT),
        "access_map": access_map.FILE,
        "table": CONNECTIONS_TABLE,
        "activity": activity.TABLE,
        "note_seconds": str(activity.NOTE_SECONDS),
        "frontend": FRONTEND,
        "errors": ERRORS,
        "stages": STAGES,
        "ending": ENDING,
        "closed": CLOSED,
        "policy": theme.content_security_policy(),
        "body_limit": str(wanted.server_body_limit),
        "agents_path": AGENTS_PATH,
        "gateways_path": GATEWAYS_PATH,
        "exchange_path": EXCHANGE_PATH,
        "use_path": USE_PATH,
        "start_path": START_PATH.format(workspace="[a-z0-9-]+"),
        "session_path": SESSION_PATH.format(session="[A-Za-z0-9_-]+"),
        "controller": wanted.controller.lines("gateway"),
        "name_servers": "\n".join(
            f"  nameserver ns{number} {address}"
            for number, address in enumerate(wanted.server.name_servers if wanted.server else (), 1)
        ),
        "server_url": wanted.server_url,
        "proxied": editor.PROXIED,
        "editor_answers": editor.ANSWERS,
    }


def _listening(wanted: Configuration) -> dict[str, str]:
    """Where it listens, and for how many and how long."""
    browsers = wanted.browser_connections
    return {
        "binds": _bind(wanted.address, wanted.port, wanted.everywhere),
        "tls": _tls(wanted.certificates),
        "metrics_binds": "\n".join(
            f"  bind {_bind(address, wanted.metrics_port, wanted.everywhere)}{' v4v6' if address == '::' else ''}"
            for address in wanted.metrics_addresses
        ),
        "proxy": " accept-proxy"
        if wanted.proxy_protocol and not wanted.proxy_protocol_from
        else "",
        "proxy_from": _proxy_from(wanted.proxy_protocol_from),
        "runtime": wanted.runtime_socket,
        "connections": str(browsers),
        "metrics_connections": str(metrics_port.CONNECTIONS),
        "maxconn": str(browsers + metrics_port.CONNECTIONS),
        "threads": f"  nbthread {wanted.threads}" if wanted.threads else "",
        "client_timeout": f"{max(1, round(wanted.client_timeout_seconds * 1000))}ms",
        "tunnel": f"{max(1, round(wanted.idle_hours * 3600))}s",
    }


def _tls(certificates: tuple[str, ...]) -> str:
    return (
        f" ssl {' '.join(f'crt {file}' for file in certificates)} alpn http/1.1"
        if certificates
        else ""
    )


def _bind(address: str, port: int, everywhere: tuple[str, ...]) -> str:
    """The arguments of a `bind` line."""
    if address == EVERYWHERE:
        return f"{','.join(format_address(each, port) for each in everywhere)} v6only"
    return format_address(address, port)


def _proxy_from(sources: tuple[str, ...]) -> str:
    return (
        f"  tcp-request connection expect-proxy layer4 if {{ src {' '.join(sources)} }}"
        if sources
        else ""
    )


def _filled(template: str, values: dict[str, str]) -> str:
    return Template(template).substitute(values)


_OWN_ANSWERS = {
    400: "not_understood",
    500: "own_failure",
    502: "own_failure",
    503: "no_way",
    504: "no_way",
}
"""Statuses that HAProxy comes to by itself (its manual, `http-error`), and our files for them. What
it cannot read at all (no HTTP, more than 64 kB of headers, a head that never ends) it answers with
a page of its own: HAProxy 2.6 has these from no file."""


def _own_answers() -> str:
    return "\n".join(
        f'  http-error status {status} content-type "text/html;charset=utf-8" file $errors/{file}.html'
        f' hdr cache-control no-store hdr content-security-policy "$policy"'
        for status, file in _OWN_ANSWERS.items()
    )


def _failures(kind: str) -> dict[str, str]:
    """The lines by which HAProxy answers when nobody does behind a backend."""
    found = {}
    for name, answers in backends.FAILURES.items():
        found[name] = "\n".join(
            _failure(kind, status, file)
            for status, file in zip((502, 503, 504), answers, strict=True)
        )
    return found


def _failure(kind: str, status: int, file: str) -> str:
    """The line for one status. A page comes again by itself, but where asking anew may begin
    something long anew."""
    start = f"  http-error status {status} content-type"
    if kind != "page":
        return f"{start} application/problem+json lf-file $errors/{file}.json hdr cache-control no-store"
    again = "" if file == backends.LATE else " hdr refresh 2"
    return (
        f"{start} text/html;charset=utf-8 lf-file $errors/{file}.html hdr cache-control no-store"
        f'{again} hdr content-security-policy "$policy"'
    )


_GLOBAL = """\
# Written at each start of HAProxy; changes in here are lost.
# Settings: settings.toml, table [gateway].
global
  maxconn $maxconn
$threads
  # The headers of a request, or of an answer, have to fit in. Programs of developers send more than
  # the usual 16 kB: cookies of sign-in services, policies, server timings.
  tune.bufsize $buffer
  noreuseport
  stats socket $runtime level admin
  stats timeout 20d
  ssl-default-bind-options ssl-min-ver TLSv1.2
  tune.ssl.default-dh-param 2048
  ssl-load-extra-files key
  ssl-load-extra-del-ext

defaults
  mode http
  timeout connect 3s
  timeout http-request 15s
  timeout http-keep-alive 75s
  # Holds during the TLS handshake, before which nothing else does, and while a browser does not
  # read on; not while a server is silent. Between two pieces of a body, the server's holds; they
  # begin it anew.
  timeout client $client_timeout
  timeout client-fin 30s
  timeout server 1h
  timeout server-fin 30s
  timeout tunnel $tunnel
  timeout queue 10s
  option clitcpka
  option srvtcpka
  retries 0
  # What HAProxy says by itself, wherever nothing else is said.
$own_answers

backend $table
  stick-table type string len 64 size 200k expire 1m store gpt(5)

backend $activity
  stick-table type string len 128 size 100k expire 1h store gpt(1)
"""

_RESOLVERS = """\
resolvers dns
$name_servers
  accepted_payload_size 1232
  resolve_retries 3
  timeout resolve 5s
  timeout retry 1s
  hold valid 10s
  hold obsolete 10s
  # A name that is gone is not used any longer: somebody else may have its address soon. Name
  # servers that are in trouble change nothing.
  hold nx 5s
  hold timeout 1d
  hold refused 1d
  hold other 1d
"""
