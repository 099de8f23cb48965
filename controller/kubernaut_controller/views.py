"""Read-only views of the JSON of Kubernetes' and Tekton's objects: typed fields instead of nested dictionaries.

A view never raises, whatever the JSON is: a field that is missing or of another type reads as empty (None, "", an empty
mapping or tuple). An object may come from anybody, and one that is damaged must not concern another. Used by the
controller and by the `kubernaut` command.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = [
    "ConditionView",
    "ContainerStateView",
    "LeaseView",
    "ObjectView",
    "PipelineRunView",
    "PodView",
    "TaskRunView",
    "WorkflowView",
    "object_of",
    "objects_of",
    "text_of",
    "time_of",
]

Json = Mapping[str, Any]

_EMPTY: Json = {}


def object_of(value: Any, *path: str) -> Json:
    """Return the JSON object at a path within a value; an empty one where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else _EMPTY


def objects_of(value: Any) -> tuple[Json, ...]:
    """Return the JSON objects in a list; none where the value is no list."""
    return tuple(item for item in value if isinstance(item, Mapping)) if isinstance(value, list | tuple) else ()


def text_of(value: Any) -> str:
    """Return a text; an empty one for a value of another type."""
    return value if isinstance(value, str) else ""


def time_of(value: Any) -> datetime | None:
    """Return the time in a text (RFC 3339); None for any other value, and for a time that UTC cannot have."""
    try:
        moment = datetime.fromisoformat(text_of(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _texts(value: Any) -> Mapping[str, str]:
    return {name: item for name, item in object_of(value).items() if isinstance(item, str)}


class _View:
    """A view of one JSON value; anything but an object is viewed as an empty one."""

    __slots__ = ("json",)

    def __init__(self, document: Any) -> None:
        self.json = object_of(document)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, _View) and self.json == other.json

    __hash__ = None  # type: ignore[assignment] # it holds a dictionary

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.json!r})"


class ConditionView(_View):
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


class ObjectView(_View):
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
        return _integer(self.metadata.get("generation")) or 1

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return _texts(self.metadata.get("labels"))

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations."""
        return _texts(self.metadata.get("annotations"))

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
        return timedelta(seconds=min(_integer(self.metadata.get("deletionGracePeriodSeconds")) or 0, 86_400))

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


class WorkflowView(ObjectView):
    """A WorkflowExecution, or a RemediationRequest, which have the same status but for a few fields."""

    __slots__ = ()

    @property
    def phase(self) -> str | None:
        """The phase in its status; None until its controller has set one."""
        return text_of(self.status.get("phase")) or None

    @property
    def message(self) -> str:
        """The message in its status."""
        return text_of(self.status.get("message"))

    @property
    def pipeline_run_name(self) -> str | None:
        """The name of its PipelineRun, once that was created."""
        return text_of(object_of(self.status, "pipelineRunRef").get("name")) or None

    @property
    def pipeline_run_uid(self) -> str | None:
        """The uid of its PipelineRun, once that was created."""
        return text_of(object_of(self.status, "pipelineRunRef").get("uid")) or None

    @property
    def has_pipeline_run(self) -> bool:
        """True once its status names its PipelineRun."""
        return bool(object_of(self.status, "pipelineRunRef"))

    @property
    def steps(self) -> tuple[Json, ...]:
        """The steps in its status."""
        return objects_of(self.status.get("steps"))


class ContainerStateView(_View):
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
        return _integer(self.end.get("exitCode"))

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


class TaskRunView(ObjectView):
    """A TaskRun of the generic Task, which has one step."""

    __slots__ = ()

    @property
    def pipeline_task(self) -> str:
        """The task of the pipeline that it says it is of. A label proves nothing."""
        return self.labels.get("tekton.dev/pipelineTask", "")

    @property
    def succeeded(self) -> bool:
        """True if Tekton considers it successful, and starts what waits for it."""
        return self.condition().is_true

    @property
    def pod_name(self) -> str | None:
        """The pod that Tekton made for it."""
        return text_of(self.status.get("podName")) or None

    @property
    def completed_at(self) -> str | None:
        """The time of its end, as text."""
        return text_of(self.status.get("completionTime")) or None

    @property
    def container(self) -> ContainerStateView:
        """The state of its step's container, as Tekton copied it from the pod."""
        return ContainerStateView(next(iter(objects_of(self.status.get("steps"))), None))

    @property
    def results(self) -> Mapping[str, Any]:
        """The results that its container wrote: name → value, of any type."""
        results = objects_of(self.status.get("results"))
        return {name: result.get("value") for result in results if isinstance(name := result.get("name"), str)}

    @property
    def stopped_by_timeout(self) -> bool:
        """True if Tekton stopped it since the PipelineRun's time was over."""
        return "timed out" in text_of(self.spec.get("statusMessage"))


class PipelineRunView(ObjectView):
    """A PipelineRun."""

    __slots__ = ()

    @property
    def started_at(self) -> str | None:
        """The time of its start, as text."""
        return text_of(self.status.get("startTime")) or None

    @property
    def completed_at(self) -> str | None:
        """The time of its end, as text."""
        return text_of(self.status.get("completionTime")) or None

    @property
    def stop_requested(self) -> str:
        """The value of `spec.status`, by which somebody asked Tekton to stop it or not to start it."""
        return text_of(self.spec.get("status"))

    @property
    def child_references(self) -> Mapping[str, str]:
        """Its TaskRuns: name → the task of the pipeline."""
        references = objects_of(self.status.get("childReferences"))
        return {
            name: text_of(reference.get("pipelineTaskName"))
            for reference in references
            if isinstance(name := reference.get("name"), str)
        }

    @property
    def skipped_tasks(self) -> Mapping[str, str]:
        """The tasks of the pipeline that Tekton skipped: name → its reason."""
        skipped = objects_of(self.status.get("skippedTasks"))
        return {name: text_of(item.get("reason")) for item in skipped if isinstance(name := item.get("name"), str)}


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
            return renewed and renewed + timedelta(seconds=_integer(self.spec.get("leaseDurationSeconds")) or 0)
        except OverflowError:  # after all time
            return renewed

    @property
    def transitions(self) -> int:
        """The number of times that its holder changed."""
        return _integer(self.spec.get("leaseTransitions")) or 0
