"""Shares over targets, as verdicts say them."""

from collections.abc import Iterable
from datetime import UTC, datetime

from kubernaut_effectiveness.statistics.votes import Tally, Votes, count_votes
from kubernaut_effectiveness.verdicts.models import Share

__all__ = ["ENOUGH_TARGETS", "day_of", "share_of", "tallies_of", "votes_of"]

ENOUGH_TARGETS = 5
"""Targets below which no rate is said."""


def tallies_of(outcomes: Iterable[tuple[str, bool]]) -> list[Tally]:
    """Return the tallies of (target, good) pairs."""
    both: dict[str, list[int]] = {}
    for target, is_good in outcomes:
        counts = both.get(target)
        if counts is None:
            both[target] = [1 if is_good else 0, 1]
        else:
            counts[0] += is_good
            counts[1] += 1
    return [Tally(good, number) for good, number in both.values()]


def votes_of(outcomes: Iterable[tuple[str, bool]]) -> Votes | None:
    """Return the share over targets of (target, good) pairs."""
    return count_votes(tallies_of(outcomes))


def share_of(votes: Votes | None) -> Share:
    """Return a share with its interval, or why there is none."""
    if votes is None:
        return Share(good=0, incidents=0, targets=0, refusal="no incident")
    counted = Share(good=votes.good, incidents=votes.incidents, targets=votes.targets, largest_target=votes.largest)
    if votes.targets < ENOUGH_TARGETS:
        refusal = f"{votes.good} of {votes.incidents} on {votes.targets} target{'s' if votes.targets != 1 else ''}"
        return counted.model_copy(update={"refusal": refusal})
    lower, upper = votes.interval()
    known = {"rate": votes.rate, "lower": lower, "upper": upper, "effective_n": votes.effective_n}
    return counted.model_copy(update=known)


def day_of(time: float) -> str:
    """Return the day of a time, in UTC."""
    return datetime.fromtimestamp(time, UTC).date().isoformat()
