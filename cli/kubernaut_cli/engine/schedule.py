"""What runs next: a function of the tasks and of what became of each so far, as Tekton decides it.

The order of the rules is Tekton's (`ResolvedPipelineTask.skip` in its `pkg/reconciler/pipelinerun/resources`): a task
that failed stops what has not started, running ones finish, and `finally` starts when no other task is left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kubernaut_cli.engine.documents import PipelineTask

__all__ = ["End", "Moves", "Stop", "next_moves"]


class End(StrEnum):
    """What became of a task."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class Stop(StrEnum):
    """Why nothing new is started among the tasks; its text is what a skipped step is told."""

    CANCELLED = "the run was cancelled"
    TIMED_OUT = "the time of the tasks was over"


@dataclass(frozen=True)
class Moves:
    """What to do next; empty of both while something runs, or when all is done."""

    start: tuple[PipelineTask, ...] = ()
    skip: tuple[tuple[PipelineTask, str], ...] = ()


def next_moves(
    tasks: Sequence[PipelineTask], final: Sequence[PipelineTask], ends: Mapping[str, End], stop: Stop | None
) -> Moves:
    """Which tasks start now and which never will.

    Args:
        tasks: Those of the graph.
        final: Those of `finally`.
        ends: What became of each task that was started or skipped.
        stop: Whether the run was cancelled or its tasks' time is over.
    """
    waiting = [task for task in tasks if task.name not in ends]
    if not waiting and all(ends[task.name] is not End.RUNNING for task in tasks):
        return Moves(start=tuple(task for task in final if task.name not in ends))
    failed = [task.name for task in tasks if ends.get(task.name) is End.FAILED and task.on_error != "continue"]
    reason = stop or (f"step {failed[0]} failed" if failed else None)
    if reason:
        return Moves(skip=tuple((task, str(reason)) for task in waiting))
    start, skip = [], []
    for task in waiting:
        before = {name: ends.get(name) for name in task.dependencies}
        skipped = next((name for name, end in sorted(before.items()) if end is End.SKIPPED), None)
        if skipped:
            skip.append((task, f"step {skipped}, which it waits for, was skipped"))
        elif all(end in {End.SUCCEEDED, End.FAILED} for end in before.values()):
            start.append(task)
    return Moves(tuple(start), tuple(skip))
