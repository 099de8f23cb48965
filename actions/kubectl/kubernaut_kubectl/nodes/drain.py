"""The action kubernetes/drain_node."""

from dataclasses import dataclass, field
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import Name, get, list_all, patch
from kubernaut_kubectl.cluster.limits import require_at_most
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.nodes.capacity import MinSchedulable, require_schedulable
from kubernaut_kubectl.nodes.cordoning import UNSCHEDULABLE, Cordon, cordon_of, cordon_operations
from kubernaut_kubectl.nodes.eviction import EvictionInputs, NodeEviction, read_residents, watch_residents
from kubernaut_kubectl.nodes.leasing import DrainLease, require_free_lease
from kubernaut_kubectl.nodes.replacements import Replaced, check_replaced, workloads_of
from kubernaut_kubectl.nodes.residents import Residents, doubly_counted, pod_name
from kubernaut_kubectl.nodes.target import require_other_node
from kubernaut_kubectl.owners.fields import ResultWithNote
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Transient, VerifyFailed

__all__ = ["drain_node"]

_RESERVE, _SHARE = 60.0, 0.2
"""The time that is kept for the evicted pods' workloads: seconds, but at most this share of the step's."""
_SHOWN = 3
_RECORDED = 100
"""The names of pods that a record keeps, so that its change is never too large for it."""


class DrainNodeInputs(EvictionInputs):
    """The inputs of kubernetes/drain_node."""

    min_schedulable: MinSchedulable = 0.5
    max_pods: Annotated[int, Field(ge=1, le=1000, description="More pods to evict are refused.")] = 250
    lease_namespace: Annotated[
        Name, Field(description="The namespace of the Lease by which one drain runs at a time; the same for all.")
    ] = "default"


class DrainNodeResult(ResultWithNote):
    """The result of kubernetes/drain_node."""

    evicted: Annotated[int, Field(description="The pods that were evicted.")]
    staying: Annotated[int, Field(description="The pods of DaemonSets and static pods, which a drain leaves.")]


@dataclass
class _Drain:
    """The state of one execution."""

    lease: DrainLease | None = None
    eviction: NodeEviction = field(default_factory=NodeEviction)
    workloads: dict[str, Replaced] = field(default_factory=dict)


_DRAINS: WeakKeyDictionary[Context, _Drain] = WeakKeyDictionary()

drain_node = Action(
    "kubernetes/drain_node",
    permissions={
        "apps/daemonsets: list": "to leave the pods of DaemonSets that are there",
        "apps/deployments: list": "to see that the workloads of evicted pods are available again",
        "apps/replicasets: list": "to find the Deployments of the pods",
        "apps/statefulsets: list": "the same of StatefulSets",
        "coordination.k8s.io/leases: create, get, list, patch, watch": "the Lease by which one drain runs at a time",
        "events: list": "to say why a new pod does not start",
        "nodes: get, list, patch": "the node itself, and how many others take pods",
        "pods/eviction: create": "to evict the pods",
        "pods/log: get": "to show the last lines of a container that crashed",
        "pods: list, watch": "the pods of the node, and those that replace them",
        "policy/poddisruptionbudgets: list": "to name the budget that forbids an eviction",
    },
    tools=["kubectl"],
    risk="high",
    examples=[{"node": "worker-1"}],
)


@drain_node.plan
def plan(ctx: Context, inputs: DrainNodeInputs) -> Change:
    """Cordon a node, evict its pods, and wait until what they belong to is available elsewhere.

    Pod by pod, each by its uid and through the eviction API, which keeps PodDisruptionBudgets: a pod that a budget
    holds is tried again every 2 s until the step's time is nearly over (a fifth of it, at most a minute, is kept for
    the end), and the budget is named if it still holds it then. Pods that arrive late are evicted too. Pods of
    DaemonSets and static pods stay. Before anything is done, it refuses: pods without a controller, or with data in an
    emptyDir, unless the inputs allow them; pods that two budgets count, which nothing can evict; more than `max_pods`;
    the node that this step itself runs on; and fewer than `min_schedulable` of all nodes left ready and schedulable.

    It is reached when no pod has been left for 5 s, and each Deployment, StatefulSet and ReplicaSet whose pods were
    evicted has as many replicas available as before. If pods stay, or fit no other node, it fails with code 4 and
    names them; what was evicted stays evicted, and the node cordoned. One drain runs at a time, by a Lease; the next
    fails as transient, so give it retries. After a cancel the Lease is free again within 30 s. Undo, like
    `kubernetes/uncordon_node`, lifts the cordon if it is still the one of this record; pods do not move back.
    """
    node = get(ctx, "node", inputs.node)
    before = cordon_of(node)
    if ctx.undoing is not None:
        return Change({**before.document(), "pods": ctx.undoing.after["pods"]}, ctx.undoing.before)
    after = before if before.unschedulable else Cordon(True, str(ctx.record_id))
    residents = read_residents(ctx, inputs)
    drain = _DRAINS.setdefault(ctx, _Drain())
    if not residents.leaving and before == after:
        return Change({**before.document(), "pods": []}, {**after.document(), "pods": []})
    require_other_node(inputs, residents.leaving + residents.staying)
    if before.cordoned_by == str(ctx.record_id):
        before = Cordon(False)  # an earlier attempt of this step cordoned it
    else:
        require_schedulable(ctx, node, inputs.min_schedulable)
    _require_evictable(ctx, inputs, residents)
    drain.lease = require_free_lease(ctx, inputs.lease_namespace, inputs.node)
    drain.eviction.expect(residents.leaving)
    pods = sorted(pod_name(pod) for pod in residents.leaving)
    pods[_RECORDED:] = [f"and {len(pods) - _RECORDED} more"] if len(pods) > _RECORDED else []
    return Change({**before.document(), "pods": pods}, {**after.document(), "pods": []})


