"""What may be said to HAProxy."""

from __future__ import annotations

import pytest

from moorage.gateway.haproxy import words
from moorage.gateway.haproxy.access_map import file_text
from moorage.kernel.errors import Misconfigured

EVIL = [
    "a;b", "a\nb", "a\rb", "a\tb", "a\\b", 'a"b', "a'b", "<<", "a<<b", "a  b", " a", "a ", "", "a$b", "a#b", "a%[env(x)]", "a|b",
    "a&b", "a`b", "a\x00b", "a\x7fb", "ä", "a\u2028b", "::1%x;disable frontend web",
]  # fmt: skip


@pytest.mark.parametrize("text", EVIL)
def test_what_could_be_more_than_text_is_refused(text: str):
    """In a command, a map's entry, a PEM's line: one list for all."""
    with pytest.raises(Misconfigured, match="cannot be told"):
        words.line(text)
    assert not words.is_word(text)


@pytest.mark.parametrize("text", EVIL)
def test_an_entry_that_cannot_be_written_keeps_no_other_away(text: str):
    """The map has the others."""
    entries = [("a", "10.0.0.1"), (text, "10.0.0.2"), ("b", text), ("c", "fd00::1")]
    assert file_text({"a workspace": dict(entries)}) == "a 10.0.0.1\nc fd00::1\n"


@pytest.mark.parametrize(
    "text",
    [
        "show map access.map", "add map @3 access.map", "show ssl cert */etc/tls/tls.crt", "-----BEGIN EC PRIVATE KEY-----",
        "MIIB+/==", "shutdown session 0x55d0c8", "8080-workspace-1-1-aaaaaa.moorage.localhost/abc_DEF-1 fd00::1",
    ],
)  # fmt: skip
def test_what_is_said_every_day_passes(text: str):
    """Commands, entries and PEM lines."""
    assert words.line(text) == text


@pytest.mark.parametrize(
    "text", ["a;b", 'a"b', "a\\b", "a'b", "a#b", "a$b", "a\rb", "a\x00", "a%b", "a<b"]
)
def test_no_setting_changes_the_configuration(text: str):
    """What other files and the server have a part in stands in it as it is, or HAProxy does not
    start with it."""
    with pytest.raises(Misconfigured):
        words.configured(f"server x\n{text}")
    assert words.configured("  bind [::]:80,0.0.0.0:80 v6only\n  x { src 10.0.0.0/8 }").startswith(
        "  bind"
    )
