"""Alertmanager's webhook: the times at which signals fired and were resolved.

The payload is version 4 of https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from kubernaut_datastorage.http.problems import Problem
from kubernaut_datastorage.records.ingest import require_storable_time
from kubernaut_datastorage.store import SignalFiring
from kubernaut_sdk.faults import validation_faults
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.times import rfc3339

__all__ = ["RefusedAlert", "parse_webhook"]

_LONGEST_LABEL = 1024

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


def parse_webhook(payload: Any) -> list[SignalFiring | RefusedAlert]:
    """Return what each alert of a webhook says; `resolved_at` is None while one fires.

    Alertmanager does not send a webhook again that was answered 4xx. So one odd alert is refused alone, and only what
    is no webhook of this kind at all is refused as a whole.

    Raises:
        Problem: 422 where there is no list of alerts, or the webhook is of another version.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("alerts"), list):
        detail = "the body must be an object with a list of alerts, as Alertmanager's webhook sends it."
        raise Problem(422, "Not an Alertmanager webhook", detail)
    if payload.get("version") != "4":
        detail = f"version: {shorten(repr(payload.get('version')))} is not the version that is known, '4'."
        raise Problem(422, "Not an Alertmanager webhook", detail)
    return [_parse_or_refuse(index, alert) for index, alert in enumerate(payload["alerts"])]


def _parse_or_refuse(index: int, alert: Any) -> SignalFiring | RefusedAlert:
    try:
        return _episode(_Alert.model_validate(alert))
    except ValidationError as error:
        reason = str(validation_faults(error, document="the alert")[0]).rstrip(".")
    except (ValueError, OverflowError) as error:
        reason = str(error)
    fingerprint = alert.get("fingerprint") if isinstance(alert, dict) else None
    return RefusedAlert(index, shorten(fingerprint) if isinstance(fingerprint, str) else None, f"{reason}.")


def _episode(alert: _Alert) -> SignalFiring:
    # while it fires, endsAt is a guess or the year 1
    ended = alert.endsAt if alert.status == "resolved" else None
    return SignalFiring(
        fingerprint=_storable("fingerprint", alert.fingerprint),
        fired_at=_text("startsAt", alert.startsAt),
        resolved_at=_text("endsAt", ended) if ended else None,
        name=_label(alert, "alertname"),
        severity=_label(alert, "severity"),
    )


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
