"""`Action`: the one definition of an action, from which parser, schema, docs and catalogue entry follow."""

import inspect
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeVar, get_type_hints

from kubernaut_sdk.context import Context
from kubernaut_sdk.models import Inputs, Result, parse_inputs, reliable_fields
from kubernaut_sdk.states import ObjectRef

__all__ = ["Action"]

ACTION_TYPE = re.compile(r"[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9]*(_[a-z0-9]+)+")

Plan = TypeVar("Plan", bound=Callable[..., Any])
Apply = TypeVar("Apply", bound=Callable[..., Any])
Verify = TypeVar("Verify", bound=Callable[..., bool | str])
Undo = TypeVar("Undo", bound=Callable[..., None])
Target = TypeVar("Target", bound=Callable[..., ObjectRef | str | None])
Check = TypeVar("Check", bound=Callable[..., dict[str, str | None]])


class Action:
    """A remediation action: `plan` reads the world and returns a `Change`, `apply` carries it out.

    Types of inputs and result are read from the annotations of `plan` and `apply`. Optional: `verify` (was it
    reached?), `undo` (restores what was before), `target` (what is acted on), `check` (more to look at beforehand).

    Args:
        action_type: `domain/verb_noun`, such as `kubernetes/scale_deployment`.
        permissions: What the action needs, in the words of its target: for Kubernetes `apps/deployments: get, patch`.
        tools: Programs that must be on PATH.
        idempotent: Whether applying twice is applying once. Where it is not, a pod that is run again does not act.
        risk: How much a mistake costs.
        examples: Inputs that are valid; shown in docs and tried by tests.

    Raises:
        TypeError: if the definition breaks a rule, with the rule.
    """

    def __init__(
        self,
        action_type: str,
        *,
        permissions: Sequence[str] = (),
        tools: Sequence[str] = (),
        idempotent: bool = True,
        risk: Literal["low", "medium", "high"] = "medium",
        examples: Sequence[dict[str, Any]] = (),
    ) -> None:
        if not ACTION_TYPE.fullmatch(action_type):
            raise TypeError(f"{action_type!r} is no action type; write domain/verb_noun, such as queue/purge_messages")
        self.action_type = action_type
        self.permissions = tuple(permissions)
        self.tools = tuple(tools)
        self.idempotent = idempotent
        self.risk = risk
        self.examples = tuple(examples)
        self.summary = ""
        self.version = "0"  # the catalogue knows the package, and so its version
        self.inputs_model: type[Inputs] = Inputs
        self.result_model: type[Result] | None = None
        self.verify_within = timedelta(0)
        self.plan_function: Callable[..., Any] | None = None
        self.apply_function: Callable[..., Any] | None = None
        self.verify_function: Callable[..., bool | str] | None = None
        self.undo_function: Callable[..., None] | None = None
        self.target_function: Callable[..., ObjectRef | str | None] | None = None
        self.check_function: Callable[..., dict[str, str | None]] | None = None

    def __repr__(self) -> str:
        return f"Action({self.action_type!r})"

    def plan(self, function: Plan) -> Plan:
        """Registers `plan(ctx, inputs) -> Change`. Its docstring is the action's description."""
        self.inputs_model = self._inputs_of(function)
        self.summary = inspect.getdoc(function) or ""
        self.plan_function = function
        for example in self.examples:
            parse_inputs(self.inputs_model, example)
        return function

    def apply(self, function: Apply) -> Apply:
        """Registers `apply(ctx, inputs, change) -> Result | None`."""
        result = _hints(function).get("return")
        if result not in {None, type(None)}:
            if not (isinstance(result, type) and issubclass(result, Result)):
                raise TypeError(f"{self.action_type}: apply must return a Result or None, not {result}")
            reliable_fields(result)
            self.result_model = result
        self.apply_function = function
        return function

    def verify(self, within: timedelta = timedelta(seconds=60)) -> Callable[[Verify], Verify]:
        """Registers `verify(ctx, inputs, change) -> bool | str`, asked again until it says True.

        Anything else means not yet; a text says what is missing. Raising `VerifyFailed` ends the wait.

        Args:
            within: How long to wait before the action fails with code 4.
        """

        def register(function: Verify) -> Verify:
            self.verify_function = function
            self.verify_within = within
            return function

        return register

    def undo(self, function: Undo) -> Undo:
        """Registers `undo(ctx, inputs, change)`, called only while the world still equals `change.after`."""
        self.undo_function = function
        return function

    def target(self, function: Target) -> Target:
        """Registers `target(inputs)`: the Kubernetes object, or an ARN or repository as text, that is acted on."""
        self.target_function = function
        return function

    def check(self, function: Check) -> Check:
        """Registers `check(ctx, inputs)`: the name of each thing looked at, with what is wrong or None."""
        self.check_function = function
        return function

    @property
    def domain(self) -> str:
        """The part before the slash; the entry point that finds the action."""
        return self.action_type.split("/", 1)[0]

    def require_complete(self) -> None:
        """Refuses an action that lacks one of its two halves.

        Raises:
            TypeError: with what is missing.
        """
        if self.plan_function is None or self.apply_function is None:
            missing = "plan" if self.plan_function is None else "apply"
            raise TypeError(f"{self.action_type} has no {missing} function; an action needs plan and apply")

    def _inputs_of(self, function: Callable[..., Any]) -> type[Inputs]:
        parameters = list(inspect.signature(function).parameters)
        hints = _hints(function)
        inputs = hints.get(parameters[1]) if len(parameters) == 2 else None
        if not (isinstance(inputs, type) and issubclass(inputs, Inputs)) or hints.get(parameters[0]) is not Context:
            raise TypeError(f"{self.action_type}: plan must be plan(ctx: Context, inputs: …), … a subclass of Inputs")
        return inputs


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except NameError as error:
        raise TypeError(f"{function.__qualname__}: an annotation cannot be resolved: {error}") from None
