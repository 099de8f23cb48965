"""A stand-in for a machine: a Node object on the real API server, whose kubelet is played here.

The scheduler, the controllers, the eviction API and PodDisruptionBudgets are the real ones; only containers do not run.
"""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from kubernaut_sdk.times import rfc3339, utcnow

__all__ = ["StandInNode", "crashing", "running"]

Json = dict[str, Any]


class StandInNode:
    """A node that is ready, starts every pod at once, and lets every pod end at once.

    Args:
        url: The API server, by `kubectl proxy`.

    Attributes:
        name: Its name.
        answer: Returns the status of a pod that is to start; None for one whose containers never start.
        placement: For a pod template: this node first, any other if it takes no pods. Other pods never come to it: a
            taint keeps them away, and what runs there only says so.
    """

    def __init__(self, url: str) -> None:
        self.url, self.name = url, f"kubernaut-{uuid4().hex[:8]}"
        match = {"matchExpressions": [{"key": "kubernaut.io/test", "operator": "In", "values": [self.name]}]}
        rule = {"weight": 100, "preference": match}
        self.selector = {"kubernaut.io/test": self.name}
        self.taint = {"key": "kubernaut.io/test", "value": self.name, "effect": "NoSchedule"}
        self.placement: Json = {
            "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [rule]}},
            "tolerations": [{"key": "kubernaut.io/test", "operator": "Equal", "value": self.name}],
        }
        self.answer: Callable[[Json], Json | None] = running
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def start(self) -> None:
        """Make the Node, and wait until the scheduler may use it."""
        metadata = {"name": self.name, "labels": self.selector}
        self._call("POST", "/api/v1/nodes", {"metadata": metadata, "spec": {"taints": [self.taint]}})
        self._be_ready()
        self._thread.start()
        while self._call("GET", f"/api/v1/nodes/{self.name}")["spec"]["taints"] != [self.taint]:
            self._ended.wait(0.1)

    def stop(self) -> None:
        """Delete the Node; Kubernetes deletes its pods."""
        self._ended.set()
        self._thread.join()
        self._call("DELETE", f"/api/v1/nodes/{self.name}")

    def die(self) -> None:
        """Let the machine die: node and pods are not ready any more, and nothing starts or ends a pod.

        That they are not ready is set here; the controller manager would do it after a minute without a sign of life.
        """
        self._ended.set()
        self._thread.join()
        condition = {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "it has died"}
        self._call("PATCH", f"/api/v1/nodes/{self.name}/status", {"status": {"conditions": [condition]}})
        unready = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
        for pod in self.pods():
            path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
            self._call("PATCH", f"{path}/status", unready)

    def report(self, pod: Json, reason: str, message: str) -> None:
        """Report an event about a pod, as a kubelet does."""
        place = pod["metadata"]["namespace"]
        regarding = {"kind": "Pod", "namespace": place, **{key: pod["metadata"][key] for key in ("name", "uid")}}
        event = {"metadata": {"generateName": "played-"}, "involvedObject": regarding, "type": "Warning"}
        event |= {"reason": reason, "message": message, "lastTimestamp": rfc3339(utcnow())[:19] + "Z"}
        self._call("POST", f"/api/v1/namespaces/{place}/events", event)

    def pods(self) -> list[Json]:
        """The pods of the node."""
        found: list[Json] = self._call("GET", f"/api/v1/pods?fieldSelector=spec.nodeName={self.name}")["items"]
        return found

    def _live(self) -> None:
        told = time.monotonic()
        while not self._ended.wait(0.2):
            if time.monotonic() - told > 5:
                self._be_ready()
                told = time.monotonic()
            for pod in self.pods():
                path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
                if "deletionTimestamp" in pod["metadata"]:
                    self._call("DELETE", path, {"gracePeriodSeconds": 0})
                elif pod["status"].get("phase") == "Pending" and (status := self.answer(pod)) is not None:
                    self._call("PATCH", f"{path}/status", {"status": status})

    def _be_ready(self) -> None:
        room = {"cpu": "8", "memory": "8Gi", "pods": "110", "ephemeral-storage": "10Gi"}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "it is played"}
        ready["lastHeartbeatTime"] = rfc3339(utcnow())  # without it, the node is given up after 50 s
        status = {"status": {"capacity": room, "allocatable": room, "conditions": [ready]}}
        self._call("PATCH", f"/api/v1/nodes/{self.name}/status", status)

    def _call(self, method: str, path: str, body: Json | None = None) -> Any:
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, {"content-type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code not in {404, 409}:  # it is gone, or is another one by now
                raise
            return {}


def running(pod: Json) -> Json:
    """The status of a pod whose containers all run."""
    conditions = [
        {"type": kind, "status": "True"} for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    containers = [
        {"name": container["name"], "ready": True, "image": container["image"], "imageID": "", "restartCount": 0}
        for container in pod["spec"]["containers"]
    ]
    state = {"state": {"running": {"startedAt": pod["metadata"]["creationTimestamp"]}}}
    started = [{**container, **state} for container in containers]
    return {"phase": "Running", "conditions": conditions, "containerStatuses": started}


def crashing(pod: Json) -> Json:
    """The status of a pod whose containers crash again and again."""
    status = running(pod)
    last = {"terminated": {"exitCode": 3, "reason": "Error", "startedAt": None, "finishedAt": None}}
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": last, "restartCount": 5}
    crashed = [{**container, "ready": False, **waiting} for container in status["containerStatuses"]]
    conditions = [{**item, "status": "False"} if "Ready" in item["type"] else item for item in status["conditions"]]
    return {**status, "conditions": conditions, "containerStatuses": crashed}
