"""`Action`, the one definition of an action; parser, schema, docs and catalogue entry follow from it."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeVar, get_type_hints, overload

from kubernaut_sdk.context import Context
from kubernaut_sdk.models import Inputs, Result, parse_inputs, reliable_fields
from kubernaut_sdk.states import ObjectRef

__all__ = ["Action", "Caution", "defined"]

ACTION_TYPE = re.compile(r"[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9]*(_[a-z0-9]+)+")

_PARAMETERS = {
    "plan": ("ctx", "inputs"),
    "apply": ("ctx", "inputs", "change"),
    "verify": ("ctx", "inputs", "change"),
    "undo": ("ctx", "inputs", "change"),
    "target": ("inputs",),
    "check": ("ctx", "inputs"),
}

Plan = TypeVar("Plan", bound=Callable[..., Any])
Apply = TypeVar("Apply", bound=Callable[..., Any])
Verify = TypeVar("Verify", bound=Callable[..., bool | str])
Undo = TypeVar("Undo", bound=Callable[..., None])
Target = TypeVar("Target", bound=Callable[..., ObjectRef | str | None])
Check = TypeVar("Check", bound=Callable[..., dict[str, str | None]])

_defined: "list[Action]" = []


class Caution(str):
    """A sentence of an action's `check` about something that works, and may not for long; it fails no check."""

    __slots__ = ()


