"""Limits on how often a client may ask: token buckets, a bounded number of them."""

import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["RateLimiter"]


class RateLimiter:
    """A token bucket for each key: `burst` at once, then `rate` a second.

    Args:
        rate: A second.
        burst: At once.
        most: Keys that are remembered; the one that was used longest ago is forgotten first.
        clock: Seconds.
    """

    def __init__(
        self, rate: float, burst: float, most: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._most, self._clock = rate, burst, most, clock
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str, cost: float = 1.0) -> float:
        """Take from a key's bucket: return 0, or the seconds to wait if it does not hold enough."""
        now = self._clock()
        level, then = self._filled.pop(key, (self._burst, now))
        level = min(self._burst, level + (now - then) * self._rate)
        enough = level >= cost
        self._filled[key] = (level - cost if enough else level, now)
        if len(self._filled) > self._most:
            self._filled.popitem(last=False)
        return 0.0 if enough else (cost - level) / self._rate
