"""Data Storage as the monitor reads it: records as a few typed fields, in the order in which they changed."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec

from kubernaut_effectiveness.counting.acts import kind_of
from kubernaut_effectiveness.counting.deletions import DELETED, deleted_by_change
from kubernaut_effectiveness.counting.problems import Firing
from kubernaut_effectiveness.counting.watching import WatchSpan, span_of_item
from kubernaut_effectiveness.service.ledger.rows import kept_value
from kubernaut_sdk.addresses import without_userinfo
from kubernaut_sdk.states import State, same

__all__ = ["NarrowRecord", "StorageFault", "StorageReader", "deletions_of_narrow", "row_of_narrow", "target_text"]

_RECORDS = "/api/v1/action-records"
_FIELDS = (
    "id,seq,state,at,action_type,image,target,change,error,dry_run,workflow,step,requester,signal,undoes,"
    "intended_at,started_at,finished_at"
)
_PATIENCE = 30.0


class StorageFault(Exception):
    """Data Storage does not answer, or answers what cannot be read; the message says so."""


class _Named(msgspec.Struct):
    name: str | None = None
    namespace: str | None = None


class _Ref(msgspec.Struct):
    kind: str = ""
    name: str = ""
    namespace: str | None = None
    cluster: str | None = None


class _Reason(msgspec.Struct):
    reason: str | None = None


class _Signal(msgspec.Struct):
    fingerprint: str
    firedAt: datetime | None = None  # noqa: N815 – as records spell it


class _Change(msgspec.Struct):
    before: msgspec.Raw = msgspec.Raw(b"null")
    after: msgspec.Raw = msgspec.Raw(b"null")


class NarrowRecord(msgspec.Struct):
    """The fields of a record that the monitor needs."""

    id: str
    seq: int
    state: State
    at: datetime
    action_type: str | None = None
    image: str | None = None
    target: _Ref | str | None = None
    change: _Change | None = None
    error: _Reason | None = None
    dry_run: bool | None = None
    workflow: _Named | None = None
    step: str | None = None
    requester: str | None = None
    signal: _Signal | None = None
    undoes: str | None = None
    intended_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class _Signals(msgspec.Struct):
    items: list["_SignalItem"]
    next: str | None = None


class _SignalItem(msgspec.Struct):
    fingerprint: str
    fired_at: datetime
    resolved_at: datetime | None = None
    name: str | None = None
    severity: str | None = None
    labels: dict[str, str] | None = None


_DECODER = msgspec.json.Decoder(NarrowRecord)
_SIGNALS_DECODER = msgspec.json.Decoder(_Signals)


def row_of_narrow(record: NarrowRecord) -> tuple[Any, ...] | None:
    """Return a record as the ledger's row of it, or None for one whose action is unknown."""
    if record.action_type is None:
        return None
    decided, started, finished = record.intended_at, record.started_at, record.finished_at
    began = (started or decided or record.at).timestamp()
    signal, workflow = record.signal, record.workflow
    before, after, changes = _change(record.change)
    dry_run, reason = bool(record.dry_run), record.error.reason if record.error else None
    return (
        record.id,
        record.action_type,
        record.state._value_,  # as `value`, which costs ten times as much
        decided.timestamp() if decided else began,
        began,
        (finished or record.at).timestamp(),
        _target_text(record.target),
        signal.fingerprint if signal else None,
        signal.firedAt.timestamp() if signal and signal.firedAt else None,
        dry_run,
        record.undoes,
        changes,
        reason,
        record.image,
        f"{workflow.namespace or ''}/{workflow.name}" if workflow else None,
        record.step,
        record.requester,
        kind_of(record.state, dry_run=dry_run, reason=reason, changes=changes)._value_,
        before,
        after,
    )


def deletions_of_narrow(record: NarrowRecord) -> list[WatchSpan]:
    """Return the deletions that a record tells of."""
    change, target = record.change, _target_text(record.target)
    if change is None or target is None or record.state is not State.SUCCEEDED or record.dry_run:
        return []
    after = bytes(change.after)
    if not any(name in after for name in (b'"uid"', b'"terminated"', b'"pods"')):  # most need no decoding
        return []
    at = (record.finished_at or record.at).timestamp()
    sides = (msgspec.json.decode(side) for side in (change.before, change.after))
    return [WatchSpan(DELETED, gone, at, at) for gone in deleted_by_change(target, *sides)]


def _change(change: _Change | None) -> tuple[str | None, str | None, bool]:
    """Return both sides of a change as they are kept, and whether they differ."""
    if change is None:
        return None, None, False
    before, after = bytes(change.before), bytes(change.after)
    return kept_value(before.decode()), kept_value(after.decode()), before != after and _differ(before, after)


def _differ(before: bytes, after: bytes) -> bool:
    """Return True for two texts of different JSON values."""
    one, other = msgspec.json.decode(before), msgspec.json.decode(after)
    return one != other or not same(one, other)  # to Python, 1 and true are the same


