"""A simulated fleet of 90 days whose truth is known: for demos, pictures and tests. Nothing of it happened.

`simulate_fleet` returns events and webhooks as a real fleet would send them; who stores them sees on the pages whether
the monitor finds what is true (`TRUTHS`).
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from kubernaut_sdk.times import rfc3339

__all__ = ["REQUESTER", "TRUTHS", "SimulatedFleet", "batches", "simulate_fleet"]

DAYS = 90
REQUESTER = "simulation"
"""The requester of all of it, so that nobody takes it for real."""
TRUTHS = {
    "kubernetes/raise_memory_limit": "helps: 8 of 10 incidents end by it, which else last for an hour",
    "kubernetes/restart_pod": "only looks as if: its alerts end by themselves within minutes",
    "kubernetes/rollback_deployment": "helped 9 times of 10 until a new image came in 35 days ago; since then 4 of 10",
    "kubernetes/scale_deployment": "helps half of the time; on one target a sync puts it back, again and again",
    "git/revert_commit": "comes after another action has not helped: the second line",
}
_IMAGES = {name: f"ghcr.io/kubernaut/actions/kubectl@sha256:{sha256(name.encode()).hexdigest()}" for name in ("a", "b")}
_APPLICATIONS = (
    *("cart", "catalog", "checkout", "email", "frontend", "gateway", "inventory", "ledger", "login", "orders"),
    *("payments", "pricing", "profile", "ratings", "reviews", "search", "shipping", "stock", "tax", "users"),
)


@dataclass(frozen=True)
class _Kind:
    """One kind of incident: its alert, the action that is tried first, and what is true of both."""

    alert: str
    severity: str
    action: str
    per_target: float
    length: float
    helps: Callable[[float], float]
    withheld: float = 0.25


_KINDS = (
    _Kind("PodOutOfMemory", "critical", "kubernetes/raise_memory_limit", 7, 60, lambda _day: 0.8),
    _Kind("ContainerCrashLooping", "warning", "kubernetes/restart_pod", 9, 8, lambda _day: 0.0, 0.3),
    _Kind(
        "ErrorRateHigh", "critical", "kubernetes/rollback_deployment", 8, 150, lambda day: 0.9 if day < 55 else 0.4, 0.0
    ),
    _Kind("CpuSaturated", "warning", "kubernetes/scale_deployment", 5, 45, lambda _day: 0.5),
)


@dataclass
class SimulatedFleet:
    """The events and webhooks that a fleet sent in 90 days.

    Attributes:
        events: Events of action records, in the order of time.
        webhooks: Bodies of Alertmanager's webhooks.
        heartbeats: The times of heartbeats, one in 5 minutes.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    webhooks: list[dict[str, Any]] = field(default_factory=list)
    heartbeats: list[datetime] = field(default_factory=list)


def simulate_fleet(now: datetime, seed: int = 7) -> SimulatedFleet:
    """Return 90 days of a fleet of 20 applications, the same for the same time and seed."""
    simulation = _Simulation(now.astimezone(UTC) - timedelta(days=DAYS) + timedelta(hours=2), seed)
    return simulation.run()


