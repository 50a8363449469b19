"""HAProxy's configuration as text. Pure.

Read it together with "Who may pass" in docs/architecture.md. HAProxy runs in `<home>/gateway`, so that paths in here are
short and relative; it must do with HAProxy 2.6.

Variables: `sess.…` live as long as the browser's connection. What was found out about cookie and host of its first
request (the HMAC above all, which costs more than everything else together) is used again for as long as both stay the
same to the byte. What can be taken away, session and pass, is looked up at each request.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from string import Template

from moorage import theme
from moorage.contract.agent import PATH as AGENTS_PATH
from moorage.contract.gateway import EXCHANGE_PATH, SESSION_PATH, START_PATH
from moorage.contract.gateway import PATH as GATEWAYS_PATH
from moorage.contract.spec import EDITOR_PORT
from moorage.gateway.haproxy import access_map, editor, metrics_port, words
from moorage.gateway.haproxy.drain import CLOSED, ENDING, STAGES
from moorage.gateway.haproxy.upstream import Upstream
from moorage.gateway.settings import GatewaySettings
from moorage.kernel.addresses import EVERYWHERE

CONNECTIONS_TABLE = "connections"
"""Stick table whose entries in use are the browsers' connections, by source; see `haproxy.connections`."""
FRONTEND = "web"
RUNTIME_SOCKET = "../run/haproxy.sock"
"""As HAProxy's folder sees it."""
_OURS = r"(?:__Host-|__Secure-)?moorage(?:_[^=;\s]*)?"
"""Names of cookies of ours, the server's included, as a regular expression: no workspace gets or sets one."""
RUNTIME_LISTENS = f"unix@{RUNTIME_SOCKET} mode 600"
"""Where nobody has bound it for HAProxy."""
ERRORS = "errors"
"""Folder with the pages that HAProxy answers with by itself."""


_FROM_OUTSIDE = (
    "binds", "tls", "metrics_binds", "proxy_from", "key", "zone", "cookie", "binding", "runtime", "controller", "agent",
    "server_lines", "name_servers", "server_url",
)  # fmt: skip
"""Values that settings, other files or the server have a part in."""


@dataclass(frozen=True)
class Surroundings:
    """What the configuration needs beside the settings."""

    key: str
    """The gateway's key, as it stands in its file."""
    server: Upstream | None
    """None: browsers are sent to `server_url` instead."""
    server_url: str = ""
    everywhere: tuple[str, ...] = ("0.0.0.0",)  # noqa: S104 - asked for by name
    """What the address `*` stands for."""
    open_files: int = 1 << 20
    """The hard limit of this process."""
    certificates: tuple[str, ...] = ()
    """Files that it presents; a key that is in none of them is beside it, with `.key` in place of `.crt`."""
    runtime_socket: str = RUNTIME_LISTENS
    """What its runtime API listens on, and who may connect."""
    controller_socket: str = "../run/gateway.sock"
    agent_socket: str = "../run/agent.sock"


