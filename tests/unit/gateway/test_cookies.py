"""Cookies as browsers send them, and how planted ones end."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.gateway import cookies

HOST, ZONE = "80-workspace-1-1-aaaaaa.dev.example.com", "dev.example.com"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], ()), (["a=1"], ("1",)), (["b=1; a=2"], ("2",)), (["a=1; a=2"], ("1", "2")), (["a=1", "a=2"], ("1", "2")), (['b="x; a=1'], ("1",)),
        (['a="x'], ('"x',)), (['a="x"'], ('"x"',)), (["a = 1 ;b"], ("1",)), (["a"], ()), (["aa=1; A=2; =a"], ()), (["a=1=2"], ("1=2",)),
        (["a="], ("",)), ([";;a=1;;"], ("1",)), (["$a=1"], ()), (["a=\xe9"], ("\xe9",)),
    ],
)  # fmt: skip
def test_cookies_are_apart_by_semicolons(headers: list[str], found: tuple[str, ...]):
    """And by nothing else: quotes and dollars are text."""
    assert cookies.values(headers, "a") == found


def test_what_comes_twice():
    """By names of ours alone."""
    assert cookies.doubled(["a=1; b=2; a=3; c=4", "b=5; c=6"], ("a", "b", "x")) == ("a", "b")


paths = st.lists(st.sampled_from(["a", "b%20c", "x.y", ""]), max_size=5).map(
    lambda parts: "/" + "/".join(parts)
)


@given(paths, st.sampled_from([HOST, ZONE]), st.data())
def test_every_planted_cookie_ends_and_ours_stays(path: str, host: str, data: st.DataObject):
    """A browser sends a cookie of a domain and folder of which the host and the path are part (RFC 6265bis, 5.1.3 and 5.1.4): for each there is
    a header that ends it, but for the one that we set."""
    parts = [part for part in path.split("/") if part]
    folders = (
        ["/" + "/".join(parts[:number]) for number in range(len(parts) + 1)] if "//" not in path else ["/"]
    )
    folder = data.draw(st.sampled_from(folders))
    domain = data.draw(st.sampled_from(sorted({host, ZONE, "example.com"})))
    ended = set()
    for text in cookies.removals("n", host, ZONE, path):
        (morsel,) = SimpleCookie(text).values()
        assert (morsel.key, morsel.value, morsel["max-age"]) == ("n", "", "0")
        ended.add((morsel["domain"] or host, morsel["path"]))
    assert (host, "/") not in ended
    assert (domain, folder) in ended or (domain, folder) == (host, "/")
