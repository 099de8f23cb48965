"""The reports of one execution: the events of its record and its result files, masked and within their limits.

The runner decides when something is reported; this module decides its form.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kubernaut_sdk.action import Action
from kubernaut_sdk.context import Context
from kubernaut_sdk.errors import Failed, PreconditionFailed
from kubernaut_sdk.execution.withholding import require_plain_keys, require_plain_target, withhold_secrets
from kubernaut_sdk.logs import logger
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.models import Inputs, Result, reliable_fields
from kubernaut_sdk.portable import dumps
from kubernaut_sdk.recorder import Delivery
from kubernaut_sdk.results import WITHHELD, Results, write
from kubernaut_sdk.secrets.inputs import masked_inputs
from kubernaut_sdk.settings import StepSettings
from kubernaut_sdk.states import Change, Error, ObjectRef, State
from kubernaut_sdk.times import rfc3339, utcnow
from kubernaut_sdk.wire import LARGEST_PART, fitting_event, json_value

__all__ = ["Reporter"]

_LONGEST_TARGET = 2048
"""The most characters that the store accepts of a target that is a text."""


@dataclass
class Reporter:
    """The reporter of one execution.

    Args:
        action: The action that is run.
        settings: The step's settings, with the folder of the result files.
        masker: Hides secrets in every report.
        context: Has the number of the attempt.
        record_id: The id of the record.
    """

    action: Action
    settings: StepSettings
    masker: Masker
    context: Context
    record_id: UUID

    def __post_init__(self) -> None:
        self._inputs: dict[str, Any] | None = None
        self._target: Any = None
        self._reliable = reliable_fields(self.action.result_model) if self.action.result_model else []

    def learn_inputs(self, inputs: Inputs) -> None:
        """Take the inputs, and find the target from them.

        Raises:
            PreconditionFailed: if the target, or a key in the inputs, contains a secret.
        """
        values = json_value(masked_inputs(inputs), "inputs")
        for name, value in values.items():
            require_plain_keys(value, f"inputs.{name}", self.masker)
        self._inputs = {name: self.masker.json(value) for name, value in values.items()}
        if self.action.target_function is not None:
            target = _target(self.action.target_function(inputs))
            require_plain_target(target, self.masker)
            self._target = target

    def require_recordable(self, change: Change) -> None:
        """Raise an error if a key in the change contains a secret, so that the change could not be recorded.

        Raises:
            PreconditionFailed: with the key's place.
        """
        for name, value in change.document().items():
            require_plain_keys(value, f"change.{name}", self.masker)

    def event(
        self, state: State, *, change: Change | None = None, output: dict[str, Any] | None = None, **known: Any
    ) -> dict[str, Any]:
        """Return an event of this step, as JSON values that the store accepts."""
        about = self.settings.about()
        event = {
            "id": str(self.record_id),
            "attempt": self.context.attempt,
            "state": state.value,
            "at": rfc3339(utcnow()),
            "action_type": self.action.action_type,
            "action_version": self.action.version,
            "inputs": self._inputs,
            **about,
            "target": self._target or about.get("target"),
            "change": self.fit_change(change),
            "output": self._fitting_output(output),
            **known,
        }
        if isinstance(error := event.get("error"), Error):
            event["error"] = error.document()
        return fitting_event({name: value for name, value in event.items() if value is not None})

    def write(
        self,
        status: State,
        error: Error | None,
        *,
        change: Change | None = None,
        output: dict[str, Any] | None = None,
        changed: bool | None = False,
        delivery: Delivery = "disabled",
        required: bool = False,
    ) -> None:
        """Write the result files. A failure is logged only, since the action may have done its work already.

        Raises:
            PreconditionFailed: if writing fails and is `required`: nothing is applied yet.
        """
        results = Results(
            status=status,
            changed=changed,
            record_id=self.record_id,
            record_status=delivery,
            change=self.change(change),
            output=output,
            reliable=tuple(self._reliable),
            error=error,
        )
        try:
            write(results, self.settings.results_dir)
        except OSError as problem:
            message = f"results cannot be written to {self.settings.results_dir}: {problem}"
            if required:
                raise PreconditionFailed(f"{message}; nothing is applied.", reason="ResultsUnwritable") from None
            logger.error("%s", message)

    def change(self, change: Change | None) -> Change | None:
        """Return the change without secrets."""
        return change and Change(before=self.masker.json(change.before), after=self.masker.json(change.after))

    def fit_change(self, change: Change | None) -> dict[str, Any] | None:
        """Return the change as a record keeps it: without secrets, and cut if it is large."""
        return _fitting_change(self.change(change))

    def output(self, result: Result | None, change: Change | None) -> dict[str, Any] | None:
        """Return the output of the action or, if nothing was applied, of its change; without secret fields."""
        if result is not None:
            return withhold_secrets(_output(result), self.masker)
        model = self.action.result_model
        if model is None or change is None or not isinstance(change.after, dict):
            return None
        return withhold_secrets(
            {name: change.after[name] for name in model.model_fields if name in change.after}, self.masker
        )

    def _fitting_output(self, output: dict[str, Any] | None) -> dict[str, Any] | None:
        if output is None or _fits(output):
            return output
        return {name: output[name] for name in [*self._reliable, WITHHELD] if name in output} | {"truncated": True}


def _target(target: Any) -> Any:
    """Return a target as JSON.

    Raises:
        Failed: if it is of the wrong type, or the store could not keep it.
    """
    if isinstance(target, ObjectRef):
        for name, text in target.document().items():
            if not isinstance(text, str):
                raise Failed(f"target.{name} must be a text, not {type(text).__name__}.")
        return json_value(target.document(), "target")
    if target is not None and not isinstance(target, str):
        raise Failed(f"target must return an ObjectRef, a text or None, not {type(target).__name__}.")
    if target is not None and ("\0" in target or len(target) > _LONGEST_TARGET):
        raise Failed(f"the target is a text of {len(target)} characters; at most {_LONGEST_TARGET} are kept, no NUL.")
    return json_value(target, "target")


def _output(result: Result) -> dict[str, Any]:
    """Return the result as JSON. A field that is not JSON is left out and logged: the action has done its work."""
    with suppress(Exception):
        whole: dict[str, Any] = json_value(result.model_dump(mode="json", warnings=False), "output")
        return whole
    kept: dict[str, Any] = {}
    for name in type(result).model_fields:
        try:
            kept |= json_value(result.model_dump(mode="json", include={name}, warnings=False), "output")
        except Exception as problem:
            logger.error("the output's field %s is left out: %s", name, problem)
    return kept | {"truncated": True}


def _fitting_change(change: Change | None) -> dict[str, Any] | None:
    if change is None:
        return None
    if _fits(change.document()):
        return change.document()
    return {"before": {"truncated": True}, "after": {"truncated": True}}


def _fits(value: Any) -> bool:
    return len(dumps(value).encode("utf-8", "replace")) <= LARGEST_PART
