from __future__ import annotations

from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.kernel.clock import FakeClock


def test_a_burst_passes_at_once() -> None:
    """As many requests as the burst allows wait for nothing; the next one waits for its token."""
    bucket = TokenBucket(rate=10, burst=3, clock=FakeClock())
    assert [bucket.reserve() for _ in range(5)] == [0, 0, 0, 0.1, 0.2]
    assert (bucket.taken, round(bucket.waited, 3)) == (5, 0.3)


def test_tokens_come_back_with_time() -> None:
    """After a pause there are tokens again, but never more than the burst."""
    clock = FakeClock()
    bucket = TokenBucket(rate=10, burst=3, clock=clock)
    for _ in range(5):
        bucket.reserve()
    clock.advance(0.4)
    assert bucket.reserve() == 0
    clock.advance(3600)
    assert bucket.level == 3


def test_never_more_than_the_rate() -> None:
    """However many ask at once, no more than burst + rate × time may start by then."""
    clock = FakeClock()
    bucket = TokenBucket(rate=50, burst=100, clock=clock)
    starts = sorted(bucket.reserve() for _ in range(1000))
    for second in (1, 5, 10):
        assert sum(at < second for at in starts) <= 100 + 50 * second
