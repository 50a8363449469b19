"""Where a request may send its browser on to."""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.kernel.links import own_path


@pytest.mark.parametrize(
    "text",
    [
        "/", "/a", "/a/b/", "/a?b=c#d", "/?folder=/projects/x", "/?u=https://evil.example//x", "/#//evil.example", "/a//b", "/a/./b/../c",
        "/a%20b?x=%2F%2Fy", "/@evil.example", "/a:b@c", "/.well-known/x", "/..a", "/%zz", "/new?repository=https%3A%2F%2Fgit.example.com%2Fa",
    ],
)  # fmt: skip
def test_paths_of_the_same_host(text: str):
    """They are gone on to as they are."""
    assert own_path(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "?a", "#a", "evil.example", "https://evil.example/", "https:evil.example", "https:/evil.example", "HTTPS:\\\\evil.example",
        "javascript:alert(1)", "data:text/html,x", "//evil.example", "///evil.example", "////evil.example", "//", "//user@evil.example",
        "//[::1]/", "/\\evil.example", "\\\\evil.example", "\\/evil.example", "/\\/evil.example", "/\t/evil.example", "\t//evil.example",
        " //evil.example", "/\n/evil.example", "/\r\n/evil.example", "\x00//evil.example", "/\x00/evil.example", "/\x7f/evil.example",
        "/ /evil.example", "/a b", "/a\r\nSet-Cookie: x=y", "/%09/evil.example", "/%0a/evil.example", "/%0d%0a/evil.example", "/%00/evil.example",
        "/%5cevil.example", "/%5Cevil.example", "/%2f/evil.example", "/%2fevil.example", "/%2Fevil.example", "/%2f%2fevil.example",
        "/%252fevil.example", "/%255cevil.example", "/%2509/evil.example", "/.//evil.example", "/././/evil.example", "/..//evil.example",
        "/x/..//evil.example", "/x/y/../..//evil.example", "/%2e//evil.example", "/%2E%2e//evil.example", "/.%2e//evil.example", "/./%2fevil.example",
        "/x/%2e%2e/%2fevil.example", "/%252e//evil.example", "/\u2215evil.example", "/\u3002evil.example", "/\u2028/evil.example", '/"><script>',
        "/<script>",
    ],
)  # fmt: skip
def test_what_could_lead_elsewhere(text: str):
    """Another host's address in any form that a browser, or a program that decodes once more,
    knows; and what breaks a header or a page."""
    assert own_path(text) == "/"


@given(st.text("/\\.%2f5ceE09adt\t\n ?#@:evil", max_size=16), st.booleans())
def test_whatever_is_accepted_stays_on_its_host(text: str, encoded: bool):
    """However it is put together: joined to a page's address it is that host's, and so is its path
    again."""
    found = own_path(quote(text, safe="/") if encoded else text)
    joined = urljoin("https://here.example/a/b", found)
    assert urlsplit(joined).netloc == "here.example"
    assert not urlsplit(joined).path.startswith(("//", "/\\"))
