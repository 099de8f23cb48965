"""The routes of signals: Alertmanager's webhook, the episodes, and the times in which the monitoring was seen alive."""

import base64
import json
import logging

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kubernaut_datastorage.http.alertmanager import RefusedAlert, parse_webhook
from kubernaut_datastorage.http.body import read_json
from kubernaut_datastorage.http.deletions import parse_deletions
from kubernaut_datastorage.http.problems import Problem
from kubernaut_datastorage.http.queries import parse_limit, parse_time_text, read_parameters, require_known
from kubernaut_datastorage.store import SignalPlace, Store
from kubernaut_sdk.portable import shorten

__all__ = ["find_signals", "get_monitoring", "put_monitoring", "put_signals"]

logger = logging.getLogger(__name__)

_MOST_LOGGED = 10
"""Refused alerts of one webhook that are logged each by itself."""


async def put_signals(request: Request) -> Response:
    """Store the alerts of Alertmanager's webhook. Each has its own outcome; refused ones are logged."""
    store: Store = request.app.state.store
    webhook = parse_webhook(
        await read_json(request, lenient=True), store.settings.clock(), watchdog=store.settings.watchdog
    )
    alerts = webhook.alerts
    refused = [one for one in alerts if isinstance(one, RefusedAlert)]
    good = [(index, one) for index, one in enumerate(alerts) if not isinstance(one, RefusedAlert)]
    problems = await store.put_signals([one for _, one in good]) if good else []
    if webhook.marks:
        await store.put_watch(webhook.marks)
    refused += [
        RefusedAlert(index, one.fingerprint, problem)
        for (index, one), problem in zip(good, problems, strict=True)
        if problem is not None
    ]
    refused.sort(key=lambda one: one.index)
    for alert in refused[:_MOST_LOGGED]:
        logger.warning("alert %d of a webhook is refused (%s): %s", alert.index, alert.fingerprint, alert.reason)
    if len(refused) > _MOST_LOGGED:
        logger.warning("%d more alerts of this webhook are refused", len(refused) - _MOST_LOGGED)
    if (on_alerts := request.app.state.on_alerts) is not None:
        on_alerts(len(alerts) - len(refused), len(refused))
    return JSONResponse({"episodes": len(alerts) - len(refused), "refused": [vars(one) for one in refused]})


async def find_signals(request: Request) -> Response:
    """Return the times at which signals fired and were resolved; with `heard_after`, page by page as they were told."""
    parameters = read_parameters(request)
    store: Store = request.app.state.store
    if "heard_after" in parameters:
        require_known(parameters, {"heard_after", "limit", "cursor"})
        heard_after = parse_time_text("heard_after", parameters["heard_after"])
        limit = parse_limit(parameters.get("limit", "1000"))
        last = _place(parameters["cursor"]) if "cursor" in parameters else None
        items = await store.follow_signals(heard_after, last, limit)
        return _answer({"items": [_item(one) for one in items], "next": _cursor(items[-1:]) if items else None})
    require_known(parameters, {"fingerprint", "since", "until"})
    since = parse_time_text("since", parameters.get("since", "90d"))
    until = parse_time_text("until", parameters.get("until", "9999-01-01T00:00:00Z"))
    found = await store.find_signals(parameters.get("fingerprint"), since, until)
    return _answer({"items": [_item(one) for one in found]})


async def put_monitoring(request: Request) -> Response:
    """Store that targets were deleted."""
    store: Store = request.app.state.store
    marks = parse_deletions(await read_json(request), store.settings.clock())
    await store.put_watch(marks)
    return JSONResponse({"deleted": len(marks)})


async def get_monitoring(request: Request) -> Response:
    """Return the spans in which heartbeats came, Alertmanager was asked, and signals were held back; and deletions."""
    parameters = read_parameters(request)
    require_known(parameters, {"since"})
    since = parse_time_text("since", parameters.get("since", "90d"))
    store: Store = request.app.state.store
    return JSONResponse({"items": await store.find_watch(since)})


def _item(row: dict[str, object]) -> dict[str, object]:
    labels = row["labels"]
    return {**row, "labels": msgspec.Raw(labels) if isinstance(labels, str) else None}


def _answer(document: dict[str, object]) -> Response:
    """Return the answer of a document, in which labels are as they are stored: nobody reads them on the way."""
    return Response(msgspec.json.encode(document), media_type="application/json")


def _cursor(rows: list[dict[str, str]]) -> str:
    """Return the cursor of what was told after these episodes. It never ends: more is told later."""
    place = [rows[-1][name] for name in ("last_heard_at", "fingerprint", "fired_at")]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _place(text: str) -> SignalPlace:
    try:
        place = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if isinstance(place, list) and len(place) == 3 and all(isinstance(one, str) for one in place):
            return (place[0], place[1], place[2])
    except ValueError:
        pass
    detail = f"cursor={shorten(text)}: take it from `next` of the page before."
    raise Problem(400, "Bad parameter", detail)
