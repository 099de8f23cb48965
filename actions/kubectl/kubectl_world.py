"""The cluster that conformance.yaml speaks of: `setup NAME` makes objects anew, `state` prints, `teardown` ends them.

No pod needs to run: the Deployments have no replicas, or are scaled to none; the Nodes are objects without a machine.
"""

import json
import subprocess
import sys
from typing import Any
from uuid import uuid4

verb, name = sys.argv[1:]


def kubectl(*words: str, stdin: Any = None) -> str:
    """Runs kubectl; its complaint is this program's."""
    done = subprocess.run(
        ["kubectl", *words], input=json.dumps(stdin) if stdin else None, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout


def deployment(called: str, replicas: int, version: str) -> dict[str, Any]:
    """A Deployment whose image nobody has."""
    labels = {"app": called}
    container = {"name": "app", "image": f"conformance.invalid/app:{version}"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": called, "namespace": name},
        "spec": spec,
    }


def node(called: str, *, cordoned: bool) -> dict[str, Any]:
    """A Node with no machine behind it, on which nothing is ever scheduled."""
    taints = [{"key": "kubernaut.io/conformance", "effect": "NoSchedule"}]
    labels = {"kubernaut.io/conformance": name}
    spec = {"unschedulable": cordoned, "taints": taints}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": called, "labels": labels}, "spec": spec}


def setup() -> None:
    """New objects under new names, which are printed as variables of the scenario."""
    suffix = uuid4().hex[:6]
    kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    names = {part: f"{part}-{suffix}" for part in ("busy", "idle")}
    nodes = {part: f"{name}-{part}-{suffix}" for part in ("open", "cordoned")}
    items = [
        deployment(names["busy"], 1, "1"),
        deployment(names["idle"], 0, "1"),
        node(nodes["open"], cordoned=False),
        node(nodes["cordoned"], cordoned=True),
    ]
    kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": items})
    kubectl("rollout", "status", "--timeout=30s", f"--namespace={name}", f"deployment/{names['idle']}")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=deployment(names["idle"], 0, "2"))
    kubectl("rollout", "status", "--timeout=30s", f"--namespace={name}", f"deployment/{names['idle']}")
    print(json.dumps({**names, **nodes}))


def state() -> None:
    """What the actions could change."""
    deployments = json.loads(kubectl("get", "deployments", f"--namespace={name}", "--output=json"))["items"]
    nodes = json.loads(kubectl("get", "nodes", f"--selector=kubernaut.io/conformance={name}", "--output=json"))["items"]
    for item in deployments:
        print(item["metadata"]["name"], item["spec"]["replicas"], json.dumps(item["spec"]["template"]))
    for item in nodes:
        print(item["metadata"]["name"], item["spec"].get("unschedulable", False))


def teardown() -> None:
    """Removes all of it."""
    kubectl("delete", "nodes", "--wait=false", f"--selector=kubernaut.io/conformance={name}")
    kubectl("delete", "namespace", "--wait=false", "--ignore-not-found", name)


{"setup": setup, "state": state, "teardown": teardown}[verb]()
