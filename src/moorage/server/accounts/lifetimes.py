"""How long tokens and sessions live. Pure. Times are seconds since the epoch.

Nothing that was made outlives what it was made by: what an API token makes ends with it, also what
is made in a session that one of its links began; and a session that was begun out of another one
ends when that one does at the latest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from moorage.kernel.errors import InvalidInput

DAY = 86400.0


@dataclass(frozen=True)
class Authority:
    """By what somebody acts, as far as what they make is bound to it."""

    token_id: int | None = None
    """The token, or the one that the session came from; None: they signed in otherwise."""
    token_ends: float = math.inf
    session_ends: float = math.inf


def token_end(
    days: float | None, authority: Authority, *, now: float, usual_days: float, longest_days: float
) -> float:
    """When a new token expires. `days`: what was asked for; None: as long as is usual and possible.

    Raises `InvalidInput` when that is longer than may be.
    """
    if days is None:
        return min(now + min(usual_days, longest_days) * DAY, authority.token_ends)
    if days > longest_days:
        raise InvalidInput(
            f"An API token is valid for {longest_days:g} days at most.",
            code="token-too-long",
            hint="Ask for less; whoever runs this installation sets it (token_longest_days).",
            field="days",
        )
    if now + days * DAY > authority.token_ends:
        left = (authority.token_ends - now) / DAY
        raise InvalidInput(
            f"The API token that you use ends in {left:.1f} days, and what it makes ends with it.",
            code="token-outlives",
            hint="Ask for less, or for no number of days; or make the token by one that lasts longer.",
            field="days",
        )
    return now + days * DAY


def latest_end(authority: Authority, *, own: bool) -> float | None:
    """The latest end of a session that a sign-in link begins; None: nothing binds it. `own`: it is
    for the person themselves, who cannot so begin their session anew without end."""
    ends = min(authority.token_ends, authority.session_ends if own else math.inf)
    return None if math.isinf(ends) else ends


def session_end(ends_at: float | None, *, now: float, longest_days: float) -> float:
    """When a session that begins now ends, whatever use is made of it. `ends_at`: of its link."""
    longest = now + longest_days * DAY
    return longest if ends_at is None else min(longest, ends_at)


def extended(
    expires_at: float, ends_at: float, *, now: float, idle_hours: float, unless_gained: float = 0.0
) -> float | None:
    """When a session that is used now expires; None when it is not worth writing down.
    `unless_gained`: part of the idle time that must be gained."""
    idle = idle_hours * 3600
    fresh = min(now + idle, ends_at)
    return fresh if fresh - expires_at > idle * unless_gained else None
