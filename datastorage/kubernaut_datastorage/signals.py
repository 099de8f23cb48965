"""Alertmanager's webhook: when a signal fired and when it was resolved.

The payload is version 4 of https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from kubernaut_datastorage.ingest import require_storable_time
from kubernaut_datastorage.problems import Problem
from kubernaut_datastorage.store import Episode
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.times import rfc3339

__all__ = ["episodes_of"]

Short = Annotated[str, Field(min_length=1, max_length=253)]


class _Alert(BaseModel):
    model_config = ConfigDict(extra="ignore")

    status: Literal["firing", "resolved"]
    labels: dict[str, str] = {}
    startsAt: AwareDatetime  # noqa: N815 – as Alertmanager spells it
    endsAt: AwareDatetime | None = None  # noqa: N815
    fingerprint: Short


class _Webhook(BaseModel):
    model_config = ConfigDict(extra="ignore")

    version: Literal["4"]
    alerts: Annotated[list[_Alert], Field(max_length=10_000)]


def episodes_of(payload: Any) -> list[Episode]:
    """The episodes a webhook tells of; `resolved_at` is None while one fires.

    Raises:
        Problem: 422 with the path to what is not as Alertmanager sends it.
    """
    try:
        webhook = _Webhook.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        detail = f"{path or 'the body'}: {first['msg'].lower()}; it is {shorten(repr(first['input']))}."
        raise Problem(422, "Not an Alertmanager webhook", detail) from None
    return [_episode(f"alerts.{index}", alert) for index, alert in enumerate(webhook.alerts)]


def _episode(path: str, alert: _Alert) -> Episode:
    # while it fires, endsAt is a guess or the year 1
    ended = alert.endsAt if alert.status == "resolved" else None
    return Episode(
        fingerprint=alert.fingerprint,
        fired_at=_text(f"{path}.startsAt", alert.startsAt),
        resolved_at=_text(f"{path}.endsAt", ended) if ended else None,
        name=alert.labels.get("alertname"),
        severity=alert.labels.get("severity"),
    )


def _text(path: str, time: datetime) -> str:
    try:
        require_storable_time(path, time)
        return rfc3339(time.astimezone(UTC))
    except ValueError as error:
        raise Problem(422, "Not an Alertmanager webhook", f"{error}.") from None
    except OverflowError:
        raise Problem(422, "Not an Alertmanager webhook", f"{path}: {time} is no time of UTC's calendar.") from None
