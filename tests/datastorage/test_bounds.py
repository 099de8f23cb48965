"""A record has bounds, and what is cut is seen to be: whatever it is sent, in whatever order."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_datastorage.records.bounds import LARGEST_RECORD, MOST_ATTEMPTS, index_key, trim_event
from kubernaut_datastorage.records.documents import decode, encode
from kubernaut_datastorage.records.ingest import ReceivedEvent, parse_events
from kubernaut_datastorage.store import RETENTION, Query, Store
from kubernaut_sdk.ids import mint
from kubernaut_sdk.records import Record
from kubernaut_sdk.times import rfc3339, utcnow

RECORDS = "/api/v1/action-records"
BASE = {"state": "started", "at": "2026-11-24T09:05:07.000000Z", "attempt": 0, "source": "container"}


def received_events(*events: dict[str, Any]) -> list[ReceivedEvent]:
    return [
        one for one in parse_events(json.dumps(events).encode(), retention=RETENTION) if isinstance(one, ReceivedEvent)
    ]


def largest(record_id: str) -> list[dict[str, Any]]:
    """Events that fill every slot of a record as far as it goes; a control character takes six bytes."""
    one, name, at = "\x01", "\x01" * 253, "2026-11-24T09:05:07.000000Z"
    base = {"id": record_id, "state": "started", "at": at}
    times, error = {"started": at, "ended": at}, {"code": 1, "reason": one * 99, "message": one * 9_000}
    return [
        *({**base, field: {"x": one * 10_000, "y": "y" * 2_000}} for field in ("inputs", "output")),
        {**base, "change": {"before": one * 5_000, "after": one * 5_000}},
        *({**base, field: one * 1024} for field in ("action_version", "image", "requester", "approver", "trace_id")),
        {**base, "error": {"code": 1, "reason": one * 1_000, "message": one * 9_000}},
        {**base, "target": {"kind": one * 5_000, "name": one * 5_000}},
        {**base, "workflow": {"namespace": "n", "name": "w", "uid": one * 1024}, "remediation": {"name": "r"}},
        {**base, "signal": {"fingerprint": "f", "name": one * 1024, "severity": one * 1024, "firedAt": at}},
        {**base, "pod": {"name": name, "uid": one * 1024}, "pod_name": name, "step": name, "confidence": 0.5},
        *({**base, "attempts": [{"number": number, **times, "error": error}]} for number in range(150)),
    ]  # fmt: skip


def test_the_largest_record_that_there_can_be(make_store: Callable[..., Store]) -> None:
    record_id = str(mint())
    sent = received_events(*largest(record_id))
    assert len(sent) == len(largest(record_id))

    async def work() -> None:
        store = make_store()
        await store.start()
        for part in (sent, list(reversed(sent))):
            await store.put(part)
        [found] = await store.find(Query())
        [last] = await store.put(received_events({"id": record_id, "state": "succeeded", "at": rfc3339(utcnow())}))
        await store.close()

        assert len(found.document.encode()) <= LARGEST_RECORD
        record = decode(found.document)
        assert [one["number"] for one in record["attempts"]] == list(range(MOST_ATTEMPTS))
        assert record["attempts_left_out"] is True
        assert last == ("merged", None)
        Record.model_validate({**record, "id": found.id})

    asyncio.run(work())


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("output", {"a": 1, "b": "x" * 50_000}, {"a": 1, "b": {"truncated": True, "bytes": 50_002}, "truncated": True}),
        ("change", {"before": "x" * 30_000, "after": 6}, {"before": "x" * 30_000, "after": 6}),
        ("change", {"before": "x" * 45_000, "after": 6}, {"before": {"truncated": True, "bytes": 45_002}, "after": 6}),
        ("inputs", {"x": "y" * 30_000}, {"x": "y" * 30_000}),
    ],
)
def test_what_is_too_large_says_so(shared: httpx.Client, field: str, value: Any, kept: Any) -> None:
    event = {"id": str(mint()), "state": "failed", "at": rfc3339(utcnow()), field: value}
    assert shared.post(RECORDS, json=[event]).json()[0]["outcome"] == "stored"

    assert shared.get(f"{RECORDS}/{event['id']}").json()[field] == kept


def test_a_message_that_is_too_long_says_how_long_it_was(shared: httpx.Client) -> None:
    error = {"code": 1, "reason": "R", "message": "x" * 50_000}
    event = {"id": str(mint()), "state": "failed", "at": rfc3339(utcnow()), "error": error}
    shared.post(RECORDS, json=[event])
    message = shared.get(f"{RECORDS}/{event['id']}").json()["error"]["message"]

    assert message.startswith("xxx")
    assert message.endswith(" … [cut; it had 50002 bytes]")
    assert len(message) <= 4096


@given(st.text(alphabet=st.sampled_from('a\x01é☃\U0001f600"'), min_size=0, max_size=20_000), st.integers(0, 120))
def test_what_was_cut_once_is_not_cut_again(text: str, number: int) -> None:
    error = {"code": 1, "reason": text, "message": text}
    attempts = [{"number": number, "error": error}]
    event = {**BASE, "output": {"x": text * 3}, "error": error, "target": text, "attempts": attempts}
    cut = trim_event(event, encode(event)) or event

    assert trim_event(cut, encode(cut)) is None
    assert len(encode(cut).encode()) < 64 * 1024


@given(st.text(max_size=2_000))
def test_an_index_takes_every_key(text: str) -> None:
    key = index_key(text)

    assert len(key.encode("utf-8", "surrogatepass")) <= 1024
    assert (key == text) == (len(text.encode("utf-8", "surrogatepass")) <= 1024)
