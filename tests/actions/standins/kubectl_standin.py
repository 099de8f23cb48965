"""A stand-in for kubectl and the cluster behind it, where time passes at once: a Deployment, its pods, its autoscalers.

It speaks kubectl's own words, keeps generations and managed fields as the API server does, and tests what a JSON patch
tests. The Deployment controller's part is played by `status`, a function of how often it was looked at since the patch.
"""

import json
from collections.abc import Callable
from typing import Any

from kubernaut_sdk.testing import Answer

__all__ = ["Kubectl", "condition", "hpa", "pod", "ready"]

REFUSED = "The request is invalid: the server rejected our request due to an error in our request"
Json = dict[str, Any]


def ready(found: Json, _looks: int) -> Json:
    """The status of a Deployment whose replicas are all ready."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), found["spec"]["replicas"])
    return {"observedGeneration": found["metadata"]["generation"], **counts}


def condition(kind: str, reason: str, message: str, when: str = "2026-01-01T00:00:00Z", status: str = "False") -> Json:
    """A condition, of a Deployment or of a pod."""
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastUpdateTime": when}


def hpa(target: str = "b", low: int = 2, high: int = 10, *, scaled_object: str | None = None) -> Json:
    """A HorizontalPodAutoscaler, or the one that KEDA makes."""
    owner = [{"kind": "ScaledObject", "name": scaled_object, "uid": "s"}] if scaled_object else []
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": f"keda-hpa-{scaled_object}" if scaled_object else target, "ownerReferences": owner},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": target},
            "minReplicas": low,
            "maxReplicas": high,
        },
    }


def pod(name: str, *, owner: str = "new", **container: Any) -> Json:
    """A pod that is not ready, by its one container's state."""
    return {
        "metadata": {"name": name, "ownerReferences": [{"uid": owner}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [{"name": "app", "ready": False, **container}],
        },
    }


class Kubectl:
    """kubectl, and one Deployment `a/b`.

    Args:
        status: The Deployment's status by the Deployment and how often it was looked at since it was patched; before
            that always at 0.
        metadata: Of the Deployment, on top of what it needs.
        replicas: How many there are.
        autoscalers: What is listed of them.
        pods: What is listed of them, whatever they are selected by.
        meanwhile: What somebody else does to the Deployment before a look since the patch.
        forbidden: Kinds that may not be listed.
    """

    def __init__(
        self,
        status: Callable[[Json, int], Json] = ready,
        *,
        metadata: Json | None = None,
        replicas: int = 2,
        autoscalers: list[Json] | None = None,
        pods: list[Json] | None = None,
        meanwhile: Callable[[Json, int], None] = lambda found, looks: None,
        forbidden: tuple[str, ...] = (),
    ) -> None:
        self.status, self.meanwhile, self.forbidden = status, meanwhile, forbidden
        self.looks: int | None = None
        self.log: list[str] = []
        self.patches: list[list[Json]] = []
        template = {"metadata": {"labels": {"app": "b"}}, "spec": {"containers": [{"name": "app", "image": "app:2"}]}}
        revision = {"deployment.kubernetes.io/revision": "2"}
        known = {"name": "b", "namespace": "a", "uid": "u", "generation": 4, "annotations": revision}
        self.found: Json = {
            "kind": "Deployment",
            "metadata": {
                **known,
                **(metadata or {}),
                "annotations": {**revision, **(metadata or {}).get("annotations", {})},
            },
            "spec": {"replicas": replicas, "template": template},
        }
        self.lists: dict[str, list[Json]] = {
            "replicaset.apps": [self._set("1", "old", "app:1"), self._set("2", "new", "app:2")],
            "pod": [{"kind": "Pod", **item} for item in pods or []],
            "events": [],
            "horizontalpodautoscalers.autoscaling": autoscalers or [],
        }

    @staticmethod
    def _set(revision: str, uid: str, image: str) -> Json:
        return {
            "kind": "ReplicaSet",
            "metadata": {
                "uid": uid,
                "annotations": {"deployment.kubernetes.io/revision": revision},
                "labels": {"pod-template-hash": uid},
                "ownerReferences": [{"uid": "u"}],
            },
            "spec": {
                "template": {
                    "metadata": {"labels": {"app": "b", "pod-template-hash": uid}},
                    "spec": {"containers": [{"name": "app", "image": image}]},
                }
            },
        }

    def __call__(self, argv: list[str], stdin: str | None) -> Answer:
        """Answer as kubectl."""
        if any(option.startswith("--raw=") and "/log?" in option for option in argv):
            return Answer("\n".join(self.log))
        kind, *name = argv[argv.index("--") + 1 :]
        if argv[1] == "patch":
            return self._patch(json.loads(stdin or "[]"), argv)
        if forbidden := set(kind.split(",")) & set(self.forbidden):
            kind = forbidden.pop()
            return Answer(
                stderr=f'Error from server (Forbidden): {kind} is forbidden: User "x" cannot list', exit_code=1
            )
        if not name:
            items = [item for one in kind.split(",") for item in self.lists[one]]
            return Answer(json.dumps({"kind": "List", "items": items}))
        if self.looks is not None:
            self.looks += 1
            self.meanwhile(self.found, self.looks)
        return Answer(json.dumps(self._shown()))

    def write(self, manager: str, path: tuple[str, ...], **more: Any) -> None:
        """Note a manager as the one that wrote a field."""
        fields: Json = {}
        at = fields
        for part in path:
            at = at.setdefault(f"f:{part}", {})
        note = {"manager": manager, "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields, **more}
        self.found["metadata"].setdefault("managedFields", []).append(note)

    def _shown(self) -> Json:
        return {**self.found, "status": self.status(self.found, self.looks or 0)}

    def _patch(self, operations: list[Json], argv: list[str]) -> Answer:
        assert "--field-manager=kubernaut" in argv
        self.patches.append(operations)
        changed = json.loads(json.dumps(self.found))
        for operation in operations:
            *way, last = [part.replace("~1", "/") for part in operation["path"].split("/")[1:]]
            at = changed
            for part in way:
                at = at[part]
            if operation["op"] == "test":
                if at.get(last) != operation["value"]:
                    return Answer(stderr=REFUSED, exit_code=1)
            else:
                at[last] = operation["value"]
        changed["metadata"]["generation"] += changed["spec"] != self.found["spec"]
        self.found, self.looks = changed, 0
        return Answer(json.dumps({**changed, "status": self.status(changed, 0)}))
