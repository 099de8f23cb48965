"""Questions to Alertmanager about what it holds back: its webhooks never tell of silenced or inhibited alerts.

Used by `kubernaut serve --alertmanager-url`. Each answer is kept as marks; while Alertmanager does not answer, nobody
can tell what is silenced, and the spans of `polled` say so.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from kubernaut_datastorage.http.alertmanager import LONGEST_SUBJECT, labels_text
from kubernaut_datastorage.store import InvalidSetting, StorageError, Store, WatchKind, WatchMark
from kubernaut_sdk.addresses import without_userinfo
from kubernaut_sdk.faults import validation_faults
from kubernaut_sdk.portable import shorten

__all__ = ["AlertmanagerPoller", "marks_of_alerts", "require_alertmanager_url"]

logger = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds from one question to the next."""
_PATIENCE = 10.0
_LARGEST_ANSWER = 64 * 1024 * 1024
_LONGEST_FINGERPRINT = 253


class _Status(BaseModel):
    model_config = ConfigDict(extra="ignore")

    state: Literal["active", "suppressed", "unprocessed"]
    silencedBy: list[str] = []  # noqa: N815 – as Alertmanager spells it
    inhibitedBy: list[str] = []  # noqa: N815
    mutedBy: list[str] = []  # noqa: N815 – by a time interval


class _HeldBack(BaseModel):
    model_config = ConfigDict(extra="ignore")

    fingerprint: str
    status: _Status
    labels: dict[str, Any] = {}


_ALERTS = TypeAdapter(list[_HeldBack])


def require_alertmanager_url(url: str) -> str:
    """Return Alertmanager's address without a slash at its end.

    Raises:
        InvalidSetting: if it is none.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        usable = False
    if not usable:
        raise InvalidSetting(
            f"--alertmanager-url {shorten(without_userinfo(url))} cannot be used; write it as http://alertmanager:9093."
        )
    return url.rstrip("/")


def marks_of_alerts(answer: bytes, url: str, now: datetime) -> list[WatchMark]:
    """Return what an answer of `/api/v2/alerts` says.

    Raises:
        ValueError: if it is no such answer.
    """
    try:
        alerts = _ALERTS.validate_json(answer)
    except ValidationError as error:
        raise ValueError(str(validation_faults(error, document="the answer")[0]).rstrip(".")) from None
    marks = [WatchMark(WatchKind.POLLED, url, now)]
    for alert in alerts:
        labels = labels_text(alert.labels)
        known = bool(alert.labels) and len(labels) <= LONGEST_SUBJECT
        subjects = [alert.fingerprint[:_LONGEST_FINGERPRINT], *([labels] if known else [])]
        if alert.status.silencedBy or alert.status.mutedBy:
            marks += [WatchMark(WatchKind.SILENCED, subject, now) for subject in subjects]
        if alert.status.inhibitedBy:
            marks += [WatchMark(WatchKind.INHIBITED, subject, now) for subject in subjects]
    return marks


class AlertmanagerPoller:
    """Asks each Alertmanager once a minute, and stores what it says.

    Args:
        store: The store of the marks.
        urls: The addresses of Alertmanagers.
        count: Called after each question with True if it was answered.
        every: Seconds from one question to the next.
    """

    def __init__(
        self,
        store: Store,
        urls: Sequence[str],
        count: Callable[[bool], None] = lambda _answered: None,
        *,
        every: float = EVERY,
    ) -> None:
        self._store, self._count, self._every = store, count, every
        self._urls = [require_alertmanager_url(url) for url in urls]
        self._faults: dict[str, str] = {}

    async def run(self) -> None:
        """Ask until the task is cancelled."""
        async with httpx.AsyncClient(timeout=_PATIENCE, follow_redirects=False) as client:
            while True:
                await asyncio.gather(*(self.ask(client, url) for url in self._urls))
                await asyncio.sleep(self._every)

    async def ask(self, client: httpx.AsyncClient, url: str) -> bool:
        """Ask one Alertmanager; return True if it answered and its answer is stored."""
        fault: str | None = None
        try:
            marks = marks_of_alerts(await self._read(client, url), without_userinfo(url), self._store.settings.clock())
            await self._store.put_watch(marks)
        except (httpx.HTTPError, ValueError, StorageError) as error:
            fault = str(error) or type(error).__name__
        self._log(url, fault)
        self._count(fault is None)
        return fault is None

    async def _read(self, client: httpx.AsyncClient, url: str) -> bytes:
        wanted: dict[str, Any] = {"active": "false", "silenced": "true", "inhibited": "true", "unprocessed": "false"}
        async with client.stream("GET", f"{url}/api/v2/alerts", params=wanted) as answer:
            if answer.status_code != httpx.codes.OK:
                raise ValueError(f"it answered {answer.status_code}")
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _LARGEST_ANSWER:
                    raise ValueError(f"its answer is larger than {_LARGEST_ANSWER >> 20} MiB")
            return bytes(body)

    def _log(self, url: str, fault: str | None) -> None:
        """Log a fault once, and when it has passed."""
        before = self._faults.pop(url, None)
        if fault is not None:
            self._faults[url] = fault
            if before is None:
                logger.warning("Alertmanager %s cannot be asked: %s", without_userinfo(url), shorten(fault))
        elif before is not None:
            logger.warning("Alertmanager %s answers again", without_userinfo(url))
