"""Makes the files that HAProxy answers with by itself, when nobody behind it does.

Those that end a failed connection are HAProxy log-formats (a `%` is doubled, `%[…]` is filled in):
`PORT` is replaced by the port in the host's name, which the session cookie's HMAC has vouched for.
"""

from __future__ import annotations

from typing import NamedTuple

from moorage import theme
from moorage.gateway.pages.rendering import ASSETS_AT, problem_text
from moorage.gateway.zone import Zone

CLEARS_AT = "/.moorage/clear-cookies"
"""Takes the cookies of an address away, when its own page asks for it."""
_PORT = "@@PORT@@"


class _Text(NamedTuple):
    status: int
    code: str
    title: str
    message: str
    hint: str
    filled_in: bool = False
    """A log-format that ends a failed connection."""
    clears: bool = False
    """It offers to take the address's cookies away."""


_TEXTS = {
    "nothing_listens": _Text(
        503,
        "nothing-listens",
        f"Nothing listens on port {_PORT} of this workspace yet",
        "The workspace runs, but no program in it answers on this port. This page tries again by itself.",
        "If your program runs, look at its output: which port does it say that it listens on? Any address will do, 127.0.0.1 and localhost too.",
        filled_in=True,
    ),
    "answer_unreadable": _Text(
        502,
        "answer-unreadable",
        f"What answers on port {_PORT} cannot be understood",
        "A program of this workspace took the connection, but ended it, or answered with something that is not HTTP/1.1. This page tries again by itself.",
        "A server that speaks TLS has `protocol: https` at its endpoint in the devfile. One that speaks HTTP/2 without TLS only (gRPC) has to offer HTTP/1.1 too. An answer may have 60 kB of headers. Else the program ended while it answered: look at its output.",
        filled_in=True,
    ),
    "answer_late": _Text(
        504,
        "answer-late",
        f"The program on port {_PORT} does not answer in time",
        "It took the request, and then said nothing for an hour.",
        "Look at its output: it may be stuck, or wait for something else. Load this page again to ask anew.",
        filled_in=True,
    ),
    "too_many_cookies": _Text(
        431,
        "too-many-cookies",
        "This address has too many cookies",
        "Your browser sends more than 48 kB of cookies with each request to it. A page of a workspace has set them.",
        "Take them away, here or in your browser's settings. You are then asked to sign in again.",
        clears=True,
    ),
    "controller_away": _Text(
        503,
        "gateway-away",
        "The gateway is starting",
        "The part of Moorage that signs people in does not answer at the moment. This page tries again by itself.",
        "Workspaces that are open go on.",
        filled_in=True,
    ),
    "server_away": _Text(
        503,
        "server-away",
        "Moorage's server does not answer",
        "It may be starting or being upgraded. This page tries again by itself.",
        "Running workspaces go on, and stay reachable at their own addresses.",
        filled_in=True,
    ),
    "foreign_origin": _Text(
        403,
        "foreign-origin",
        "This was asked for by another site's page",
        "A page of one workspace may not act on another workspace, nor on Moorage itself, in your name.",
        "If you meant to come here, open the address by itself.",
    ),
    "origin_unknown": _Text(
        403,
        "origin-unknown",
        "The page that asked does not say which one it is",
        "It sends neither its origin nor a referrer, so that it cannot be told from a page of another workspace. Nothing was passed on.",
        "If it is a page of this workspace: leave out its `Referrer-Policy: no-referrer` (browsers then tell other ports the origin alone), "
        "or ask by `fetch()` or with the attribute `crossorigin`, which always say it. A frame with `sandbox` needs `allow-same-origin`.",
    ),
    "proxied": _Text(
        404,
        "ports-have-hosts",
        "Ports have addresses of their own",
        "The editor's address shows the editor alone, and passes no other port on.",
        "Open the port from the editor's view Ports, or from the workspace's page.",
    ),
    "not_understood": _Text(
        400,
        "request-not-understood",
        "This request cannot be understood",
        "Its headers are not as HTTP has them: more than three Cookie headers, for instance.",
        "In a browser, take away the cookies of this address by its settings, and sign in again. Of a program, look at the headers that it sends.",
    ),
    "own_failure": _Text(
        500,
        "gateway-failed",
        "Something went wrong in Moorage's gateway",
        "The request was not passed on.",
        "Try again. If it stays, an administrator finds more in the gateway's log.",
    ),
    "no_way": _Text(
        503,
        "gateway-busy",
        "The gateway cannot pass this on at the moment",
        "It may have more to do than it can.",
        "Try again in a moment. If it stays, an administrator finds more in the gateway's log.",
    ),
    "not_found": _Text(404, "not-found", "Not found", "There is nothing at this address.", ""),
    "too_large": _Text(
        413, "too-large", "Too large", "The request is larger than is accepted here.", ""
    ),
    "length_required": _Text(
        411,
        "length-required",
        "Length required",
        "The request does not say how long its body is.",
        "",
    ),
}


def static_files(zone: Zone) -> dict[str, str]:
    """File name → text, as HAProxy's configuration names them."""
    environment = theme.environment("moorage.gateway.pages", assets_at=ASSETS_AT)
    files = {}
    for name, text in _TEXTS.items():
        html = theme.render(
            environment,
            "gateway/cookies.html" if text.clears else "gateway/message.html",
            title=text.title,
            message=text.message,
            hint=text.hint,
            code="" if text.filled_in else str(text.status),
            clears=CLEARS_AT if text.clears else "",
            actions=[{"href": f"{zone.origin}/", "label": "Your workspaces"}],
            home=f"{zone.origin}/",
            quiet=text.clears,
        )
        document = problem_text(
            text.status, code=text.code, title=text.title, detail=text.message, hint=text.hint
        )
        files[f"{name}.html"] = _filled_in(html) if text.filled_in else html
        files[f"{name}.json"] = _filled_in(document) if text.filled_in else document
    return files


def _filled_in(text: str) -> str:
    return text.replace("%", "%%").replace(_PORT, "%[var(sess.port)]")
