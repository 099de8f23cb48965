"""The obstacles that keep a pod from being ready, and how long each may stand: pure functions."""

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["NOW", "STUCK", "Obstacle", "group_texts", "is_ready", "obstacle_of", "sidecars_of"]

NOW = 0.0
STUCK = 30.0
"""Seconds without any progress after which an obstacle that could go away counts as one that stays."""
_CRASHES, _OUT_OF_MEMORY = 3, 2
"""The crashes, and the kills for memory, of a container of the newest template after which it counts as never."""

_NEVER = {"InvalidImageName", "ErrImageNeverPull"}
_PULLS = {"ErrImagePull", "ImagePullBackOff"}
_NO_SUCH_IMAGE = re.compile(
    r"not found|manifest unknown|does not exist|pull access denied|unauthorized|authorization failed", re.IGNORECASE
)
_CONFIGURATION = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_LONGEST = 400
"""The most characters of a message; the words of a registry or a scheduler can be long."""


@dataclass(frozen=True)
class Obstacle:
    """An obstacle of one pod.

    Attributes:
        pod: The pod's name.
        uid: The pod's uid.
        text: A sentence, with the words of the part of Kubernetes that reports it.
        patience: Seconds after which, without progress, it counts as one that stays; None: it may go away at any time.
        container: The container that crashes, whose log says why; None for other obstacles.
        restarts: How often that container was started again.
        asks_events: True if only the pod's events tell more: it is not scheduled, or its containers are being made.
    """

    pod: str
    uid: str
    text: str
    patience: float | None = None
    container: str | None = None
    restarts: int = 0
    asks_events: bool = False

    @property
    def urgency(self) -> float:
        """Its patience; for one that may go away at any time, more than any."""
        return STUCK + 1 if self.patience is None else self.patience

    @property
    def key(self) -> tuple[str, str]:
        """The identity of an obstacle from one look to the next: pod and kind of obstacle, without changing numbers."""
        return self.uid or self.pod, re.sub(r"\d+", "", self.text)[:60]


def is_ready(pod: dict[str, Any]) -> bool:
    """Return True if a pod is ready."""
    return _conditions(pod).get("Ready", {}).get("status") == "True"


def obstacle_of(pod: dict[str, Any]) -> Obstacle | None:
    """Return why a pod is not ready, or None if it is, or if there is nothing to report yet."""
    if is_ready(pod):
        return None
    status, metadata = pod.get("status", {}), pod["metadata"]
    name, uid = metadata["name"], metadata.get("uid", "")
    scheduled = _conditions(pod).get("PodScheduled", {})
    if scheduled.get("status") == "False":
        text = f"{scheduled.get('reason', 'not scheduled')}: {scheduled.get('message', '')}"
        return Obstacle(name, uid, _short(text), STUCK, asks_events=True)
    if status.get("phase") == "Failed" and status.get("reason"):  # evicted, or refused by the kubelet
        return Obstacle(name, uid, _short(f"{status['reason']}: {status.get('message', '')}"))
    roles = {container["name"]: "init container" for container in status.get("initContainerStatuses", ())}
    roles |= dict.fromkeys(sidecars_of(pod), "sidecar")
    found = [
        obstacle
        for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
        if (obstacle := _container_obstacle(name, uid, container, roles.get(container["name"], "container")))
    ]
    if found:  # one that crashes is why another is not ready
        return min(found, key=lambda obstacle: (obstacle.urgency, obstacle.container is None))
    if not status.get("containerStatuses") and metadata.get("creationTimestamp"):
        return Obstacle(name, uid, "its containers have not started.", asks_events=True)
    return None


def sidecars_of(pod: dict[str, Any]) -> set[str]:
    """Return the names of a pod's sidecars: init containers that are started again, and run beside the others."""
    init = pod.get("spec", {}).get("initContainers") or ()
    return {container["name"] for container in init if container.get("restartPolicy") == "Always"}


def group_texts(obstacles: list[Obstacle], most: int = 2) -> list[str]:
    """Return a sentence for each text, with the name of one pod and the number of others that have the same."""
    sentences = []
    for text in list(dict.fromkeys(obstacle.text for obstacle in obstacles))[:most]:
        names = [obstacle.pod for obstacle in obstacles if obstacle.text == text]
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        sentences.append(f"pod {names[0]}{others}: {text}")
    return sentences


def _container_obstacle(pod: str, uid: str, container: dict[str, Any], role: str) -> Obstacle | None:
    name, state, restarts = container["name"], container.get("state", {}), container.get("restartCount", 0)
    last = container.get("lastState", {}).get("terminated")
    if (waiting := state.get("waiting")) is not None:
        reason, message = waiting.get("reason", "waiting"), waiting.get("message", "")
        if reason in {"ContainerCreating", "PodInitializing"}:
            return None if role != "container" else Obstacle(pod, uid, f"container {name}: {reason}", asks_events=True)
        patience: float | None = None
        if reason in _NEVER or (reason in _PULLS and _NO_SUCH_IMAGE.search(message) is not None):
            patience = NOW
        elif reason in _PULLS or reason in _CONFIGURATION:
            patience = STUCK
        if last is None:
            return Obstacle(pod, uid, _short(f"container {name}: {reason}: {message}"), patience)
        memory = last.get("reason") == "OOMKilled"
        if restarts >= (_OUT_OF_MEMORY if memory else _CRASHES):
            patience = NOW
        ended = f"it ended with exit code {last.get('exitCode')} ({last.get('reason', '')})."
        text = _short(f"container {name}: {reason}: {ended} {message}")
        return Obstacle(pod, uid, text, patience, container=name, restarts=restarts)
    if (ended := state.get("terminated")) is not None and ended.get("exitCode") != 0:
        text = f"container {name} ended with exit code {ended['exitCode']} ({ended.get('reason', '')})."
        return Obstacle(pod, uid, text)
    if "running" in state and not container.get("ready", False):
        state_text = "has not ended yet" if role == "init container" else "runs and is not ready"
        return Obstacle(pod, uid, f"{role} {name} {state_text}.")
    return None


def _conditions(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {condition["type"]: condition for condition in pod.get("status", {}).get("conditions") or ()}


def _short(text: str) -> str:
    """Return a text whose middle is left out where it is long: a registry's reason stands at the end of its words."""
    text = text.strip().rstrip(":")
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 3]}…{text[-(_LONGEST - _LONGEST // 3) :]}"
