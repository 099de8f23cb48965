"""The action alertmanager/silence_alert."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kubernaut_kubectl.cluster.durations import DurationText, seconds_of
from kubernaut_kubectl.cluster.limits import require_at_most, require_some
from kubernaut_kubectl.monitoring.http import ServerUrl, request_json
from kubernaut_sdk import Action, Change, Context, Failed, Inputs, PreconditionFailed, Result, VerifyFailed
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.times import rfc3339, utcnow

__all__ = ["silence_alert"]

LONGEST = 4 * 3600
CREATOR = "kubernaut"
_RECORD = re.compile(r"\(record ([0-9a-f-]{36})\)$")


class Matcher(BaseModel):
    """A matcher of one label."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=253, description="The label's name.")]
    value: Annotated[str, Field(min_length=1, max_length=1024, description="Its value, or a regular expression.")]
    is_regex: Annotated[bool, Field(description="Whether the value is a regular expression.")] = False
    is_equal: Annotated[bool, Field(description="Whether the label must match; it must not, if false.")] = True


def _at_most_four_hours(text: str) -> str:
    if not 60 <= seconds_of(text) <= LONGEST:
        raise ValueError("a silence lasts between 1m and 4h")
    return text


class SilenceAlertInputs(Inputs):
    """The inputs of alertmanager/silence_alert."""

    url: ServerUrl
    matchers: Annotated[
        tuple[Matcher, ...], Field(min_length=1, max_length=16, description="What the silenced alerts have in common.")
    ]
    ttl: Annotated[
        DurationText, AfterValidator(_at_most_four_hours), Field(description="For how long, at most 4h.")
    ] = "1h"
    comment: Annotated[str, Field(max_length=512, description="Why; the record's id is added to it.")] = ""
    max_alerts: Annotated[int, Field(ge=1, le=1000, description="More alerts than so many are refused.")] = 10


class SilenceAlertResult(Result):
    """The result of alertmanager/silence_alert."""

    silence: Annotated[str, Field(max_length=64)]
    alerts: int


silence_alert = Action(
    "alertmanager/silence_alert",
    permissions=["the silences and alerts API: read, write"],
    risk="medium",
    examples=[
        {
            "url": "https://alertmanager.example.com",
            "matchers": [{"name": "alertname", "value": "CheckoutLatency"}, {"name": "namespace", "value": "shop"}],
            "ttl": "30m",
        }
    ],
)


@silence_alert.plan
def plan(ctx: Context, inputs: SilenceAlertInputs) -> Change:
    """Silence the alerts that match now, for at most 4 hours; undo expires the silence.

    Matchers that select no alert that fires now, or more than `max_alerts`, are refused: a silence is for an incident,
    not for the future. The comment ends with the record's id. A silence of exactly these matchers that Kubernaut made
    before is left as it is, if it lasts for half of `ttl` or longer by this machine's clock. Alertmanager has no
    compare and swap: two at once make two silences. The step's Secret may hold `token`, or `username` and `password`,
    and `ca.crt`.
    """
    if ctx.undoing is not None:
        made = _own_silence(ctx, inputs, record=ctx.undoing.after["silenced_by"])
        return Change(ctx.undoing.before if made is None else ctx.undoing.after, ctx.undoing.before)
    known = _own_silence(ctx, inputs)
    if known is not None and (_record_of(known) == str(ctx.record_id) or _lasts(known, inputs)):
        return Change({"silenced_by": _record_of(known)}, {"silenced_by": _record_of(known)})
    before = {"silenced_by": None}
    alerts = _alerts(ctx, inputs)
    require_some(alerts, f"alerts with {_text(inputs)} that fire now")
    require_at_most(len(alerts), inputs.max_alerts, "max_alerts", f"alerts with {_text(inputs)}")
    return Change(before, {"silenced_by": str(ctx.record_id)})


@silence_alert.apply
def apply(ctx: Context, inputs: SilenceAlertInputs, change: Change) -> SilenceAlertResult:
    """Create the silence."""
    now = utcnow()
    alerts = len(_alerts(ctx, inputs))
    silence = {
        "matchers": _matchers(inputs),
        "startsAt": rfc3339(now),
        "endsAt": rfc3339(now + timedelta(seconds=seconds_of(inputs.ttl))),
        "createdBy": CREATOR,
        "comment": f"{inputs.comment} (record {ctx.record_id})".strip(),
    }
    created = _call(ctx, inputs, "POST", "/silences", body=silence)
    return SilenceAlertResult(silence=str(created["silenceID"]), alerts=alerts)


