"""Alertmanager's webhook: when signals fired and were resolved, and what it says of the monitoring itself.

The payload is version 4 of https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from kubernaut_datastorage.http.problems import Problem
from kubernaut_datastorage.records.ingest import require_storable_time
from kubernaut_datastorage.store import SignalFiring, WatchKind, WatchMark
from kubernaut_sdk.faults import validation_faults
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.times import rfc3339

__all__ = ["LONGEST_SUBJECT", "RefusedAlert", "Webhook", "labels_text", "parse_webhook"]

_LONGEST_LABEL = 1024
_MOST_LABELS = 64
LONGEST_SUBJECT = 2048
"""Characters of the subject of a mark."""

Short = Annotated[str, Field(min_length=1, max_length=253)]


class _Alert(BaseModel):
    model_config = ConfigDict(extra="ignore")

    status: Literal["firing", "resolved"]
    labels: dict[str, Any] = {}
    startsAt: AwareDatetime  # noqa: N815 – as Alertmanager spells it
    endsAt: AwareDatetime | None = None  # noqa: N815
    fingerprint: Short


@dataclass(frozen=True)
class RefusedAlert:
    """An alert that cannot be stored.

    Attributes:
        index: Its place in the webhook.
        fingerprint: As it was sent, shortened, where it is text.
        reason: What was wrong, with which value.
    """

    index: int
    fingerprint: str | None
    reason: str


@dataclass(frozen=True)
class Webhook:
    """The contents of a webhook.

    Attributes:
        alerts: For each alert, in order, what it says. A watchdog's are not among them.
        marks: What was seen of the monitoring: a heartbeat, or that alerts were left out.
        heartbeats: The number of firing watchdog alerts.
    """

    alerts: list[SignalFiring | RefusedAlert]
    marks: list[WatchMark]
    heartbeats: int = 0


def parse_webhook(payload: Any, now: datetime, watchdog: str = "Watchdog") -> Webhook:
    """Return what a webhook says.

    Alertmanager does not send a webhook again that was answered 4xx. So one odd alert is refused alone, and only what
    is no webhook of this kind at all is refused as a whole.

    Args:
        payload: The body's JSON value.
        now: When it was heard.
        watchdog: The name of the alert that always fires. It is a heartbeat and no signal.

    Raises:
        Problem: 422 where there is no list of alerts, or the webhook is of another version.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("alerts"), list):
        detail = "the body must be an object with a list of alerts, as Alertmanager's webhook sends it."
        raise Problem(422, "Not an Alertmanager webhook", detail)
    if payload.get("version") != "4":
        detail = f"version: {shorten(repr(payload.get('version')))} is not the version that is known, '4'."
        raise Problem(422, "Not an Alertmanager webhook", detail)
    alerts: list[SignalFiring | RefusedAlert] = []
    marks: dict[tuple[WatchKind, str], WatchMark] = {}
    heartbeats = 0
    for index, alert in enumerate(payload["alerts"]):
        if (cluster := _heartbeat(alert, watchdog)) is None:
            alerts.append(_parse_or_refuse(index, alert, now))
        elif alert.get("status") == "firing":
            heartbeats += 1
            marks[WatchKind.HEARTBEAT, cluster] = WatchMark(WatchKind.HEARTBEAT, cluster, now)
    truncated = payload.get("truncatedAlerts")
    if isinstance(truncated, int) and truncated > 0:
        group = payload.get("groupLabels")
        subject = labels_text(group if isinstance(group, dict) else {})
        subject = subject if len(subject) <= LONGEST_SUBJECT else "{}"  # then any alert may have been left out
        marks[WatchKind.TRUNCATED, subject] = WatchMark(WatchKind.TRUNCATED, subject, now)
    return Webhook(alerts, list(marks.values()), heartbeats)


def _heartbeat(alert: Any, watchdog: str) -> str | None:
    """Return the cluster whose watchdog an alert is, or None if it is another alert."""
    labels = alert.get("labels") if isinstance(alert, dict) else None
    if not isinstance(labels, dict) or labels.get("alertname") != watchdog:
        return None
    cluster = labels.get("cluster")
    return _storable("labels.cluster", cluster)[:_LONGEST_LABEL] if isinstance(cluster, str) else ""


def _parse_or_refuse(index: int, alert: Any, now: datetime) -> SignalFiring | RefusedAlert:
    try:
        return _episode(_Alert.model_validate(alert), now)
    except ValidationError as error:
        reason = str(validation_faults(error, document="the alert")[0]).rstrip(".")
    except (ValueError, OverflowError) as error:
        reason = str(error)
    fingerprint = alert.get("fingerprint") if isinstance(alert, dict) else None
    return RefusedAlert(index, shorten(fingerprint) if isinstance(fingerprint, str) else None, f"{reason}.")


def _episode(alert: _Alert, now: datetime) -> SignalFiring:
    resolved = alert.status == "resolved"
    heard = rfc3339(now)
    return SignalFiring(
        fingerprint=_storable("fingerprint", alert.fingerprint),
        fired_at=_text("startsAt", alert.startsAt),
        resolved_at=_resolved_at(alert, heard) if resolved else None,
        name=_label(alert, "alertname"),
        severity=_label(alert, "severity"),
        labels=labels_text(alert.labels),
        heard_at=None if resolved else heard,
        resolved_heard_at=heard if resolved else None,
        last_heard_at=heard,
    )


def _resolved_at(alert: _Alert, heard: str) -> str:
    """Return when an alert was resolved. While it fires, endsAt is a guess or the year 1; resolved, it may be, too."""
    if alert.endsAt is None or alert.endsAt.year == 1:
        return heard
    return _text("endsAt", alert.endsAt)


def labels_text(labels: dict[str, Any]) -> str:
    """Return labels as JSON, sorted; what no database stores, or is too much, is left out."""
    kept: dict[str, str] = {}
    for name, text in sorted(labels.items())[:_MOST_LABELS]:
        try:
            kept[_storable("labels", name)[:_LONGEST_LABEL]] = _storable("labels", str(text))[:_LONGEST_LABEL]
        except ValueError:
            continue
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def _label(alert: _Alert, name: str) -> str | None:
    text = alert.labels.get(name)
    return _storable(f"labels.{name}", text)[:_LONGEST_LABEL] if isinstance(text, str) else None


def _storable(path: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{path}: {shorten(text)} has half a character, which no database stores") from None
    if "\0" in text:
        raise ValueError(f"{path}: {shorten(text)} has a NUL, which no database stores")
    return text


def _text(path: str, time: datetime) -> str:
    try:
        require_storable_time(path, time)
        return rfc3339(time.astimezone(UTC))
    except OverflowError:
        raise ValueError(f"{path}: {time} is no time of UTC's calendar") from None
