"""Views of Tekton's objects: PipelineRun and TaskRun."""

from collections.abc import Mapping
from typing import Any

from kubernaut_controller.views.kubernetes import ContainerStateView, ObjectView
from kubernaut_controller.views.values import objects_of, text_of

__all__ = ["PipelineRunView", "TaskRunView"]


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
