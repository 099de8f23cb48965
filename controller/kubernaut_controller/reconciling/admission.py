"""The admission of a workflow by the controller: the same checks as `kubernaut validate`."""

from typing import Any

from kubernaut_controller.checking import Catalogue, check_workflow
from kubernaut_controller.faults import Fault, InvalidWorkflow
from kubernaut_controller.pipelinerun import render
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.shape import unreadable
from kubernaut_controller.workflow import WorkflowExecution

__all__ = ["admit"]


def admit(document: dict[str, Any], policy: Policy) -> tuple[WorkflowExecution | None, tuple[Fault, ...]]:
    """Return a WorkflowExecution as a model, with its faults. Nothing is raised, whatever the document contains.

    Args:
        document: The object from the API server.
        policy: The policy, for the allowed repositories and the known actions.
    """
    catalogue = Catalogue(
        policy.find, repositories=policy.repositories, unknown_actions=True, max_timeout=policy.max_timeout
    )
    workflow = None
    try:
        workflow, faults = check_workflow(document, catalogue)
        if workflow is not None and not faults:
            render(workflow, task_ref=dict(policy.task_ref))
    except InvalidWorkflow as error:
        faults = error.faults
    except Exception as error:  # nobody else's workflow waits for what this one holds
        faults = (unreadable(error),)
    return workflow, faults
