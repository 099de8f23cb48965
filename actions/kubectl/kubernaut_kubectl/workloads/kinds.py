"""The three kinds of workloads, and what the actions on them have in common: inputs and permissions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import Name, get
from kubernaut_kubectl.owners.fields import WhenOwned
from kubernaut_sdk import Context, Inputs

__all__ = [
    "DAEMON_SET",
    "DEPLOYMENT",
    "STATEFUL_SET",
    "DaemonSetInputs",
    "DeploymentInputs",
    "OwnedInputs",
    "StatefulSetInputs",
    "Workload",
    "WorkloadInputs",
    "read",
]


@dataclass(frozen=True)
class Workload:
    """A kind of workload.

    Attributes:
        kind: Its kind, such as `Deployment`.
        plural: Its resource in the API.
        example: The name of one, for examples of inputs.
        pods: The permissions to say why its pods are not ready, and what each is for.
        revisions: The permission to read its earlier revisions.
    """

    kind: str
    plural: str
    example: str
    pods: Mapping[str, str]
    revisions: str

    @property
    def field(self) -> str:
        """The input that names one, such as `deployment`."""
        return self.kind.lower()

    @property
    def resource(self) -> str:
        """The resource in kubectl's words."""
        return f"{self.field}.apps"

    @property
    def write(self) -> dict[str, str]:
        """The permission to read and change one, and what it is for."""
        return {f"apps/{self.plural}: get, patch, watch": f"the {self.kind} itself"}


_PODS = {
    "events: list": "to say why a pod does not start: no room, a quota, a volume",
    "pods/log: get": "to show the last lines of a container that crashed",
    "pods: list, watch": "to say which pods are not ready, and why",
}
_REPLICA_SETS = "apps/replicasets: list"
_REVISIONS = "apps/controllerrevisions: list"
DEPLOYMENT = Workload(
    "Deployment",
    "deployments",
    "checkout",
    {_REPLICA_SETS: "to tell pods of the newest template from earlier ones", **_PODS},
    _REPLICA_SETS,
)
STATEFUL_SET = Workload("StatefulSet", "statefulsets", "orders-db", _PODS, _REVISIONS)
DAEMON_SET = Workload(
    "DaemonSet",
    "daemonsets",
    "log-agent",
    {"nodes: list": "to count the pods of nodes that are ready, and no others", **_PODS},
    _REVISIONS,
)


class OwnedInputs(Inputs):
    """The inputs of an action on an object whose fields may have an owner."""

    when_owned: Annotated[
        WhenOwned,
        Field(description="What to do where an owner, such as an autoscaler or Argo CD, would take the change back."),
    ] = "refuse"


class WorkloadInputs(OwnedInputs):
    """The inputs that name a workload of one kind."""

    workload: ClassVar[Workload]

    namespace: Name

    @property
    def workload_name(self) -> str:
        """The name of the workload."""
        return str(getattr(self, self.workload.field))


class DeploymentInputs(WorkloadInputs):
    """The inputs that name a Deployment."""

    workload: ClassVar[Workload] = DEPLOYMENT

    deployment: Name


class StatefulSetInputs(WorkloadInputs):
    """The inputs that name a StatefulSet."""

    workload: ClassVar[Workload] = STATEFUL_SET

    statefulset: Name


class DaemonSetInputs(WorkloadInputs):
    """The inputs that name a DaemonSet."""

    workload: ClassVar[Workload] = DAEMON_SET

    daemonset: Name


def read(ctx: Context, inputs: WorkloadInputs) -> dict[str, Any]:
    """Return the workload; raises as `get`."""
    return get(ctx, inputs.workload.resource, inputs.workload_name, inputs.namespace)
