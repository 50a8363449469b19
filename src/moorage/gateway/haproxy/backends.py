"""Who answers behind HAProxy: workspaces on their hosts, Moorage's processes on the zone's own.
Text; see `configuration`.

A process that is to answer browsers on the zone's host is one more row of `zone_backends`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moorage.gateway.haproxy.upstream import Upstream

LATE = "answer_late"
FAILURES = {
    "nothing_listens": ("answer_unreadable", "nothing_listens", LATE),
    "controller_away": ("controller_away",) * 3,
    "server_away": ("server_away",) * 3,
}
"""Who does not answer → the pages (`gateway.pages.static`) for an answer that cannot be read (502),
for none (503), and for one that does not come in time (504)."""
KINDS = ("page", "data")
"""Each backend is there twice: for people, who get pages where nobody answers, and for programs,
which get problem documents (RFC 9457)."""


@dataclass(frozen=True)
class ZoneBackend:
    """A process that answers on the zone's own host."""

    name: str
    prefixes: tuple[str, ...]
    """The beginnings of its paths; (): all that no other backend takes."""
    upstream: Upstream | None
    """The way by which HAProxy reaches it; None where `rules` answer everything."""
    rules: str
    """Template of what is done to its requests."""
    away: str = ""
    """Name of the page that HAProxy answers with while it does not (`gateway.pages.static`)."""

    def template(self, kind: str) -> str:
        """The template of its section for that kind of requests."""
        lines = [
            f"backend {self.name}_{kind}",
            f"${self.away}" if self.away else "",
            self.rules.strip("\n"),
            self.upstream.lines(self.name) if self.upstream else "",
        ]
        return "\n".join(["", *filter(None, lines), ""])


def zone_backends(controller: Upstream, server: Upstream | None) -> tuple[ZoneBackend, ...]:
    """The backends of the zone's own host, in the order in which they are tried. `server`: None
    where browsers are sent to the server's own address."""
    return (
        ZoneBackend(
            "controller", ("/.moorage/", "/auth/"), controller, _CONTROLLER, "controller_away"
        ),
        ZoneBackend("server", (), server, _SERVER, "server_away")
        if server
        else ZoneBackend("server", (), None, _SERVER_ELSEWHERE),
    )


def routes(backends: Sequence[ZoneBackend]) -> str:
    """The lines of the frontend that lead a request of the zone's host to its backend."""
    lines = []
    for each in backends:
        if each.prefixes:
            lines += [
                f"  acl for_{each.name} path_beg {' '.join(each.prefixes)}",
                f"  use_backend {each.name}_page if for_{each.name} page",
                f"  use_backend {each.name}_data if for_{each.name}",
            ]
        else:
            lines += [
                f"  use_backend {each.name}_page if page",
                f"  default_backend {each.name}_data",
            ]
    return "\n".join(lines)


_WORKSPACE = r"""
backend workspace@@_$kind
$nothing_listens
  http-request set-dst var(txn.address)
  http-request set-dst-port var(sess.port)
  # No cookie of ours goes in, however many cookies there are.
  http-request del-header Cookie
  http-request add-header Cookie %[var(sess.others)] if { var(sess.others) -m len gt 0 }
  # Whatever the browser claims in these is gone, with underscores too, which CGI and WSGI take for
  # the same. Host passes unchanged, so that X-Forwarded-Host would say nothing new.
  http-request del-header (?i)^x[-_](?:moorage|forwarded)[-_] -m reg
  http-request del-header Forwarded
  http-request add-header X-Forwarded-Proto $scheme
  http-request add-header X-Forwarded-For %[var(sess.client)]
  # No cookie of ours comes out; a nameless cookie `=name=value` would be sent back as one of ours.
  # Nor one for the zone or what is above it, which other workspaces and Moorage itself would get: a
  # Domain is the workspace's own host, or none.
  http-response replace-header Set-Cookie '(?i)^[\s=]*$ours(?:[\s=;].*)?$$' '%[str()]' if { res.fhdr(set-cookie) -m found }
  http-response replace-header Set-Cookie '(?i)^.*;\s*domain\s*=\s*(?!\.?[0-9]+-workspace-[0-9]+-[0-9]+-[0-9a-z]{6}\.)[^;\s].*$$' '%[str()]' if { res.fhdr(set-cookie) -m found }
  # Nor does it clear the cookies of the whole zone, as a browser understands this one.
  http-response del-header Clear-Site-Data if { res.fhdr(clear-site-data) -m reg -i 'cookies|\*' }
$editor_answers
@@
"""
_PLAIN = "  server address 0.0.0.0:0"
_TLS = f"""\
  # Some write `https` where only browsers are to see it, and speak HTTP: who refuses the handshake is
  # asked again without. A weight of 0 keeps the first from being chosen again.
  retries 1
  option redispatch
  use-server tls if {{ always_true }}
  server tls 0.0.0.0:0 ssl verify none alpn http/1.1 sni str(localhost) weight 0
{_PLAIN}"""


def _workspace(name: str, how: str) -> str:
    before, between, after = _WORKSPACE.split("@@")
    return f"{before}{name}{between}{how}{after}"


WORKSPACES = (
    _workspace("", _PLAIN),
    _workspace("_tls", _TLS),
)
"""Ports of workspaces: those that speak HTTP, and those whose endpoint says that they speak TLS.
The certificate is the program's own, and proves nothing: the address is the workspace's alone."""

_CONTROLLER = """
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
"""

_SERVER = r"""
  retries 3
  # What processes tell each other is nobody else's; paths are compared as the server reads them.
  acl internal path,url_dec -m beg /internal/ /metrics/ /healthz/
  acl internal path,url_dec -m str /internal /metrics /healthz
  # What cannot be decoded is no path of the server's, which might read it in another way.
  http-request return status 404 content-type application/problem+json file $errors/not_found.json if !{ path,url_dec -m found }
  acl connect path $agents_path $gateways_path
  # What gateways of other clusters ask, each with its token.
  acl with_token req.fhdr(authorization) -m beg Bearer
  acl asked_by_gateway path $exchange_path $use_path
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
"""

_SERVER_ELSEWHERE = """
  http-request return status 404 content-type application/problem+json file $errors/not_found.json if !{ path / }
  http-request redirect code 302 location $server_url/
"""
