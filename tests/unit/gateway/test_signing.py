"""What the gateway signs: nobody else can make it, and it is good where it was meant for."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.gateway.signing import Signer, SignInState, digest, usable_session_id

SIGNER = Signer(b"key")
STATE = SignInState(next="http://x/", browser=digest("b"), binding=digest("c"), expires_at=100.0)


def test_a_session_cookie_is_what_haproxy_computes():
    """`<id>.<HMAC-SHA-256 over id@host, upper-case hexadecimal>`."""
    mac = hmac.new(b"key", b"session-1@host.localhost", hashlib.sha256).hexdigest().upper()
    assert SIGNER.session_cookie("session-1", "host.localhost") == f"session-1.{mac}"


GOOD = SIGNER.session_cookie("session-1", "h")


@pytest.mark.parametrize(
    ("signer", "cookie", "host", "session"),
    [
        (SIGNER, GOOD, "h", "session-1"),
        (SIGNER, GOOD, "other", None),
        (Signer(b"other key"), GOOD, "h", None),
        (SIGNER, GOOD.lower(), "h", None),
        (SIGNER, GOOD[:-1], "h", None),
        (SIGNER, f"{GOOD}.x", "h", None),
        (SIGNER, GOOD.replace("session-1", "session-2"), "h", None),
        (SIGNER, "session-1", "h", None),
        (SIGNER, ".", "h", None),
        (SIGNER, "", "h", None),
        (SIGNER, "sessiön-1.x", "h", None),
    ],
)
def test_a_cookie_is_good_with_its_key_on_its_host(
    signer: Signer, cookie: str, host: str, session: str | None
):
    """Anything else names no session."""
    assert signer.session_id(cookie, host) == session


def test_a_state_comes_back_as_it_was_until_it_expires():
    """Sealed, it survives the way over the server; late, it is nothing."""
    sealed = SIGNER.seal(STATE)
    assert SIGNER.unseal(sealed, now=99.0) == STATE
    assert SIGNER.unseal(sealed, now=100.0) is None
    assert Signer(b"other").unseal(sealed, now=1.0) is None


@given(st.integers(0, 400), st.characters(codec="ascii"))
def test_a_state_that_was_changed_anywhere_is_nothing(place: int, character: str):
    """One changed character, and it is no state of ours."""
    sealed = SIGNER.seal(STATE)
    place %= len(sealed)
    changed = sealed[:place] + character + sealed[place + 1 :]
    found = SIGNER.unseal(changed, now=1.0)
    assert found is None or changed == sealed


def test_a_state_is_no_session_cookie():
    """The key signs two kinds of things, and one never passes for the other."""
    body, mac = SIGNER.seal(STATE).split(".")
    assert SIGNER.session_id(f"{body}.{mac}", "") is None
    assert SIGNER.unseal(GOOD, now=1.0) is None


@pytest.mark.parametrize(
    "text", ["", "short", "a b c d e f", "a;del map x", "a\nb23456789", "a/b23456789", "ä" * 9]
)
def test_ids_that_could_be_something_else_to_haproxy_are_refused(text: str):
    """They go into runtime commands and map files."""
    assert not usable_session_id(text)
    assert usable_session_id("abcdefgh-_0123456789")
