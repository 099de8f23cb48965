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
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{name}/deployments"
NODES = f"/api/v1/nodes?labelSelector=kubernaut.io/conformance={name}"


def api(method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
    """Send a request to the API server, and return the response."""
    request = urllib.request.Request(  # noqa: S310 – kubectl proxy, on loopback
        url + path, json.dumps(body).encode() if body else None, {"content-type": kind}, method=method
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.load(answer)


def deployment(called: str, replicas: int) -> dict[str, Any]:
    """Return a Deployment whose image does not exist."""
    labels = {"app": called}
    container = {"name": "app", "image": "conformance.invalid/app:1"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}
    return {"metadata": {"name": called}, "spec": spec}


def node(called: str, *, cordoned: bool) -> dict[str, Any]:
    """Return a Node without a machine, on which nothing is ever scheduled."""
    taints = [{"key": "kubernaut.io/conformance", "effect": "NoSchedule"}]
    labels = {"kubernaut.io/conformance": name}
    return {"metadata": {"name": called, "labels": labels}, "spec": {"unschedulable": cordoned, "taints": taints}}


def check_rollout(called: str) -> None:
    """Wait until the Deployment controller has seen the newest template."""
    for _ in range(300):
        found = api("GET", f"{DEPLOYMENTS}/{called}")
        if found["status"].get("observedGeneration") == found["metadata"]["generation"]:
            return
        time.sleep(0.1)
    sys.exit(f"no Deployment controller has seen {called} within 30 s")


def setup() -> None:
    """Make new objects, and print their names as variables of the scenario. `idle` has two revisions."""
    names = {part: f"{part}-{uuid4().hex[:6]}" for part in ("busy", "idle", "open", "cordoned")}
    names |= {part: f"{name}-{names[part]}" for part in ("open", "cordoned")}
    try:
        api("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    except urllib.error.HTTPError as error:
        if error.code != 409:  # 409: an earlier run made it
            raise
    api("POST", DEPLOYMENTS, deployment(names["busy"], 1))
    api("POST", DEPLOYMENTS, deployment(names["idle"], 0))
    api("POST", "/api/v1/nodes", node(names["open"], cordoned=False))
    api("POST", "/api/v1/nodes", node(names["cordoned"], cordoned=True))
    check_rollout(names["idle"])
    image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "conformance.invalid/app:2"}
    api("PATCH", f"{DEPLOYMENTS}/{names['idle']}", [image], "application/json-patch+json")
    check_rollout(names["idle"])
    print(json.dumps(names))


def state() -> None:
    """Print what the actions can change."""
    for item in api("GET", DEPLOYMENTS)["items"]:
        print(item["metadata"]["name"], item["spec"]["replicas"], json.dumps(item["spec"]["template"]))
    for item in api("GET", NODES)["items"]:
        print(item["metadata"]["name"], item["spec"].get("unschedulable", False))


def teardown() -> None:
    """Delete the objects."""
    api("DELETE", NODES)
    api("DELETE", f"/api/v1/namespaces/{name}")


{"setup": setup, "state": state, "teardown": teardown}[verb]()
