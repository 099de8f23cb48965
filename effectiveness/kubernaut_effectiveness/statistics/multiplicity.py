"""Many tests at once."""

from collections.abc import Sequence

__all__ = ["q_values"]


def q_values(p_values: Sequence[float]) -> list[float]:
    """Return for each test the smallest false discovery rate at which it is a discovery, in the same order.

    q of the i-th smallest p is the least of p₍ⱼ₎ m / j over j ≥ i, at most 1.

    Source: Y. Benjamini, Y. Hochberg (1995), "Controlling the false discovery rate", Journal of the Royal Statistical
    Society B 57 (1), 289–300.
    """
    count = len(p_values)
    order = sorted(range(count), key=lambda place: p_values[place], reverse=True)
    found = [1.0] * count
    least = 1.0
    for fewer, place in enumerate(order):
        least = min(least, p_values[place] * count / (count - fewer))
        found[place] = least
    return found
