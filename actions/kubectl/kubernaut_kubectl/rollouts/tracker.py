"""The state of one execution's change: the object that it wrote, and how long its goal has been reached.

`verify` must judge this execution's own change and nothing older, and must not compare the clocks of two machines. So
durations are measured with the step's own monotonic clock, and states are told apart by the API server's generation and
timestamps, compared for equality only. An execution that did not write itself has no such state: what it cannot tell
apart is *not yet*, never *somebody else*.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from kubernaut_kubectl.owners.fields import Field, Owner, last_writer
from kubernaut_sdk import Change, Context, VerifyFailed

if TYPE_CHECKING:
    from kubernaut_kubectl.rollouts.revisions import Revisions

__all__ = ["SETTLE", "SETTLE_OWNED", "ChangeTracker", "given_up_at", "tracker_of"]

SETTLE = 5.0
"""Seconds for which a goal must stay reached; an application that cannot start crashes sooner."""
SETTLE_OWNED = 60.0
"""Seconds for which it must stay reached if an owner may revert it: four cycles of a HorizontalPodAutoscaler."""


@dataclass
class ChangeTracker:
    """The state of one change.

    Attributes:
        owners: The owners of the field that is changed.
        written: The object as the API server returned it after our write; None if another execution wrote.
        given_up: The time at which an earlier rollout had failed before our write, as Kubernetes reports it.
        revisions: The earlier revisions of a workload, as they were planned with.
        planned: The change that was planned, where it cannot be seen any more once it is made (a deleted pod).
        owner: The workload of a pod that is acted on, as it was before.
        unmade: An object that was deleted to be made anew, and is not made yet.
        notes: Sentences for the result, found while planning.
        namespace: The namespace of the workload that is looked at.
        logs: The last lines of containers that crashed, so that each is read once.
        restarts: How often containers had been started again when their pods were first seen ready, by uid and name.
    """

    owners: Sequence[Owner] = ()
    written: dict[str, Any] | None = None
    given_up: str | None = None
    revisions: "Revisions | None" = None
    planned: Change | None = None
    owner: dict[str, Any] | None = None
    unmade: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    namespace: str = ""
    logs: dict[tuple[str, str, int], str] = field(default_factory=dict)
    restarts: dict[tuple[str, str], int] = field(default_factory=dict)
    _has_read: bool = field(default=False, init=False)
    _reached_at: float | None = field(default=None, init=False)
    _last_shortfall: str = field(default="", init=False)
    _progress: Any = field(default=None, init=False)
    _obstacles: dict[Any, float] = field(default_factory=dict, init=False)

    def remember_write(self, written: dict[str, Any]) -> None:
        """Remember the object that was written."""
        self.written, self._has_read, self._reached_at = written, True, None
        self.given_up = given_up_at(written)

    def remember_first_read(self, found: dict[str, Any]) -> None:
        """Remember the first read of an execution that did not write."""
        if not self._has_read:
            self._has_read, self.given_up = True, given_up_at(found)

    def check_settled(self, ctx: Context, hold: float = SETTLE) -> bool | str:
        """Return True once the goal has been reached for long enough, until then a sentence. Call it at each such read.

        Args:
            ctx: The context, for the time.
            hold: For how many seconds; longer, if an owner may revert the change.
        """
        reverting = [owner.name for owner in self.owners if owner.reverts]
        wanted = max(hold, SETTLE_OWNED) if reverting else hold
        if self._reached_at is None:
            self._reached_at = ctx.remaining()
        held = self._reached_at - ctx.remaining()
        if held >= wanted:
            return True
        ctx.look_again_within(wanted - held)
        why = f", to see if {' or '.join(reverting)} takes it back" if reverting else ""
        before = f" Before that: {self._last_shortfall}" if self._last_shortfall else ""
        return f"the goal is reached, and has held for {held:.0f} of {wanted:.0f} s{why}.{before}"

    def reset(self, shortfall: str) -> None:
        """Start again: the goal is not reached. The reason is kept, since a crashing pod is ready in between."""
        self._reached_at, self._last_shortfall = None, shortfall

    def blocked_for(self, ctx: Context, keys: Iterable[Any], progress: Any) -> dict[Any, float]:
        """Return for how many seconds each obstacle has stood without progress. Call it at each look.

        Args:
            ctx: The context, for the time.
            keys: The obstacles of this look; those that are not among them start anew when they come back.
            progress: Any value; where it differs from that of the look before, all start anew.
        """
        now = ctx.remaining()
        known = self._obstacles if progress == self._progress else {}
        self._progress, self._obstacles = progress, {key: known.get(key, now) for key in keys}
        return {key: since - now for key, since in self._obstacles.items()}

    def require_own_value(
        self, found: dict[str, Any], field: Field, now: Any, *, before: Any, wanted: Any, what: str
    ) -> str | None:
        """Return None if a field has the value that was written, or a sentence if the write is not visible yet.

        Args:
            found: The object, as it was read now.
            field: The path of the field.
            now: The field's value in that object.
            before: The value before the write; equal to `wanted` if there was nothing to write.
            wanted: The value that was written.
            what: A name for the field, such as `the number of replicas`.

        Raises:
            VerifyFailed: if somebody else has changed it since; the message names the writer.
        """
        if now == wanted:
            return None
        self._reached_at = None
        metadata = found["metadata"]
        if self.written is not None:
            stale = metadata.get("generation", 0) < self.written["metadata"].get("generation", 0)
        else:
            stale = now == before
        if stale:
            return f"{what} of {metadata['name']} still shows as {now}, not {wanted}."
        by = last_writer(found, field) or "somebody else"
        owners = ", ".join(owner.name for owner in self.owners)
        raise VerifyFailed(
            f"{what} of {metadata['name']} was set to {wanted}, and then by {by} to {now}"
            + (f"; it belongs to {owners}." if owners else "; is there an owner of it, such as an autoscaler?"),
            reason="TakenBack",
        )


_TRACKERS: WeakKeyDictionary[Context, ChangeTracker] = WeakKeyDictionary()


def tracker_of(ctx: Context) -> ChangeTracker:
    """Return the tracker of an execution, and make one at first use."""
    return _TRACKERS.setdefault(ctx, ChangeTracker())


def given_up_at(found: dict[str, Any]) -> str | None:
    """Return the time at which a rollout exceeded its progress deadline, as Kubernetes reports it, or None."""
    for condition in found.get("status", {}).get("conditions", ()):
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return str(condition.get("lastUpdateTime", ""))
    return None
