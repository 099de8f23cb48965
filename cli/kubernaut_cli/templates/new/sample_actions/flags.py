"""Feature flags, in a JSON file."""

import json
from pathlib import Path

from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, Result


class Flag(Inputs):
    """A flag, and the value to set."""

    file: str
    name: str
    on: bool
    create: bool = False


class Flipped(Result):
    """The value after the change."""

    on: bool


set_flag = Action("sample/set_flag", risk="low", examples=[{"file": "flags.json", "name": "dark-mode", "on": True}])


def read_flags(inputs: Flag) -> dict[str, bool]:
    """Return the flags of the file; with `create`, a flag that is not there is off."""
    path = Path(inputs.file)
    if not path.exists() and not inputs.create:
        raise NotFound(f"no file {path}; name one that is there, or make it with create: true.")
    flags: dict[str, bool] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if inputs.name not in flags and not inputs.create:
        raise NotFound(f"no flag {inputs.name} in {path}; there is {', '.join(sorted(flags)) or 'none'}.")
    return {inputs.name: False} | flags


@set_flag.plan
def plan(ctx: Context, inputs: Flag) -> Change:
    """Turn a feature flag on or off."""
    return Change({"on": read_flags(inputs)[inputs.name]}, {"on": inputs.on})


@set_flag.apply
def apply(ctx: Context, inputs: Flag, change: Change) -> Flipped:
    """Write the file."""
    flags = read_flags(inputs) | {inputs.name: inputs.on}
    Path(inputs.file).write_text(json.dumps(flags), encoding="utf-8")
    return Flipped(on=inputs.on)
