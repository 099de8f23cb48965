"""What runs next: a function of the tasks and of what became of each so far, as Tekton decides it.

The order of the rules is Tekton's (`ResolvedPipelineTask.skip` in its `pkg/reconciler/pipelinerun/resources`): a task
that failed stops what has not started, running ones finish, and `finally` starts when no other task is left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kubernaut_cli.engine.pipelinerun import PipelineTask

__all__ = ["NextTasks", "StopReason", "TaskState", "next_tasks"]


class TaskState(StrEnum):
    """What became of a task."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class StopReason(StrEnum):
    """Why nothing new is started among the tasks; its text is what a skipped step is told."""

    CANCELLED = "the run was cancelled"
    TIMED_OUT = "the time of the tasks was over"


@dataclass(frozen=True)
class NextTasks:
    """What to do next; empty of both while something runs, or when all is done."""

    start: tuple[PipelineTask, ...] = ()
    skip: tuple[tuple[PipelineTask, str], ...] = ()


def next_tasks(
    tasks: Sequence[PipelineTask], final: Sequence[PipelineTask], ends: Mapping[str, TaskState], stop: StopReason | None
) -> NextTasks:
    """Which tasks start now and which never will.

    Args:
        tasks: Those of the graph.
        final: Those of `finally`.
        ends: What became of each task that was started or skipped.
        stop: Whether the run was cancelled or its tasks' time is over.
    """
    waiting = [task for task in tasks if task.name not in ends]
    if not waiting and all(ends[task.name] is not TaskState.RUNNING for task in tasks):
        return NextTasks(start=tuple(task for task in final if task.name not in ends))
    failed = [task.name for task in tasks if ends.get(task.name) is TaskState.FAILED and task.on_error != "continue"]
    reason = stop or (f"step {failed[0]} failed" if failed else None)
    if reason:
        return NextTasks(skip=tuple((task, str(reason)) for task in waiting))
    start, skip = [], []
    for task in waiting:
        before = {name: ends.get(name) for name in task.dependencies}
        skipped = next((name for name, end in sorted(before.items()) if end is TaskState.SKIPPED), None)
        if skipped:
            skip.append((task, f"step {skipped}, which it waits for, was skipped"))
        elif all(end in {TaskState.SUCCEEDED, TaskState.FAILED} for end in before.values()):
            start.append(task)
    return NextTasks(tuple(start), tuple(skip))
