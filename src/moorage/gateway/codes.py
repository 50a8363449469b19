"""The single-use codes that hand a sign-in over from the zone's host to a workspace's host.

In memory only: a controller that restarts has forgotten them, and none is ever good twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from moorage.gateway.zone import Wanted
from moorage.kernel.clock import Clock
from moorage.kernel.ids import fingerprint, new_secret


@dataclass(frozen=True)
class HandOver:
    session: str
    wanted: Wanted
    binding: str
    """SHA-256 of the cookie that the browser got on the workspace's host when it was sent to sign in."""
    expires_at: float


class Codes:
    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._open: dict[str, HandOver] = {}

    def issue(self, session: str, wanted: Wanted, binding: str) -> str:
        self._forget_expired()
        code = new_secret()
        expires_at = self._clock.now() + self._seconds
        self._open[fingerprint(code)] = HandOver(session, wanted, binding, expires_at)
        return code

    def take(self, code: str, host: str, binding: str) -> HandOver | None:
        """What the code stands for. Whoever asks, whatever the answer: it is used up."""
        found = self._open.pop(fingerprint(code), None)
        if found is None or found.expires_at <= self._clock.now():
            return None
        return found if (found.wanted.host, found.binding) == (host, binding) else None

    def _forget_expired(self) -> None:
        now = self._clock.now()
        self._open = {key: code for key, code in self._open.items() if code.expires_at > now}
