"""The plan of an undo: a function of records and of the installed actions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kubernaut_cli.catalog import find_action
from kubernaut_cli.history.rows import HistoryRow
from kubernaut_sdk.execution.withholding import missing_in_change, missing_inputs
from kubernaut_sdk.records import Record, State

__all__ = ["UNDO_REASONS", "CanUndo", "UndoObstacle", "UndoPlan", "find_obstacle", "plan_undo"]

CanUndo = Callable[[Record], bool | None]
"""A function that returns if the image of a record defines an undo of its action; None if that is not known."""

UNDO_REASONS = ("NothingChanged", "StillRunning", "NotUndoable", "Withheld")


@dataclass(frozen=True)
class UndoObstacle:
    """The reason why a record's change cannot be undone.

    Attributes:
        reason: One of `UNDO_REASONS`.
        sentence: The reason for people, without a full stop.
    """

    reason: str
    sentence: str


@dataclass(frozen=True)
class UndoPlan:
    """The plan of an undo.

    Attributes:
        steps: The records to undo, in that order: the last change first.
        left: The changes that cannot be undone.
    """

    steps: tuple[HistoryRow, ...]
    left: tuple[tuple[HistoryRow, UndoObstacle], ...]


def plan_undo(rows: Sequence[HistoryRow], *, by_image: CanUndo | None = None) -> UndoPlan:
    """Return the plan to undo records, given in the order in which they ended; those without a change are left out.

    Args:
        rows: The records.
        by_image: See `find_obstacle`.
    """
    steps, left = [], []
    for row in reversed(rows):
        obstacle = find_obstacle(row.record, by_image=by_image)
        if obstacle is None:
            steps.append(row)
        elif obstacle.reason != "NothingChanged":
            left.append((row, obstacle))
    return UndoPlan(tuple(steps), tuple(left))


def find_obstacle(record: Record, *, by_image: CanUndo | None = None) -> UndoObstacle | None:
    """Return why a record's change cannot be undone, or None if it can (where the world still is as it left it).

    Args:
        record: The record.
        by_image: Where the action's image undoes it, so that no installed package needs to: returns if the image can.
    """
    return _end_obstacle(record) or _action_obstacle(record, by_image=by_image) or _content_obstacle(record)


def _end_obstacle(record: Record) -> UndoObstacle | None:
    if record.dry_run:
        return UndoObstacle("NothingChanged", "it was a dry run, which changes nothing")
    if not record.state.terminal and record.state is not State.LOST:
        return UndoObstacle("StillRunning", f"it has not ended: its state is {record.state}")
    if record.changed is False or (record.changed is None and record.change is None):
        return UndoObstacle("NothingChanged", f"it changed nothing: its state is {record.state}")
    return None


def _action_obstacle(record: Record, *, by_image: CanUndo | None) -> UndoObstacle | None:
    if by_image is not None:
        if record.image is None:
            return UndoObstacle(
                "NotUndoable",
                "its record names no image; leave out --render and --engine docker, to undo it by an installed action",
            )
        return _no_undo(record) if by_image(record) is False else None
    action = find_action(record.action_type or "")
    if action is None:
        ways = "install the one that does, or use --engine docker"
        return UndoObstacle("NotUndoable", f"no installed package defines {record.action_type}; {ways}")
    if action.undo_function is None:
        return _no_undo(record)
    return None


def _no_undo(record: Record) -> UndoObstacle:
    return UndoObstacle("NotUndoable", f"{record.action_type} cannot be taken back: it defines no undo")


def _content_obstacle(record: Record) -> UndoObstacle | None:
    if record.change is None:
        return UndoObstacle("Withheld", "its record holds no change")
    if (why := missing_in_change(record.change.document())) is not None:
        return UndoObstacle("Withheld", f"its record does not hold the whole change, because {why}")
    if missing := missing_inputs(record.inputs or {}):
        name, why = next(iter(missing.items()))
        return UndoObstacle(
            "Withheld", f"its record does not hold {f'the input {name}' if name else 'its inputs'}: {why}"
        )
    return None
