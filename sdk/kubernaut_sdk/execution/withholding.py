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
    "missing_in_change",
    "missing_inputs",
    "require_not_withheld",
    "require_plain_keys",
    "require_plain_target",
    "require_whole",
    "withhold_secrets",
]


_ALL_CUT = {"truncated": True}
"""The inputs of a record that has no room for them."""


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
    """Raise an error if a part of a recorded change is masked or was cut, so that it cannot be undone.

    Raises:
        PreconditionFailed: with an alternative.
    """
    if (why := missing_in_change(change)) is not None:
        raise PreconditionFailed(
            f"record {record} does not hold the whole change, because {why}; give it by --change FILE, with before "
            f"and after as they were.",
            reason="Withheld",
        )


def missing_in_change(change: Mapping[str, Any]) -> str | None:
    """Return why a recorded change does not hold all that an undo needs, or None if it does."""
    if _masked(change):
        return "a part of it was secret"
    return "it was too large" if any(map(_cut, change.values())) else None


def missing_inputs(recorded: Mapping[str, Any]) -> dict[str, str]:
    """Return the recorded inputs that a record does not hold, each with the reason; "" stands for all of them."""
    if recorded == _ALL_CUT:
        return {"": "they were too large"}
    masked = {name: "it was secret" for name, value in recorded.items() if _masked(value)}
    return masked | {name: "it was too large" for name, value in recorded.items() if _cut(value)}


def complete_inputs(recorded: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recorded inputs, with those that the record does not hold replaced by the given ones.

    Raises:
        PreconditionFailed: with the first such input that is not given.
    """
    inputs = {name: value for name, value in recorded.items() if recorded != _ALL_CUT}
    missing = missing_inputs(recorded)
    if any(map(_cut, recorded.values())):
        inputs.pop("truncated", None)
    for name, why in missing.items():
        if name not in given and (name or not given):
            what = f"inputs.{shorten(name)}: the record does not hold it" if name else "inputs: the record has none"
            raise PreconditionFailed(
                f"{what}, because {why}; give {'it' if name else 'them'} anew, by --inputs-file or in ACTION_INPUTS.",
                reason="Withheld",
            )
    return inputs | ({name: given[name] for name in missing} if "" not in missing else dict(given))


def _cut(value: Any) -> bool:
    """Return True if the SDK or the store left a value out for its size, and put this in its place."""
    return isinstance(value, Mapping) and value.get("truncated") is True and set(value) <= {"truncated", "bytes"}


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
