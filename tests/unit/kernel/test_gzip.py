"""Gzip: for whom, of a whole and of a stream."""

from __future__ import annotations

import gzip as standard
import zlib

import pytest

from moorage.kernel import gzip


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        ("gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, GZIP;q=0.8", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0, br", False),
    ],
)
def test_who_takes_it(accept: str, taken: bool) -> None:
    """As browsers and programs say."""
    assert gzip.is_accepted(accept) is taken


def test_a_whole() -> None:
    """It can be read again, and is the same each time."""
    body = b"workspace " * 500
    assert standard.decompress(gzip.compressed(body)) == body
    assert gzip.compressed(body) == gzip.compressed(body)
    assert len(gzip.compressed(body)) < len(body) / 10


def test_each_piece_of_a_stream_can_be_read_when_it_comes() -> None:
    """Nothing of an event waits for the next one."""
    stream, reader = gzip.Stream(), zlib.decompressobj(31)
    for piece in (b"event: one\n\n", b"event: two\n\n" * 900, b": still here\n\n"):
        assert reader.decompress(stream.piece(piece)) == piece
    assert reader.decompress(stream.last(b"event: end\n\n")) == b"event: end\n\n"
    assert reader.eof