def render(settings: GatewaySettings, around: Surroundings) -> str:
    zone = settings.as_zone
    most = (around.open_files - 200) // 2 - metrics_port.CONNECTIONS
    connections = max(16, min(settings.connections, most))
    values: dict[str, object] = {
        "binds": _bind(settings.address, settings.port, around.everywhere),
        "tls": _tls(around.certificates),
        "metrics_binds": "\n".join(
            f"  bind {_bind(address, settings.metrics, around.everywhere)}{' v4v6' if address == '::' else ''}"
            for address in settings.metrics_addresses
        ),
        "proxy": " accept-proxy" if settings.proxy_protocol and not settings.proxy_protocol_from else "",
        "proxy_from": _proxy_from(settings),
        "connections": connections,
        "metrics_connections": metrics_port.CONNECTIONS,
        "maxconn": connections + metrics_port.CONNECTIONS,
        "threads": f"  nbthread {settings.threads}" if settings.threads else "",
        "client_timeout": f"{max(1, round(settings.client_timeout_seconds * 1000))}ms",
        "tunnel": f"{max(1, round(settings.idle_hours * 3600))}s",
        "body_limit": settings.server_body_limit,
        "key": base64.b64encode(around.key.encode()).decode(),
        "zone": zone.name,
        "scheme": zone.scheme,
        "cookie": zone.session_cookie,
        "binding": zone.binding_cookie,
        "ours": _OURS,
        "prefix": zone.cookie_prefix,
        "editor_port": EDITOR_PORT,
        "editor_mark": access_map.EDITOR_MARK,
        "access_map": access_map.FILE,
        "table": CONNECTIONS_TABLE,
        "frontend": FRONTEND,
        "errors": ERRORS,
        "stages": STAGES,
        "ending": ENDING,
        "closed": CLOSED,
        "policy": theme.content_security_policy(),
        "metrics_paths": f"{'/metrics/server ' if around.server else ''}/metrics/gateway /metrics/agent",
        "agents_path": AGENTS_PATH,
        "gateways_path": GATEWAYS_PATH,
        "exchange_path": EXCHANGE_PATH,
        "start_path": START_PATH.format(workspace="[a-z0-9-]+"),
        "session_path": SESSION_PATH.format(session="[A-Za-z0-9_-]+"),
        "runtime": around.runtime_socket,
        "controller": around.controller_socket,
        "agent": around.agent_socket,
        "server_lines": around.server.lines if around.server else "",
        "name_servers": "\n".join(
            f"  nameserver ns{number} {address}"
            for number, address in enumerate(around.server.name_servers if around.server else (), 1)
        ),
        "server_url": around.server_url,
        "proxied": editor.PROXIED,
        "editor_answers": editor.ANSWERS,
    }
    values["editor_rules"] = _filled(editor.REQUESTS, values)
    for name in _FROM_OUTSIDE:
        words.configured(str(values[name]))
    backends = (_WORKSPACE, _CONTROLLER, _SERVER if around.server else _SERVER_ELSEWHERE)
    resolvers = _RESOLVERS if around.server and around.server.name_servers else ""
    parts = [_filled(text, values) for text in (_GLOBAL, resolvers, _FRONTEND)]
    for kind in ("page", "data"):
        failures = {name: _filled(text, values) for name, text in _failures(kind).items()}
        parts += [_filled(text, {**values, **failures, "kind": kind}) for text in backends]
    parts += [_filled(text, values) for text in metrics_port.texts(with_server=around.server is not None)]
    return "\n".join(parts)


def _tls(certificates: tuple[str, ...]) -> str:
    return f" ssl {' '.join(f'crt {file}' for file in certificates)} alpn http/1.1" if certificates else ""


def _bind(address: str, port: int, everywhere: tuple[str, ...]) -> str:
    """Of a `bind` line: what to listen on, and how."""
    if address == EVERYWHERE:
        return f"{','.join(_host_port(each, port) for each in everywhere)} v6only"
    return _host_port(address, port)


def _host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _proxy_from(settings: GatewaySettings) -> str:
    ranges = " ".join(settings.proxy_protocol_from)
    return f"  tcp-request connection expect-proxy layer4 if {{ src {ranges} }}" if ranges else ""


def _filled(template: str, values: dict[str, object]) -> str:
    return Template(template).substitute(values)


def _failures(kind: str) -> dict[str, str]:
    """What answers when nobody does behind a backend: a page for people, a problem document (RFC 9457) for programs."""
    found = {}
    for name in ("nothing_listens", "controller_away", "server_away"):
        file, content_type = (
            (f"{name}.html", "text/html;charset=utf-8")
            if kind == "page"
            else (f"{name}.json", "application/problem+json")
        )
        found[name] = "\n".join(
            f"  http-error status {status} content-type {content_type} lf-file $errors/{file} hdr cache-control no-store"
            + (' hdr refresh 2 hdr content-security-policy "$policy"' if kind == "page" else "")
            for status in (502, 503, 504)
        )
    return found


_GLOBAL = """\
# Written at each start of HAProxy; changes in here are lost. Settings: settings.toml, table [gateway].
global
  maxconn $maxconn
$threads
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
  # Holds during the TLS handshake, before which nothing else does, and while a browser does not read on; not while a server is
  # silent. Between two pieces of a body, the server's holds; they begin it anew.
  timeout client $client_timeout
  timeout client-fin 30s
  timeout server 1h
  timeout server-fin 30s
  timeout tunnel $tunnel
  timeout queue 10s
  option clitcpka
  option srvtcpka
  retries 0

backend $table
  stick-table type string len 64 size 200k expire 1m store gpt(5)
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
  # A name that is gone is not used any longer: somebody else may have its address soon. Name servers that are in trouble
  # change nothing.
  hold nx 5s
  hold timeout 1d
  hold refused 1d
  hold other 1d
"""

