"""The time until a reached goal is seen, and its price, on a cluster: `python tests/benchmarks/bench_watching.py`.

The floor is one `kubectl get`: a goal is reached once it was read. "looked at" is the same action whose watches are
switched off. The moment from which the API server holds the goal is that of its answer to the change, or the end of
`kubectl wait`.
"""

import json
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from kubernaut_sdk.catalog import find
from kubernaut_sdk.testing import ActionRunner, Ran
from kubernaut_sdk.watches import Watches

ROUNDS, ROLLOUTS = 7, 2
HOLD = 5.0
"""Seconds for which a rollout must stay complete."""
READY_AFTER = 14
IMAGE = "cluster.local/shell:1"
Json = dict[str, Any]


def kubectl(*words: str, stdin: Json | None = None) -> str:
    """Run kubectl, and return its output."""
    text = json.dumps(stdin) if stdin is not None else None
    return subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True, check=True).stdout


@contextmanager
def namespace() -> Iterator[str]:
    """A namespace for the block."""
    name = f"bench-{uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def run(action: str, inputs: Json, *, watched: bool) -> Ran:
    """Run an action in real time."""
    runner = ActionRunner(find(action), storage="none", real_time=True, timeout=timedelta(minutes=5))
    if watched:
        return runner.run(inputs)
    with patch.object(Watches, "start", lambda _self: False):
        return runner.run(inputs)


class Moment:
    """A change that is made after a while, and the moment at which the API server had answered it."""

    def __init__(self, place: str, name: str, value: str, after: float) -> None:
        self.at = 0.0
        self._words = [
            "patch",
            "configmap",
            name,
            place,
            "--type=merge",
            f"--patch={json.dumps({'data': {'a': value}})}",
        ]
        self._timer = threading.Timer(after, self._make)
        self._timer.start()

    def _make(self) -> None:
        kubectl(*self._words)
        self.at = time.perf_counter()

    def since(self) -> float:
        """Return the seconds since the change."""
        now = time.perf_counter()
        self._timer.join()
        return now - self.at


def measure_change(place: str, space: str) -> dict[str, list[float]]:
    """Return how long after a change of a ConfigMap each has seen it."""
    kubectl("create", "configmap", "settings", place, "--from-literal=a=0")
    times: dict[str, list[float]] = {"kubectl get": [], "watched": [], "looked at": []}
    for number in range(ROUNDS):
        started = time.perf_counter()
        kubectl("get", "configmap", "settings", place, "--output=json")
        times["kubectl get"].append(time.perf_counter() - started)
        for way in ("watched", "looked at"):
            value = f"{way}-{number}"
            moment = Moment(place, "settings", value, 6.0 + number * 0.7)
            goal = {"pointer": "/data/a", "value": value}
            inputs = {"kind": "configmap", "name": "settings", "namespace": space, **goal}
            run("kubernetes/wait_for", inputs, watched=way == "watched")
            times[way].append(moment.since())
    return times


class Rollout:
    """A Deployment without pods, which is scaled to three; the floor says when they are available."""

    def __init__(self, place: str, space: str, name: str) -> None:
        probe = {"exec": {"command": ["/bin/sh", "-c", "true"]}, "initialDelaySeconds": READY_AFTER, "periodSeconds": 1}
        command = ["/bin/sh", "-c", "sleep 1000"]
        container = {"name": "app", "image": IMAGE, "command": command, "readinessProbe": probe}
        pod = {"containers": [container], "hostNetwork": True, "terminationGracePeriodSeconds": 0}
        template = {"metadata": {"labels": {"app": name}}, "spec": pod}
        spec = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template}
        document = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
        kubectl("create", place, "--validate=false", "-f", "-", stdin=document)
        self._place, self._name, self._complete_at = place, name, 0.0
        self._inputs = {"namespace": space, "deployment": name, "replicas": 3}

    def _wait(self) -> None:
        goal = "--for=jsonpath={.status.availableReplicas}=3"
        kubectl("wait", f"deployment/{self._name}", self._place, goal, "--timeout=120s")
        self._complete_at = time.perf_counter()

    def measure(self, *, watched: bool) -> tuple[float, int]:
        """Return the seconds after its end at which it was seen, without those that it must hold; and the calls."""
        floor = threading.Thread(target=self._wait)
        floor.start()
        ran = run("kubernetes/scale_deployment", self._inputs, watched=watched)
        ended_at = time.perf_counter()
        floor.join()
        kubectl("delete", "deployment", self._name, self._place, "--wait=false")
        return ended_at - self._complete_at - HOLD, len(ran.calls) + (len(ran.watched) if watched else 0)


def main() -> None:
    """Measure and print."""
    with namespace() as space:
        place = f"--namespace={space}"
        changes = measure_change(place, space)
        print(f"\nfrom a change of an object to the end of wait_for, {ROUNDS} rounds")
        floor = statistics.median(changes["kubectl get"])
        for way, seconds in changes.items():
            middle = statistics.median(seconds)
            print(f"  {way:14} {middle:6.2f} s ({min(seconds):.2f} to {max(seconds):.2f})  {middle / floor:.1f} × it")
        print(f"\n3 pods, ready after {READY_AFTER} s: from then to the end of scale_deployment, less {HOLD:.0f} s")
        for number in range(ROLLOUTS):
            for way, watched in (("watched", True), ("looked at", False)):
                late, calls = Rollout(place, space, f"app-{number}-{'w' if watched else 'l'}").measure(watched=watched)
                print(f"  {way:14} {late:6.2f} s   {calls} calls of kubectl")


if __name__ == "__main__":
    main()
