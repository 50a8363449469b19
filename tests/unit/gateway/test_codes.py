"""The codes that hand a sign-in over."""

from __future__ import annotations

import pytest

from moorage.contract.gateway import Session
from moorage.gateway.codes import Codes
from moorage.gateway.signing import Signer, SignInState
from moorage.gateway.zone import Destination
from moorage.kernel.clock import FakeClock

WANTED = Destination("80-workspace-1-1-aaaaaa.localhost", "/x?y=1")
ANAS = Session(id="session-ana", user=1, user_name="ana", expires_at=4e9)
SIGNER = Signer(b"key")


@pytest.mark.parametrize(
    ("wait", "host", "binding", "works"),
    [
        (29.9, WANTED.host, "b", True),
        (30.0, WANTED.host, "b", False),
        (0, "other", "b", False),
        (0, WANTED.host, "c", False),
    ],
)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_code_lives_30_seconds_for_one_browser_and_host(
    wait: float, host: str, binding: str, works: bool, elsewhere: bool
):
    """At the replica that gave it as at another; where it is presented, right or wrong, it is used
    up."""
    clock = FakeClock()
    giver = Codes(clock, 30.0, SIGNER)
    taker = Codes(clock, 30.0, Signer(b"key")) if elsewhere else giver
    code = giver.issue(ANAS, WANTED, "b")
    clock.advance(wait)
    found = taker.take(code, host, binding)
    assert (found is not None) is works
    if found is not None:
        assert (found.session, found.host, found.path) == (ANAS, WANTED.host, WANTED.path)
    assert taker.take(code, WANTED.host, "b") is None


def test_what_others_sign_is_no_code():
    """Nor is what we sign for another purpose; and no code is taken for that."""
    clock = FakeClock()
    codes = Codes(clock, 30.0, SIGNER)
    later = clock.now() + 60
    state = SIGNER.seal(SignInState(next="", browser="", binding="b", expires_at=later))
    code = codes.issue(ANAS, WANTED, "b")
    for other in (
        Codes(clock, 30.0, Signer(b"other")).issue(ANAS, WANTED, "b"),
        state,
        code[:-1],
        "",
        ".",
    ):
        assert codes.take(other, WANTED.host, "b") is None
    assert SIGNER.unseal(code, clock.now()) is None
    assert codes.take(code, WANTED.host, "b") is not None
