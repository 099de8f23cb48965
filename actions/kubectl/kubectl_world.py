"""The objects that conformance.yaml uses, through `kubectl proxy`.

python3 kubectl_world.py setup URL NAME PART     makes a new object, and prints its name as the variable PART
python3 kubectl_world.py state URL NAME          prints all that the actions can change
python3 kubectl_world.py teardown URL NAME       deletes the objects

This uses the API itself and not kubectl, since it is started for every run.
"""

import json
import sys
from uuid import uuid4

import extension_objects
import node_objects
import workload_objects
from cluster_api import MARK, ScenarioWorld

PARTS = {**extension_objects.PARTS, **node_objects.PARTS, **workload_objects.PARTS}


def setup(world: ScenarioWorld, part: str) -> None:
    """Make a new object, and print its name."""
    called = f"{part}-{uuid4().hex[:6]}"
    world.make("/api/v1/namespaces", {"metadata": {"name": world.name}}, shared=True)  # an earlier run made it
    print(json.dumps({part: PARTS[part](world, called) or called}))


def state(world: ScenarioWorld) -> None:
    """Print what the actions can change."""
    kinds = [f"{world.apps}/deployments", f"{world.apps}/statefulsets", f"{world.apps}/daemonsets"]
    kinds += [world.autoscalers, world.budgets, f"{world.core}/persistentvolumeclaims"]
    for item in (item for kind in kinds for item in world.items(kind)):
        print(item["metadata"]["name"], json.dumps(item["spec"], sort_keys=True))
    kinds = [f"{world.core}/pods", f"{world.batch}/jobs"]
    kinds += [f"{extension_objects.SNAPSHOTS}/namespaces/{world.name}/volumesnapshots"]
    for item in (item for kind in kinds for item in world.items(kind)):
        print(item["metadata"]["name"], item["metadata"]["uid"])
    kept = [item for item in world.items(f"{world.core}/configmaps") if not item["metadata"]["name"].endswith(".crt")]
    for item in kept:  # without the certificates that a cluster puts into each namespace, soon after
        print(item["metadata"]["name"], json.dumps(item.get("data")))
    for item in world.items(f"{world.batch}/cronjobs"):
        print(item["metadata"]["name"], item["spec"]["suspend"])
    for item in world.items(f"/api/v1/nodes?labelSelector={MARK}={world.name}"):
        taints = [taint["key"] for taint in item["spec"].get("taints") or () if ".kubernetes.io" not in taint["key"]]
        print(item["metadata"]["name"], item["spec"].get("unschedulable", False), sorted(taints))
    for item in world.items(f"{extension_objects.CERTIFICATES}/namespaces/{world.name}/certificates"):
        status = item["status"]
        print(item["metadata"]["name"], status["revision"], status["conditions"])


def teardown(world: ScenarioWorld) -> None:
    """Delete the objects, and the kinds that were made for them."""
    world.call("DELETE", f"/api/v1/namespaces/{world.name}")
    delete_wide(world)


def delete_wide(world: ScenarioWorld) -> None:
    """Delete the objects of the whole cluster, kinds among them."""
    for path in ("/api/v1/nodes", *extension_objects.WIDE):
        selected = f"{path}?labelSelector={MARK}={world.name}"
        if world.items(selected):
            world.call("DELETE", selected)


if __name__ == "__main__":
    match sys.argv[1:]:
        case "setup", address, namespace, wanted:
            setup(ScenarioWorld(address, namespace), wanted)
        case "state", address, namespace:
            state(ScenarioWorld(address, namespace))
        case "teardown", address, namespace:
            teardown(ScenarioWorld(address, namespace))
        case _:
            sys.exit(__doc__)
