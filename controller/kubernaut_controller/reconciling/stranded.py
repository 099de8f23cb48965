"""A workflow about which nothing can be decided, since something in it or of its making makes the code raise.

It alone ends: `Refused` where nothing was started, else `Failed`, with the reason. What runs is cancelled, its pods are
waited for, its locks are freed and its finalizer goes. Only fields that the API server itself vouches for are read.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from kubernaut_controller.reconciling.acts import (
    Act,
    Announce,
    CancelRun,
    FreeLock,
    GiveUpRecords,
    LetGo,
    LookUp,
    SetStatus,
)
from kubernaut_controller.reconciling.children import condition_of, own_pods
from kubernaut_controller.reconciling.conditions import Fact, merged, timestamp
from kubernaut_controller.reconciling.ends import is_alive
from kubernaut_controller.reconciling.seen import Seen
from kubernaut_controller.reconciling.shaping import bounded_text
from kubernaut_controller.status import Phase

__all__ = ["minimal_status", "strand"]

Json = Mapping[str, Any]

_AGAIN = timedelta(seconds=20)


def strand(seen: Seen, why: str, now: datetime) -> tuple[tuple[Act, ...], datetime | None]:
    """Return what to do about a workflow that cannot be decided about, and when to ask again.

    Args:
        seen: What is.
        why: What was raised, as a sentence.
        now: The time.
    """
    if seen.being_deleted and not seen.held:
        return (), None
    run = seen.pipeline_run
    made = run is not None or bool(seen.status.get("pipelineRunRef"))
    if made and not seen.looked_up:
        return (LookUp(),), now
    acts: list[Act] = []
    if run is not None and condition_of(run).get("status") not in {"True", "False"}:
        if not (run.get("spec") or {}).get("status"):
            acts.append(CancelRun(run["metadata"]["name"]))
        return tuple(acts), now + _AGAIN
    if any(is_alive(pod) for pod in own_pods(seen.task_runs, seen.pods.values()).values()):
        return tuple(acts), now + _AGAIN
    if seen.held:
        acts.append(FreeLock())
    if seen.being_deleted:
        return (*acts, LetGo()), None
    phase = Phase.FAILED if made else Phase.REFUSED
    if made:
        acts.append(GiveUpRecords())
    status = minimal_status(seen.document, phase, why, now)
    return (*acts, Announce("Warning", phase.value, why), SetStatus(status)), None


def minimal_status(document: Json, phase: Phase, why: str, now: datetime) -> dict[str, Any]:
    """Return the least that a status may say of a workflow that ended: phase, reason and a closing word on its records.

    Args:
        document: The WorkflowExecution.
        phase: Its last one.
        why: The sentence.
        now: The time.
    """
    before = document.get("status") or {}
    generation = document["metadata"].get("generation", 1)
    message = bounded_text(why, 1000) or phase.value
    refused = phase is Phase.REFUSED
    facts = [
        Fact("Accepted", not refused, "Invalid" if refused else "Valid", message if refused else ""),
        Fact("Succeeded", phase is Phase.SUCCEEDED, phase.value, message),
        Fact(
            "RecordsStored",
            refused,
            "NothingToStore" if refused else "GivenUp",
            "Nothing was started." if refused else "Its records could not be told in full.",
        ),
    ]
    status: dict[str, Any] = {
        "phase": phase.value,
        "message": message,
        "observedGeneration": generation,
        "finishedAt": timestamp(now),
        "conditions": merged((), facts, generation, now),
    }
    reference = before.get("pipelineRunRef")
    if isinstance(reference, Mapping) and {"name", "uid"} <= set(reference):
        status["pipelineRunRef"] = {name: reference[name] for name in ("name", "uid")}
    return status
