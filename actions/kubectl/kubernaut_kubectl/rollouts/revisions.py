"""The earlier revisions of a workload: a Deployment's ReplicaSets, the ControllerRevisions of the other two."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from kubernaut_kubectl.cluster.kubectl import list_all
from kubernaut_kubectl.cluster.selectors import selector_text
from kubernaut_kubectl.owners.controllers import owned_by
from kubernaut_kubectl.rollouts.diagnosis import REVISION
from kubernaut_sdk import Context

__all__ = ["Reference", "Revisions", "images_of", "named_by", "read_revisions"]


@dataclass(frozen=True)
class Revisions:
    """The revisions of one workload that are kept.

    Attributes:
        current: The number of the newest.
        templates: The pod template of each.
    """

    current: int
    templates: dict[int, dict[str, Any]]

    def before_current(self) -> int | None:
        """Return the number of the revision before the current one, or None."""
        return max((number for number in self.templates if number < self.current), default=None)


@dataclass(frozen=True, order=True)
class Reference:
    """A ConfigMap or Secret that a pod template cannot do without."""

    kind: str
    name: str


def read_revisions(ctx: Context, found: dict[str, Any]) -> Revisions:
    """Return the revisions of a workload.

    Raises:
        PreconditionFailed: if they may not be read.
        Transient: if the API server is out of reach.
    """
    namespace, selector = found["metadata"]["namespace"], selector_text(found["spec"].get("selector") or {})
    templates: dict[int, dict[str, Any]] = {}
    if found["kind"] == "Deployment":
        for item in owned_by(found, list_all(ctx, "replicaset.apps", namespace, selector=selector)):
            if number := _annotations(item).get(REVISION):
                templates[int(number)] = _own_template(item["spec"]["template"])
        return Revisions(int(_annotations(found).get(REVISION, 0)), templates)
    for item in owned_by(found, list_all(ctx, "controllerrevision.apps", namespace, selector=selector)):
        templates[int(item["revision"])] = _own_template(item["data"]["spec"]["template"])
    return Revisions(max(templates, default=0), templates)


def named_by(template: dict[str, Any]) -> set[Reference]:
    """Return the ConfigMaps and Secrets that a pod template names, without those that are optional."""
    spec = template["spec"]
    found = set()
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for source in container.get("envFrom") or ():
            found |= set(_references(source, "configMapRef", "secretRef"))
        for variable in container.get("env") or ():
            found |= set(_references(variable.get("valueFrom") or {}, "configMapKeyRef", "secretKeyRef"))
    for volume in spec.get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            found |= set(_references(source, "configMap", "secret"))
    return found


def images_of(template: dict[str, Any]) -> list[str]:
    """Return the images of a pod template's containers."""
    return [container["image"] for container in template["spec"]["containers"]]


def _references(source: dict[str, Any], config_map: str, secret: str) -> Iterator[Reference]:
    for kind, key in (("ConfigMap", config_map), ("Secret", secret)):
        reference = source.get(key)
        if reference and not reference.get("optional"):
            name = reference.get("name") or reference.get("secretName")
            if name:
                yield Reference(kind, name)


def _own_template(template: dict[str, Any]) -> dict[str, Any]:
    """Return a template as the workload had it, without what its controller added."""
    own = deepcopy(template)
    own.pop("$patch", None)  # the directive of a ControllerRevision's strategic merge patch
    (own.get("metadata", {}).get("labels") or {}).pop("pod-template-hash", None)
    return own


def _annotations(found: dict[str, Any]) -> dict[str, str]:
    annotations: dict[str, str] = found["metadata"].get("annotations") or {}
    return annotations