_FRONTEND = r"""
frontend $frontend
  bind $binds$proxy$tls
  # Who comes when it is full waits outside.
  maxconn $connections
  option disable-h2-upgrade
  # As `show sess` has it: not what a PROXY header says, which two connections may have in common.
  tcp-request connection set-var-fmt(sess.source) "%[src]:%[src_port]"
$proxy_from
  tcp-request session track-sc0 var(sess.source) table $table

  # The short way. Cookies and host are the same as at this connection's last request: what was found out then still
  # holds. Whether the session lives, and may open this, is looked up each time.
  acl same_cookies req.fhdr(cookie),strcmp(sess.cookies) eq 0
  acl in_pieces req.fhdr_cnt(cookie) gt 1
  acl same_authority req.fhdr(host),strcmp(sess.authority) eq 0
  acl admitted var(txn.address) -m found
  acl has_origin req.fhdr(origin) -m found
  acl same_site req.fhdr(sec-fetch-site) -m str same-site
  http-request set-var(txn.address) var(sess.access_key),map_str_ip($access_map) if same_cookies same_authority !in_pieces
  acl editor var(sess.editor) -m found
  http-request allow if admitted !has_origin !same_site !editor

  # Cookies that come in pieces (RFC 9113, 8.2.3) are one again for whoever reads them.
  http-request set-header Cookie "%[req.fhdr(cookie,1)]; %[req.fhdr(cookie,2)]" if { req.fhdr_cnt(cookie) eq 2 }
  http-request set-header Cookie "%[req.fhdr(cookie,1)]; %[req.fhdr(cookie,2)]; %[req.fhdr(cookie,3)]" if { req.fhdr_cnt(cookie) eq 3 }
  http-request return status 400 content-type text/plain string "The request has too many Cookie headers." if { req.fhdr_cnt(cookie) gt 3 }

  # The long way: from the host's name to port and place, from the cookie to the session.
  http-request unset-var(sess.cookies) if !admitted
  http-request set-var(txn.host) req.fhdr(host),host_only
  http-request set-var(txn.place) var(txn.host),field(2,-,0)
  http-request set-var(sess.port) var(txn.host),field(1,-) if !admitted
  # An editor that is not at the usual port has an entry that says so.
  http-request unset-var(sess.editor) if !admitted
  http-request set-var(sess.editor) bool(true) if !admitted { var(sess.port) -m str $editor_port }
  http-request set-var(sess.editor) bool(true) if !admitted { var(txn.host),concat(/$editor_mark),map_str_ip($access_map) -m found }
  # Cookies are apart by semicolons, whatever stands in between (RFC 6265bis, 5.8.3): quotes mean nothing. The last of that name,
  # else the first; the controller (`gateway.cookies`) reads them in the same way, and takes planted ones away.
  http-request set-var(txn.cookie) 'req.fhdr(cookie),regsub("^(?:.*;)?[ \t]*$cookie[ \t]*=[ \t]*([^; \t]*).*$$","\1")' if !admitted
  # The cookie is ours, and of this host: HMAC-SHA-256 over "<session id>@<host>".
  http-request set-var(txn.session) var(txn.cookie),field(1,.) if !admitted
  http-request set-var(txn.mac) var(txn.cookie),field(2,.) if !admitted
  http-request unset-var(txn.session) if !admitted !{ var(txn.session),concat(@,txn.host),hmac(sha256,$key),hex,secure_memcmp(txn.mac) }
  acl signed var(txn.session) -m found
  http-request set-var(txn.cookie) 'req.fhdr(cookie),regsub("^(?:.*?;)??[ \t]*$cookie[ \t]*=[ \t]*([^; \t]*).*$$","\1")' if !admitted !signed
  http-request set-var(txn.mac) var(txn.cookie),field(2,.) if !admitted !signed
  http-request set-var(txn.session) var(txn.cookie),field(1,.) if !admitted !signed
  http-request unset-var(txn.session) if !admitted !{ var(txn.session),concat(@,txn.host),hmac(sha256,$key),hex,secure_memcmp(txn.mac) }
  # Session and workspace, or session, workspace and port -> address.
  http-request set-var(sess.access_key) var(txn.place),concat(/,txn.session) if !admitted signed
  http-request set-var(txn.address) var(sess.access_key),map_str_ip($access_map) if !admitted signed
  http-request set-var(sess.access_key) var(txn.host),concat(/,txn.session) if !admitted signed
  http-request set-var(txn.address) var(sess.access_key),map_str_ip($access_map) if !admitted signed
  # Write down, beside the connection, whose it is now and where it leads: 64 bits each of the SHA-256 of session and place,
  # and the port. Nothing of it costs the short way anything.
  acl remembered var(sess.cookies) -m found
  http-request set-var(txn.digest) var(txn.session),sha2(256),hex if admitted !remembered
  http-request sc-set-gpt(0,0) var(txn.digest),bytes(0,8),hex2i if admitted !remembered
  http-request sc-set-gpt(1,0) var(txn.digest),bytes(8,8),hex2i if admitted !remembered
  http-request set-var(txn.digest) var(txn.place),sha2(256),hex if admitted !remembered
  http-request sc-set-gpt(2,0) var(txn.digest),bytes(0,8),hex2i if admitted !remembered
  http-request sc-set-gpt(3,0) var(txn.digest),bytes(8,8),hex2i if admitted !remembered
  http-request sc-set-gpt(4,0) var(sess.port) if admitted !remembered
  http-request sc-set-gpt(0,0) int(0) if !admitted
  http-request sc-set-gpt(1,0) int(0) if !admitted
  # Remember it for the connection's next request; last of all the cookies, without which nothing is remembered.
  http-request set-var(sess.others) 'req.fhdr(cookie),regsub("(?:^|;)\s*$ours\s*=[^;]*","",gi),regsub("^[;\s]+","")' if admitted !remembered
  http-request set-var-fmt(sess.client) "%[src]" if admitted !remembered
  http-request set-var(sess.authority) req.fhdr(host) if admitted !remembered
  http-request set-var(sess.cookies) req.fhdr(cookie) if admitted !remembered

  # Workspaces of one zone are same-site to a browser, which sends their cookies along: what another origin asks for is
  # refused here. `theirs`: the origin is this zone or below it. `kin`: another port of the same workspace.
  acl zone_host var(txn.host) -m str $zone
  acl own_origin str($scheme://),concat(,txn.authority),strcmp(txn.origin) eq 0
  acl theirs var(txn.origin_host) -m str $zone
  acl theirs var(txn.origin_host) -m end .$zone
  acl kin var(txn.kin) -m found
  acl websocket req.fhdr(upgrade) -m str -i websocket
  acl unsafe method POST PUT PATCH DELETE
  acl nameless var(txn.origin) -m str null
  acl from_here req.fhdr(sec-fetch-site) -m str same-origin none
  http-request set-var(txn.authority) req.fhdr(host)
  http-request set-var(txn.authority_place) var(txn.authority),field(2,-,0) if !zone_host
  http-request set-var(txn.origin) req.fhdr(origin) if has_origin
  http-request set-var(txn.origin_host) var(txn.origin),field(3,/),host_only if has_origin
  http-request set-var(txn.kin) bool(true) if has_origin { var(txn.origin) -m beg $scheme:// } { var(txn.origin),field(3,/),field(2,-,0),strcmp(txn.authority_place) eq 0 }
  http-request set-var(txn.refused) bool(true) if has_origin !own_origin theirs !kin
  # Beside the zone are hosts that a browser takes for the same site, too (`app.example.com`, where the zone is `dev.example.com`).
  http-request set-var(txn.refused) bool(true) if has_origin same_site !kin !nameless
  http-request set-var(txn.refused) bool(true) if has_origin !own_origin editor
  http-request set-var(txn.refused) bool(true) if has_origin !own_origin websocket !kin
  http-request set-var(txn.refused) bool(true) if has_origin nameless unsafe !from_here
  # The same for what carries no Origin: pictures, scripts and frames of another workspace's page.
  acl top_level req.fhdr(sec-fetch-dest) -m str document
  acl referred_by_kin req.fhdr(referer),field(3,/),field(2,-,0),strcmp(txn.authority_place) eq 0
  http-request set-var(txn.refused) bool(true) if same_site !top_level !has_origin !referred_by_kin
$editor_rules
  acl refused var(txn.refused) -m found
  acl page req.fhdr(accept) -m beg text/html
  http-request return status 403 content-type "text/html;charset=utf-8" file $errors/foreign_origin.html hdr cache-control no-store hdr content-security-policy "$policy" if refused page
  http-request return status 403 content-type application/problem+json file $errors/foreign_origin.json hdr cache-control no-store if refused

  acl reserved path_beg /.moorage/
  use_backend workspace_page if admitted page !reserved
  use_backend workspace_data if admitted !reserved
  # A cookie of ours that is there twice was planted once: nobody goes on before it is gone. Where a workspace's host has one that
  # passes, that one counts.
  acl planted req.fhdr(cookie) -m reg '(?:^|;)[ \t]*(?<name>$prefix(?:moorage|moorage_gateway|moorage_state))[ \t]*=.*;[ \t]*\k<name>[ \t]*='
  acl for_controller path_beg /.moorage/ /auth/
  use_backend controller_page if !zone_host page
  use_backend controller_data if !zone_host
  use_backend controller_page if for_controller page or planted page
  use_backend controller_data if for_controller or planted
  use_backend server_page if page
  default_backend server_data
"""

