"""Feature flags, in a JSON file."""

import json
from pathlib import Path

from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, Result


class Flag(Inputs):
    """A flag, and the value to set."""

    file: str
    name: str
    on: bool


class Flipped(Result):
    """The value after the change."""

    on: bool


set_flag = Action("sample/set_flag", risk="low", examples=[{"file": "flags.json", "name": "dark-mode", "on": True}])


@set_flag.plan
def plan(ctx: Context, inputs: Flag) -> Change:
    """Turn a feature flag on or off."""
    flags = json.loads(Path(inputs.file).read_text(encoding="utf-8"))
    if inputs.name not in flags:
        raise NotFound(f"no flag {inputs.name} in {inputs.file}; there is {', '.join(sorted(flags)) or 'none'}.")
    return Change({"on": flags[inputs.name]}, {"on": inputs.on})


@set_flag.apply
def apply(ctx: Context, inputs: Flag, change: Change) -> Flipped:
    """Write the file."""
    flags = json.loads(Path(inputs.file).read_text(encoding="utf-8"))
    Path(inputs.file).write_text(json.dumps(flags | {inputs.name: inputs.on}), encoding="utf-8")
    return Flipped(on=inputs.on)
