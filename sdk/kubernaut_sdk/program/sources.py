"""The sources of an execution's inputs: options, a file, ACTION_INPUTS, an earlier step's output, a stored record.

Precedence: option > file > ACTION_INPUT_NAME > ACTION_INPUTS > default. Every secret among the values is hidden as soon
as it is read.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from kubernaut_sdk.action import Action
from kubernaut_sdk.errors import InvalidInputs, PreconditionFailed
from kubernaut_sdk.execution.runner import Execution
from kubernaut_sdk.execution.withholding import complete_inputs, require_not_withheld, require_whole
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.models import Inputs, from_text, parse_inputs
from kubernaut_sdk.portable import loads, pointer, shorten
from kubernaut_sdk.program.taskparams import read_task_params
from kubernaut_sdk.secrets.inputs import has_secret, secret_values, secrets_in
from kubernaut_sdk.settings import StepSettings
from kubernaut_sdk.states import Change
from kubernaut_sdk.storage import StorageUnavailable

__all__ = ["inputs_options", "inputs_parser", "parse_record_id", "read_change", "read_recorded"]


def inputs_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that give inputs to a verb; they arrive in its `sources`."""
    for option in (
        click.option(
            "--input-from",
            "taken",
            nargs=3,
            multiple=True,
            metavar="NAME POINTER OUTPUT",
            help="Take an input from an earlier step's output, by JSON pointer.",
        ),
        click.option("--inputs-file", type=click.Path(path_type=Path), help="A JSON file of inputs."),
        click.option("-p", "params", multiple=True, metavar="NAME=VALUE", help="One input; may be repeated."),
        click.argument("action_type", metavar="[TYPE]", required=False),
    ):
        command = option(command)
    return command


def inputs_parser(
    action: Action, settings: StepSettings, masker: Masker, sources: dict[str, Any]
) -> Callable[[], Inputs]:
    """Return a function that reads and validates the inputs, or raises `InvalidInputs`."""
    return lambda: _parse(action, _read_given(action, settings, masker, sources), masker)


def _read_given(action: Action, settings: StepSettings, masker: Masker, sources: dict[str, Any]) -> dict[str, Any]:
    """Return the given inputs, not validated; values given for secrets are hidden from now on."""
    quote = not has_secret(action.inputs_model)
    values = _object(settings.inputs, "ACTION_INPUTS", quote=quote) | read_task_params(action.inputs_model, os.environ)
    if (path := sources["inputs_file"]) is not None:
        values |= _object(_read_text(path), str(path), quote=quote)
    for name, path, output in sources["taken"]:
        values[name] = _value_from(name, path, output)
    for number, param in enumerate(sources["params"]):
        name, separator, text = param.partition("=")
        if not separator or not name:
            raise InvalidInputs(f"-p, the {number + 1}. of them: write it as name=value.")
        values[name] = from_text(action.inputs_model, name, text)
    for secret in secrets_in(action.inputs_model, values):
        masker.add(secret)
    return values


def _parse(action: Action, values: dict[str, Any], masker: Masker) -> Inputs:
    inputs = parse_inputs(action.inputs_model, values)
    for secret in secret_values(inputs):
        masker.add(secret)
    return inputs


def _value_from(name: str, path: str, output: str) -> Any:
    if not output:
        raise InvalidInputs(f"inputs.{shorten(name)}: the earlier step gave no output to take {shorten(path)} from.")
    try:
        document = loads(output, "the earlier step's output", quote=False)
        require_not_withheld(name, path, document)
        return pointer(document, path)
    except InvalidInputs as error:
        message = error.message.removeprefix(f"inputs.{shorten(name)}: ")
        raise InvalidInputs(f"inputs.{shorten(name)}: {message}") from None


def _object(text: str, what: str, *, quote: bool = False) -> dict[str, Any]:
    value = loads(text, what, quote=quote)
    if not isinstance(value, dict):
        raise InvalidInputs(f"{what}: must be a JSON object, such as {{}}; it is a {type(value).__name__}.")
    return value


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputs(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def read_change(file: Path) -> Change:
    """Return the change in a file."""
    value = _object(_read_text(file), str(file))
    if set(value) != {"before", "after"}:
        raise InvalidInputs(f"{file}: must hold an object with before and after.")
    return Change(**value)


def parse_record_id(text: str | None) -> UUID | None:
    """Return the record id in a text, or None if the text is not one."""
    try:
        record_id = UUID(text or "")
    except ValueError:
        return None
    return record_id if record_id.version == 7 else None


def read_recorded(
    run: Execution, record_id: UUID, parse: Callable[[], Inputs], sources: dict[str, Any]
) -> tuple[Inputs, Change]:
    """Return the inputs and the change of a record; secret inputs, which it does not contain, are taken as given."""
    try:
        known = run.recorder.read(record_id)
    except StorageUnavailable as error:
        raise PreconditionFailed(f"the record cannot be read: {error}.", reason="RecordUnreadable") from None
    if known is None or not known.get("change"):
        raise PreconditionFailed(
            f"no record {record_id} with a change is known; is DATA_STORAGE_URL set?", reason="NotFound"
        )
    if known["action_type"] != run.action.action_type:
        raise InvalidInputs(f"record {record_id} is of {known['action_type']}, not of {run.action.action_type}.")
    require_whole(known["change"], str(record_id))
    change, recorded = Change(**known["change"]), known.get("inputs")
    if not recorded:
        return parse(), change
    values = complete_inputs(recorded, _read_given(run.action, run.settings, run.masker, sources))
    return _parse(run.action, values, run.masker), change