_WORKSPACE = r"""
backend workspace_$kind
$nothing_listens
  http-request set-dst var(txn.address)
  http-request set-dst-port var(sess.port)
  # No cookie of ours goes in, however many cookies there are.
  http-request del-header Cookie
  http-request add-header Cookie %[var(sess.others)] if { var(sess.others) -m len gt 0 }
  # Whatever the browser claims in these is gone, with underscores too, which CGI and WSGI take for the same. Host passes unchanged, so
  # that X-Forwarded-Host would say nothing new.
  http-request del-header (?i)^x[-_](?:moorage|forwarded)[-_] -m reg
  http-request del-header Forwarded
  http-request add-header X-Forwarded-Proto $scheme
  http-request add-header X-Forwarded-For %[var(sess.client)]
  # No cookie of ours comes out; a nameless cookie `=name=value` would be sent back as one of ours. Nor one for the zone or what is
  # above it, which other workspaces and Moorage itself would get: a Domain is the workspace's own host, or none.
  http-response replace-header Set-Cookie '(?i)^[\s=]*$ours(?:[\s=;].*)?$$' '%[str()]' if { res.fhdr(set-cookie) -m found }
  http-response replace-header Set-Cookie '(?i)^.*;\s*domain\s*=\s*(?!\.?[0-9]+-workspace-[0-9]+-[0-9]+-[0-9a-z]{6}\.)[^;\s].*$$' '%[str()]' if { res.fhdr(set-cookie) -m found }
  # Nor does it clear the cookies of the whole zone, as a browser understands this one.
  http-response del-header Clear-Site-Data if { res.fhdr(clear-site-data) -m reg -i 'cookies|\*' }
$editor_answers
  server address 0.0.0.0:0
"""

