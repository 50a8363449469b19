"""The files that pages need (stylesheet, scripts, icon), as bytes under one content hash.

A page names them by `<root>/<DIGEST>/<name>`; whoever serves pages serves these from `asset` too,
so that no page needs anything from another host. The digest changes with any byte of any file:
answers may be kept for ever.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from moorage.kernel import gzip

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class Asset:
    name: str
    content_type: str
    body: bytes
    gzipped: bytes

    def answer(self, digest: str, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
        """The body and the headers of an answer to whoever asked for it under `digest`."""
        headers = {"Cache-Control": cache_control(digest), "Vary": "Accept-Encoding"}
        if not gzip.is_accepted(accept_encoding):
            return self.body, headers
        return self.gzipped, {**headers, "Content-Encoding": "gzip"}


def _asset(name: str, content_type: str, body: bytes) -> Asset:
    return Asset(name, content_type, body, gzip.compressed(body, 9))


def _read(folder: Path) -> dict[str, Asset]:
    return {
        file.name: _asset(file.name, _TYPES[file.suffix], file.read_bytes())
        for file in sorted(folder.iterdir())
    }


def _digest(assets: dict[str, Asset]) -> str:
    sum_of_all = hashlib.sha256()
    for name, found in assets.items():
        sum_of_all.update(f"{name} {len(found.body)}\n".encode() + found.body)
    return sum_of_all.hexdigest()[:16]


ASSETS = _read(_FOLDER)
"""By name."""

DIGEST = _digest(ASSETS)
"""16 hexadecimal digits that stand for the content of all of them."""

STYLESHEET = ASSETS["moorage.css"].body


def asset(name: str) -> Asset | None:
    """The file of that name; None when there is none. Names hold no `/`, so nothing outside can be
    asked for."""
    return ASSETS.get(name)


def cache_control(digest: str) -> str:
    """The `Cache-Control` of an asset that was asked for under `digest`.

    An old digest (a page that was open during an upgrade) gets today's file, which it must not
    keep.
    """
    return "public, max-age=31536000, immutable" if digest == DIGEST else "no-cache"


def content_security_policy(*, form_action: str = "'self'") -> str:
    """The `Content-Security-Policy` that all pages work under: no inline script or style, nothing
    from elsewhere.

    Browsers check `form-action` against redirects after a form, too: a form whose answer leads to
    another origin (signing in, then on to a workspace's host) names that origin here, or `*`.
    """
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        f"form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
    )
