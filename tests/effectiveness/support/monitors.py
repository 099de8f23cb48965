"""A monitor that follows a Data Storage, and what tests send to that."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from serving import serving

from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import WatchKind, WatchMark
from kubernaut_effectiveness.service.following import Follower
from kubernaut_effectiveness.service.pages import create_pages
from kubernaut_effectiveness.service.reading import StorageReader
from kubernaut_sdk.ids import mint
from kubernaut_sdk.times import rfc3339

__all__ = ["following", "heartbeats", "post", "put", "record", "shown"]


@contextmanager
def following(url: str, **options: Any) -> Iterator[tuple[Follower, httpx.Client]]:
    """Yield a monitor that has read a Data Storage, and a client of its pages."""
    follower = Follower(StorageReader(url))
    try:
        follower.step()
        while follower.behind:
            follower.step()
        with (
            serving(create_pages(follower, **options)) as address,
            httpx.Client(base_url=address, trust_env=False, follow_redirects=False, timeout=30) as client,
        ):
            yield follower, client
    finally:
        follower.stop()


def record(**fields: Any) -> dict[str, Any]:
    """Return the event of a record that succeeded just now."""
    now = rfc3339(datetime.now(UTC))
    return {"id": str(mint()), "state": "succeeded", "at": now, "action_type": "a/b", "target": "t", **fields}


def put(url: str, *events: dict[str, Any]) -> None:
    """Store events, none of which is refused."""
    answer = httpx.post(f"{url}/api/v1/action-records", json=list(events), trust_env=False)
    assert {one["outcome"] for one in answer.json()} <= {"stored", "merged"}, answer.text


def post(url: str, path: str, document: Any) -> None:
    """Send a document to Data Storage's API."""
    httpx.post(f"{url}/api/v1/{path}", json=document, trust_env=False).raise_for_status()


def heartbeats(folder: Path, now: datetime) -> None:
    """Keep that the monitoring was heard over the last hours."""

    async def work() -> None:
        store = SqliteStore(open_sqlite(folder))
        await store.start()
        times = [now - timedelta(minutes=minutes) for minutes in range(0, 300, 5)]
        await store.put_watch([WatchMark(WatchKind.HEARTBEAT, "", time) for time in times])
        await store.close()

    asyncio.run(work())


def shown(time: str) -> str:
    """Return a time as pages show it."""
    return f'<time datetime="{time}">{time[:10]} {time[11:19]}</time>'
