"""The actions kubernetes/relax_pdb and kubernetes/restore_pdb."""

import json
import math
from typing import Annotated, Any

from pydantic import Field, model_validator

from kubernaut_kubectl.cluster.kubectl import Name, get
from kubernaut_kubectl.cluster.patches import Operation, annotate, expect, pointer, swap
from kubernaut_kubectl.cluster.swapping import compare_and_swap
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.cluster.watching import watch
from kubernaut_kubectl.disruption.budgets import budget_text
from kubernaut_kubectl.owners.fields import Owner, ResultWithNote, check_owners, ownership_note
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_kubectl.workloads.kinds import OwnedInputs
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Transient

__all__ = ["healthy_needed", "relax_pdb", "restore_pdb"]

BUDGETS = "poddisruptionbudget.policy"
RELAXED_FROM = "kubernaut.io/relaxed-from"
"""The annotation with the limits as they were, and the record that relaxed them, as JSON."""
FIELDS = {"min_available": "minAvailable", "max_unavailable": "maxUnavailable"}

_PATTERN = r"^([0-9]{1,5}|[0-9]{1,3}%)$"


class PdbInputs(OwnedInputs):
    """The inputs that name a PodDisruptionBudget."""

    namespace: Name
    pdb: Name


class RelaxPdbInputs(PdbInputs):
    """The inputs of kubernetes/relax_pdb."""

    min_available: Annotated[
        str | None, Field(pattern=_PATTERN, description='The pods that must stay healthy: "1", or "25%" of all.')
    ] = None
    max_unavailable: Annotated[
        str | None, Field(pattern=_PATTERN, description='Instead, the pods that may be away: "2", or "50%" of all.')
    ] = None
    allow_zero: Annotated[bool, Field(description="Whether the last healthy pod may be evicted, too.")] = False

    @model_validator(mode="after")
    def _one(self) -> "RelaxPdbInputs":
        if (self.min_available is None) == (self.max_unavailable is None):
            raise ValueError("name either min_available or max_unavailable")
        return self


class PdbResult(ResultWithNote):
    """The result of both actions: the limits as they are now."""

    min_available: str | None
    max_unavailable: str | None


relax_pdb = Action(
    "kubernetes/relax_pdb",
    permissions={"policy/poddisruptionbudgets: get, patch, watch": "the budget itself"},
    tools=["kubectl"],
    risk="high",
    restored_by="kubernetes/restore_pdb",
    examples=[{"namespace": "shop", "pdb": "checkout", "min_available": "1"}],
)
restore_pdb = Action(
    "kubernetes/restore_pdb",
    permissions={"policy/poddisruptionbudgets: get, patch": "the budget itself"},
    tools=["kubectl"],
    risk="low",
    examples=[{"namespace": "shop", "pdb": "checkout"}],
)


@relax_pdb.plan
def plan_relax(ctx: Context, inputs: RelaxPdbInputs) -> Change:
    """Relax a PodDisruptionBudget for a while, so that it allows an eviction.

    What it was is kept in an annotation. Nobody else would put it back, so `kubernaut validate` and the controller
    refuse a workflow without a step of `finally` that does (`kubernetes/restore_pdb` on the same budget). Refused are
    limits that are not looser, that would still allow no eviction with the pods that are healthy now, that would let
    the last healthy pod go (unless `allow_zero`), and a budget that is relaxed already. It is reached when the budget
    allows a disruption. If Argo CD, Flux or an operator would take it back, it is refused, unless `when_owned` is
    `proceed`. Undo restores it, too.
    """
    found = _read(ctx, inputs)
    before = _limits(found)
    after = {"min_available": inputs.min_available, "max_unavailable": inputs.max_unavailable}
    if before == after or ctx.undoing is not None:
        return Change(before, after)
    if (mark := _mark(found)) is not None:
        raise PreconditionFailed(
            f"{inputs.pdb} is relaxed already, by the record {mark.get('record')}; restore it first "
            f"(kubernetes/restore_pdb).",
            reason="AlreadyRelaxed",
        )
    if found.get("status", {}).get("observedGeneration", 0) < found["metadata"].get("generation", 0):
        raise Transient(f"the controller has not seen the newest spec of {inputs.pdb} yet.")
    if fault := relax_fault(found, after, allow_zero=inputs.allow_zero):
        raise PreconditionFailed(fault, reason="LimitReached")
    tracker_of(ctx).owners = _owners(ctx, inputs, found, before, after)
    return Change(before, after)


@relax_pdb.apply
def apply_relax(ctx: Context, inputs: RelaxPdbInputs, change: Change) -> PdbResult:
    """Set the limits, and the annotation, with a patch that fails if the limits have changed since they were read."""
    mark = {**{name: value for name, value in change.before.items() if value is not None}, "record": str(ctx.record_id)}
    return _write(ctx, inputs, change.before, change.after, json.dumps(mark, sort_keys=True))


@relax_pdb.verify
def verify_relax(ctx: Context, inputs: RelaxPdbInputs, change: Change) -> bool | str:
    """Return True once the budget allows a disruption."""
    watch(ctx, BUDGETS, inputs.pdb, inputs.namespace)
    found = _read(ctx, inputs)
    tracker = tracker_of(ctx)
    if shortfall := _shortfall(ctx, found, change):
        return shortfall
    status = found.get("status", {})
    if status.get("observedGeneration", 0) < found["metadata"].get("generation", 0):
        return f"the controller has not seen the newest spec of {inputs.pdb} yet."
    if status.get("disruptionsAllowed", 0) > 0:
        return tracker.check_settled(ctx, 0.0)
    text = f"{budget_text(found)} allows no disruption yet."
    tracker.reset(text)
    return text


