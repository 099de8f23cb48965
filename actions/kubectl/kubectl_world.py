"""The objects that conformance.yaml uses: `setup URL NAME` makes them, `state` prints them, `teardown` deletes them.

This uses the API through `kubectl proxy`, since it is started for every run. No pod needs to run: the Deployments have
no replicas, or are scaled to none; the Nodes are objects without a machine.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any
from uuid import uuid4

verb, url, name = sys.argv[1:]
APPS = f"/apis/apps/v1/namespaces/{name}"
CORE = f"/api/v1/namespaces/{name}"
DEPLOYMENTS = f"{APPS}/deployments"
AUTOSCALERS = f"/apis/autoscaling/v2/namespaces/{name}/horizontalpodautoscalers"
BATCH = f"/apis/batch/v1/namespaces/{name}"
BUDGETS = f"/apis/policy/v1/namespaces/{name}/poddisruptionbudgets"
NODES = f"/api/v1/nodes?labelSelector=kubernaut.io/conformance={name}"


def api(method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
    """Send a request to the API server, and return the response."""
    request = urllib.request.Request(  # noqa: S310 – kubectl proxy, on loopback
        url + path, json.dumps(body).encode() if body else None, {"content-type": kind}, method=method
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.load(answer)


def template(called: str) -> dict[str, Any]:
    """Return a pod template that no node takes, with an image that does not exist."""
    container = {"name": "app", "image": "conformance.invalid/app:1"}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    spec["nodeSelector"] = {"kubernaut.io/conformance": "none"}
    return {"metadata": {"labels": {"app": called}}, "spec": spec}


def workload(called: str, **spec: Any) -> dict[str, Any]:
    """Return a workload of these pods; its kind follows from where it is posted."""
    selector = {"matchLabels": {"app": called}}
    return {"metadata": {"name": called}, "spec": {"selector": selector, "template": template(called), **spec}}


def node(called: str, *, cordoned: bool = False) -> dict[str, Any]:
    """Return a Node without a machine, on which nothing is ever scheduled; cordoned and tainted as if by an action."""
    taints = [{"key": "kubernaut.io/conformance", "effect": "NoSchedule"}]
    marks = {"kubernaut.io/cordoned-by": "conformance"} if cordoned else {}
    marks["kubernaut.io/tainted-by"] = json.dumps({"kubernaut.io/conformance:NoSchedule": "conformance"})
    metadata = {"name": called, "labels": {"kubernaut.io/conformance": name}, "annotations": marks}
    return {"metadata": metadata, "spec": {"unschedulable": cordoned, "taints": taints}}


def make_dead(called: str) -> None:
    """Let a Node not have been ready for a year."""
    ready = {"type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"status": {"conditions": [ready]}}
    api("PATCH", f"/api/v1/nodes/{called}/status", status, "application/merge-patch+json")


def pod_on(called: str, owner: dict[str, Any]) -> dict[str, Any]:
    """Return a pod that belongs to a workload, and is on a node without a machine: it is gone once it is evicted."""
    metadata = {"name": f"on-{called}"[:63].rstrip("-."), "ownerReferences": [{**owner, "controller": True}]}
    return {"metadata": metadata, "spec": {**template(called)["spec"], "nodeSelector": {}, "nodeName": called}}


def job(called: str, **more: Any) -> dict[str, Any]:
    """Return a Job that needs no pod to be complete."""
    pod = {"spec": {**template(called)["spec"], "restartPolicy": "Never"}}
    return {"metadata": {"name": called}, "spec": {"completions": 0, "template": pod, **more}}


def wait_until(path: str, reached: Any) -> None:
    """Wait until an object is as its controller will make it."""
    for _ in range(300):
        if reached(api("GET", path)):
            return
        time.sleep(0.1)
    sys.exit(f"{path} has not come to be as the scenario needs it within 30 s")


def is_complete(found: dict[str, Any]) -> bool:
    """Return True for a Job that is complete."""
    return any(item["type"] == "Complete" for item in found.get("status", {}).get("conditions") or ())


def check_rollout(path: str) -> None:
    """Wait until its controller has seen the newest template."""
    for _ in range(300):
        found = api("GET", path)
        if found["status"].get("observedGeneration") == found["metadata"]["generation"]:
            return
        time.sleep(0.1)
    sys.exit(f"no controller has seen {path} within 30 s")


def make_revisions(path: str) -> None:
    """Give a workload a second revision."""
    check_rollout(path)
    image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "conformance.invalid/app:2"}
    api("PATCH", path, [image], "application/json-patch+json")
    check_rollout(path)


def pod_of(called: str) -> str:
    """Wait for the pod of a ReplicaSet, and return its name."""
    for _ in range(300):
        if items := api("GET", f"{CORE}/pods?labelSelector=app={called}")["items"]:
            return str(items[0]["metadata"]["name"])
        time.sleep(0.1)
    sys.exit(f"ReplicaSet {called} has made no pod within 30 s")


def setup() -> None:
    """Make new objects, and print their names as variables of the scenario. What is idle has two revisions."""
    parts = ("busy", "idle", "stateful", "ordered", "daemon", "paused", "set", "failed", "settings")
    batch, nodes = ("done", "redone", "cron", "suspended", "relaxed"), ("open", "cordoned", "full", "dead")
    names = {part: f"{part}-{uuid4().hex[:6]}" for part in (*parts, *batch, *nodes)}
    names |= {part: f"{name}-{names[part]}" for part in nodes}
    try:
        api("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    except urllib.error.HTTPError as error:
        if error.code != 409:  # 409: an earlier run made it
            raise
    api("POST", DEPLOYMENTS, workload(names["busy"], replicas=1))
    api("POST", DEPLOYMENTS, workload(names["idle"], replicas=0))
    api("POST", DEPLOYMENTS, workload(names["paused"], replicas=0, paused=True))
    api("POST", f"{APPS}/statefulsets", workload(names["stateful"], replicas=1, serviceName="none"))
    api("POST", f"{APPS}/statefulsets", workload(names["ordered"], replicas=0, serviceName="none"))
    api("POST", f"{APPS}/daemonsets", workload(names["daemon"]))
    replicas = workload(names["set"], replicas=1)
    replicas["spec"]["template"]["metadata"]["labels"]["kubernaut.io/conformance-replica"] = ""
    api("POST", f"{APPS}/replicasets", replicas)
    api("POST", f"{CORE}/configmaps", {"metadata": {"name": names["settings"]}, "data": {"LEVEL": "debug"}})
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": names["idle"]}
    scaler = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 4}
    api("POST", AUTOSCALERS, {"metadata": {"name": names["idle"]}, "spec": scaler})
    failed = {"name": names["failed"], "labels": {"app": "failed"}}
    api("POST", f"{CORE}/pods", {"metadata": failed, "spec": template("failed")["spec"]})
    phase = {"status": {"phase": "Failed"}}
    api("PATCH", f"{CORE}/pods/{names['failed']}/status", phase, "application/merge-patch+json")
    for part in nodes:
        api("POST", "/api/v1/nodes", node(names[part], cordoned=part == "cordoned"))
    make_dead(names["dead"])
    made = api("GET", f"{DEPLOYMENTS}/{names['idle']}")["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": made["name"], "uid": made["uid"]}
    api("POST", f"{CORE}/pods", pod_on(names["full"], owner))
    for part in ("done", "redone"):
        api("POST", f"{BATCH}/jobs", job(names[part]))
        wait_until(f"{BATCH}/jobs/{names[part]}", is_complete)
    for part in ("cron", "suspended"):
        spec = {"schedule": "0 0 30 2 *", "suspend": part == "suspended", "jobTemplate": {"spec": job("x")["spec"]}}
        api("POST", f"{BATCH}/cronjobs", {"metadata": {"name": names[part]}, "spec": spec})
    make_revisions(f"{DEPLOYMENTS}/{names['idle']}")
    make_revisions(f"{APPS}/statefulsets/{names['ordered']}")
    make_revisions(f"{APPS}/daemonsets/{names['daemon']}")
    check_rollout(f"{DEPLOYMENTS}/{names['paused']}")
    names["pod"] = pod_of(names["set"])
    selector = {"matchLabels": {"app": names["set"]}}
    mark = {"kubernaut.io/relaxed-from": json.dumps({"min_available": "1", "record": "conformance"})}
    budget = {"metadata": {"name": names["relaxed"], "annotations": mark}}
    api("POST", BUDGETS, {**budget, "spec": {"selector": selector, "minAvailable": 0}})
    print(json.dumps(names))


def state() -> None:
    """Print what the actions can change."""
    for kind in ("deployments", "statefulsets", "daemonsets"):
        for item in api("GET", f"{APPS}/{kind}")["items"]:
            print(item["metadata"]["name"], json.dumps(item["spec"], sort_keys=True))
    for item in api("GET", f"{CORE}/configmaps")["items"]:
        print(item["metadata"]["name"], json.dumps(item.get("data")))
    for item in api("GET", AUTOSCALERS)["items"]:
        print(item["metadata"]["name"], json.dumps(item["spec"], sort_keys=True))
    for item in api("GET", f"{CORE}/pods")["items"]:
        print(item["metadata"]["name"], item["metadata"]["uid"])
    for item in api("GET", NODES)["items"]:
        taints = [taint["key"] for taint in item["spec"].get("taints") or () if ".kubernetes.io" not in taint["key"]]
        print(item["metadata"]["name"], item["spec"].get("unschedulable", False), sorted(taints))
    for item in api("GET", f"{BATCH}/jobs")["items"]:
        print(item["metadata"]["name"], item["metadata"]["uid"])
    for item in api("GET", f"{BATCH}/cronjobs")["items"]:
        print(item["metadata"]["name"], item["spec"]["suspend"])
    for item in api("GET", BUDGETS)["items"]:
        print(item["metadata"]["name"], json.dumps(item["spec"], sort_keys=True))


def teardown() -> None:
    """Delete the objects."""
    api("DELETE", NODES)
    api("DELETE", f"/api/v1/namespaces/{name}")


{"setup": setup, "state": state, "teardown": teardown}[verb]()