@silence_alert.verify
def verify(ctx: Context, inputs: SilenceAlertInputs, change: Change) -> bool | str:
    """Return True once the silence is active.

    Raises:
        VerifyFailed: if somebody has expired it.
    """
    silence = _own_silence(ctx, inputs, states=("active", "pending", "expired"), record=change.after["silenced_by"])
    if silence is None:
        return "Alertmanager does not show the silence yet."
    if silence["status"]["state"] == "expired":
        raise VerifyFailed(f"the silence {silence['id']} was expired by somebody.", reason="TakenBack")
    return bool(silence["status"]["state"] == "active") or "the silence is not active yet."


@silence_alert.undo
def undo(ctx: Context, inputs: SilenceAlertInputs, change: Change) -> None:
    """Expire the silence."""
    silence = _own_silence(ctx, inputs, record=change.after["silenced_by"])
    if silence is not None:
        _call(ctx, inputs, "DELETE", f"/silence/{silence['id']}")


@silence_alert.target
def target(inputs: SilenceAlertInputs) -> str:
    """Return the server's address."""
    return inputs.url


def _matchers(inputs: SilenceAlertInputs) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "value": one.value, "isRegex": one.is_regex, "isEqual": one.is_equal}
        for one in inputs.matchers
    ]


def _filters(inputs: SilenceAlertInputs) -> list[tuple[str, str]]:
    """Return the matchers as Alertmanager's filters, which take quoted values."""
    found = []
    for one in inputs.matchers:
        sign = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}
        value = one.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        found.append(("filter", f'{one.name}{sign[one.is_equal, one.is_regex]}"{value}"'))
    return found


def _text(inputs: SilenceAlertInputs) -> str:
    return shorten(", ".join(text for _, text in _filters(inputs)), 300)


def _alerts(ctx: Context, inputs: SilenceAlertInputs) -> list[Any]:
    query = urlencode([*_filters(inputs), ("active", "true"), ("silenced", "true"), ("inhibited", "true")])
    alerts: list[Any] = _call(ctx, inputs, "GET", f"/alerts?{query}")
    return alerts


def _own_silence(
    ctx: Context, inputs: SilenceAlertInputs, states: tuple[str, ...] = ("active", "pending"), record: str | None = None
) -> dict[str, Any] | None:
    """Return the newest silence of ours with exactly these matchers, or None.

    Args:
        ctx: The context.
        inputs: The inputs.
        states: The states that count.
        record: The record that made it; any without.
    """
    wanted = sorted(_matchers(inputs), key=lambda one: (one["name"], one["value"]))
    found = [
        item
        for item in _call(ctx, inputs, "GET", "/silences")
        if item.get("createdBy") == CREATOR
        and item["status"]["state"] in states
        and record in (None, _record_of(item))
        and _sorted(item["matchers"]) == wanted
    ]
    return max(found, key=lambda item: str(item["startsAt"]), default=None)


def _sorted(matchers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    whole = [{"isEqual": True, **one} for one in matchers]  # isEqual came with Alertmanager 0.22
    return sorted(whole, key=lambda one: (one["name"], one["value"]))


def _lasts(silence: dict[str, Any], inputs: SilenceAlertInputs) -> bool:
    """Return True if a silence lasts for half of the wanted time, or longer."""
    try:
        ends = datetime.fromisoformat(str(silence["endsAt"]))
    except (KeyError, ValueError):
        return False
    return (ends - utcnow()).total_seconds() >= seconds_of(inputs.ttl) / 2


def _record_of(silence: dict[str, Any] | None) -> str | None:
    match = _RECORD.search(str((silence or {}).get("comment", "")))
    return match[1] if match else None


def _call(ctx: Context, inputs: SilenceAlertInputs, method: str, path: str, body: Any = None) -> Any:
    """Return the JSON of Alertmanager's API v2.

    Raises:
        PreconditionFailed: if it refuses the request.
        Failed: if the answer is not what its API says.
    """
    status, answer = request_json(ctx, method, f"{inputs.url}/api/v2{path}", body=body, server="Alertmanager")
    if status >= 300:
        raise PreconditionFailed(f"Alertmanager answers {status}: {shorten(str(answer))}", reason="Refused")
    if method == "GET" and not isinstance(answer, list):
        raise Failed(f"Alertmanager answers {shorten(str(answer))} where its API has a list.")
    return answer
