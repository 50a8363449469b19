"""Requests that another site makes a browser send. Pure.

Workspaces live on the zone's subdomains: to a browser they are same-site with the server, so that
`SameSite` cookies do not keep their pages from sending requests here. The `Origin` header does:
browsers send it with every unsafe request and every WebSocket, and no page can change it (Fetch
standard, "append a request Origin header").
"""

from __future__ import annotations

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def refusal(
    *, method: str, websocket: bool, authorization: bool, origin: str | None, own: str
) -> str:
    """Tells why the request is refused; "" when it is not.

    `authorization`: the request carries that header, or a replica's pass, which no browser adds by
    itself. `own`: the server's own origin.
    """
    if authorization or (method in SAFE and not websocket):
        return ""
    if origin is None:
        return "The request does not say where it comes from: its Origin header is missing."
    if origin != own:
        return f"The request comes from another site: {origin[:200]}."
    return ""
