"""Signs with the gateway's key what the gateway need not remember then: session cookies, states of
a sign-in, and the codes that hand one over. Replicas of a gateway share the key, and so know each
other's. Pure.

HAProxy checks session cookies by the same rule (`haproxy.configuration`): the two must agree to the
byte.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from moorage.contract.gateway import Session

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{8,128}")


def usable_session_id(text: str) -> bool:
    """Ids go into cookies, map files and runtime commands: anything else in one is refused at the
    door."""
    return _SESSION_ID.fullmatch(text) is not None


class SignInState(msgspec.Struct, frozen=True):
    """A sign-in while the browser is at the server."""

    next: str
    """URL on a workspace's host; "" when it was none."""
    browser: str
    """SHA-256 of the state cookie."""
    binding: str
    """SHA-256 of the binding cookie on the workspace's host."""
    expires_at: float


class HandOver(msgspec.Struct, frozen=True):
    """A sign-in on its way to a workspace's host."""

    session: Session
    host: str
    path: str
    """Where to on that host, with the query."""
    binding: str
    """SHA-256 of the binding cookie on that host."""
    expires_at: float
    nonce: str


T = TypeVar("T", SignInState, HandOver)


@dataclass(frozen=True)
class Signer:
    """Signs and verifies with one key."""

    key: bytes

    def session_cookie(self, session_id: str, host: str) -> str:
        """`<session id>.<HMAC-SHA-256 over "id@host", upper-case hexadecimal>`; good on that host
        only."""
        return f"{session_id}.{self._mac(f'{session_id}@{host}').hex().upper()}"

    def session_id(self, cookie: str, host: str) -> str | None:
        """The session that the cookie names on that host; None when it is not ours or another
        host's."""
        session_id, _, _ = cookie.partition(".")
        if not usable_session_id(session_id):
            return None
        good = hmac.compare_digest(self.session_cookie(session_id, host).encode(), cookie.encode())
        return session_id if good else None

    def seal(self, state: SignInState) -> str:
        """URL-safe text; readable by anybody, changeable by nobody."""
        return self._seal("state", state)

    def unseal(self, text: str, now: float) -> SignInState | None:
        """None when it was changed, is not ours, or is older than it may be."""
        return self._unseal("state", text, now, SignInState)

    def seal_code(self, code: HandOver) -> str:
        """Seals a code as `seal` does a state; neither is ever taken for the other."""
        return self._seal("code", code)

    def unseal_code(self, text: str, now: float) -> HandOver | None:
        """Opens a code as `unseal` does a state."""
        return self._unseal("code", text, now, HandOver)

    def _seal(self, purpose: str, value: SignInState | HandOver) -> str:
        body = _b64(msgspec.json.encode(value))
        return f"{body}.{_b64(self._mac(f'{purpose}|{body}'))}"

    def _unseal(self, purpose: str, text: str, now: float, kind: type[T]) -> T | None:
        body, _, mac = text.partition(".")
        if not hmac.compare_digest(_b64(self._mac(f"{purpose}|{body}")).encode(), mac.encode()):
            return None
        try:
            value = msgspec.json.decode(
                base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=kind
            )
        except (binascii.Error, msgspec.DecodeError):
            return None
        return value if value.expires_at > now else None

    def _mac(self, text: str) -> bytes:
        return hmac.new(self.key, text.encode(), hashlib.sha256).digest()


def digest(secret: str) -> str:
    """The SHA-256 of a cookie that ties a sign-in to its browser, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
