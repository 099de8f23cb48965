"""The scheduling of tasks: a pure function from the tasks and their states to what starts next, as in Tekton.

The order of the rules is Tekton's (`ResolvedPipelineTask.skip` in its `pkg/reconciler/pipelinerun/resources`): after a
failure nothing new starts, running tasks finish, and `finally` starts when no other task is left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from kubernaut_cli.engine.pipelinerun import PipelineTask

__all__ = ["NextTasks", "StopReason", "TaskState", "next_tasks"]


class TaskState(StrEnum):
    """The state of a task that was started or skipped."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class StopReason(StrEnum):
    """The reason why no new task starts; its text becomes the message of the steps that are skipped."""

    CANCELLED = "the run was cancelled"
    TIMED_OUT = "the time of the tasks was over"


@dataclass(frozen=True)
class NextTasks:
    """The tasks to start and those to skip, with the reason. Both are empty while tasks run, and at the end."""

    start: tuple[PipelineTask, ...] = ()
    skip: tuple[tuple[PipelineTask, str], ...] = ()


def next_tasks(
    tasks: Sequence[PipelineTask],
    final: Sequence[PipelineTask],
    states: Mapping[str, TaskState],
    stop: StopReason | None,
    statuses: Mapping[str, str] = MappingProxyType({}),
) -> NextTasks:
    """Return the tasks that start now, and those that never will.

    Args:
        tasks: The tasks of the graph.
        final: The tasks of `finally`.
        states: The state of each task that was started or skipped.
        stop: The reason to start no more of `tasks`, or None.
        statuses: Tekton's status of each ended task (`$(tasks.NAME.status)`), for the `when` of `finally`.
    """
    waiting = [task for task in tasks if task.name not in states]
    if not waiting and all(states[task.name] is not TaskState.RUNNING for task in tasks):
        due = [(task, _unmet(task, statuses)) for task in final if task.name not in states]
        return NextTasks(
            start=tuple(task for task, unmet in due if unmet is None),
            skip=tuple((task, unmet) for task, unmet in due if unmet is not None),
        )
    failed = [task.name for task in tasks if states.get(task.name) is TaskState.FAILED and task.on_error != "continue"]
    reason = stop or (f"step {failed[0]} failed" if failed else None)
    if reason:
        return NextTasks(skip=tuple((task, str(reason)) for task in waiting))
    start, skip = [], []
    for task in waiting:
        before = {name: states.get(name) for name in task.dependencies}
        skipped = next((name for name, state in sorted(before.items()) if state is TaskState.SKIPPED), None)
        if skipped:
            skip.append((task, f"step {skipped}, which it waits for, was skipped"))
        elif all(state in {TaskState.SUCCEEDED, TaskState.FAILED} for state in before.values()):
            start.append(task)
    return NextTasks(tuple(start), tuple(skip))


def _unmet(task: PipelineTask, statuses: Mapping[str, str]) -> str | None:
    """Return why a task of `finally` is skipped, or None if each of its `when` holds."""
    for expression in task.when:
        if not expression.holds(statuses.get(expression.task, "None")):
            return "The step that its when names did not end so."
    return None
