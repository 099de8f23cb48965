"""One container of a workload's pod template: named in the inputs, and tested by name at its index when written."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import Name, can_i, get
from kubernaut_kubectl.cluster.patches import Operation, expect, pointer
from kubernaut_kubectl.owners.controllers import display_name
from kubernaut_kubectl.workloads.kinds import DAEMON_SET, DEPLOYMENT, STATEFUL_SET, OwnedInputs
from kubernaut_sdk import Action, Context, NotFound, ObjectRef

__all__ = ["Container", "ContainerInputs", "container_of", "read_container", "register_container_target"]


class ContainerInputs(OwnedInputs):
    """The inputs that name a container of a Deployment, StatefulSet or DaemonSet."""

    namespace: Name
    kind: Annotated[
        Literal["Deployment", "StatefulSet", "DaemonSet"], Field(description="The kind of the workload.")
    ] = "Deployment"
    name: Annotated[Name, Field(description="The name of the workload.")]
    container: Annotated[Name, Field(description="The name of the container, or of an init container.")]

    @property
    def resource(self) -> str:
        """The workload's resource in kubectl's words."""
        return f"{self.kind.lower()}.apps"


@dataclass(frozen=True)
class Container:
    """A container of a pod template.

    Attributes:
        spec: Its part of the template.
        way: The path to it.
    """

    spec: dict[str, Any]
    way: tuple[str | int, ...]

    def path(self, *parts: str) -> str:
        """Return the JSON pointer to one of its fields."""
        return pointer(*self.way, *parts)

    def field(self, *parts: str) -> tuple[str, ...]:
        """Return the path to one of its fields as field managers have it, by the container's name."""
        return (*(str(part) for part in self.way[:-1]), self.spec["name"], *parts)

    def same_name(self) -> Operation:
        """Return the operation that fails if another container stands at its index by now."""
        return expect(self.path("name"), self.spec["name"])


def container_of(found: dict[str, Any], name: str) -> Container:
    """Return the container, or init container, of this name.

    Raises:
        NotFound: if there is none, with the names that there are.
    """
    spec = found["spec"]["template"]["spec"]
    for part in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(part) or ()):
            if container["name"] == name:
                return Container(container, ("spec", "template", "spec", part, index))
    known = ", ".join(container["name"] for container in spec["containers"])
    raise NotFound(f"{display_name(found)} has no container {name}; it has {known}.")


def read_container(ctx: Context, inputs: ContainerInputs) -> tuple[dict[str, Any], Container]:
    """Return the workload and the container that the inputs name; raises as `get` and `container_of`."""
    found = get(ctx, inputs.resource, inputs.name, inputs.namespace)
    return found, container_of(found, inputs.container)


def register_container_target(action: Action) -> None:
    """Register an action's `target` and `check`: the workload, and the permissions for its kind."""

    @action.target
    def target(inputs: ContainerInputs) -> ObjectRef:
        return ObjectRef(kind=inputs.kind, namespace=inputs.namespace, name=inputs.name)

    @action.check
    def check(ctx: Context, inputs: ContainerInputs) -> dict[str, str | None]:
        own = f"{inputs.resource.partition('.')[0]}s"
        others = {name for workload in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET) for name in workload.write}
        needed = [text for text in action.permissions if text not in others or text.startswith(f"apps/{own}:")]
        return can_i(ctx, needed, inputs.namespace)