class Action:
    """A remediation action: `plan` reads the current state and returns a `Change`, `apply` makes it.

    Types of inputs and result are read from the annotations of `plan` and `apply`. Optional: `verify` (was the goal
    reached?), `undo` (restores what was before), `target` (what is acted on), `check` (more to look at beforehand).

    Args:
        action_type: `domain/verb_noun`, such as `kubernetes/scale_deployment`.
        permissions: What the action needs, in the words of its target: for Kubernetes `apps/deployments: get, patch`. A
            mapping says of each why, for the action's page.
        tools: Programs that must be on PATH.
        idempotent: True if applying twice has the same effect as applying once. If False, a second pod of the same step
            does not apply again.
        risk: How much a mistake costs.
        examples: Inputs that are valid; shown in docs and tried by tests.
        grow_only: True if what it changes cannot be taken back, but takes nothing away, such as a larger volume.
        restored_by: The action that puts back what this one leaves, and nobody else does: a workflow is refused unless
            a step of `finally` runs it on the same target.

    Raises:
        TypeError: if the definition breaks a rule, with the rule.
    """

    def __init__(  # noqa: PLR0913 – the properties of an action, by name
        self,
        action_type: str,
        *,
        permissions: Sequence[str] | Mapping[str, str] = (),
        tools: Sequence[str] = (),
        idempotent: bool = True,
        risk: Literal["low", "medium", "high"] = "medium",
        examples: Sequence[dict[str, Any]] = (),
        grow_only: bool = False,
        restored_by: str | None = None,
    ) -> None:
        if not ACTION_TYPE.fullmatch(action_type):
            raise TypeError(f"{action_type!r} is no action type; write domain/verb_noun, such as queue/purge_messages")
        if restored_by is not None and not ACTION_TYPE.fullmatch(restored_by):
            raise TypeError(f"{action_type}: restored_by={restored_by!r} is no action type")
        self.action_type = action_type
        self.restored_by = restored_by
        self.permissions = tuple(permissions)
        self.reasons = dict(permissions) if isinstance(permissions, Mapping) else {}
        self.tools = tuple(tools)
        self.idempotent = idempotent
        self.risk = risk
        self.grow_only = grow_only
        self.examples = tuple(examples)
        self.summary = ""
        self.version = "0"  # the catalogue knows the package, and so its version
        self.inputs_model: type[Inputs] = Inputs
        self.result_model: type[Result] | None = None
        self.verify_within: timedelta | None = None
        self.verify_settle = timedelta(0)
        self.module = _defining_module()
        self.plan_function: Callable[..., Any] | None = None
        self.apply_function: Callable[..., Any] | None = None
        self.verify_function: Callable[..., bool | str] | None = None
        self.undo_function: Callable[..., None] | None = None
        self.target_function: Callable[..., ObjectRef | str | None] | None = None
        self.check_function: Callable[..., dict[str, str | None]] | None = None
        self._unused: set[str] = set()
        _defined.append(self)

    def __repr__(self) -> str:
        return f"Action({self.action_type!r})"

    @overload
    def plan(self, function: Plan, /) -> Plan: ...
    @overload
    def plan(self) -> Callable[[Plan], Plan]: ...
    def plan(self, function: Any = None) -> Any:
        """Register `plan(ctx, inputs) -> Change`. Its docstring is the action's description."""
        return self._decorate("plan", function, self._set_plan)

    @overload
    def apply(self, function: Apply, /) -> Apply: ...
    @overload
    def apply(self) -> Callable[[Apply], Apply]: ...
    def apply(self, function: Any = None) -> Any:
        """Register `apply(ctx, inputs, change) -> Result | None`."""
        return self._decorate("apply", function, self._set_apply)

    @overload
    def verify(self, function: Verify, /) -> Verify: ...
    @overload
    def verify(
        self, within: timedelta | None = None, *, settle: timedelta = timedelta(0)
    ) -> Callable[[Verify], Verify]: ...
    def verify(self, within: Any = None, *, settle: timedelta = timedelta(0)) -> Any:
        """Register `verify(ctx, inputs, change) -> bool | str`, called again until it returns True.

        False means not yet; a text means not yet and says what is missing. Raise `VerifyFailed` if the goal cannot be
        reached any more. It is also called if there was nothing to apply (`change.empty`): a step ends as `unchanged`
        only if its goal is reached.

        Args:
            within: At most how long to wait before the action fails with code 4; by default as long as the step may
                take.
            settle: How long it must return True without interruption.
        """
        if callable(within):
            return self._decorate("verify", within, self._set_verify)
        if not isinstance(within, timedelta | None) or not isinstance(settle, timedelta):
            wrong = settle if isinstance(within, timedelta | None) else within
            raise TypeError(f"{self.action_type}: verify takes within and settle as timedelta, not {wrong!r}")
        if settle < timedelta(0) or (within is not None and within < settle):
            raise TypeError(f"{self.action_type}: verify cannot see it hold for {settle} within {within}")

        def register(function: Callable[..., bool | str]) -> None:
            self._set_verify(function)
            self.verify_within, self.verify_settle = within, settle

        return self._decorate("verify", None, register)

    @overload
    def undo(self, function: Undo, /) -> Undo: ...
    @overload
    def undo(self) -> Callable[[Undo], Undo]: ...
    def undo(self, function: Any = None) -> Any:
        """Register `undo(ctx, inputs, change)`, called only while the current state still equals `change.after`."""
        return self._decorate("undo", function, lambda undo: setattr(self, "undo_function", undo))

    @overload
    def target(self, function: Target, /) -> Target: ...
    @overload
    def target(self) -> Callable[[Target], Target]: ...
    def target(self, function: Any = None) -> Any:
        """Register `target(inputs)`: the Kubernetes object, or an ARN or repository as text, that is acted on."""
        return self._decorate("target", function, lambda target: setattr(self, "target_function", target))

    @overload
    def check(self, function: Check, /) -> Check: ...
    @overload
    def check(self) -> Callable[[Check], Check]: ...
    def check(self, function: Any = None) -> Any:
        """Register `check(ctx, inputs)`, which returns the name of each thing it checked, with the problem or None.

        A `Caution` is shown, and is no problem.
        """
        return self._decorate("check", function, lambda check: setattr(self, "check_function", check))

    def _decorate(self, name: str, function: Any, register: Callable[[Any], None]) -> Any:
        """Register the function, or return a decorator that will: `@action.plan` and `@action.plan()` mean the same."""
        if function is None:
            self._unused.add(name)
            return lambda given: self._decorate(name, given if given is not None else 0, register)
        _require_function(self.action_type, name, function)
        if getattr(self, f"{name}_function") is not None:
            raise TypeError(f"{self.action_type}: {name} is defined twice; an action has one")
        register(function)
        self._unused.discard(name)
        return function

    def _set_plan(self, function: Callable[..., Any]) -> None:
        self.inputs_model = self._inputs_of(function)
        self.summary = inspect.getdoc(function) or ""
        self.plan_function = function
        for example in self.examples:
            parse_inputs(self.inputs_model, example)

    def _set_apply(self, function: Callable[..., Any]) -> None:
        result = _hints(function).get("return")
        if result not in {None, type(None)}:
            if not (isinstance(result, type) and issubclass(result, Result)):
                raise TypeError(f"{self.action_type}: apply must return a Result or None, not {result}")
            reliable_fields(result)
            self.result_model = result
        self.apply_function = function

    def _set_verify(self, function: Callable[..., bool | str]) -> None:
        self.verify_function = function

    def require_complete(self) -> None:
        """Raise TypeError if `plan` or `apply` is missing, or a decorator was called without a function.

        Raises:
            TypeError: with what is missing.
        """
        if self.plan_function is None or self.apply_function is None:
            missing = "plan" if self.plan_function is None else "apply"
            raise TypeError(f"{self.action_type} has no {missing} function; an action needs plan and apply")
        if self._unused:
            name = min(self._unused)
            raise TypeError(f"{self.action_type}: {name}() was called and given no function; write @….{name} above one")

    def _inputs_of(self, function: Callable[..., Any]) -> type[Inputs]:
        parameters = list(inspect.signature(function).parameters)
        hints = _hints(function)
        inputs = hints.get(parameters[1]) if len(parameters) == 2 else None
        if not (isinstance(inputs, type) and issubclass(inputs, Inputs)) or hints.get(parameters[0]) is not Context:
            raise TypeError(f"{self.action_type}: plan must be plan(ctx: Context, inputs: …), … a subclass of Inputs")
        return inputs


def defined() -> list[Action]:
    """Return every action that was defined in this process, the oldest first."""
    return list(_defined)


def _defining_module() -> str:
    """Return the name of the module that defines an action: the first on the call stack that is not this one."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "")) if frame is not None else ""


def _require_function(action_type: str, name: str, function: Any) -> None:
    """Raise TypeError if the runner could not call the function.

    Raises:
        TypeError: with what is wrong.
    """
    wanted = _PARAMETERS[name]
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"{action_type}: {name} decorates a function, not {function!r}")
    if any(
        kind(function)
        for kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    ):
        raise TypeError(f"{action_type}: {name} must be a plain function that returns; it is async, or it yields")
    try:
        inspect.signature(function).bind(*wanted)
    except (TypeError, ValueError):
        raise TypeError(f"{action_type}: {name} is called as {name}({', '.join(wanted)})") from None


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except NameError as error:
        raise TypeError(f"{function.__qualname__}: an annotation cannot be resolved: {error}") from None
