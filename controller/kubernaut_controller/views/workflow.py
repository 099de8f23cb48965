"""The view of Kubernaut's own objects: WorkflowExecution and RemediationRequest."""

from collections.abc import Mapping
from typing import Any

from kubernaut_controller.views.kubernetes import ObjectView
from kubernaut_controller.views.values import object_of, objects_of, text_of

__all__ = ["WorkflowView"]

Json = Mapping[str, Any]


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