@relax_pdb.undo
def undo_relax(ctx: Context, inputs: RelaxPdbInputs, change: Change) -> None:
    """Restore the limits, and remove the annotation."""
    _write(ctx, inputs, change.after, change.before, None)


@restore_pdb.plan
def plan_restore(ctx: Context, inputs: PdbInputs) -> Change:
    """Put a PodDisruptionBudget back to what it was before `kubernetes/relax_pdb`, by the annotation that this left.

    Meant for `finally`: a budget that was not relaxed, or is restored already, is left as it is. Limits that somebody
    has changed since are overwritten: the annotation says what holds.
    """
    found = _read(ctx, inputs)
    before, mark = _limits(found), _mark(found)
    if mark is None:
        return Change({**before, "marked": False}, {**before, "marked": False})
    after = {name: _text(mark.get(name)) for name in FIELDS}
    return Change({**before, "marked": True}, {**after, "marked": False})


@restore_pdb.apply
def apply_restore(ctx: Context, inputs: PdbInputs, change: Change) -> PdbResult:
    """Set the limits, and remove the annotation."""
    before, after = ({name: state[name] for name in FIELDS} for state in (change.before, change.after))
    return _write(ctx, inputs, before, after, None)


@restore_pdb.verify
def verify_restore(ctx: Context, inputs: PdbInputs, change: Change) -> bool | str:
    """Return True once the limits are as they were."""
    found = _read(ctx, inputs)
    return _shortfall(ctx, found, change) or tracker_of(ctx).check_settled(ctx, 0.0)


def healthy_needed(limits: dict[str, str | None], expected: int) -> int:
    """Return how many of the expected pods must stay healthy, as the budget's controller counts: percentages round up.

    Args:
        limits: `min_available` or `max_unavailable`, the other None.
        expected: The pods that the budget counts.
    """
    if (least := limits.get("min_available")) is not None:
        return _count(least, expected)
    if (most := limits.get("max_unavailable")) is not None:
        return max(0, expected - _count(most, expected))
    return 0


def relax_fault(found: dict[str, Any], after: dict[str, str | None], *, allow_zero: bool) -> str | None:
    """Return a sentence if limits must not, or need not, take the place of a budget's; otherwise None."""
    status, name = found.get("status", {}), found["metadata"]["name"]
    expected, healthy = status.get("expectedPods", 0), status.get("currentHealthy", 0)
    needed, was_needed = healthy_needed(after, expected), healthy_needed(_limits(found), expected)
    if expected == 0:
        return f"{budget_text(found)} counts no pod, so nothing it says would allow an eviction."
    if needed >= was_needed:
        return f"{budget_text(found)} would not be looser: {needed} healthy pods would be needed, now {was_needed}."
    if needed == 0 and not allow_zero:
        return f"without a healthy pod, what {name} protects is down; keep one, or set allow_zero: true."
    if healthy <= needed:
        return (
            f"{budget_text(found)} would still allow no eviction: {needed} healthy pods would be needed, and {healthy} "
            f"are."
        )
    return None


register_object(relax_pdb, "PodDisruptionBudget", "pdb")
register_object(restore_pdb, "PodDisruptionBudget", "pdb")


def _count(limit: str, expected: int) -> int:
    if limit.endswith("%"):
        return math.ceil(int(limit[:-1]) * expected / 100)
    return int(limit)


def _read(ctx: Context, inputs: PdbInputs) -> dict[str, Any]:
    return get(ctx, BUDGETS, inputs.pdb, inputs.namespace)


def _limits(found: dict[str, Any]) -> dict[str, str | None]:
    return {name: _text(found["spec"].get(field)) for name, field in FIELDS.items()}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _field_value(text: str | None) -> Any:
    """Return a limit as the API server has it: a number, or a percentage as text."""
    return int(text) if text is not None and text.isdigit() else text


def _mark(found: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the annotation says; None without one, or if it cannot be read."""
    try:
        mark = json.loads((found["metadata"].get("annotations") or {}).get(RELAXED_FROM, "null"))
    except ValueError:
        return None
    return mark if isinstance(mark, dict) else None


def _owners(
    ctx: Context, inputs: PdbInputs, found: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> list[Owner]:
    owners: dict[str, Owner] = {}
    for name, field in FIELDS.items():
        if before[name] != after[name]:
            for owner in check_owners(ctx, found, ("spec", field), after[name], inputs.when_owned):
                owners[owner.name] = owner
    return list(owners.values())


def _write(
    ctx: Context, inputs: PdbInputs, before: dict[str, str | None], after: dict[str, str | None], mark: str | None
) -> PdbResult:
    limits: list[Operation] = []
    for name, field in FIELDS.items():
        path = pointer("spec", field)
        if before[name] == after[name]:
            limits.append(expect(path, _field_value(before[name])))
        else:
            limits += swap(path, _field_value(before[name]), _field_value(after[name]))

    def operations(found: dict[str, Any]) -> list[Operation]:
        uid = expect(pointer("metadata", "uid"), found["metadata"]["uid"])
        return [uid, *limits, *annotate(found, RELAXED_FROM, mark)]

    tracker = tracker_of(ctx)
    tracker.remember_write(compare_and_swap(ctx, BUDGETS, inputs.pdb, inputs.namespace, operations))
    return PdbResult(
        min_available=after["min_available"],
        max_unavailable=after["max_unavailable"],
        note=ownership_note(tracker.owners),
    )


def _shortfall(ctx: Context, found: dict[str, Any], change: Change) -> str | None:
    now = _limits(found)
    for name, field in FIELDS.items():
        shortfall = tracker_of(ctx).require_own_value(
            found, ("spec", field), now[name], before=change.before[name], wanted=change.after[name], what=field
        )
        if shortfall is not None:
            return shortfall
    return None
