"""Inputs from the params of a typed Task: one variable `ACTION_INPUT_NAME` for each, its value as `$(:VALUE)`.

The kubelet expands `$(VAR)` in a variable's value and makes `$` of `$$`. It leaves alone what stands in the parentheses
of a reference to nothing, and `:…` is no variable's name. So a VALUE that is written as `$(:VALUE)` arrives as it was
given, up to its first `)`. Behind that, a `$`, or the address of a service, may be what the kubelet made of something
else: such a value is refused, never used.
"""

from collections.abc import Mapping
from typing import Any

from kubernaut_sdk.errors import InvalidInputs
from kubernaut_sdk.models import Inputs, from_text
from kubernaut_sdk.portable import MAX_INPUTS, shorten

__all__ = ["PREFIX", "read_task_params", "unwrap"]

PREFIX = "ACTION_INPUT_"
_SERVICE = ("_SERVICE_HOST", "_PORT", "_ADDR")
"""The endings of the variables by which the kubelet tells a pod each service's address."""


def read_task_params(model: type[Inputs], env: Mapping[str, str]) -> dict[str, Any]:
    """Return the inputs that the variables give. An empty value is absent if the input's default is not a text.

    Raises:
        InvalidInputs: if a value may have been altered on its way, or all together are too large.
    """
    size = sum(len(value.encode("utf-8", "surrogateescape")) for name, value in env.items() if name.startswith(PREFIX))
    if size > MAX_INPUTS:
        raise InvalidInputs(f"{PREFIX}… have {size} bytes; at most {MAX_INPUTS} (32 KiB) are passed to an action.")
    values = {}
    for variable, value in env.items():
        name = variable.removeprefix(PREFIX)
        if name == variable:
            continue
        text = unwrap(name, value, env)
        field = model.model_fields.get(name)
        if text or field is None or field.is_required() or isinstance(field.default, str):
            values[name] = from_text(model, name, text)
    return values


def unwrap(name: str, value: str, env: Mapping[str, str]) -> str:
    """Return the text in `$(:TEXT)`.

    Raises:
        InvalidInputs: if it is not of this form, or the kubelet may have altered it.
    """
    if not (value.startswith("$(:") and value.endswith(")")):
        raise InvalidInputs(f"{PREFIX}{name}={shorten(value)}: write the value as $(:VALUE), so that its $ stay.")
    text = value[3:-1]
    exposed = text.partition(")")[2]
    addresses = {text for name, text in env.items() if name.endswith(_SERVICE) and len(text) > 6}
    if "$" in exposed or any(address in exposed for address in addresses):
        raise InvalidInputs(
            f"inputs.{name}: a $ or a service's address after a ) may be what Kubernetes made of $$ or $(VARIABLE); "
            f"pass this value with the Task kubernaut-action, in inputs, each $ written as \\u0024."
        )
    return text