def target_text(target: Any) -> str | None:
    """Return the target of a whole record as one text."""
    return _target_text(msgspec.convert(target, _Ref) if isinstance(target, dict) else target)


def _target_text(target: _Ref | str | None) -> str | None:
    if not isinstance(target, _Ref):
        return target
    place = f"{target.namespace}/" if target.namespace else ""
    cluster = f"{target.cluster}:" if target.cluster else ""
    return f"{cluster}{place}{target.kind}/{target.name}"


class StorageReader:
    """A reader of one Data Storage Service.

    Args:
        url: Its address.
        token_file: The file with its bearer token, read anew for each request: tokens are renewed.
    """

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        self.url = without_userinfo(url.rstrip("/"))
        self._token_file = token_file
        self._client = httpx.Client(
            base_url=url.rstrip("/"), timeout=_PATIENCE, follow_redirects=False, trust_env=False
        )

    def records(self, after_seq: int) -> Iterator[NarrowRecord]:
        """Yield the records that changed after a seq, oldest change first.

        Raises:
            StorageFault: if Data Storage does not answer.
        """
        query = {"after_seq": str(after_seq), "fields": _FIELDS}
        try:
            with self._client.stream(
                "GET", _RECORDS, params=query, headers=self._headers("application/x-ndjson")
            ) as answer:
                self._check(answer)
                rest = b""
                for part in answer.iter_bytes(1 << 18):
                    whole, _, rest = (rest + part).rpartition(b"\n")
                    yield from _DECODER.decode_lines(whole)
                if rest.strip():
                    yield _DECODER.decode(rest)
        except (httpx.HTTPError, msgspec.MsgspecError, OSError) as error:
            raise self._fault(error) from None

    def firings(self, heard_after: str, cursor: str | None) -> tuple[list[Firing], str | None]:
        """Return a page of the firings in the order in which they were told, and the cursor of the next."""
        query = {"heard_after": heard_after, "limit": "1000", **({"cursor": cursor} if cursor else {})}
        page = self._decoded("/api/v1/signals", query, _SIGNALS_DECODER)
        firings = [
            Firing(
                item.fingerprint,
                item.fired_at.timestamp(),
                item.resolved_at.timestamp() if item.resolved_at else None,
                item.name,
                item.severity,
                item.labels,
            )
            for item in page.items
        ]
        return firings, page.next

    def all_firings(self, heard_after: str) -> Iterator[list[Firing]]:
        """Yield all pages of the firings; while one is used, the next is asked for."""
        with ThreadPoolExecutor(1) as ahead:
            cursor: str | None = None
            asked = ahead.submit(self.firings, heard_after, cursor)
            while True:
                firings, following = asked.result()
                more = following is not None and following != cursor
                if more:
                    asked, cursor = ahead.submit(self.firings, heard_after, following), following
                yield firings
                if not more:
                    return

    def spans(self, since: str) -> list[WatchSpan]:
        """Return the spans of the monitoring since a time or an age."""
        return [span_of_item(item) for item in self.get("/api/v1/monitoring", {"since": since})["items"]]

    def last_seq(self) -> int:
        """Return the seq of the last change in the store; 0 for an empty one."""
        checkpoint = self.get("/api/v1/checkpoint", {}, absent=True)
        return checkpoint["first_seq"] + checkpoint["count"] - 1 if checkpoint else 0

    def record(self, record_id: str) -> dict[str, Any] | None:
        """Return one whole record, or None if there is none."""
        found: dict[str, Any] | None = self.get(f"{_RECORDS}/{record_id}", {}, absent=True)
        return found

    def proof(self, record_id: str) -> dict[str, Any] | None:
        """Return the proof that a record is in the log, or None."""
        found: dict[str, Any] | None = self.get(f"{_RECORDS}/{record_id}/proof", {}, absent=True)
        return found

    def get(self, path: str, query: dict[str, str], *, absent: bool = False) -> Any:
        """Return the JSON answer to a query; with `absent`, None for 404.

        Raises:
            StorageFault: if Data Storage does not answer.
        """
        return self._decoded(path, query, msgspec.json.Decoder(), absent=absent)

    def _decoded(self, path: str, query: dict[str, str], decoder: Any, *, absent: bool = False) -> Any:
        try:
            answer = self._client.get(path, params=query, headers=self._headers("application/json"))
            if absent and answer.status_code == httpx.codes.NOT_FOUND:
                return None
            self._check(answer)
            return decoder.decode(answer.content)
        except (httpx.HTTPError, msgspec.MsgspecError, OSError) as error:
            raise self._fault(error) from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _headers(self, accept: str) -> dict[str, str]:
        headers = {"accept": accept}
        if self._token_file is not None:
            headers["authorization"] = f"Bearer {self._token_file.read_text().strip()}"
        return headers

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code != httpx.codes.OK:
            raise StorageFault(f"Data Storage ({self.url}) answered {answer.status_code}")

    def _fault(self, error: Exception) -> StorageFault:
        why = re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
        return StorageFault(f"Data Storage ({self.url}) cannot be read: {why}")
