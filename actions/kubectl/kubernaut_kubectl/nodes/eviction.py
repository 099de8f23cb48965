"""Evicting the pods of a cordoned node, one by one, until none is left, or the time or the hope is over."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import list_all
from kubernaut_kubectl.cluster.watching import watch_list
from kubernaut_kubectl.disruption.eviction import evict
from kubernaut_kubectl.nodes.leasing import DrainLease
from kubernaut_kubectl.nodes.residents import Residents, pod_name, sort_pods
from kubernaut_kubectl.nodes.target import NodeInputs
from kubernaut_kubectl.owners.controllers import controller_of
from kubernaut_sdk import Context, Failed, NotFound, PreconditionFailed, Transient

__all__ = ["EvictionInputs", "NodeEviction", "read_residents", "watch_residents"]

_QUIET = 5.0
"""Seconds for which no pod may be left: the scheduler may have bound one just before the cordon."""
_PAUSE = 2.0
_RETURNS = 5
"""The pods of one controller that may arrive late before it counts as putting them there by design."""
_SHOWN = 5


class EvictionInputs(NodeInputs):
    """The inputs that decide which pods of a node are evicted."""

    delete_emptydir_data: Annotated[bool, Field(description="Whether pods go whose emptyDir is lost with them.")] = (
        False
    )
    delete_unmanaged: Annotated[
        bool, Field(description="Whether pods go that have no controller, and so are not made again.")
    ] = False


def read_residents(ctx: Context, inputs: EvictionInputs) -> Residents:
    """Return the pods of the node; raises as `list_all`."""
    pods = list_all(ctx, "pod", None, fields=f"spec.nodeName={inputs.node}", everywhere=True)
    is_daemon = [controller["kind"] == "DaemonSet" for pod in pods if (controller := controller_of(pod))]
    daemon_sets = list_all(ctx, "daemonset.apps", None, everywhere=True) if any(is_daemon) else []
    return sort_pods(
        pods,
        daemon_sets,
        delete_unmanaged=inputs.delete_unmanaged,
        delete_emptydir_data=inputs.delete_emptydir_data,
    )


def watch_residents(ctx: Context, inputs: NodeInputs) -> None:
    """Let a change of a pod of the node end the wait at once."""
    watch_list(ctx, "pod", None, fields=f"spec.nodeName={inputs.node}", everywhere=True)


@dataclass
class NodeEviction:
    """The evictions of one drain.

    Attributes:
        evicted: The pods that were evicted, by uid.
        late: The pods that arrived after the drain began.
        blocked: Why a pod could not be evicted when it was tried last, by uid.
        stuck: Those of them that no waiting helps.
        over: True once it has ended, with or without pods that are left.
    """

    evicted: dict[str, str] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    blocked: dict[str, str] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)
    over: bool = False
    _known: set[str] = field(default_factory=set)
    _arrivals: Counter[str] = field(default_factory=Counter)

    def expect(self, pods: list[dict[str, Any]]) -> None:
        """Take pods as those that were there when the drain began."""
        self._known |= {pod["metadata"]["uid"] for pod in pods}

    def run(self, ctx: Context, inputs: EvictionInputs, lease: DrainLease, *, reserve: float) -> None:
        """Evict until the node has been empty for a moment, nothing more can be done, or only `reserve` s are left."""
        quiet_since: float | None = None
        watch_residents(ctx, inputs)
        while ctx.remaining() > reserve:
            lease.renew(ctx)
            residents = read_residents(ctx, inputs)
            self._note_late(ctx, residents.leaving)
            if not residents.leaving:
                quiet_since = ctx.remaining() if quiet_since is None else quiet_since
                if quiet_since - ctx.remaining() >= _QUIET:
                    break
                ctx.look_again_within(_QUIET - (quiet_since - ctx.remaining()))
            else:
                quiet_since = None
                for pod in residents.evictable:
                    if ctx.remaining() > reserve:
                        lease.renew(ctx)
                        self._evict(ctx, pod)
                if self._is_hopeless(residents):
                    break
            ctx.wait(min(_PAUSE, max(0.0, ctx.remaining() - reserve)))
        self.over = True

    def explain(self, residents: Residents) -> str:
        """Return the pods that are left in words, each with its reason."""
        texts = []
        for pod in residents.leaving:
            uid, name = pod["metadata"]["uid"], pod_name(pod)
            if uid in self.blocked and "deletionTimestamp" not in pod["metadata"]:
                texts.append(self.blocked[uid])
            elif "deletionTimestamp" in pod["metadata"]:
                holders = ", ".join(pod["metadata"].get("finalizers") or ())
                texts.append(
                    f"pod {name} is still terminating" + (f"; finalizers hold it: {holders}." if holders else ".")
                )
            elif pod in residents.evictable:
                texts.append(f"pod {name} has arrived and is not evicted yet.")
        more = f" And {len(texts) - _SHOWN} more." if len(texts) > _SHOWN else ""
        returning = [name for name, count in self._arrivals.items() if count >= _RETURNS]
        returned = [
            f"pods of {name} come back to the node: they name it, or tolerate its cordon." for name in returning
        ]
        return " ".join([*returned, *dict.fromkeys(texts[:_SHOWN]), *residents.faults]) + more

    def _evict(self, ctx: Context, pod: dict[str, Any]) -> None:
        uid, name = pod["metadata"]["uid"], pod_name(pod)
        try:
            refusal = evict(ctx, pod)
        except NotFound:
            return
        except Transient as error:
            self.blocked[uid] = error.message
            return
        except (Failed, PreconditionFailed) as error:
            self.blocked[uid] = error.message
            self.stuck.add(uid)
            return
        if refusal is None:
            self.evicted[uid] = name
            self.blocked.pop(uid, None)
            ctx.log.info("evicted pod %s", name)
            return
        if self.blocked.get(uid) != refusal.message:
            ctx.log.info("waiting: %s", refusal.message)
        self.blocked[uid] = refusal.message
        if refusal.lasting:
            self.stuck.add(uid)

    def _note_late(self, ctx: Context, pods: list[dict[str, Any]]) -> None:
        for pod in pods:
            if pod["metadata"]["uid"] in self._known:
                continue
            self._known.add(pod["metadata"]["uid"])
            self.late.append(pod_name(pod))
            ctx.log.warning("pod %s has arrived on the node after it was cordoned", pod_name(pod))
            if (controller := controller_of(pod)) is not None:
                self._arrivals[f"{controller['kind']} {pod['metadata']['namespace']}/{controller['name']}"] += 1

    def _is_hopeless(self, residents: Residents) -> bool:
        """Return True if pods come back again and again, or if only such are left that no waiting moves."""
        if any(count >= _RETURNS for count in self._arrivals.values()):
            return True
        waiting = [pod for pod in residents.evictable if pod["metadata"]["uid"] not in self.stuck]
        return not waiting and not residents.terminating