@drain_node.apply
def apply(ctx: Context, inputs: DrainNodeInputs, change: Change) -> DrainNodeResult:
    """Cordon the node, and evict its pods."""
    drain = _DRAINS[ctx]
    assert drain.lease is not None
    with drain.lease.held(ctx):
        residents = read_residents(ctx, inputs)
        drain.workloads = workloads_of(ctx, residents.leaving) | drain.workloads
        _cordon(ctx, inputs, Cordon(change.after["unschedulable"], change.after["cordoned_by"]))
        reserve = min(_RESERVE, ctx.remaining() * _SHARE)
        drain.eviction.run(ctx, inputs, drain.lease, reserve=reserve)
    late = drain.eviction.late
    shown = f"{', '.join(late[:_SHOWN])}{f' and {len(late) - _SHOWN} more' if len(late) > _SHOWN else ''}"
    note = f"arrived after the cordon: {shown}." if late else None
    return DrainNodeResult(evicted=len(drain.eviction.evicted), staying=len(residents.staying), note=note)


@drain_node.verify
def verify(ctx: Context, inputs: DrainNodeInputs, change: Change) -> bool | str:
    """Return True once no pod is left and the workloads of the evicted ones are available again."""
    node = get(ctx, "node", inputs.node)
    now = cordon_of(node)
    shortfall = tracker_of(ctx).require_own_value(
        node, UNSCHEDULABLE, now.unschedulable, before=True, wanted=True, what="unschedulable"
    )
    if shortfall is not None:
        return shortfall
    drain = _DRAINS.setdefault(ctx, _Drain())
    watch_residents(ctx, inputs)
    residents = read_residents(ctx, inputs)
    if residents.leaving:
        count, text = len(residents.leaving), drain.eviction.explain(residents)
        message = f"{count} pods are left on {inputs.node}; {len(drain.eviction.evicted)} were evicted. {text}"
        if drain.eviction.over:
            raise VerifyFailed(message, reason="PodsStay")
        return message
    return check_replaced(ctx, list(drain.workloads.values()))


@drain_node.undo
def undo(ctx: Context, inputs: DrainNodeInputs, change: Change) -> None:
    """Lift the cordon, if it was set by the drain."""
    before, after = (Cordon(state["unschedulable"], state["cordoned_by"]) for state in (change.before, change.after))
    if before == after:
        return
    node = get(ctx, "node", inputs.node)
    if cordon_of(node) != after:
        raise PreconditionFailed(f"the cordon of {inputs.node} is not the one of this record any more.")
    patch(ctx, "node", inputs.node, cordon_operations(node, before))


register_object(drain_node, "Node", "node")


def _require_evictable(ctx: Context, inputs: DrainNodeInputs, residents: Residents) -> None:
    faults = residents.faults
    if residents.evictable:
        budgets = list_all(ctx, "poddisruptionbudgets.policy", None, everywhere=True)
        faults += doubly_counted(residents.evictable, budgets)
    if faults:
        raise PreconditionFailed(f"{inputs.node} cannot be drained as it is: {' '.join(faults)}", reason="NotEvictable")
    require_at_most(len(residents.evictable), inputs.max_pods, "max_pods", f"pods to evict from {inputs.node}")


def _cordon(ctx: Context, inputs: DrainNodeInputs, wanted: Cordon) -> None:
    node: dict[str, Any] = get(ctx, "node", inputs.node)
    now = cordon_of(node)
    if now == wanted:
        return
    if now.unschedulable:
        raise Transient(f"{inputs.node} was cordoned by somebody else meanwhile; it is planned anew.")
    patch(ctx, "node", inputs.node, cordon_operations(node, wanted))
