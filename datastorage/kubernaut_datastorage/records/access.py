"""Roles, and what an action's own token may say. Functions of plain data."""

from dataclasses import dataclass
from typing import Any, Literal

from kubernaut_datastorage.records.bounds import MOST_PODS
from kubernaut_datastorage.records.provenance import Pods
from kubernaut_sdk.states import Source, State

__all__ = [
    "ROLES",
    "Caller",
    "Role",
    "bind_pod",
    "find_forbidden_claim",
    "find_trespass",
    "has_foreign_pods",
    "sender_fields",
]

Role = Literal["write", "read", "own-record", "signals", "metrics"]
ROLES: tuple[Role, ...] = ("write", "read", "own-record", "signals", "metrics")

_CONTAINERS = {state.value for state in State} - {State.INTENDED, State.LOST, State.SKIPPED}


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a token.

    Attributes:
        name: The name for logs: a ServiceAccount's user name, or the name in the access file.
        roles: `write` sends any events, as the controller unless an event has another source; `read` reads all;
            `own-record` is an action's: container states of its namespace's records; `signals` is Alertmanager's:
            it sends its webhook, and nothing else; `metrics` is a scraper's: it reads `/metrics`, and nothing else.
        namespace: The namespace that `own-record` is limited to.
        pod: The UID of the pod that the token was made for, if it was made for one.
        pod_name: The pod's name.
    """

    name: str
    roles: frozenset[str]
    namespace: str | None = None
    pod: str | None = None
    pod_name: str | None = None

    @property
    def is_limited(self) -> bool:
        """True if it may send events of its own records only."""
        return "write" not in self.roles


def sender_fields(caller: Caller | None, event: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that the server sets: an event's source and, if the token was made for a pod, the pod.

    Without tokens, a client on loopback names its source itself. An action's token always has the source container. The
    controller may pass on a container's event, such as a line of a pod's log.
    """
    source = event.get("source")
    if caller is None:
        return {"source": source or Source.CONTAINER.value}
    if not caller.is_limited:
        return {"source": source or Source.CONTROLLER.value}
    pod = {} if caller.pod is None else {"pod": {"name": caller.pod_name or caller.name, "uid": caller.pod}}
    return {"source": Source.CONTAINER.value, **pod}


def find_forbidden_claim(caller: Caller | None, event: dict[str, Any]) -> str | None:
    """Return why this caller may never send such an event, or None."""
    if caller is None or not caller.is_limited:
        return None
    if event.get("source", Source.CONTAINER) != Source.CONTAINER:
        return f"source: an action's token cannot speak in the name of the {event['source']}"
    if event["state"] not in _CONTAINERS:
        return f"state: {event['state']} is not an action's to say; there is {', '.join(sorted(_CONTAINERS))}"
    namespace = (event.get("workflow") or {}).get("namespace")
    if namespace is not None and namespace != caller.namespace:
        return f"workflow.namespace: {namespace} is not the token's, which is {caller.namespace}"
    return None


def find_trespass(caller: Caller | None, event: dict[str, Any], known: dict[str, Any] | None, pods: Pods) -> str | None:
    """Return why this caller cannot send this event of this record, or None.

    Args:
        caller: The sender.
        event: The event.
        known: The record so far, or None.
        pods: The pods that are bound to the record's attempts.
    """
    if caller is None or not caller.is_limited or known is None:
        return None
    owner = (known.get("workflow") or {}).get("namespace") or next((pod[0] for pod in pods.values()), None)
    if owner != caller.namespace:
        return f"id: this record is not of the token's namespace, {caller.namespace}"
    expected = known.get("pod_name")
    if expected is not None and caller.pod_name is not None and caller.pod_name != expected:
        return f"id: this record is of the pod {expected}, as the controller says, and the token of {caller.pod_name}"
    first = pods.get(_pod_slot(event))
    if first is not None and caller.pod is not None and first[0] == owner and first[1] not in {"", caller.pod}:
        attempt = event["attempt"]
        return f"attempt: attempt {attempt} was first written by the pod {first[1]}; another tells of a later attempt"
    return None


def has_foreign_pods(event: dict[str, Any], pods: Pods) -> bool:
    """Return True if an event of the controller shows that pods wrote a record that is not theirs.

    A pod that knows a record's id can write it before the controller does. Then the controller's event decides.

    Args:
        event: The controller's event.
        pods: The pods that are bound to the record's attempts.
    """
    namespace, name = (event.get("workflow") or {}).get("namespace"), event.get("pod_name")
    for place, _, *names in pods.values():
        if namespace is not None and place != namespace:
            return True
        if name is not None and names and names[0] not in {"", name}:
            return True
    return False


def bind_pod(caller: Caller | None, event: dict[str, Any], pods: Pods) -> Pods:
    """Return the pods that are bound to the record's attempts after this event."""
    place = _pod_slot(event)
    if caller is None or not caller.is_limited or caller.namespace is None:
        return pods
    if place in pods and pods[place][0] == caller.namespace:
        return pods
    return {**pods, place: [caller.namespace, caller.pod or "", caller.pod_name or ""]}


def _pod_slot(event: dict[str, Any]) -> str:
    """Return under which number an attempt's pod is remembered: a record remembers so many, whatever it is sent."""
    return str(min(event["attempt"], MOST_PODS - 1))
