"""Views of Kubernetes' own objects: any object, a pod, a Lease."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from kubernaut_controller.views.values import JsonView, integer_of, object_of, objects_of, text_of, texts_of, time_of

__all__ = ["ConditionView", "ContainerStateView", "LeaseView", "ObjectView", "PodView"]

Json = Mapping[str, Any]


class ConditionView(JsonView):
    """One condition of a status."""

    __slots__ = ()

    @property
    def type(self) -> str:
        """The condition's type, such as Succeeded."""
        return text_of(self.json.get("type"))

    @property
    def status(self) -> str:
        """`True`, `False` or `Unknown`; empty where there is no such condition."""
        return text_of(self.json.get("status"))

    @property
    def reason(self) -> str:
        """The reason, one word for programs."""
        return text_of(self.json.get("reason"))

    @property
    def message(self) -> str:
        """The message for people."""
        return text_of(self.json.get("message"))

    @property
    def is_true(self) -> bool:
        """True if its status is True."""
        return self.status == "True"

    @property
    def is_final(self) -> bool:
        """True if its status is True or False. For Succeeded, the object is then done."""
        return self.status in {"True", "False"}


class ObjectView(JsonView):
    """Any object of the API server: its metadata and its conditions."""

    __slots__ = ()

    @property
    def metadata(self) -> Json:
        """Its metadata."""
        return object_of(self.json, "metadata")

    @property
    def spec(self) -> Json:
        """Its spec."""
        return object_of(self.json, "spec")

    @property
    def status(self) -> Json:
        """Its status."""
        return object_of(self.json, "status")

    @property
    def name(self) -> str:
        """Its name."""
        return text_of(self.metadata.get("name"))

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return text_of(self.metadata.get("namespace"))

    @property
    def uid(self) -> str:
        """Its uid, which tells it from another object of the same name."""
        return text_of(self.metadata.get("uid"))

    @property
    def resource_version(self) -> str:
        """The version of this copy of it."""
        return text_of(self.metadata.get("resourceVersion"))

    @property
    def generation(self) -> int:
        """The generation of its spec; 1 where the API server counts none."""
        return integer_of(self.metadata.get("generation")) or 1

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return texts_of(self.metadata.get("labels"))

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations."""
        return texts_of(self.metadata.get("annotations"))

    @property
    def finalizers(self) -> tuple[str, ...]:
        """Its finalizers."""
        value = self.metadata.get("finalizers")
        return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list | tuple) else ()

    @property
    def created(self) -> str:
        """The time of its creation, as text."""
        return text_of(self.metadata.get("creationTimestamp"))

    @property
    def being_deleted(self) -> datetime | None:
        """The time by which it is to be gone, once its deletion was asked for."""
        return time_of(self.metadata.get("deletionTimestamp"))

    @property
    def deletion_grace(self) -> timedelta:
        """The time that it has from the request for its deletion until `being_deleted`."""
        return timedelta(seconds=min(integer_of(self.metadata.get("deletionGracePeriodSeconds")) or 0, 86_400))

    @property
    def controller_uid(self) -> str | None:
        """The uid of its controlling owner."""
        owners = objects_of(self.metadata.get("ownerReferences"))
        return next((text_of(owner.get("uid")) or None for owner in owners if owner.get("controller")), None)

    @property
    def conditions(self) -> tuple[ConditionView, ...]:
        """The conditions of its status."""
        return tuple(ConditionView(item) for item in objects_of(self.status.get("conditions")))

    def condition(self, type_: str = "Succeeded") -> ConditionView:
        """Return the condition of a type; an empty one where it has none yet."""
        return next((one for one in self.conditions if one.type == type_), ConditionView(None))

    @property
    def done(self) -> bool:
        """True once its condition Succeeded is True or False."""
        return self.condition().is_final


class ContainerStateView(JsonView):
    """The state of a container: running, terminated or waiting."""

    __slots__ = ()

    @property
    def ran(self) -> bool:
        """True if it runs or has run. Tekton also writes so of steps that it stopped before they started."""
        return "running" in self.json or "terminated" in self.json

    @property
    def running(self) -> bool:
        """True if it runs."""
        return "running" in self.json

    @property
    def terminated(self) -> bool:
        """True if it has ended."""
        return "terminated" in self.json

    @property
    def end(self) -> Json:
        """The kubelet's words about its end."""
        return object_of(self.json, "terminated")

    @property
    def end_reason(self) -> str:
        """The kubelet's reason for its end, such as OOMKilled; for a step that Tekton stopped, Tekton's."""
        return text_of(self.end.get("reason"))

    @property
    def ended_by_tekton(self) -> bool:
        """True if Tekton invented this end, for a step that it stopped or never started."""
        return self.end_reason.startswith("TaskRun")

    @property
    def exit_code(self) -> int | None:
        """The exit code, once it has ended."""
        return integer_of(self.end.get("exitCode"))

    @property
    def end_message(self) -> str:
        """The termination message, in which Tekton's entrypoint writes the results."""
        return text_of(self.end.get("message"))

    @property
    def started_at(self) -> str | None:
        """The time at which it started, as text; None where it never did, or that is not known."""
        running = text_of(object_of(self.json, "running").get("startedAt"))
        ended = "" if self.ended_by_tekton else text_of(self.end.get("startedAt"))
        return running or ended or None

    @property
    def waiting(self) -> tuple[str, str]:
        """The kubelet's reason and message for which it waits; empty texts where it does not."""
        state = object_of(self.json, "waiting")
        return text_of(state.get("reason")), text_of(state.get("message"))


class PodView(ObjectView):
    """A pod."""

    __slots__ = ()

    @property
    def phase(self) -> str:
        """Its phase."""
        return text_of(self.status.get("phase"))

    @property
    def node(self) -> str | None:
        """The node that it runs on."""
        return text_of(self.spec.get("nodeName")) or None

    @property
    def containers(self) -> tuple[ContainerStateView, ...]:
        """The states of its containers, without init containers."""
        return tuple(state for _, state in self._states("containerStatuses"))

    @property
    def all_containers(self) -> tuple[ContainerStateView, ...]:
        """The states of its init containers, then of its containers."""
        return tuple(state for _, state in self._states("initContainerStatuses", "containerStatuses"))

    @property
    def step_container(self) -> ContainerStateView:
        """The state of the Task's step; an empty one until the kubelet has written it."""
        steps = (state for name, state in self._states("containerStatuses") if name.startswith("step-"))
        return next(steps, ContainerStateView(None))

    def _states(self, *fields: str) -> Iterator[tuple[str, ContainerStateView]]:
        for field in fields:
            for container in objects_of(self.status.get(field)):
                yield text_of(container.get("name")), ContainerStateView(container.get("state"))


class LeaseView(ObjectView):
    """A Lease."""

    __slots__ = ()

    @property
    def holder(self) -> str:
        """The identity of its holder; empty where nobody holds it."""
        return text_of(self.spec.get("holderIdentity"))

    @property
    def ends_at(self) -> datetime | None:
        """The time at which it ends: its duration after `renewTime`; None where it was never renewed."""
        renewed = time_of(self.spec.get("renewTime"))
        try:
            return renewed and renewed + timedelta(seconds=integer_of(self.spec.get("leaseDurationSeconds")) or 0)
        except OverflowError:  # after all time
            return renewed

    @property
    def transitions(self) -> int:
        """The number of times that its holder changed."""
        return integer_of(self.spec.get("leaseTransitions")) or 0