class _Simulation:
    def __init__(self, began: datetime, seed: int) -> None:
        self._began, self._chance = began, random.Random(seed)  # noqa: S311 – a simulation
        self._fleet = SimulatedFleet()

    def run(self) -> SimulatedFleet:
        for kind in _KINDS:
            for application in _APPLICATIONS:
                self._incidents(kind, application)
        self._flapping(self._began + timedelta(days=80))
        self._circle(self._began + timedelta(days=70))
        self._growth()
        first = self._began - timedelta(hours=1)
        fleet = self._fleet
        fleet.heartbeats = [first + timedelta(minutes=minute) for minute in range(0, DAYS * 24 * 60 - 60, 5)]
        fleet.events.sort(key=lambda event: (event["at"], event["id"]))
        fleet.webhooks.sort(key=lambda webhook: webhook["alerts"][0]["startsAt"])
        return fleet

    def _incidents(self, kind: _Kind, application: str) -> None:
        chance = self._chance
        hours = 12 + 24 * chance.random()
        while hours < (DAYS - 0.3) * 24:
            fired = self._began + timedelta(hours=hours)
            decided = fired + timedelta(minutes=1.5)
            length = 2 + chance.expovariate(1 / kind.length)
            withheld = chance.random() < kind.withheld
            helped = not withheld and chance.random() < kind.helps(hours / 24)
            if helped:
                length = min(length, 2.5 + chance.random())
            signal = self._fire(kind.alert, kind.severity, application, fired, fired + timedelta(minutes=length))
            image = _IMAGES["b" if hours / 24 >= 55 and kind.alert == "ErrorRateHigh" else "a"]
            more = {"dry_run": True, "state": "planned"} if withheld else {}
            self._record(
                kind.action, application, decided, signal=signal, image=image, change=self._change(kind.action), **more
            )
            if not (helped or withheld) and length > 45:
                later = fired + timedelta(minutes=40)
                self._record("git/revert_commit", application, later, signal=signal, change=self._change(""))
            hours += length / 60 + 3 + chance.expovariate(kind.per_target / (DAYS * 24))

    def _flapping(self, began: datetime) -> None:
        """Let one target's alert fire twelve times in a night; it is restarted each time."""
        for number in range(12):
            fired = began + timedelta(minutes=35 * number)
            signal = self._fire("QueueBacklog", "warning", "email", fired, fired + timedelta(minutes=9))
            decided = fired + timedelta(minutes=1.5)
            self._record("kubernetes/restart_pod", "email", decided, signal=signal, change=self._change(""))

    def _circle(self, began: datetime) -> None:
        """Scale up, put it back by a sync, and scale up again."""
        for number in range(3):
            for minutes, action, before, after in ((0, "kubernetes/scale_deployment", 2, 5), (90, "git/sync", 5, 2)):
                at = began + timedelta(hours=4 * number, minutes=minutes)
                change = {"before": {"replicas": before}, "after": {"replicas": after}}
                self._record(action, "pricing", at, change=change)

    def _growth(self) -> None:
        """Raise a leak's limit again by what it was raised to."""
        for number, (before, after) in enumerate((("64Mi", "128Mi"), ("128Mi", "256Mi"), ("256Mi", "512Mi"))):
            at = self._began + timedelta(days=20 * number + 9)
            change = {"before": {"limits": {"memory": before}}, "after": {"limits": {"memory": after}}}
            self._record("kubernetes/set_memory_limit", "ledger", at, change=change)

    def _change(self, action: str) -> dict[str, Any]:
        number = self._chance.randrange(1, 1_000_000)
        if action == "kubernetes/scale_deployment":
            replicas = number % 5 + 2
            return {"before": {"replicas": replicas}, "after": {"replicas": replicas * 2}}
        return {"before": {"revision": number}, "after": {"revision": number + 1}}

    def _fire(self, alert: str, severity: str, application: str, fired: datetime, resolved: datetime) -> dict[str, Any]:
        """Send an alert twice, firing and resolved; return it as a record names it."""
        pod = f"{application}-{self._chance.getrandbits(32):08x}"
        fingerprint = sha256(f"{alert}/{pod}".encode()).hexdigest()[:16]
        labels = {
            "alertname": alert,
            "severity": severity,
            "namespace": "shop",
            "deployment": application,
            "pod": pod,
            "simulated": "true",
        }
        for status, ends in (("firing", "0001-01-01T00:00:00Z"), ("resolved", rfc3339(resolved))):
            told = {"status": status, "labels": labels, "startsAt": rfc3339(fired), "endsAt": ends}
            alerts = [{**told, "fingerprint": fingerprint}]
            self._fleet.webhooks.append({"version": "4", "status": status, "receiver": "kubernaut", "alerts": alerts})
        return {"fingerprint": fingerprint, "name": alert, "severity": severity, "firedAt": rfc3339(fired)}

    def _record(self, action: str, application: str, at: datetime, **fields: Any) -> None:
        """Send the event of a record that ended; a field that is None is left out."""
        ended = at + timedelta(seconds=5 + self._chance.expovariate(1 / 20))
        event = {
            "id": str(self._mint(at)),
            "state": "succeeded",
            "at": rfc3339(ended),
            "action_type": action,
            "image": _IMAGES["a"],
            "target": {"kind": "Deployment", "namespace": "shop", "name": application},
            "requester": REQUESTER,
            "intended_at": rfc3339(at),
            "started_at": rfc3339(at + timedelta(seconds=1)),
            "finished_at": rfc3339(ended),
            **fields,
        }
        self._fleet.events.append(event)

    def _mint(self, at: datetime) -> UUID:
        """Return a UUIDv7 of a time that has passed."""
        draw, milliseconds = self._chance.getrandbits, int(at.timestamp() * 1000)
        return UUID(int=(milliseconds << 80) | (0x7 << 76) | (draw(12) << 64) | (0b10 << 62) | draw(62))


def batches(items: list[Any], size: int) -> Iterator[list[Any]]:
    """Yield the items in lists of at most this size."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
