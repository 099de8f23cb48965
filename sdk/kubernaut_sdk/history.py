"""Data Storage from Python: `DataStorage(url)` records, reads history page by page, and follows what changes.

    storage = DataStorage("http://127.0.0.1:8080", token_file=Path("token"))
    for record in storage.get_action_history("kubernetes/restart_pod", window=timedelta(days=90)):
        ...

`AsyncDataStorage` is the same for asyncio: its methods are awaited, its iterators are asynchronous.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from kubernaut_sdk.records import Event, Record, rfc3339, utcnow
from kubernaut_sdk.storage import RECORDS, StorageClient, StorageUnavailable

__all__ = ["AsyncDataStorage", "DataStorage"]

T = TypeVar("T")

_PAGE = 1_000
_PATIENCE = 30.0


class DataStorage:
    """A Data Storage Service to tell and to ask. One thread uses it at a time.

    Args:
        url: Its address, without a path.
        token_file: A file with a bearer token, where it wants one; read again for each connection.
        patience: Seconds for a request, all tries together: it is sent again, with jitter, where the service or the
            way to it fails for the moment.
    """

    def __init__(self, url: str, token_file: Path | None = None, *, patience: float = _PATIENCE) -> None:
        self._client = StorageClient(url, token_file)
        self._patience = patience

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(self, *events: Event | Mapping[str, Any]) -> list[dict[str, Any]]:
        """Send events; return when the service has committed them.

        Args:
            events: Any number; they are sent in as many requests as needed.

        Returns:
            For each, in order: index, id, outcome (`stored`, `merged`, `duplicate` or `refused`) and reason.

        Raises:
            StorageUnavailable: if the service cannot be reached in time, or refuses the request as such. Some events
                may have been stored by then; sending them again changes nothing.
        """
        return self._client.post([_wire(event) for event in events], self._patience)

    def get_action_history(
        self, action_type: str | None = None, window: timedelta = timedelta(days=90), **filters: str
    ) -> Iterator[Record]:
        """Yield the records of one action type, or of all, newest first.

        Args:
            action_type: An action type, such as `kubernetes/restart_pod`.
            window: How far back from now.
            filters: Other filters of the service: state, target, about, workflow, remediation, signal, requester,
                undoes, id, until, dry_run.

        Raises:
            StorageUnavailable: if the service cannot be asked, or refuses to answer.
        """
        query: dict[str, str] | None = _history_query(action_type, window, filters)
        while query is not None:
            page = self._client.get(RECORDS, query, self._patience)
            yield from (Record.model_validate(item) for item in page["items"])
            query = {**query, "cursor": page["next"]} if page["next"] else None

    def follow(self, after_seq: int = 0, *, interval: float = 1.0, **filters: str) -> Iterator[Record]:
        """Yield every record that changed after a commit, oldest change first; then wait for more, without an end.

        A record is yielded again each time it changes. None is missed; to continue later, pass the last `seq`.

        Args:
            after_seq: The commit; 0 yields all records first.
            interval: Seconds between two requests while there is nothing new.
            filters: As for `get_action_history`.

        Raises:
            StorageUnavailable: if the service cannot be asked, or refuses to answer.
        """
        while True:
            page = self._client.get(RECORDS, _follow_query(after_seq, filters), self._patience)
            for item in page["items"]:
                record = Record.model_validate(item)
                after_seq = item["seq"]
                yield record
            if not page["items"]:
                time.sleep(interval)

    def get_signals(self, since: datetime) -> list[dict[str, Any]]:
        """Return the episodes of signals since a time: fingerprint, name, severity, labels, fired_at, resolved_at.

        Times are RFC 3339; resolved_at may be null, and so may heard_at, resolved_heard_at and last_heard_at.

        Raises:
            StorageUnavailable: if the service cannot be asked.
        """
        return list(self._client.get("/api/v1/signals", {"since": rfc3339(since)}, self._patience)["items"])

    def get_monitoring(self, since: datetime) -> list[dict[str, Any]]:
        """Return the spans of what was seen of the monitoring since a time: kind, subject, since and until.

        Raises:
            StorageUnavailable: if the service cannot be asked.
        """
        return list(self._client.get("/api/v1/monitoring", {"since": rfc3339(since)}, self._patience)["items"])

    def record_deletion(self, target: str, at: datetime | None = None) -> None:
        """Tell that a target was deleted: that it is silent afterwards is no sign that an action helped.

        Args:
            target: The target as one text, such as `shop/Deployment/api`.
            at: When, within the last 24 hours; None for now.

        Raises:
            StorageUnavailable: if the service cannot be told, or refuses it.
        """
        deleted = [{"target": target, "at": rfc3339(at or utcnow())}]
        self._client.post_document("/api/v1/monitoring", {"deleted": deleted}, self._patience)

    def count_records(self) -> int:
        """Return the number of records there are.

        Raises:
            StorageUnavailable: if the service cannot be asked, or the token may not read all namespaces.
        """
        summary = self._client.get(f"{RECORDS}/summary", {"since": "1970-01-01T00:00:00Z"}, self._patience)
        return sum(item["records"] for item in summary["items"])

    def newest_seq(self) -> int:
        """Return the seq of the last change that is stored, from which `follow` continues; 0 before the first.

        Raises:
            StorageUnavailable: if the service cannot be asked.
        """
        try:
            head = self._client.get("/api/v1/checkpoint", {}, self._patience)
        except StorageUnavailable as error:
            if error.status == 404:
                return 0
            raise
        return int(head["first_seq"]) + int(head["count"]) - 1

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class AsyncDataStorage:
    """The asyncio form of `DataStorage`: requests run in a thread, one at a time, and block no other task.

    Args:
        url: See `DataStorage`.
        token_file: See `DataStorage`.
        patience: See `DataStorage`.
    """

    def __init__(self, url: str, token_file: Path | None = None, *, patience: float = _PATIENCE) -> None:
        self._storage = DataStorage(url, token_file, patience=patience)
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def record(self, *events: Event | Mapping[str, Any]) -> list[dict[str, Any]]:
        """Send events; see `DataStorage.record`."""
        return await self._in_thread(lambda: self._storage.record(*events))

    async def get_action_history(
        self, action_type: str | None = None, window: timedelta = timedelta(days=90), **filters: str
    ) -> AsyncIterator[Record]:
        """Yield records, newest first; see `DataStorage.get_action_history`."""
        query: dict[str, str] | None = _history_query(action_type, window, filters)
        while query is not None:
            page = await self._get(query)
            for item in page["items"]:
                yield Record.model_validate(item)
            query = {**query, "cursor": page["next"]} if page["next"] else None

    async def follow(self, after_seq: int = 0, *, interval: float = 1.0, **filters: str) -> AsyncIterator[Record]:
        """Yield changed records without an end; see `DataStorage.follow`."""
        while True:
            page = await self._get(_follow_query(after_seq, filters))
            for item in page["items"]:
                after_seq = item["seq"]
                yield Record.model_validate(item)
            if not page["items"]:
                await asyncio.sleep(interval)

    async def get_signals(self, since: datetime) -> list[dict[str, Any]]:
        """Return the episodes of signals; see `DataStorage.get_signals`."""
        return await self._in_thread(lambda: self._storage.get_signals(since))

    async def record_deletion(self, target: str, at: datetime | None = None) -> None:
        """Tell that a target was deleted; see `DataStorage.record_deletion`."""
        await self._in_thread(lambda: self._storage.record_deletion(target, at))

    async def get_monitoring(self, since: datetime) -> list[dict[str, Any]]:
        """Return what was seen of the monitoring; see `DataStorage.get_monitoring`."""
        return await self._in_thread(lambda: self._storage.get_monitoring(since))

    async def close(self) -> None:
        """Close the connection."""
        await self._in_thread(self._storage.close)

    async def _get(self, query: dict[str, str]) -> Any:
        client, patience = self._storage._client, self._storage._patience  # noqa: SLF001 – one class in two forms
        return await self._in_thread(lambda: client.get(RECORDS, query, patience))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async with self._lock:
            return await asyncio.to_thread(work)


def _wire(event: Event | Mapping[str, Any]) -> dict[str, Any]:
    return event.wire() if isinstance(event, Event) else dict(event)


def _history_query(action_type: str | None, window: timedelta, filters: Mapping[str, str]) -> dict[str, str]:
    query = {**filters, "since": rfc3339(utcnow() - window), "limit": str(_PAGE)}
    return {**query, "action_type": action_type} if action_type else query


def _follow_query(after_seq: int, filters: Mapping[str, str]) -> dict[str, str]:
    return {**filters, "after_seq": str(after_seq), "limit": str(_PAGE)}
