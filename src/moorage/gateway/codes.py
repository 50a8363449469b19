"""The codes that hand a sign-in over from the zone's host to a workspace's host.

A code says by itself what it stands for, signed with the gateway's key: whichever replica gave it,
each understands it, and knows the session at once. That it is good once is kept by the replica that
it is presented to; another one would take it again, but only from the same browser, on the same
host, within the same seconds (decision 6).
"""

from __future__ import annotations

from moorage.contract.gateway import Session
from moorage.gateway.signing import HandOver, Signer
from moorage.gateway.zone import Destination
from moorage.kernel.clock import Clock
from moorage.kernel.ids import new_secret


class Codes:
    """Issues the codes and takes each once."""

    def __init__(self, clock: Clock, seconds: float, signer: Signer) -> None:
        self._clock = clock
        self._seconds = seconds
        self._signer = signer
        self._used: dict[str, float] = {}
        """Nonces of codes that were used, and until when they would have been good."""

    def issue(self, session: Session, destination: Destination, binding: str) -> str:
        """`binding`: SHA-256 of the cookie that the browser got on the workspace's host when it was
        sent to sign in."""
        return self._signer.seal_code(
            HandOver(
                session=session,
                host=destination.host,
                path=destination.path,
                binding=binding,
                expires_at=self._clock.now() + self._seconds,
                nonce=new_secret(),
            )
        )

    def take(self, code: str, host: str, binding: str) -> HandOver | None:
        """Uses the code up, whoever asks and whatever the answer is, and returns what it stands
        for."""
        now = self._clock.now()
        self._used = {nonce: until for nonce, until in self._used.items() if until > now}
        found = self._signer.unseal_code(code, now)
        if found is None or found.nonce in self._used:
            return None
        self._used[found.nonce] = found.expires_at
        return found if (found.host, found.binding) == (host, binding) else None
