"""The memory of one execution of an action: what it wrote, and since when its goal holds.

`verify` must judge this execution's own change and nothing older, and must not compare the clocks of two machines. So
ages are counted by the step's own monotonic clock, and events are told apart by the API server's own generation and
timestamps, compared for equality only. An execution that was not the one that wrote remembers nothing: what it cannot
tell apart is *not yet*, never *somebody else*.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from kubernaut_kubectl.ownership import Field, Owner, last_writer
from kubernaut_sdk import Context, VerifyFailed

__all__ = ["Watch", "given_up_at", "watch_of"]

SETTLE = 5.0
"""Seconds for which a goal must hold before it counts as reached: an application that cannot start crashes sooner."""
SETTLE_OWNED = 60.0
"""Seconds of the same where an owner may take the change back: four rounds of a HorizontalPodAutoscaler."""


@dataclass
class Watch:
    """What an execution saw.

    Attributes:
        owners: Those of the field that it changes.
        written: The object as the API server returned it right after our write; None where another execution wrote.
        given_up: When the rollout had been given up before our write, as Kubernetes wrote it down.
    """

    owners: Sequence[Owner] = ()
    written: dict[str, Any] | None = None
    given_up: str | None = None
    _looked: bool = field(default=False, init=False)
    _holds_from: float | None = field(default=None, init=False)
    _lacked: str = field(default="", init=False)

    def wrote(self, written: dict[str, Any]) -> None:
        """Remember our write."""
        self.written, self._looked, self._holds_from = written, True, None
        self.given_up = given_up_at(written)

    def looked(self, found: dict[str, Any]) -> None:
        """Remember the first look of an execution that did not write."""
        if not self._looked:
            self._looked, self.given_up = True, given_up_at(found)

    def holds(self, ctx: Context, *, at_once: bool = False) -> bool | str:
        """Return True once the goal has held for long enough; to be called each time it is seen to hold.

        Args:
            ctx: Tells the time.
            at_once: Whether nothing can break it but an owner.
        """
        takers = [owner.name for owner in self.owners if owner.takes_back]
        wanted = SETTLE_OWNED if takers else 0.0 if at_once else SETTLE
        if self._holds_from is None:
            self._holds_from = ctx.remaining()
        held = self._holds_from - ctx.remaining()
        why = f", to see if {' or '.join(takers)} takes it back" if takers else ""
        before = f" Before that: {self._lacked}" if self._lacked else ""
        return held >= wanted or f"the goal is reached, and has held for {held:.0f} of {wanted:.0f} s{why}.{before}"

    def broken(self, lacks: str) -> None:
        """Start anew: the goal does not hold. A pod that crashes is ready again in between, so why not is kept."""
        self._holds_from, self._lacked = None, lacks

    def still(
        self, found: dict[str, Any], field: Field, now: Any, *, before: Any, wanted: Any, what: str
    ) -> str | None:
        """Return None while a field is as we set it, or that our own write is not to be seen yet.

        Args:
            found: The object, as it is now.
            field: Which field.
            now: Its value.
            before: The value before our write; as `wanted` where there was nothing to write.
            wanted: The value that was written.
            what: What has the value, such as `the number of replicas`.

        Raises:
            VerifyFailed: if it was ours and somebody changed it, with who.
        """
        if now == wanted:
            return None
        self._holds_from = None
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


_WATCHES: WeakKeyDictionary[Context, Watch] = WeakKeyDictionary()


def watch_of(ctx: Context) -> Watch:
    """Return the memory of this execution."""
    return _WATCHES.setdefault(ctx, Watch())


def given_up_at(found: dict[str, Any]) -> str | None:
    """Return when Kubernetes gave a Deployment's rollout up, in its own words, or None."""
    for condition in found.get("status", {}).get("conditions", ()):
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return str(condition.get("lastUpdateTime", ""))
    return None
