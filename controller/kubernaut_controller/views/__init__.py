"""Read-only views of the JSON of Kubernetes' and Tekton's objects: typed fields instead of nested dictionaries.

A view never raises, whatever the JSON is: a field that is missing or of another type reads as empty (None, "", an empty
mapping or tuple). An object may come from anybody, and one that is damaged must not concern another. Used by the
controller and by the `kubernaut` command.
"""

from kubernaut_controller.views.kubernetes import ConditionView, ContainerStateView, LeaseView, ObjectView, PodView
from kubernaut_controller.views.tekton import PipelineRunView, TaskRunView
from kubernaut_controller.views.values import object_of, objects_of, text_of, time_of
from kubernaut_controller.views.workflow import WorkflowView

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
