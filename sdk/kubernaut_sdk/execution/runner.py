"""One execution of an action, from its inputs to its exit code, with results, record and log.

The order is that of the action contract: results with the reason Interrupted; the event `started`; plan; the event
`applying`, stored or spooled before anything is changed; apply; verify; the outcome in results and record. Called by
the verbs and by `kubernaut_sdk.testing`.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from kubernaut_sdk import ids
from kubernaut_sdk.action import Action
from kubernaut_sdk.context import Context
from kubernaut_sdk.errors import (
    ActionError,
    Failed,
    PreconditionFailed,
    RecordRequired,
    promises_no_change,
)
from kubernaut_sdk.execution.attempts import Attempts
from kubernaut_sdk.execution.goal import await_goal
from kubernaut_sdk.execution.outcome import ExecutionOutcome, failure, log_failure
from kubernaut_sdk.execution.predecessor import Predecessor
from kubernaut_sdk.execution.reporter import Reporter
from kubernaut_sdk.interrupts import Interrupts
from kubernaut_sdk.logs import logger
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.models import Inputs, Result
from kubernaut_sdk.recorder import Delivery, NotKept, Recorder
from kubernaut_sdk.settings import StepSettings
from kubernaut_sdk.states import Change, Error, State, same
from kubernaut_sdk.times import rfc3339, utcnow
from kubernaut_sdk.tracing import Tracing
from kubernaut_sdk.wire import json_value

__all__ = ["Execution"]

_POD_GRACE = 30.0
"""Seconds that another pod of the same step may still run after SIGTERM."""


@dataclass
class Execution:
    """One execution of an action. Call `execute` or `undo`, once.

    Args:
        action: The action that is run.
        settings: From the environment and the command line.
        interrupts: Already installed.
        masker: Has the mounted secrets already.
        recorder: Sends the events.
        tracing: Makes the spans.
    """

    action: Action
    settings: StepSettings
    interrupts: Interrupts
    masker: Masker
    recorder: Recorder
    tracing: Tracing = field(default_factory=Tracing)
    started_at: datetime = field(default_factory=utcnow)

    def __post_init__(self) -> None:
        self.record_id = self.settings.record_id or ids.mint()
        self.context = Context(self.settings, self.record_id, self.interrupts, self.masker, self.tracing)
        self.reporter = Reporter(self.action, self.settings, self.masker, self.context, self.record_id)
        self._change: Change | None = None
        self._changed: bool | None = False  # None once something was begun and its end is not known
        self.predecessor = Predecessor(self.settings, self.recorder, self.record_id)
        self._has_waited = self._leaves_alone = False
        self._attempts = Attempts(self.context, self.settings.retries, self.interrupts, self.masker)

    def execute(self, parse: Callable[[], Inputs], *, record: bool = True, plan_only: bool = False) -> ExecutionOutcome:
        """Plan and, unless it is a dry run, apply and verify.

        Args:
            parse: Returns the inputs, or raises `InvalidInputs`.
            record: If False, neither results nor record are written, as the verb `plan` needs it.
            plan_only: If True, nothing is applied.
        """
        dry = self.context.dry_run = plan_only or self.settings.dry_run
        return self._conclude(lambda: self._execute(parse, dry=dry, record=record), record=record, dry=dry)

    def undo(self, read: Callable[[], tuple[Inputs, Change]]) -> ExecutionOutcome:
        """Restore `change.before`, if the current state still equals `change.after`.

        Args:
            read: Returns the inputs and the change, or raises what an action may raise.
        """
        dry = self.settings.dry_run
        return self._conclude(lambda: self._undo(read, dry=dry), record=True, dry=dry)

    @property
    def changed(self) -> bool | None:
        """True if something was changed; None after a change was begun and before its outcome is known."""
        return self._changed

    def _conclude(
        self, work: Callable[[], tuple[State, Result | None]], *, record: bool, dry: bool
    ) -> ExecutionOutcome:
        error: Error | None = None
        output: dict[str, Any] | None = None
        try:
            if record:
                self._write_interrupted(changed=False)
            with self.tracing.span(
                self.action.action_type, {"kubernaut.record.id": str(self.record_id), "kubernaut.dry_run": dry}
            ):
                status, result = work()
            self.interrupts.close()
            output = self.reporter.output(result, self._change)
        except BaseException as problem:  # any exception of an action or a library ends the step, and is reported
            self.interrupts.close()
            status, error = self._failure(problem)
        return self._end(status, error, output, record=record, dry=dry)

    def _write_interrupted(self, *, changed: bool | None, delivery: Delivery = "disabled") -> None:
        """Write the results that stay if this process is killed."""
        error = Error(code=1, reason="Interrupted", message="the step was interrupted.")
        self.reporter.write(State.FAILED, error, change=self._change, changed=changed, delivery=delivery, required=True)

    def _failure(self, problem: BaseException) -> tuple[State, Error]:
        """Return the state and error for an exception. Once a change was begun, no code promises the contrary."""
        status, error = failure(problem)
        if self._changed is not False and promises_no_change(error.code):
            error = replace(error, code=Failed.exit_code)
        error = replace(error, message=self.masker.text(error.message))
        log_failure(problem, error)
        return status, error

    def _end(
        self, status: State, error: Error | None, output: dict[str, Any] | None, *, record: bool, dry: bool
    ) -> ExecutionOutcome:
        changed = False if dry or status is State.UNCHANGED else self._changed
        delivery: Delivery = "disabled"
        if record:
            # what an earlier pod changed is not for this one to say
            change = None if self._leaves_alone else self._change
            write = partial(self.reporter.write, status, error, change=change, output=output, changed=changed)
            write(delivery="deferred")
            event = self.reporter.event(
                status,
                finished_at=rfc3339(utcnow()),
                changed=None if self._leaves_alone else changed,
                change=change,
                output=output,
                error=error,
                attempts=self._attempts.ended or None,
                dry_run=dry,
            )
            delivery = self.recorder.confirm(event)
            write(delivery=delivery)
        return ExecutionOutcome(
            action_type=self.action.action_type,
            status=status,
            changed=changed,
            change=self.reporter.change(self._change),
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
                self._attempts.note(attempt_started, problem)
                self._attempts.back_off(problem)
            else:
                self._attempts.note(attempt_started)
                return end

    def _begin(self, parse: Callable[[], Inputs], *, dry: bool, record: bool) -> Inputs:
        inputs = parse()
        self.reporter.learn_inputs(inputs)
        if record:
            self.recorder.send(self.reporter.event(State.STARTED, started_at=rfc3339(self.started_at), dry_run=dry))
        return inputs

    def _attempt(self, inputs: Inputs, *, dry: bool) -> tuple[State, Result | None]:
        change = self._plan(inputs)
        applied_before = self._changed is not False
        if change.empty and applied_before:
            # an earlier attempt made the change, although it got an error
            assert self._change is not None
            self._changed = True
            self._verify(inputs, self._change)
            return State.SUCCEEDED, None
        self._change = change
        if dry:
            return State.UNCHANGED if change.empty else State.PLANNED, None
        if change.empty:
            return self._confirm_goal(inputs, change)
        if self._wait_for_predecessor():
            return self._attempt(inputs, dry=dry)
        self._send_applying(change)
        result = self._apply(self.action.apply_function, inputs, change)
        self._changed = True
        self.interrupts.check()
        self._verify(inputs, change)
        return State.SUCCEEDED, result

    def _confirm_goal(self, inputs: Inputs, change: Change) -> tuple[State, Result | None]:
        """Verify the goal where there is nothing to apply: the object may be as asked for while its pods are not ready.

        If an earlier pod of this step had begun to apply, this step did change something.
        """
        continues = self._continues(change)
        self._verify(inputs, change)
        return State.SUCCEEDED if continues else State.UNCHANGED, None

    def _continues(self, change: Change) -> bool:
        """Return True if an earlier pod of this step had begun to apply the change that is found in place.

        Its change is then reported as this step's own.
        """
        earlier = self._predecessor()
        if earlier is None:
            return False
        known = earlier.get("change") or {}
        recorded = self.reporter.fit_change(change)
        self._changed = True if recorded and same(recorded["after"], known.get("after")) else None
        self._change = Change(known.get("before", change.before), change.after)
        return True

    def _undo(self, read: Callable[[], tuple[Inputs, Change]], *, dry: bool) -> tuple[State, Result | None]:
        inputs, change = read()
        self._begin(lambda: inputs, dry=dry, record=True)
        if self.action.undo_function is None:
            raise PreconditionFailed(f"{self.action.action_type} cannot be undone: it defines no undo.")
        return self._restore(inputs, change, dry=dry)

    def _restore(self, inputs: Inputs, change: Change, *, dry: bool) -> tuple[State, Result | None]:
        """Undo the change, unless the current state is neither its `before` nor its `after`."""
        self.context.undoing = change
        now = self._plan(inputs).before
        if not any(same(now, known) for known in (change.before, change.after)):
            raise PreconditionFailed(
                "the world is not what the action left behind, so it is not undone; it may be somebody's newer change."
            )
        self._change = Change(before=now, after=change.before)
        if dry:
            return State.UNCHANGED if self._change.empty else State.PLANNED, None
        if self._change.empty:
            return (State.SUCCEEDED if self._continues(self._change) else State.UNCHANGED), None
        if self._wait_for_predecessor():
            return self._restore(inputs, change, dry=dry)
        self._send_applying(self._change)
        self._apply(self.action.undo_function, inputs, change, "undo")
        self._changed = True
        self.interrupts.check()
        return State.SUCCEEDED, None

    def _plan(self, inputs: Inputs) -> Change:
        assert self.action.plan_function is not None
        try:
            with closing(self.context.watches), self.tracing.span("plan"):
                change = self.action.plan_function(self.context, inputs)
        finally:
            self.interrupts.check()
        if not isinstance(change, Change):
            raise Failed(f"plan of {self.action.action_type} must return a Change, not {type(change).__name__}.")
        change = Change(json_value(change.before, "change.before"), json_value(change.after, "change.after"))
        self.reporter.require_recordable(change)
        return change

    def _apply(
        self, function: Callable[..., Any] | None, inputs: Inputs, change: Change, name: str = "apply"
    ) -> Result | None:
        assert function is not None
        self._changed = None
        with self.interrupts.applying(), closing(self.context.watches), self.tracing.span(name):
            try:
                result = function(self.context, inputs, change)
            except BaseException:
                self.interrupts.check()  # a library may have wrapped the cancel in an exception of its own
                raise
        if result is not None and not isinstance(result, Result):
            self._changed = True
            raise Failed(f"apply of {self.action.action_type} must return a Result, not {type(result).__name__}.")
        return result

    def _send_applying(self, change: Change) -> None:
        """Send the event `applying`, and return only when it is stored or safely spooled."""
        self.interrupts.check()
        with self.interrupts.shielded():
            event = self.reporter.event(State.APPLYING, change=change, attempts=self._attempts.ended or None)
            try:
                delivery = self.recorder.keep(event, required=self.settings.require_record)
            except NotKept as problem:
                raise RecordRequired(
                    f"nothing is applied: that it begins can be kept nowhere: {problem}.", reason="RecordNotKept"
                ) from None
            if self.settings.require_record and delivery != "stored":
                raise RecordRequired(
                    f"nothing was applied: the record could not be stored at "
                    f"{self.settings.storage_url or 'no address'} and DATA_STORAGE_POLICY is require."
                )
            self._write_interrupted(changed=None, delivery=delivery)

    def _predecessor(self) -> dict[str, Any] | None:
        """Return the record of an earlier pod of this step that had begun to apply, or None."""
        known = self.predecessor.record()
        self._attempts.begin_at(self.predecessor.attempt)
        return known

    def _wait_for_predecessor(self) -> bool:
        """Wait for an earlier pod of this step that had begun to apply; return True if there was one.

        The caller then plans anew.

        Raises:
            PreconditionFailed: if so, and the action is not idempotent.
            RecordRequired: if the record cannot be read and the policy requires it.
        """
        known = self._predecessor()
        if known is None or self._has_waited:
            return False
        self._has_waited = True
        pod = known["pod"]
        if not self.action.idempotent:
            self._leaves_alone = True
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
        if (verify := self.action.verify_function) is not None:
            self.context.waiting = True
            try:
                with closing(self.context.watches), self.tracing.span("verify"):
                    await_goal(
                        self.action,
                        self.context,
                        self.interrupts,
                        lambda: verify(self.context, inputs, change),
                        applied=self._changed is not False,
                    )
            finally:
                self.context.waiting = False
