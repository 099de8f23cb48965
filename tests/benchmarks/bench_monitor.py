"""The Effectiveness Monitor's figures over many records: `make bench-monitor`. Beside them SQL and pandas.

Floors are measured in the same run: reading all from Data Storage without the monitor, one SQL query over the same
records (SQLite), and pandas. SQL and pandas only count records by type and state; the monitor judges incidents.
"""

import asyncio
import json
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

from kubernaut_datastorage.records.ingest import ReceivedEvent, parse_events
from kubernaut_datastorage.server import hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import RETENTION, SignalFiring, Store, WatchKind, WatchMark
from kubernaut_effectiveness.service.following import Follower
from kubernaut_effectiveness.service.pages import create_pages
from kubernaut_effectiveness.service.reading import StorageReader
from kubernaut_sdk.times import rfc3339

TARGETS, TYPES, DAYS = 5_000, 60, 90
sys.path.insert(0, str(Path(__file__).parents[1] / "effectiveness" / "support"))


def events(number: int, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield records in the order of time, each with its signal."""
    chance = random.Random(1)
    began = now - timedelta(days=DAYS - 1)
    step = timedelta(days=DAYS - 1.2) / number
    for place in range(number):
        at = began + step * place
        target = chance.randrange(TARGETS)
        kind = target % TYPES
        milliseconds = int(at.timestamp() * 1000)
        identity = (milliseconds << 80) | (0x7 << 76) | (0b10 << 62) | chance.getrandbits(62)
        text = f"{identity:032x}"
        yield {
            "id": f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}",
            "state": "succeeded" if chance.random() < 0.95 else "failed",
            "at": rfc3339(at + timedelta(seconds=20)),
            "action_type": f"kubernetes/action_{kind}",
            "image": f"ghcr.io/x@sha256:{kind:064x}",
            "target": {"kind": "Deployment", "namespace": "shop", "name": f"app-{target}"},
            "change": {"before": {"n": place}, "after": {"n": place + 1}},
            "signal": {"fingerprint": f"f{target}-{place}", "firedAt": rfc3339(at - timedelta(minutes=1))},
            "started_at": rfc3339(at),
            "finished_at": rfc3339(at + timedelta(seconds=20)),
        }


async def load(store: Store, number: int, now: datetime) -> None:
    await store.start()
    batch: list[dict[str, Any]] = []
    told: list[SignalFiring] = []
    for event in events(number, now):
        batch.append(event)
        fired = event["signal"]["firedAt"]
        resolved = rfc3339(datetime.fromisoformat(fired) + timedelta(minutes=5))
        labels = json.dumps({"alertname": "Slow", "app": event["target"]["name"]})
        told.append(
            SignalFiring(
                event["signal"]["fingerprint"], fired, resolved, "Slow", "critical", labels, fired, None, fired
            )
        )
        if len(batch) == 1_000:
            await put(store, batch, told, now)
            batch, told = [], []
    if batch:
        await put(store, batch, told, now)
    beats = [now - timedelta(days=DAYS) + timedelta(minutes=9 * place) for place in range(DAYS * 160 + 1)]
    await store.put_watch([WatchMark(WatchKind.HEARTBEAT, "", at) for at in beats if at <= now])
    await store.close()


async def put(store: Store, batch: list[dict[str, Any]], told: list[SignalFiring], now: datetime) -> None:
    received = parse_events(json.dumps(batch).encode(), retention=RETENTION, now=now)
    await store.put([one for one in received if isinstance(one, ReceivedEvent)])
    await store.put_signals(told)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def resident() -> float:
    with Path("/proc/self/status").open() as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]


def main(number: int) -> None:
    from serving import serving

    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        seconds, _ = timed(lambda: asyncio.run(load(SqliteStore(open_sqlite(Path(folder))), number, now)))
        print(f"made {number:,} records of {TARGETS:,} targets and {TYPES} types in {seconds:.0f} s (SQLite)")
        with hosted(SqliteStore(open_sqlite(Path(folder)))) as service:
            reader = StorageReader(service.url)
            floor, count = timed(lambda: sum(1 for _ in reader.records(0)))
            reader.close()
            print(f"read without the monitor: {count / floor:,.0f} records/s (the floor)")
            before = resident()
            follower = Follower(StorageReader(service.url))
            build, _ = timed(follower.step)
            print(f"first build: {number / build:,.0f} records/s ({build:.1f} s; wanted ≥ 50,000/s)")
            print(f"memory: {resident() - before:,.0f} MB more (wanted ≤ 300 MB in all)")
            with serving(create_pages(follower)) as address, httpx.Client(base_url=address, trust_env=False) as client:
                for path, wanted in (("/", 200), ("/index.json", 50), ("/targets/shop/Deployment/app-7", 200)):
                    times = [timed(partial(client.get, path))[0] for _ in range(20)]
                    print(f"{path}: p95 {p95(times) * 1000:.0f} ms (wanted ≤ {wanted} ms)")
                one = {**next(events(1, now)), "id": _fresh(now), "started_at": rfc3339(now)}
                httpx.post(f"{service.url}/api/v1/action-records", json=[one], trust_env=False).raise_for_status()
                visible, _ = timed(follower.step)
                print(f"a new record is visible after {visible:.1f} s (wanted ≤ 5 s, with a question each second)")
            sql(folder, number)
            rows = [(r.action_type, str(r.state)) for r in StorageReader(service.url).records(0)]
            frame = pd.DataFrame(rows, columns=["action_type", "state"])
            seconds, _ = timed(lambda: frame.groupby(["action_type", "state"]).size())
            print(f"pandas, counts by type and state alone: {seconds * 1000:.0f} ms")
            follower.stop()
    print(f"largest resident size: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB, store and all")


def _fresh(now: datetime) -> str:
    text = f"{(int(now.timestamp() * 1000) << 80) | (0x7 << 76) | (0b10 << 62) | 7:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def sql(folder: str, number: int) -> None:
    """Count the same by one query."""
    import sqlite3

    with sqlite3.connect(Path(folder) / "records.db") as connection:
        query = "SELECT action_type, state, count(*) FROM action_records GROUP BY 1, 2"
        seconds, rows = timed(lambda: connection.execute(query).fetchall())
    assert sum(row[2] for row in rows) >= number
    print(f"SQL, counts by type and state alone: {seconds * 1000:.0f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
