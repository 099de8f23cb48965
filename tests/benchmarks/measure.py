"""Times beside their floors, measured in turn in one run, so that a noisy machine disturbs both alike."""

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["compare", "report"]


def compare(rounds: int, **subjects: Callable[[], object]) -> dict[str, list[float]]:
    """Return the seconds of each subject in each round, after one round to warm up; the subjects take turns."""
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(rounds + 1):
        for name, subject in subjects.items():
            start = time.perf_counter()
            subject()
            if number:
                times[name].append(time.perf_counter() - start)
    return times


def report(title: str, times: Mapping[str, list[float]], floor: str, target: str) -> None:
    """Print medians, the difference from the floor and the ratio to it."""
    base = statistics.median(times[floor])
    print(f"\n{title}\n  target: {target}")
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        more = "" if name == floor else f"   +{(middle - base) * 1000:7.1f} ms   {middle / base:5.2f} × the floor"
        print(f"  {name:38} {middle * 1000:8.1f} ms (best {min(seconds) * 1000:.1f}){more}")
