"""The part of HAProxy's configuration that holds for the editor's port alone. Text; see
`configuration`.

Whoever has the editor has the person's terminals, and the editor is the one program of a workspace
that nobody but its person is to drive: no other port of the same workspace, no other workspace, no
other site. A browser says who asks in `Origin` and in `Sec-Fetch-…` (Fetch Metadata), which pages
cannot forge.
"""

from __future__ import annotations

REQUESTS = r"""
  # Who asks for the editor: its own page may do all, and a person may go there, by whatever link.
  # Without Sec-Fetch-Site nothing is known but the Origin; a browser leaves that out of reading
  # alone.
  acl safe method GET HEAD OPTIONS
  acl editors_own req.fhdr(sec-fetch-site) -m str same-origin
  acl persons_own req.fhdr(sec-fetch-site) -m str none
  acl upgrade req.fhdr(upgrade) -m found
  acl goes req.fhdr(sec-fetch-mode) -m str navigate
  acl two_origins req.fhdr_cnt(origin) gt 1
  acl referred req.fhdr(referer) -m found
  acl from_zone_host req.fhdr(referer),field(3,/),host_only -m str $zone
  acl from_below_zone req.fhdr(referer),field(3,/),host_only -m end .$zone
  acl referred_by_own str($scheme://),concat(,txn.authority),concat(/),strcmp(txn.referrer) eq 0
  http-request set-var(txn.referrer) 'req.fhdr(referer),regsub("^([^/]*//[^/]*/).*$$","\1")' if editor referred
  http-request set-var(txn.refused) bool(true) if editor two_origins
  http-request set-var(txn.refused) bool(true) if editor !safe !has_origin !editors_own
  http-request set-var(txn.refused) bool(true) if editor upgrade !has_origin
  http-request set-var(txn.refused) bool(true) if editor says_who !editors_own !persons_own !goes
  http-request set-var(txn.refused) bool(true) if editor says_who !editors_own !persons_own !top_level
  http-request set-var(txn.refused) bool(true) if editor says_who !editors_own !persons_own !safe
  http-request set-var(txn.refused) bool(true) if editor says_who !editors_own !persons_own upgrade
  http-request set-var(txn.refused) bool(true) if editor !says_who from_below_zone !referred_by_own
  # By a link from elsewhere the editor opens a folder; it takes no orders by it, nor shows a file
  # as a page of its own.
  acl orders query,url_dec -m reg '(?i)(?:^|&)payload='
  acl orders query,url_dec -m reg '(?i)vscode-remote-resource'
  acl orders path,url_dec -m reg '(?i)vscode-remote-resource'
  acl queried query -m len gt 0
  acl readable query,url_dec -m found
  http-request set-var(txn.refused) bool(true) if editor says_who !editors_own !persons_own orders
  http-request set-var(txn.refused) bool(true) if editor says_who !editors_own !persons_own queried !readable
  http-request set-var(txn.refused) bool(true) if editor !says_who referred !referred_by_own orders
  # Ports have hosts of their own: an editor that passes them on under its paths would make any
  # program's page one of its own. A path is read as it is and with all that is encoded in it
  # decoded, once and twice; what cannot be decoded is refused.
  acl proxied path -m reg '$proxied'
  acl proxied path,url_dec -m reg '$proxied'
  acl proxied path,url_dec,url_dec -m reg '$proxied'
  acl decoded path,url_dec -m found
  http-request return status 404 content-type "text/html;charset=utf-8" file $errors/proxied.html hdr cache-control no-store hdr content-security-policy "$policy" if editor proxied { req.fhdr(accept) -m beg text/html }
  http-request return status 404 content-type application/problem+json file $errors/proxied.json hdr cache-control no-store if editor proxied
  http-request return status 404 content-type application/problem+json file $errors/proxied.json hdr cache-control no-store if editor !decoded
"""

PROXIED = r"(?is)^(?:.*[/\\]\.\.)?(?:[/\\]\.?)*[/\\](?:abs)?proxy(?:[/\\;?]|$)"
"""Paths that lead to `/proxy/…` or `/absproxy/…`, with slashes, dots and folders that mean nothing
in between."""

ANSWERS = r"""
  # Its pages are framed by itself alone, share no group of windows with another origin's, and are
  # no part of another's page.
  http-response set-header X-Frame-Options SAMEORIGIN if { var(sess.editor) -m found }
  http-response add-header Content-Security-Policy "frame-ancestors 'self'" if { var(sess.editor) -m found }
  http-response set-header Cross-Origin-Opener-Policy same-origin if { var(sess.editor) -m found }
  http-response set-header Cross-Origin-Resource-Policy same-origin if { var(sess.editor) -m found }
"""
