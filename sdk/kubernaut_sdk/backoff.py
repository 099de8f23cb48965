"""The pause before a retry, everywhere in Kubernaut: it doubles with each failure, up to a limit.

Most callers do not repeat a call but plan the next attempt (a timer, a deadline, a queue), so a library that wraps the
call, such as stamina, does not fit them.
"""

import random

__all__ = ["backoff"]


def backoff(failures: int, first: float, longest: float, *, jitter: bool = False) -> float:
    """Return the pause in seconds after a number of failures in a row.

    Args:
        failures: The failures so far, from 1.
        first: The pause after the first failure.
        longest: The limit.
        jitter: True to shorten the pause by up to a half, at random, so that many clients do not come back at once.
    """
    # bounded, since a float has no power of two above 1023: a peer may be away for days
    pause = min(longest, first * 2.0 ** max(0, min(failures - 1, 64)))
    return pause * random.uniform(0.5, 1) if jitter else pause  # noqa: S311 – no secret
