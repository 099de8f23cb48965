"""One execution of an action, from its inputs to its exit code, with everybody told: results, record, log, output.

The order is the contract's: results that say Interrupted; `started`; plan; `applying`, stored or spooled before
anything is mutated; apply; verify; the end in results and record. Called by the verbs and by the testing kit.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from kubernaut_sdk import ids
from kubernaut_sdk.action import Action
from kubernaut_sdk.context import Context
from kubernaut_sdk.errors import (
    ActionError,
    Failed,
    PreconditionFailed,
    RecordRequired,
    Transient,
    VerifyFailed,
)
from kubernaut_sdk.interrupts import Interrupts
from kubernaut_sdk.logs import logger
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.models import Inputs, Result
from kubernaut_sdk.outcome import Outcome, state_of
from kubernaut_sdk.recorder import Delivery, Recorder
from kubernaut_sdk.settings import Settings
from kubernaut_sdk.states import RANK, Change, Error, State, same
from kubernaut_sdk.storage import StorageUnavailable
from kubernaut_sdk.times import rfc3339, utcnow
from kubernaut_sdk.tracing import Tracing
from kubernaut_sdk.witness import Witness

__all__ = ["Run"]

_PAUSE, _LONGEST_PAUSE = 0.5, 20.0
_VERIFY_MARGIN = 2.0
_POD_GRACE = 30.0
"""Seconds that another pod of the same step, told to stop, may still live."""


@dataclass
class Run:
    """One execution. `execute` and `undo` may be called once.

    Args:
        action: What is run.
        settings: From the environment and the command line.
        interrupts: Already installed.
        masker: Knows the mounted secrets already.
        recorder: Delivers this run's events.
        tracing: Makes its spans.
    """

    action: Action
    settings: Settings
    interrupts: Interrupts
    masker: Masker
    recorder: Recorder
    tracing: Tracing = field(default_factory=Tracing)
    started_at: datetime = field(default_factory=utcnow)

    def __post_init__(self) -> None:
        self.record_id = self.settings.record_id or ids.mint()
        self.context = Context(self.settings, self.record_id, self.interrupts, self.masker, self.tracing)
        self.witness = Witness(self.action, self.settings, self.masker, self.context, self.record_id)
        self._change: Change | None = None
        self._changed: bool | None = False  # None once something was begun and its end is not known
        self._asked = False
        self._first_attempt = 0  # a store takes an attempt's words from one pod only
        self._attempts: list[dict[str, Any]] = []

    def execute(self, parse: Callable[[], Inputs], *, record: bool = True, plan_only: bool = False) -> Outcome:
        """Plans and, unless it is a dry run, applies and verifies.

        Args:
            parse: Gives the inputs, or raises `InvalidInputs`.
            record: Whether results and record are written; the `plan` verb writes neither.
            plan_only: As a dry run.
        """
        dry = plan_only or self.settings.dry_run
        return self._conclude(lambda: self._execute(parse, dry=dry, record=record), record=record, dry=dry)

    def undo(self, parse: Callable[[], Inputs], change: Change) -> Outcome:
        """Restores `change.before`, if the world still equals `change.after`."""
        dry = self.settings.dry_run
        return self._conclude(lambda: self._undo(parse, change, dry=dry), record=True, dry=dry)

    def _conclude(self, work: Callable[[], tuple[State, Result | None]], *, record: bool, dry: bool) -> Outcome:
        error: Error | None = None
        output: dict[str, Any] | None = None
        try:
            if record:
                self.witness.write(
                    State.FAILED, Error(code=1, reason="Interrupted", message="the step was interrupted.")
                )
            with self.tracing.span(
                self.action.action_type, {"kubernaut.record.id": str(self.record_id), "kubernaut.dry_run": dry}
            ):
                status, result = work()
            self.interrupts.close()
            output = self.witness.output(result, self._change)
        except ActionError as problem:
            self.interrupts.close()
            status, error = self._failure(problem)
        except Exception as problem:
            self.interrupts.close()
            logger.exception("unexpected: %s", problem)
            status = State.FAILED
            error = Error(code=1, reason="Unexpected", message=f"unexpected {type(problem).__name__}: {problem}")
        return self._end(status, error, output, record=record, dry=dry)

    def _failure(self, problem: ActionError) -> tuple[State, Error]:
        """The end that an error makes; a code that promises `nothing changed` is not kept once something was begun."""
        error = problem.error()
        if self._changed is not False and problem.may_have_changed is False:
            error = replace(error, code=Failed.exit_code)
        return state_of(problem), error

    def _end(
        self, status: State, error: Error | None, output: dict[str, Any] | None, *, record: bool, dry: bool
    ) -> Outcome:
        if error is not None:
            error = replace(error, message=self.masker.text(error.message))
            logger.error("%s", error.message, extra={"fields": {"reason": error.reason, "exit_code": error.code}})
        changed = False if dry or status is State.UNCHANGED else self._changed
        delivery: Delivery = "disabled"
        if record:
            self.witness.write(status, error, output=output, changed=changed, delivery="deferred")
            event = self.witness.event(
                status,
                finished_at=rfc3339(utcnow()),
                changed=changed,
                change=self._change,
                output=output,
                error=error,
                attempts=self._attempts or None,
                dry_run=dry,
            )
            delivery = self.recorder.confirm(event)
            self.witness.write(status, error, output=output, changed=changed, delivery=delivery)
        return Outcome(
            action_type=self.action.action_type,
            status=status,
            changed=changed,
            change=self.witness.change(self._change),
            output=output,
            error=error,
            record_id=str(self.record_id) if record else None,
            attempt=self.context.attempt,
            delivery=delivery,
        )

    def _execute(self, parse: Callable[[], Inputs], *, dry: bool, record: bool) -> tuple[State, Result | None]:
        inputs = self._begin(parse, dry=dry, record=record)
        while True:
            attempt_started = utcnow()
            try:
                end = self._attempt(inputs, dry=dry)
            except ActionError as problem:
                self._note_attempt(attempt_started, problem)
                tried = self.context.attempt - self._first_attempt
                if not isinstance(problem, Transient) or tried >= self.settings.retries:
                    raise
                self._back_off(problem)
            else:
                self._note_attempt(attempt_started)
                return end

    def _note_attempt(self, started: datetime, problem: ActionError | None = None) -> None:
        attempt: dict[str, Any] = {
            "number": self.context.attempt,
            "started": rfc3339(started),
            "ended": rfc3339(utcnow()),
        }
        if problem is not None:
            message = self.masker.text(problem.message)
            attempt["error"] = replace(problem.error(), message=message).document()
        self._attempts.append(attempt)

    def _begin(self, parse: Callable[[], Inputs], *, dry: bool, record: bool) -> Inputs:
        inputs = parse()
        self.witness.heard(inputs)
        if record:
            self.recorder.tell(self.witness.event(State.STARTED, started_at=rfc3339(self.started_at), dry_run=dry))
        return inputs

    def _attempt(self, inputs: Inputs, *, dry: bool) -> tuple[State, Result | None]:
        change = self._plan(inputs)
        applied_before = self._changed is not False
        if change.empty and applied_before:
            # an earlier attempt got its change through although it did not hear so
            assert self._change is not None
            self._changed = True
            self._verify(inputs, self._change)
            return State.SUCCEEDED, None
        self._change = change
        if change.empty:
            return State.UNCHANGED, None
        if dry:
            return State.PLANNED, None
        if self._waited_for_another_pod():
            return self._attempt(inputs, dry=dry)
        self._announce(change)
        result = self._apply(self.action.apply_function, inputs, change)
        self._changed = True
        self.interrupts.check()
        self._verify(inputs, change)
        return State.SUCCEEDED, result

    def _undo(self, parse: Callable[[], Inputs], change: Change, *, dry: bool) -> tuple[State, Result | None]:
        inputs = self._begin(parse, dry=dry, record=True)
        if self.action.undo_function is None:
            raise PreconditionFailed(f"{self.action.action_type} cannot be undone: it defines no undo.")
        now = self._plan(inputs).before
        if not any(same(now, known) for known in (change.before, change.after)):
            raise PreconditionFailed(
                "the world is not what the action left behind, so it is not undone; it may be somebody's newer change."
            )
        self._change = Change(before=now, after=change.before)
        if self._change.empty:
            return State.UNCHANGED, None
        if dry:
            return State.PLANNED, None
        self._announce(self._change)
        self._apply(self.action.undo_function, inputs, change, "undo")
        self._changed = True
        self.interrupts.check()
        return State.SUCCEEDED, None

    def _plan(self, inputs: Inputs) -> Change:
        assert self.action.plan_function is not None
        try:
            with self.tracing.span("plan"):
                change = self.action.plan_function(self.context, inputs)
        finally:
            self.interrupts.check()
        if not isinstance(change, Change):
            raise Failed(f"plan of {self.action.action_type} must return a Change, not {type(change).__name__}.")
        self.witness.accept(change)
        return change

    def _apply(
        self, function: Callable[..., Any] | None, inputs: Inputs, change: Change, name: str = "apply"
    ) -> Result | None:
        assert function is not None
        self._changed = None
        with self.interrupts.applying(), self.tracing.span(name):
            try:
                result = function(self.context, inputs, change)
            except Exception:
                self.interrupts.check()  # a library may have wrapped the cancel in an error of its own
                raise
        if result is not None and not isinstance(result, Result):
            self._changed = True
            raise Failed(f"apply of {self.action.action_type} must return a Result, not {type(result).__name__}.")
        return result

    def _announce(self, change: Change) -> None:
        """Tells that something will be mutated now, and goes on only when that is stored, or safely spooled."""
        self.interrupts.check()
        with self.interrupts.shielded():
            event = self.witness.event(State.APPLYING, change=change, attempts=self._attempts or None)
            delivery = self.recorder.confirm(event, required=self.settings.require_record)
        if self.settings.require_record and delivery != "stored":
            raise RecordRequired(
                f"nothing was applied: the record could not be stored at {self.settings.storage_url or 'no address'} "
                f"and DATA_STORAGE_POLICY is require."
            )

    def _waited_for_another_pod(self) -> bool:
        """Whether another pod of this same step had begun to apply, so that the world is to be read anew.

        A pod can be run again under the same name (force-deleted, node lost) while the first may still be alive.

        Raises:
            PreconditionFailed: if so, and the action is not idempotent.
            RecordRequired: if the record cannot be read and the policy requires it.
        """
        if self.settings.record_id is None or self.settings.pod is None or self._asked:
            return False
        self._asked = True
        try:
            known = self.recorder.read(self.record_id, required=self.settings.require_record)
        except StorageUnavailable as error:
            if self.settings.require_record:
                raise RecordRequired(
                    f"nothing was applied: whether another pod had begun is not known: {error}."
                ) from None
            return False
        pod = (known or {}).get("pod") or self.settings.pod
        if known is None or pod == self.settings.pod:
            return False
        self._first_attempt = self.context.attempt = int(known.get("attempt") or 0) + 1
        if RANK[State(known["state"])] < RANK[State.APPLYING]:
            return False
        if not self.action.idempotent:
            raise PreconditionFailed(
                f"pod {pod['name']} ({pod['uid']}) already began to apply this step; its record says "
                f"{known['state']}. {self.action.action_type} is not idempotent, so it is not done again.",
                reason="AlreadyApplied",
            )
        logger.warning("another pod began to apply this step", extra={"fields": {"pod": pod["uid"]}})
        if not State(known["state"]).terminal:
            self.context.sleep(_POD_GRACE)
        return True

    def _verify(self, inputs: Inputs, change: Change) -> None:
        if self.action.verify_function is not None:
            with self.tracing.span("verify"):
                self._await_goal(self.action.verify_function, inputs, change)

    def _await_goal(self, verify: Callable[..., bool | str], inputs: Inputs, change: Change) -> None:
        # what is missing is worth more than that the time was over, so this wait ends a little before that
        within = min(self.action.verify_within.total_seconds(), self.interrupts.remaining() - _VERIFY_MARGIN)
        deadline = self.interrupts.clock.monotonic() + within
        pause = 0.1
        while True:
            try:
                answer = verify(self.context, inputs, change)
            except Transient as problem:
                answer = problem.message
            finally:
                self.interrupts.check()
            if answer is True:
                return
            if self.interrupts.clock.monotonic() + pause > deadline:
                missing = answer if isinstance(answer, str) else "the goal is not reached"
                raise VerifyFailed(f"applied, but after {max(0.0, within):.0f} s: {missing}")
            self.context.sleep(pause)
            pause = min(2.0, pause * 1.5)

    def _back_off(self, problem: Transient) -> None:
        pause = min(_LONGEST_PAUSE, _PAUSE * 2 ** (self.context.attempt - self._first_attempt)) * random.uniform(0.5, 1)  # noqa: S311 – jitter
        if pause >= self.interrupts.remaining():
            raise problem
        logger.warning(
            "transient: %s",
            problem.message,
            extra={"fields": {"attempt": self.context.attempt, "pause": round(pause, 2)}},
        )
        self.context.sleep(pause)
        self.context.attempt += 1
