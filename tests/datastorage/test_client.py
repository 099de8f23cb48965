"""The SDK's client against the service: records in, history out, following; and a spool that drains."""

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from kubernaut_datastorage import embedded
from kubernaut_sdk import AsyncDataStorage, DataStorage
from kubernaut_sdk.ids import mint
from kubernaut_sdk.recorder import drain
from kubernaut_sdk.records import Event, State, utcnow
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import StorageClient, StorageUnavailable

Make = Callable[..., dict[str, Any]]


def test_what_is_recorded_is_history(service: httpx.Client, event: Make) -> None:
    with DataStorage(str(service.base_url)) as storage:
        made = Event(id=mint(), state=State.SUCCEEDED, at=utcnow(), action_type="a/b_c", changed=True)
        outcomes = storage.record(made, event(action_type="x/y_z"), {"id": "no"})
        history = list(storage.get_action_history("a/b_c", timedelta(days=1)))
        failed = list(storage.get_action_history(state="failed"))

    assert [outcome["outcome"] for outcome in outcomes] == ["stored", "stored", "refused"]
    assert [(record.id, record.changed) for record in history] == [(made.id, True)]
    assert failed == []


def test_more_than_one_request_takes_is_sent_in_several(service: httpx.Client, event: Make) -> None:
    large = [event(inputs={"text": "é" * 10_000}) for _ in range(150)]  # 60 KB each as it is sent
    with DataStorage(str(service.base_url)) as storage:
        outcomes = storage.record(*(event() for _ in range(1_500)), *large)
        history = list(storage.get_action_history())

    assert [outcome["index"] for outcome in outcomes] == list(range(1_650))
    assert {outcome["outcome"] for outcome in outcomes} == {"stored"}
    assert len(history) == 1_650


def test_whoever_follows_hears_of_each_change(service: httpx.Client, event: Make) -> None:
    first = event(state="started")
    with DataStorage(str(service.base_url)) as storage:
        storage.record(first, event())
        following = storage.follow(interval=0.01)
        seen = [next(following) for _ in range(2)]
        storage.record({**first, "state": "failed"})
        again = next(following)
        rest = next(storage.follow(after_seq=seen[-1].seq or 0))

    assert (again.id, again.state) == (rest.id, State.FAILED)
    assert str(again.id) == first["id"]


def test_the_same_for_asyncio(service: httpx.Client, event: Make) -> None:
    async def work() -> None:
        async with AsyncDataStorage(str(service.base_url)) as storage:
            sent = [event() for _ in range(20)]
            await asyncio.gather(*(storage.record(one) for one in sent))
            history = [record async for record in storage.get_action_history("a/b_c")]
            followed = []
            async for record in storage.follow(interval=0.01):
                followed.append(record)
                if len(followed) == 20:
                    break
            assert await storage.get_signals(utcnow()) == []
            assert {str(record.id) for record in history} == {one["id"] for one in sent}
            assert [record.seq for record in followed] == list(range(1, 21))

    asyncio.run(work())


def test_what_cannot_be_reached_is_reported_in_time(closed_port: str, event: Make) -> None:
    with DataStorage(closed_port, patience=0.3) as storage, pytest.raises(StorageUnavailable, match=closed_port):
        storage.record(event())


def test_a_spool_drains(tmp_path: Path, event: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _file: None)  # what is measured elsewhere need not be waited for here
    spool = Spool(tmp_path / "spool")
    for _ in range(1_100):
        spool.put({**event(), "attempt": 0})
    for _ in range(70):
        spool.put({**event(inputs={"text": "é" * 10_000}), "attempt": 0})
    spool.put({**event(state="nonsense"), "attempt": 0})
    with embedded(tmp_path / "data") as service:
        client = StorageClient(service.url)
        assert drain(client, spool) == (1_170, 1)
        client.close()

    assert spool.paths() == []
    assert [path.suffix for path in spool.folder.iterdir()] == [".refused"]
