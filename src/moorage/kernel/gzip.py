"""Gzip (RFC 1952) of answers to browsers.

An answer that holds a secret beside words of somebody else's choosing tells, by its length, how
much they are alike (BREACH). So nothing is compressed by itself: who answers says so, of what holds
no secret, or nothing that a request said.
"""

from __future__ import annotations

import gzip
import zlib

_STREAM_WINDOW = 12
"""Bits: 4 kB, so that a stream takes 16 kB of memory and not 256."""

SMALLEST = 1000
"""Bytes: what is smaller fits into one packet as it is."""


def is_accepted(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` takes gzip (RFC 9110, 12.5.3); "" does not."""
    for part in accept_encoding.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in ("gzip", "x-gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def compressed(body: bytes, level: int = 6) -> bytes:
    """The same for the same body: no time stands in it."""
    return gzip.compress(body, level, mtime=0)


class Stream:
    """Gzip of what comes piece by piece: each piece can be read when it has come."""

    def __init__(self) -> None:
        self._made = zlib.compressobj(6, zlib.DEFLATED, 16 + _STREAM_WINDOW, 5)

    def piece(self, data: bytes) -> bytes:
        return self._made.compress(data) + self._made.flush(zlib.Z_SYNC_FLUSH)

    def last(self, data: bytes = b"") -> bytes:
        return self._made.compress(data) + self._made.flush(zlib.Z_FINISH)
