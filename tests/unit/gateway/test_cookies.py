"""Cookies as browsers send them, and how planted ones end."""

from __future__ import annotations

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
    """A browser sends a cookie of a domain and folder of which the host and the path are part (RFC
    6265bis, 5.1.3 and 5.1.4): for each there is a header that ends it, but for the one that we set.
    One with a Domain is another than one without (5.7), though the Domain be the host itself; one
    that is kept apart by site (Partitioned) is another again. The zone's host has pages of ours
    alone, which set none."""
    parts = [part for part in path.split("/") if part]
    folders = (
        ["/" + "/".join(parts[:number]) for number in range(len(parts) + 1)]
        if "//" not in path
        else ["/"]
    )
    folder = data.draw(st.sampled_from(folders))
    domain = data.draw(st.sampled_from(["", *sorted({host, ZONE, "example.com"})]))
    apart = data.draw(st.booleans())
    ended = set()
    for text in cookies.removals("n", host, ZONE, path):
        name, _, attributes = text.replace("; Secure; Partitioned", "; Apart").partition(
            "=; Max-Age=0; Path="
        )
        where, *more = attributes.split("; ")
        of = [each.removeprefix("Domain=") for each in more if each != "Apart"]
        assert name == "n"
        ended.add((of[0] if of else "", where, "Apart" in more))
    assert ("", "/", False) not in ended
    if (domain, folder) != ("", "/") or (apart and host != ZONE):
        assert (domain, folder, apart) in ended


@pytest.mark.parametrize("path", ["/", "/a", "/a/b/c/d/e/f/g/h/i/j/k/l/m", f"/{'x' * 5000}/y"])
def test_an_answer_ends_as_many_as_it_can_hold(path: str):
    """And others at the next time, so that all end."""
    headers = cookies.removals("n", HOST, ZONE, path)
    left = {header for header in headers if len(header) < 5000}
    for _ in range(1000):
        portion = cookies.portion(headers)
        assert len(portion) <= 60
        assert sum(map(len, portion)) <= 8000
        left -= set(portion)
        if not left:
            return
    assert not left