_CONTROLLER = """
backend controller_$kind
$controller_away
  # It may be about to come back.
  retries 3
  http-request return status 413 content-type text/plain string "The request is too large." if { req.hdr_val(content-length) gt 65536 }
  http-request wait-for-body time 2s if { req.fhdr(transfer-encoding) -m found }
  http-request return status 411 content-type text/plain string "The length of the request is missing." if { req.fhdr(transfer-encoding) -m found }
  http-request set-timeout server $client_timeout if { req.hdr_val(content-length) gt 0 }
  http-request del-header X-Moorage- -m beg
  http-request del-header X-Forwarded- -m beg
  http-request set-header X-Moorage-Front 1
  http-request set-header X-Forwarded-Proto $scheme
  option forwardfor
  server controller unix@$controller
"""

_SERVER = r"""
backend server_$kind
$server_away
  retries 3
  # What processes tell each other is nobody else's; paths are compared as the server reads them.
  acl internal path,url_dec -m beg /internal/ /metrics/ /healthz/
  acl internal path,url_dec -m str /internal /metrics /healthz
  # What cannot be decoded is no path of the server's, which might read it in another way.
  http-request return status 404 content-type application/problem+json file $errors/not_found.json if !{ path,url_dec -m found }
  acl connect path $agents_path $gateways_path
  # What gateways of other clusters ask, each with its token.
  acl with_token req.fhdr(authorization) -m beg Bearer
  acl asked_by_gateway path $exchange_path
  acl asked_by_gateway path -m reg ^$start_path$$ ^$session_path$$
  http-request return status 404 content-type application/problem+json file $errors/not_found.json if internal !connect !asked_by_gateway
  http-request return status 404 content-type application/problem+json file $errors/not_found.json if internal !connect !with_token
  http-request return status 413 content-type application/problem+json file $errors/too_large.json if { req.hdr_val(content-length) gt $body_limit }
  # Read first: a refusal of what is still being sent may not arrive.
  http-request wait-for-body time 2s if { req.fhdr(transfer-encoding) -m found }
  http-request return status 411 content-type application/problem+json file $errors/length_required.json if { req.fhdr(transfer-encoding) -m found }
  # One that stops in the middle of its body; what people follow for hours has none.
  http-request set-timeout server $client_timeout if { req.hdr_val(content-length) gt 0 }
  http-request del-header X-Moorage- -m beg
  http-request del-header X-Forwarded- -m beg
  http-request del-header Forwarded
  http-request add-header X-Forwarded-Proto $scheme
  http-request add-header X-Forwarded-Host %[req.fhdr(host)]
  option forwardfor
$server_lines
"""

_SERVER_ELSEWHERE = """
backend server_$kind
  http-request return status 404 content-type application/problem+json file $errors/not_found.json if !{ path / }
  http-request redirect code 302 location $server_url/
"""
