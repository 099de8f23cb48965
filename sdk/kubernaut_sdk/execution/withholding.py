"""Withholding of values that contain a secret: a mask must never be mistaken for data.

A later step computes with the output of an earlier one, and an undo writes the value in a record. So a field of
`output` that would be masked is left out and named in `withheld`; a target or key that contains a secret is refused
before anything is applied; and a recorded value with a mask in it is not used.
"""

from collections.abc import Mapping
from typing import Any

from kubernaut_sdk.errors import InvalidInputs, PreconditionFailed
from kubernaut_sdk.masking import MASK, Masker
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.results import WITHHELD

__all__ = [
    "complete_inputs",
    "require_not_withheld",
    "require_plain_keys",
    "require_plain_target",
    "require_whole",
    "withhold_secrets",
]


def withhold_secrets(output: dict[str, Any] | None, masker: Masker) -> dict[str, Any] | None:
    """Return an output without the fields that contain a secret, and with their names in `withheld`."""
    if output is None:
        return None
    hidden = [name for name, value in output.items() if masker.hides(value)]
    kept = {name: value for name, value in output.items() if name not in hidden}
    return {**kept, WITHHELD: hidden} if hidden else kept


def require_not_withheld(name: str, path: str, output: Any) -> None:
    """Raise an error if an input is taken from a field that an earlier step withheld.

    Raises:
        InvalidInputs: with the input's name and the reason.
    """
    hidden = output.get(WITHHELD) if isinstance(output, dict) else None
    if not isinstance(hidden, list) or not hidden:
        return
    first = path.split("/")[1:2]
    field = first[0].replace("~1", "/").replace("~0", "~") if first else None
    if field is None or field in hidden:
        what = shorten(field) if field is not None else "its whole output"
        raise InvalidInputs(
            f"inputs.{shorten(name)}: the earlier step withheld {what}, because it would show a secret of that step; "
            f"take the value from a Secret of this step (secretName) instead."
        )


def require_plain_target(target: Any, masker: Masker) -> None:
    """Raise an error if a target contains a secret: with masks, different targets would look like one.

    Raises:
        PreconditionFailed: before anything is applied.
    """
    if masker.hides(target):
        raise PreconditionFailed(
            "the target cannot be named in records without showing a secret of this step (of its Secret, or of an "
            "input marked secret); name what is acted on without it, or use a Secret of another value.",
            reason="SecretInTarget",
        )


def require_plain_keys(value: Any, what: str, masker: Masker) -> None:
    """Raise an error if a key within a JSON value contains a secret.

    Raises:
        PreconditionFailed: before anything is applied.
    """
    match value:
        case dict():
            for key, item in value.items():
                if masker.hides(str(key)):
                    raise PreconditionFailed(
                        f"{what} has a key that shows a secret of this step; it cannot be recorded as it is, so "
                        f"nothing was applied.",
                        reason="SecretInKey",
                    )
                require_plain_keys(item, what, masker)
        case list() | tuple():
            for item in value:
                require_plain_keys(item, what, masker)


def require_whole(change: Mapping[str, Any], record: str) -> None:
    """Raise an error if a part of a recorded change is masked, so that it cannot be undone.

    Raises:
        PreconditionFailed: with an alternative.
    """
    if _masked(change):
        raise PreconditionFailed(
            f"record {record} does not hold the whole change, because a part of it was secret; give it by "
            f"--change FILE, with before and after as they were.",
            reason="Withheld",
        )


def complete_inputs(recorded: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recorded inputs, with secret ones, which a record does not contain, replaced by the given ones.

    Raises:
        InvalidInputs: with the first secret input that is not given.
    """
    inputs = dict(recorded)
    for name in [name for name, value in recorded.items() if _masked(value)]:
        if name not in given:
            raise InvalidInputs(
                f"inputs.{shorten(name)}: the record does not hold it, because it was secret; give it anew, by "
                f"--inputs-file or in ACTION_INPUTS."
            )
        inputs[name] = given[name]
    return inputs


def _masked(value: Any) -> bool:
    match value:
        case str():
            return MASK in value
        case Mapping():
            return any(_masked(key) or _masked(item) for key, item in value.items())
        case list() | tuple():
            return any(map(_masked, value))
        case _:
            return False
