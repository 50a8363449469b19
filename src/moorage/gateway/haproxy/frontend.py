"""The part of HAProxy's configuration that every request of a browser goes through. Text; see
`configuration`.

Read it together with "Who may pass" in docs/architecture.md. Variables `sess.…` live as long as the
browser's connection. What was found out about cookie and host of its first request (the HMAC above
all, which costs more than everything else together) is used again for as long as both stay the same
to the byte. What can be taken away, session and right, is looked up at each request.
"""

from __future__ import annotations

TEXT = r"""
frontend $frontend
  bind $binds$proxy$tls
  # Who comes when it is full waits outside.
  maxconn $connections
  option disable-h2-upgrade
  # As `show sess` has it: not what a PROXY header says, which two connections may have in common.
  tcp-request connection set-var-fmt(sess.source) "%[src]:%[src_port]"
$proxy_from
  tcp-request session track-sc0 var(sess.source) table $table

  # The short way. Cookies and host are the same as at this connection's last request: what was
  # found out then still holds. Whether the session lives, and may open this, is looked up each
  # time.
  acl same_cookies req.fhdr(cookie),strcmp(sess.cookies) eq 0
  acl in_pieces req.fhdr_cnt(cookie) gt 1
  acl same_authority req.fhdr(host),strcmp(sess.authority) eq 0
  acl admitted var(txn.address) -m found
  acl has_origin req.fhdr(origin) -m found
  acl same_site req.fhdr(sec-fetch-site) -m str same-site
  http-request set-var(txn.address) var(sess.access_key),map_str_ip($access_map) if same_cookies same_authority !in_pieces
  acl editor var(sess.editor) -m found
  # What a person does is noted (below) once in $note_seconds s: a browser marks by `?1` where a person
  # goes (Fetch Metadata), a program marks nothing.
  acl noted date(-$note_seconds),sub(sess.noted) lt 0
  acl says_who req.fhdr(sec-fetch-site) -m found
  acl persons req.fhdr(sec-fetch-user) -m str ?1
  http-request allow if admitted !has_origin !same_site !editor noted
  http-request allow if admitted !has_origin !same_site !editor says_who !persons

  # Cookies that come in pieces (RFC 9113, 8.2.3) are one again for whoever reads them.
  http-request set-header Cookie "%[req.fhdr(cookie,1)]; %[req.fhdr(cookie,2)]" if { req.fhdr_cnt(cookie) eq 2 }
  http-request set-header Cookie "%[req.fhdr(cookie,1)]; %[req.fhdr(cookie,2)]; %[req.fhdr(cookie,3)]" if { req.fhdr_cnt(cookie) eq 3 }
  http-request return status 400 content-type "text/html;charset=utf-8" file $errors/not_understood.html hdr cache-control no-store hdr content-security-policy "$policy" if { req.fhdr_cnt(cookie) gt 3 }

  # A workspace's page may set more cookies than programs read. Whoever has them gets a page that
  # takes them away; what is asked of the controller passes, for that is where it leads to.
  acl too_many_cookies req.fhdr(cookie),length gt $cookies_limit
  acl controllers path_beg /.moorage/
  http-request return status 431 content-type "text/html;charset=utf-8" file $errors/too_many_cookies.html hdr cache-control no-store hdr content-security-policy "$policy" if too_many_cookies !controllers { req.fhdr(accept) -m beg text/html }
  http-request return status 431 content-type application/problem+json file $errors/too_many_cookies.json hdr cache-control no-store if too_many_cookies !controllers

  # The long way: from the host's name to port and place, from the cookie to the session.
  http-request unset-var(sess.cookies) if !admitted
  http-request set-var(txn.host) req.fhdr(host),host_only
  http-request set-var(txn.place) var(txn.host),field(2,-,0)
  http-request set-var(sess.port) var(txn.host),field(1,-) if !admitted
  # An editor that is not at the usual port has an entry that says so.
  http-request unset-var(sess.editor) if !admitted
  http-request set-var(sess.editor) bool(true) if !admitted { var(sess.port) -m str $editor_port }
  http-request set-var(sess.editor) bool(true) if !admitted { var(txn.host),concat(/$editor_mark),map_str_ip($access_map) -m found }
  # A port that speaks TLS has one, too.
  http-request unset-var(sess.tls) if !admitted
  http-request set-var(sess.tls) bool(true) if !admitted { var(txn.host),concat(/$tls_mark),map_str_ip($access_map) -m found }
  # Cookies are apart by semicolons, whatever stands in between (RFC 6265bis, 5.8.3): quotes mean
  # nothing. The last of that name, else the first; the controller (`gateway.cookies`) reads them in
  # the same way, and takes planted ones away.
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
  http-request set-var(sess.session) var(txn.session) if !admitted signed
  http-request set-var(sess.access_key) var(txn.place),concat(/,txn.session) if !admitted signed
  http-request set-var(txn.address) var(sess.access_key),map_str_ip($access_map) if !admitted signed
  http-request set-var(sess.access_key) var(txn.host),concat(/,txn.session) if !admitted signed
  http-request set-var(txn.address) var(sess.access_key),map_str_ip($access_map) if !admitted signed
  # Write down, beside the connection, whose it is now and where it leads: 64 bits each of the
  # SHA-256 of session and place, and the port. Nothing of it costs the short way anything.
  acl remembered var(sess.cookies) -m found
  http-request unset-var(sess.noted) if admitted !remembered
  http-request set-var(txn.digest) var(txn.session),sha2(256),hex if admitted !remembered
  http-request sc-set-gpt(0,0) var(txn.digest),bytes(0,8),hex2i if admitted !remembered
  http-request sc-set-gpt(1,0) var(txn.digest),bytes(8,8),hex2i if admitted !remembered
  http-request set-var(txn.digest) var(txn.place),sha2(256),hex if admitted !remembered
  http-request sc-set-gpt(2,0) var(txn.digest),bytes(0,8),hex2i if admitted !remembered
  http-request sc-set-gpt(3,0) var(txn.digest),bytes(8,8),hex2i if admitted !remembered
  http-request sc-set-gpt(4,0) var(sess.port) if admitted !remembered
  http-request sc-set-gpt(0,0) int(0) if !admitted
  http-request sc-set-gpt(1,0) int(0) if !admitted
  # Remember it for the connection's next request; last of all the cookies, without which nothing is
  # remembered.
  http-request set-var(sess.others) 'req.fhdr(cookie),regsub("(?:^|;)\s*$ours\s*=[^;]*","",gi),regsub("^[;\s]+","")' if admitted !remembered
  http-request set-var-fmt(sess.client) "%[src]" if admitted !remembered
  http-request set-var(sess.authority) req.fhdr(host) if admitted !remembered
  http-request set-var(sess.cookies) req.fhdr(cookie) if admitted !remembered

  # Workspaces of one zone are same-site to a browser, which sends their cookies along: what another
  # origin asks for is refused here. `theirs`: the origin is this zone or below it. `kin`: another
  # port of the same workspace.
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
  http-request set-var(txn.kin) bool(true) if has_origin { var(txn.origin) -m beg $scheme:// } { var(txn.authority_place) -m len gt 0 } { var(txn.origin),field(3,/),field(2,-,0),strcmp(txn.authority_place) eq 0 }
  http-request set-var(txn.refused) bool(true) if has_origin !own_origin theirs !kin
  # Beside the zone are hosts that a browser takes for the same site, too (`app.example.com`, where
  # the zone is `dev.example.com`).
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
  # Whoever says nothing of itself, by `Referrer-Policy: no-referrer` or in a sandbox, may be of this
  # workspace, and is told what helps.
  acl unknown var(txn.unknown) -m found
  http-request set-var(txn.unknown) bool(true) if refused nameless !editor
  http-request set-var(txn.unknown) bool(true) if refused same_site !has_origin !referred !editor
  http-request return status 403 content-type "text/html;charset=utf-8" file $errors/origin_unknown.html hdr cache-control no-store hdr content-security-policy "$policy" if unknown page
  http-request return status 403 content-type application/problem+json file $errors/origin_unknown.json hdr cache-control no-store if unknown
  http-request return status 403 content-type "text/html;charset=utf-8" file $errors/foreign_origin.html hdr cache-control no-store hdr content-security-policy "$policy" if refused page
  http-request return status 403 content-type application/problem+json file $errors/foreign_origin.json hdr cache-control no-store if refused

  # A browser asks first whether a page of another port may send what it is about to, and sends no
  # cookie with the question (Fetch, 3.2.2): for a port of the same workspace the answer is given
  # here, and tells nothing but what was asked. What is sent then is looked at like anything else.
  # Nobody may for the editor.
  acl preflight method OPTIONS
  acl asks_for_method req.fhdr(access-control-request-method) -m found
  http-request return status 204 hdr access-control-allow-origin %[req.fhdr(origin)] hdr access-control-allow-credentials true hdr access-control-allow-methods %[req.fhdr(access-control-request-method)] hdr access-control-allow-headers %[req.fhdr(access-control-request-headers)] hdr vary origin hdr cache-control no-store if preflight asks_for_method kin !admitted !editor !zone_host !two_origins !controllers

$former_rules
  acl by_token var(txn.by_token) -m found
$activity_rules
  acl reserved path_beg /.moorage/
  acl tls var(sess.tls) -m found
  use_backend workspace_tls_page if admitted tls page !reserved
  use_backend workspace_tls_data if admitted tls !reserved
  use_backend workspace_page if admitted page !reserved
  use_backend workspace_data if admitted !reserved
  # A cookie of ours that is there twice was planted once: nobody goes on before it is gone. Where a
  # workspace's host has one that passes, that one counts.
  acl planted req.fhdr(cookie) -m reg '(?:^|;)[ \t]*(?<name>$prefix(?:moorage|moorage_gateway|moorage_state))[ \t]*=.*;[ \t]*\k<name>[ \t]*='
  use_backend controller_page if !zone_host !by_token page
  use_backend controller_data if !zone_host !by_token
  use_backend controller_page if planted page
  use_backend controller_data if planted
  # On the zone's own host (`backends.zone_backends`).
$zone_routes
"""

FORMER_HOSTS = r"""
  # What the zone of one machine was called before, and what people type. Programs with a token go on
  # there. Cookies count on the zone's own host alone, where the controller leads browsers to: these
  # names are those of other programs of the machine, too, whose pages share a host's cookies.
  acl former_host var(txn.host) -m str $former_hosts
  http-request set-var(txn.by_token) bool(true) if former_host { req.fhdr(authorization) -m found }
  http-request del-header Cookie if { var(txn.by_token) -m found }
  http-request set-header Host $authority if { var(txn.by_token) -m found }"""
"""Rules of a zone that has `former_hosts`."""
