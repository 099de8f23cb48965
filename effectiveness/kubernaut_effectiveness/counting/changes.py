"""The changes of each target, found by time."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate

from kubernaut_effectiveness.counting.acts import Act, ActKind

__all__ = ["OrderedChanges", "TargetChanges"]


class OrderedChanges:
    """The acts that changed one target, found by time without a look at all of them."""

    def __init__(self, acts: Iterable[Act]) -> None:
        self.acts = sorted(acts, key=_began)
        self._began = [act.began for act in self.acts]
        # the latest end of all acts up to each: those before it had all ended by then
        self._over = list(accumulate((act.ended for act in self.acts), max))

    def between(self, since: float, until: float) -> list[Act]:
        """Return what began within a time, or had not ended at its beginning."""
        first, last = bisect_left(self._over, since), bisect_right(self._began, until)
        return [act for act in self.acts[first:last] if act.ended >= since]


def _began(act: Act) -> float:
    return act.began


class TargetChanges:
    """The acts that changed each target, in order.

    Args:
        acts: All acts.
    """

    def __init__(self, acts: Iterable[Act]) -> None:
        self._of: dict[str, OrderedChanges] = {}
        by_target: dict[str, list[Act]] = defaultdict(list)
        for act in acts:
            if act.target is not None and act.kind is ActKind.CHANGED:
                by_target[act.target].append(act)
        for target, found in by_target.items():
            self.put(target, found)

    def put(self, target: str, acts: Iterable[Act]) -> OrderedChanges:
        """Keep all acts that changed a target."""
        self._of[target] = changes = OrderedChanges(acts)
        return changes

    def forget(self, target: str) -> None:
        """Forget a target that nobody will ask for."""
        self._of.pop(target, None)

    def between(self, targets: Iterable[str], since: float, until: float) -> list[Act]:
        """Return what changed any of the targets and began within a time, or had not ended at its beginning."""
        found: list[Act] = []
        for target in targets:
            if (changes := self._changes_of(target)) is not None:
                found += changes.between(since, until)
        return found

    def _changes_of(self, target: str) -> OrderedChanges | None:
        return self._of.get(target)
