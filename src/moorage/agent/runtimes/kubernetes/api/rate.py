"""A token bucket: so many requests per second to the API server, with a burst, shared fairly in
order of arrival."""

from __future__ import annotations

import asyncio

from moorage.kernel.clock import Clock


class TokenBucket:
    """`rate` requests per second on average, `burst` at once. `waited`: seconds that callers have
    waited in all."""

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self.rate = rate
        self.burst = burst
        self.waited = 0.0
        self.taken = 0
        self._clock = clock
        self._level = float(burst)
        self._at = clock.now()

    @property
    def level(self) -> float:
        """Requests that may start at once; below 0: that many are waiting."""
        now = self._clock.now()
        return min(self.burst, self._level + max(0.0, now - self._at) * self.rate)

    def reserve(self) -> float:
        """Takes one token, and says how many seconds its taker has to wait."""
        self._level, self._at = self.level - 1, self._clock.now()
        self.taken += 1
        delay = max(0.0, -self._level / self.rate)
        self.waited += delay
        return delay

    async def take(self) -> float:
        """Waits for a token → seconds that it took."""
        if delay := self.reserve():
            await asyncio.sleep(delay)
        return delay
