import json
import urllib.request

from kubernaut_sdk import Action, Change, Context, Inputs, Result


class RemoteFlag(Inputs):
    url: str
    on: bool


class RemoteFlagState(Result):
    on: bool


set_flag = Action("feature/set_remote_flag", permissions=["flags: read, write"])


@set_flag.plan
def plan(ctx: Context, inputs: RemoteFlag) -> Change:
    """Turn a feature flag of a service on or off."""
    with urllib.request.urlopen(inputs.url, timeout=5) as answer:
        return Change({"on": json.load(answer)}, {"on": inputs.on})


@set_flag.apply
def apply(ctx: Context, inputs: RemoteFlag, change: Change) -> RemoteFlagState:
    request = urllib.request.Request(inputs.url, json.dumps(inputs.on).encode(), method="PUT")
    urllib.request.urlopen(request, timeout=5).close()
    return RemoteFlagState(on=inputs.on)
