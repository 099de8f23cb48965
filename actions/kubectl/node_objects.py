"""The nodes and jobs of conformance.yaml: Nodes without a machine, Jobs that need no pod."""

import json

from cluster_api import MARK, MERGE, Json, ObjectMaker, ScenarioWorld, is_set
from workload_objects import make_idle, pod_template

__all__ = ["PARTS"]


def make_node(world: ScenarioWorld, called: str, *, cordoned: bool = False) -> str:
    """Make a Node without a machine, on which nothing is ever scheduled; cordoned and tainted as if by an action."""
    name = f"{world.name}-{called}"
    marks = {"kubernaut.io/cordoned-by": "conformance"} if cordoned else {}
    marks["kubernaut.io/tainted-by"] = json.dumps({f"{MARK}:NoSchedule": "conformance"})
    spec = {"unschedulable": cordoned, "taints": [{"key": MARK, "effect": "NoSchedule"}]}
    document = {"metadata": {"name": name, "annotations": marks}, "spec": spec}
    world.make("/api/v1/nodes?fieldManager=kubernaut", document)  # that of the actions
    return name


def make_cordoned(world: ScenarioWorld, called: str) -> str:
    """Make a Node that is cordoned."""
    return make_node(world, called, cordoned=True)


def make_dead(world: ScenarioWorld, called: str) -> str:
    """Make a Node that has not been ready for long."""
    name = make_node(world, called)
    ready = {"type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    world.call("PATCH", f"/api/v1/nodes/{name}/status", {"status": {"conditions": [ready]}}, MERGE)
    return name


def make_full(world: ScenarioWorld, called: str) -> str:
    """Make a Node with a pod of a Deployment: it is gone once it is evicted, since no kubelet has it."""
    name = make_node(world, called)
    make_idle(world, called)
    made = world.call("GET", f"{world.apps}/deployments/{called}")["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": called, "uid": made["uid"], "controller": True}
    spec = {**pod_template(called)["spec"], "nodeSelector": {}, "nodeName": name}
    world.make(f"{world.core}/pods", {"metadata": {"name": f"on-{called}", "ownerReferences": [owner]}, "spec": spec})
    return name


def job_spec(completions: int = 0) -> Json:
    """Return the spec of a Job that needs so many pods to be complete, of which no node takes one."""
    return {"completions": completions, "template": {"spec": {**pod_template("job")["spec"], "restartPolicy": "Never"}}}


def make_job(world: ScenarioWorld, called: str) -> None:
    """Make a Job, and wait until it is complete."""
    world.make(f"{world.batch}/jobs", {"metadata": {"name": called}, "spec": job_spec()})
    world.wait_until(f"{world.batch}/jobs/{called}", lambda found: is_set(found, "Complete"), "be complete")


def make_running(world: ScenarioWorld, called: str) -> None:
    """Make a Job that waits for its pod."""
    world.make(f"{world.batch}/jobs", {"metadata": {"name": called}, "spec": job_spec(1)})
    world.wait_until(f"{world.batch}/jobs/{called}", lambda found: found["status"].get("active") == 1, "have its pod")


def make_cron(world: ScenarioWorld, called: str, *, suspended: bool = False, completions: int = 0) -> None:
    """Make a CronJob that is never due."""
    spec = {"schedule": "0 0 30 2 *", "suspend": suspended, "jobTemplate": {"spec": job_spec(completions)}}
    world.make(f"{world.batch}/cronjobs", {"metadata": {"name": called}, "spec": spec})


def make_suspended(world: ScenarioWorld, called: str) -> None:
    """Make a CronJob that is suspended."""
    make_cron(world, called, suspended=True)


def make_slow_cron(world: ScenarioWorld, called: str) -> None:
    """Make a CronJob whose Jobs wait for a pod."""
    make_cron(world, called, completions=1)


PARTS: dict[str, ObjectMaker] = {
    "cordoned": make_cordoned,
    "cron": make_cron,
    "dead": make_dead,
    "done": make_job,
    "full": make_full,
    "open": make_node,
    "running": make_running,
    "slow_cron": make_slow_cron,
    "suspended": make_suspended,
}
"""Part → what makes it."""
