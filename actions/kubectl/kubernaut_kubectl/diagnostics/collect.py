"""The action kubernetes/collect_diagnostics."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from kubernaut_kubectl.cluster.durations import DurationText, seconds_of
from kubernaut_kubectl.cluster.kubectl import Name, can_i, get, list_all, pod_log
from kubernaut_kubectl.cluster.limits import require_at_most
from kubernaut_kubectl.cluster.made import MadeOnce, made_name
from kubernaut_kubectl.cluster.selectors import selector_text
from kubernaut_kubectl.diagnostics.report import LARGEST_PART, digest_of, events_text, fit, newest, plain_object
from kubernaut_kubectl.owners.controllers import owned_by
from kubernaut_sdk import Action, Change, Context, Inputs, ObjectRef, Result, VerifyFailed

__all__ = ["collect_diagnostics"]

COLLECTED_BY, DIGEST = "kubernaut.io/collected-by", "kubernaut.io/digest"
_RESOURCES = {
    "Deployment": "deployment.apps",
    "StatefulSet": "statefulset.apps",
    "DaemonSet": "daemonset.apps",
    "Job": "job.batch",
    "Pod": "pod",
}
_REPORTS = MadeOnce("ConfigMap", "/api/v1", "configmaps", COLLECTED_BY)
_LONGEST_NAME = 223
_PART_NAME = 200


class CollectDiagnosticsInputs(Inputs):
    """The inputs of kubernetes/collect_diagnostics."""

    namespace: Name
    kind: Annotated[
        Literal["Deployment", "StatefulSet", "DaemonSet", "Job", "Pod"], Field(description="The workload's kind.")
    ]
    name: Name
    tail_lines: Annotated[int, Field(ge=1, le=10_000, description="The last lines of each container's log.")] = 200
    since: Annotated[DurationText, Field(description="How old the lines of a log may be.")] = "1h"
    max_pods: Annotated[int, Field(ge=1, le=50, description="More pods are refused.")] = 20


class CollectDiagnosticsResult(Result):
    """The result of kubernetes/collect_diagnostics."""

    configmap: Annotated[str, Field(max_length=253)]
    digest: Annotated[str, Field(max_length=71)]
    bytes: int


collect_diagnostics = Action(
    "kubernetes/collect_diagnostics",
    permissions={
        "apps/daemonsets: get": "the workload, if it is a DaemonSet",
        "apps/deployments: get": "the workload, if it is a Deployment",
        "apps/replicasets: list": "the ReplicaSets of a Deployment",
        "apps/statefulsets: get": "the workload, if it is a StatefulSet",
        "batch/jobs: get": "the workload, if it is a Job",
        "configmaps: create, delete, list": "the ConfigMap of what is collected; it is deleted by undo",
        "events: list": "the events of all of them",
        "pods/log: get": "the ends of the containers' logs",
        "pods: get, list": "the pods",
    },
    tools=["kubectl"],
    idempotent=False,
    risk="low",
    examples=[{"namespace": "shop", "kind": "Deployment", "name": "checkout"}],
)


@collect_diagnostics.plan
def plan(ctx: Context, inputs: CollectDiagnosticsInputs) -> Change:
    """Collect what is there when something is wrong with a workload, into one ConfigMap beside it; change nothing else.

    Its objects (the workload, its ReplicaSets and pods), their events, and the end of each container's log, of this run
    and of the one before. At most 512 KiB: what is too long is cut, and the newest kept. Left out are Secrets,
    the values of variables, commands and arguments, and what the step itself knows as secret. **A program that prints
    secrets puts them into its log, and so into the ConfigMap.** One record collects once, another one again; the output
    has the digest (SHA-256 of the ConfigMap's data as JSON with sorted keys), which is in an annotation as well. Undo
    deletes it.
    """
    if ctx.undoing is not None:
        return _REPORTS.plan_undo(ctx, inputs.namespace, "configmap")
    name = made_name(f"diagnostics-{inputs.name}", str(ctx.record_id), _LONGEST_NAME)
    if _REPORTS.own(ctx, inputs.namespace, name) is not None:
        return Change({"configmap": name}, {"configmap": name})
    require_at_most(
        len(_pods(ctx, inputs, _read(ctx, inputs))), inputs.max_pods, "max_pods", f"pods of {inputs.kind} {inputs.name}"
    )
    return Change({"configmap": None}, {"configmap": name})


@collect_diagnostics.apply
def apply(ctx: Context, inputs: CollectDiagnosticsInputs, change: Change) -> CollectDiagnosticsResult:
    """Read everything, and create the ConfigMap, unless an attempt whose response was lost has done so."""
    name = change.after["configmap"]
    parts = _collect(ctx, inputs)
    annotations = {COLLECTED_BY: str(ctx.record_id), DIGEST: digest_of(parts)}
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "annotations": annotations},
        "immutable": True,
        "data": parts,
    }
    made = _REPORTS.make(ctx, inputs.namespace, body, f"store diagnostics of {inputs.name}")
    size = sum(len(part.encode()) for item in made["data"].items() for part in item)
    return CollectDiagnosticsResult(configmap=name, digest=made["metadata"]["annotations"][DIGEST], bytes=size)


@collect_diagnostics.verify
def verify(ctx: Context, inputs: CollectDiagnosticsInputs, change: Change) -> bool | str:
    """Return True if the ConfigMap holds what its digest says."""
    name = change.after["configmap"]
    found = _REPORTS.own(ctx, inputs.namespace, name)
    if found is None:
        raise VerifyFailed(f"ConfigMap {name} was deleted.", reason="Gone")
    if digest_of(found.get("data") or {}) != found["metadata"]["annotations"].get(DIGEST):
        raise VerifyFailed(f"ConfigMap {name} does not hold what its digest says.", reason="Altered")
    return True


@collect_diagnostics.undo
def undo(ctx: Context, inputs: CollectDiagnosticsInputs, change: Change) -> None:
    """Delete the ConfigMap that this action made."""
    _REPORTS.delete(ctx, inputs.namespace, change.after["configmap"])


@collect_diagnostics.target
def target(inputs: CollectDiagnosticsInputs) -> ObjectRef:
    """Return the workload."""
    return ObjectRef(kind=inputs.kind, namespace=inputs.namespace, name=inputs.name)


@collect_diagnostics.check
def check(ctx: Context, inputs: CollectDiagnosticsInputs) -> dict[str, str | None]:
    """Check the permissions."""
    return can_i(ctx, collect_diagnostics.permissions, inputs.namespace)


def _collect(ctx: Context, inputs: CollectDiagnosticsInputs) -> dict[str, str]:
    """Return the report: name → text, each as a key of a ConfigMap."""
    top = _read(ctx, inputs)
    objects = [top]
    if inputs.kind == "Deployment":
        objects += owned_by(top, list_all(ctx, "replicaset.apps", inputs.namespace))
    pods = _pods(ctx, inputs, top)
    objects += [] if inputs.kind == "Pod" else pods
    uids = {item["metadata"]["uid"] for item in objects}
    events = [
        event for event in list_all(ctx, "events", inputs.namespace) if event["involvedObject"].get("uid") in uids
    ]
    parts = {"events.txt": events_text(events)}
    for item in objects:
        name = f"{item['kind'].lower()}-{item['metadata']['name']}.json"
        parts[_key(name)] = json.dumps(plain_object(item), indent=1, ensure_ascii=False)
    for pod in pods:
        parts |= _logs(ctx, inputs, pod)
    masked = {name: newest(ctx.masked(text), LARGEST_PART) for name, text in parts.items()}
    return fit(masked)


def _logs(ctx: Context, inputs: CollectDiagnosticsInputs, pod: dict[str, Any]) -> dict[str, str]:
    """Return the ends of the logs of a pod's containers, and of their runs before."""
    name, status, logs = pod["metadata"]["name"], pod.get("status", {}), {}
    seconds = str(max(1, int(seconds_of(inputs.since))))
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        own, lines = container["name"], inputs.tail_lines
        text = pod_log(ctx, inputs.namespace, name, own, lines=lines, sinceSeconds=seconds, timestamps="true")
        logs[_key(f"log-{name}-{own}.txt")] = text
        if container.get("restartCount"):
            text = pod_log(ctx, inputs.namespace, name, own, lines=lines, previous=True, timestamps="true")
            logs[_key(f"log-{name}-{own}-previous.txt")] = text
    return {name: text for name, text in logs.items() if text}


def _read(ctx: Context, inputs: CollectDiagnosticsInputs) -> dict[str, Any]:
    return get(ctx, _RESOURCES[inputs.kind], inputs.name, inputs.namespace)


def _pods(ctx: Context, inputs: CollectDiagnosticsInputs, top: dict[str, Any]) -> list[dict[str, Any]]:
    if inputs.kind == "Pod":
        return [top]
    return list_all(ctx, "pod", inputs.namespace, selector=selector_text(top["spec"].get("selector") or {}))


def _key(name: str) -> str:
    """Return a name as a ConfigMap's key, which may have 253 characters."""
    return name if len(name) <= _PART_NAME else f"{name[: _PART_NAME // 2]}-{name[-_PART_NAME // 2 :]}"
