import json
import urllib.request

from kubernaut_sdk import Action, Change, Context, Inputs, Result


class Flag(Inputs):
    url: str
    on: bool


class Flipped(Result):
    on: bool


set_flag = Action("feature/set_remote_flag", permissions=["flags: read, write"])


@set_flag.plan
def plan(ctx: Context, inputs: Flag) -> Change:
    """Turns a feature flag of a service on or off."""
    with urllib.request.urlopen(inputs.url, timeout=5) as answer:
        return Change({"on": json.load(answer)}, {"on": inputs.on})


@set_flag.apply
def apply(ctx: Context, inputs: Flag, change: Change) -> Flipped:
    request = urllib.request.Request(inputs.url, json.dumps(inputs.on).encode(), method="PUT")
    urllib.request.urlopen(request, timeout=5).close()
    return Flipped(on=inputs.on)
