"""The times and numbers that the counting follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["DAY", "HOUR", "MINUTE", "CountingRules"]

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True, kw_only=True)
class CountingRules:
    """The settings of the counting. All times are in seconds.

    Attributes:
        quiet: How long a problem must be silent after its resolution, its rule's `for` apart.
        resolve: How soon after the action's end it must be resolved.
        late: Alertmanager delivers late: the known history ends so long before now.
        window: How far back incidents count.
        pending_for: The `for` of alerting rules by the alert's name, where it is known: within it nothing can fire.
        changing_labels: Labels that a restart changes; they are no part of a problem.
    """

    quiet: float = 30 * MINUTE
    resolve: float = 30 * MINUTE
    late: float = 10 * MINUTE
    window: float = 90 * DAY
    pending_for: Mapping[str, float] = field(default_factory=dict)
    changing_labels: frozenset[str] = frozenset(
        {"pod", "pod_name", "pod_uid", "instance", "container_id", "id", "uid", "endpoint"}
    )

    def stable_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Return the labels of an alert that are a problem's, in order."""
        return {name: text for name, text in sorted(labels.items()) if name not in self.changing_labels}

    def quiet_time(self, name: str | None) -> float:
        """Return how long a problem of this name must be silent: within the rule's `for` it could not fire again."""
        return self.quiet + self.pending_for.get(name or "", 0.0)
