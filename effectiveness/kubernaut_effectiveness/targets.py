"""One target: what fired, what was done, what came back, and "is it still so?"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kubernaut_effectiveness.counting.acts import Act, ActKind, canonical_text
from kubernaut_effectiveness.counting.outcomes import JudgedIncident
from kubernaut_effectiveness.counting.problems import AlertProblem
from kubernaut_effectiveness.verdicts.fleet import Fleet

__all__ = ["StillSo", "TargetHistory", "find_target", "history_of_target", "still_so", "targets_by_incidents"]


@dataclass(frozen=True)
class StillSo:
    """The last change of a target against what later records of the same action type saw.

    Attributes:
        answer: `yes` where a later record found all as the change had left it, `no` where it found something else,
            `not seen` where no later record saw it.
        change: The act whose change is meant.
        seen_by: The last later act that saw the target, if any.
        found: What it found.
        deleted: When the target was deleted since the change, as far as anybody told; then nothing of it is left.
    """

    answer: Literal["yes", "no", "not seen"]
    change: Act
    seen_by: Act | None = None
    found: Any = None
    deleted: float | None = None


@dataclass(frozen=True)
class TargetHistory:
    """The history of one target. `deleted` is when it was deleted, as far as anybody told."""

    name: str
    acts: tuple[Act, ...]
    incidents: tuple[JudgedIncident, ...]
    problems: tuple[AlertProblem, ...]
    still_so: tuple[StillSo, ...]
    deleted: tuple[float, ...] = ()


def find_target(fleet: Fleet, name: str) -> list[str]:
    """Return the targets of a name: the whole text, or else all that end with it or contain it."""
    known = {act.target for act in fleet.acts if act.target is not None}
    if name in known:
        return [name]
    return sorted(target for target in known if target.endswith(f"/{name}")) or sorted(
        target for target in known if name in target
    )


def history_of_target(fleet: Fleet, name: str) -> TargetHistory | None:
    """Return the history of a target by its whole text, or None if no record names it."""
    acts = tuple(sorted((act for act in fleet.acts if act.target == name), key=lambda act: (act.began, act.id)))
    if not acts:
        return None
    fingerprints = {act.fingerprint for act in acts if act.fingerprint is not None}
    problems = [problem for problem in fleet.problems.values() if problem.fingerprints & fingerprints]
    keys = {problem.key for problem in problems}
    incidents = tuple(one for one in fleet.judged if one.problem in keys)
    deleted = tuple(fleet.watch.deletions_of(name))
    return TargetHistory(name, acts, incidents, tuple(problems), tuple(still_so(acts, deleted)), deleted)


def still_so(acts: Sequence[Act], deletions: Sequence[float] = ()) -> list[StillSo]:
    """Return for the last change of each action type whether it is still so.

    A later record of the same type tells: it read the target before it changed anything (its change's before), or it
    found nothing to change.
    """
    changed: dict[str, Act] = {}
    for act in acts:
        if act.kind is ActKind.CHANGED and act.changes and not act.failed:
            changed[act.action_type] = act
    found = []
    for action_type, change in changed.items():
        later = [act for act in acts if act.action_type == action_type and act.began > change.ended]
        seen = [act for act in later if act.before is not None or (act.kind is ActKind.UNCHANGED and not act.failed)]
        deleted = next((time for time in deletions if time > change.ended), None)
        if not seen:
            found.append(StillSo("not seen", change, deleted=deleted))
            continue
        last = seen[-1]
        same = last.before is None or canonical_text(last.before) == canonical_text(change.after)
        found.append(StillSo("yes" if same else "no", change, last, last.before, deleted))
    return sorted(found, key=lambda one: -one.change.ended)


def targets_by_incidents(fleet: Fleet, limit: int = 10) -> list[tuple[str, int]]:
    """Return the targets that were remediated most, with the number of their incidents: fix these first."""
    counted: dict[str, int] = {}
    for one in fleet.judged:
        if one.action is not None and one.target:
            counted[one.target] = counted.get(one.target, 0) + 1
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:limit]
