"""Ingest: `python tests/benchmarks/bench_storage.py [SECONDS] [--held MINUTES]`.

The service with a token and signed checkpoints, its load and PostgreSQL share this machine's cores. The floors are
taken in the same run: the same records by COPY and by one prepared INSERT, one connection, into the same table.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import asyncpg
from storage_workload import Client, Service, batches, execute, ids_over, percentile, postgres, record, served, watched

from kubernaut_datastorage.log.checkpoints import NoSigner
from kubernaut_datastorage.log.plan import ROW_COLUMNS, LogHead, plan_commit
from kubernaut_datastorage.postgresql import row_values
from kubernaut_datastorage.records.ingest import ReceivedEvent, parse_events
from kubernaut_datastorage.retention import sweep
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import RETENTION, Settings, SignalFiring
from kubernaut_sdk.recorder import drain
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import StorageClient
from kubernaut_sdk.times import utcnow


def rows(count: int) -> list[tuple[Any, ...]]:
    """Return the rows that the service would write for so many records."""
    made = ids_over(0.5, count, seed=2)
    found: list[tuple[Any, ...]] = []
    for start in range(0, count, 1_000):
        part = [record(*next(made), start + place) for place in range(min(1_000, count - start))]
        received = [
            one
            for one in parse_events(json.dumps(part).encode(), retention=RETENTION)
            if isinstance(one, ReceivedEvent)
        ]
        plan = plan_commit(received, {}, LogHead(), now=utcnow(), signer=NoSigner())
        found += map(row_values, plan.inserts)
    return found


async def floors(url: str, seconds: float) -> dict[str, float]:
    """Return the records a second that COPY and INSERT write into a copy of the table, in commits of 1,000."""
    connection = await asyncpg.connect(url)
    some = rows(20_000)
    names, places = ", ".join(ROW_COLUMNS), ", ".join(f"${number + 1}" for number in range(len(ROW_COLUMNS)))
    insert = f"INSERT INTO action_records ({names}) VALUES ({places})"

    async def by_copy(part: list[tuple[Any, ...]]) -> None:
        await connection.copy_records_to_table("action_records", records=part, columns=ROW_COLUMNS)

    async def by_insert(part: list[tuple[Any, ...]]) -> None:
        async with connection.transaction():
            await connection.executemany(insert, part)

    rates = {}
    for name, write in (("COPY", by_copy), ("prepared INSERT", by_insert)):
        done, took = 0, 0.0
        while took < seconds:
            start = done % len(some)
            if start == 0:
                await connection.execute("TRUNCATE action_records")
            began = time.perf_counter()
            await write(some[start : start + 1_000])
            took += time.perf_counter() - began
            done += 1_000
        rates[name] = done / took
    await connection.execute("TRUNCATE action_records")
    await connection.close()
    return rates


async def load(service: Service, bodies: Callable[[], bytes | None], clients: int) -> tuple[int, list[float], float]:
    """Post until there are no more bodies; return the number of requests, their latencies and the seconds it took."""
    latencies: list[float] = []

    async def work() -> None:
        async with Client(service) as client:
            while (body := bodies()) is not None:
                began = time.perf_counter()
                answer = await client.post(body)
                latencies.append(time.perf_counter() - began)
                assert b'"refused"' not in answer, answer[:500]

    began = time.perf_counter()
    async with watched(service):
        await asyncio.gather(*(work() for _ in range(clients)))
    return len(latencies), latencies, time.perf_counter() - began


def timed(source: Any, seconds: float) -> Callable[[], bytes | None]:
    """Yield the source's bodies for so many seconds."""
    end: list[float] = []

    def following() -> bytes | None:
        end.append(time.monotonic() + seconds) if not end else None
        return next(source, None) if time.monotonic() < end[0] else None

    return following


def spread(latencies: list[float]) -> str:
    """Return the median and the 99th percentile."""
    return f"p50 {percentile(latencies, 0.5) * 1e3:.0f} ms, p99 {percentile(latencies, 0.99) * 1e3:.0f} ms"


async def batched(replicas: Sequence[Service], seconds: float) -> tuple[float, list[float], float]:
    """Measure batches of 100 by four clients: records a second, latencies, and the CPU of a record in microseconds."""
    before = sum(one.cpu for one in replicas)
    bodies = timed(batches(100), seconds)
    loads = await asyncio.gather(*(load(one, bodies, 4 // len(replicas)) for one in replicas))
    count, took = sum(one[0] for one in loads) * 100, max(one[2] for one in loads)
    cpu = sum(one.cpu for one in replicas) - before
    return count / took, [late for one in loads for late in one[1]], cpu / count * 1e6


async def on_postgres(seconds: float) -> None:
    """Measure batches of 100, by one replica and by two; then one record a request."""
    with postgres() as url, served(DATABASE_URL=url) as service, served(DATABASE_URL=url) as second:
        await asyncio.sleep(2)
        idle = service.resident
        first = await floors(url, min(10.0, seconds))
        print(f"\nBatches of 100 for {seconds:.0f} s each, PostgreSQL, a token, signed checkpoints")
        print("  target: 20,000 records/s")
        for name, floor in first.items():
            print(f"  floor: {name:19} {floor:9,.0f} records/s")
        for name, replicas in (("one replica", [service]), ("two replicas", [service, second])):
            rate, late, cpu = await batched(replicas, seconds)
            shares = ", ".join(f"{rate / floor:.0%} of {kind}" for kind, floor in first.items())
            print(f"  {name:26} {rate:9,.0f} records/s   {shares}; {spread(late)}; CPU {cpu:.0f} µs a record")
        kept = await execute(url, "SELECT count(*) FROM action_records")
        size = await execute(url, _SIZE)
        print(f"  bytes a record             {size / kept:9,.0f}   (aim: 1,500), indexes and log included")
        print(f"  memory: idle {idle:.0f} MB (100), under load {service.peak} MB (180)")
        requests, latencies, took = await load(service, timed(batches(1), seconds), 64)
        print("\nOne record a request, 64 clients, PostgreSQL\n  target: 5,000 records/s, p99 50 ms")
        print(f"  the service {requests / took:24,.0f} records/s   {spread(latencies)}")


async def held(minutes: int) -> None:
    """Measure batches of 100 by two replicas, minute by minute."""
    with postgres() as url, served(DATABASE_URL=url) as service, served(DATABASE_URL=url) as second:
        print(f"\nBatches of 100, two replicas, held for {minutes} minutes\n  target: 20,000 records/s", flush=True)
        for minute in range(minutes):
            rate, late, _ = await batched([service, second], 60)
            peak = max(service.peak, second.peak)
            print(f"  minute {minute + 1:2} {rate:26,.0f} records/s   {spread(late)}; {peak} MB at most", flush=True)
        kept = await execute(url, "SELECT count(*) FROM action_records")
        size = await execute(url, _SIZE)
        print(f"  {kept:,} records of {size / kept:,.0f} bytes")


_SIZE = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relkind = 'r' AND (relname LIKE 'action_records%' OR relname LIKE 'commits%' OR relname = 'record_counts')
"""


async def on_sqlite(seconds: float) -> None:
    """Measure one record a request, by 64 writers."""
    with tempfile.TemporaryDirectory() as folder, served(f"--data={folder}") as service:
        requests, latencies, took = await load(service, timed(batches(1), seconds), 64)
        print("\nOne record a request, 64 writers, SQLite synchronous=FULL\n  target: 3,000 records/s")
        print(f"  the service {requests / took:24,.0f} records/s   {spread(latencies)}")


async def deleted_beside_writers(count: int) -> None:
    """Measure a month of SQLite that retention deletes while others write."""
    now = utcnow()
    clock = [now]
    commits: list[tuple[int, float]] = []

    def received(number: int) -> list[ReceivedEvent]:
        part = [record(*next(made), number * 100 + place) for place in range(100)]
        events = parse_events(json.dumps(part).encode(), retention=RETENTION, now=clock[0])
        return [one for one in events if isinstance(one, ReceivedEvent)]

    def observe(events: int, seconds: float) -> None:
        commits.append((events, seconds))

    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(open_sqlite(Path(folder)), Settings(clock=lambda: clock[0], observe=observe))
        await store.start()
        made = ids_over(0.5, 2 * count)
        for number in range(count // 100):
            await store.put(received(number))
        clock[0] = now + timedelta(days=130)
        commits.clear()
        alone: list[float] = []
        waits: list[float] = []

        async def write_one(into: list[float]) -> None:
            began = time.perf_counter()
            await store.put_signals([SignalFiring("f", f"{began:027.9f}", None, "n", "s")])
            into.append(time.perf_counter() - began)

        while sum(alone) < 5:
            await write_one(alone)
        commits.clear()
        dropping = asyncio.create_task(sweep(store))
        while not dropping.done():
            await write_one(waits)
        dropped = await dropping
        await store.close()
    deletions = [seconds for events, seconds in commits if not events]
    assert dropped
    print(f"\nA month of {count:,} records deleted from SQLite beside a writer")
    print("  target: no writer waits for more than 50 ms")
    print(f"  floor: a write alone {spread(alone):>30}, {max(alone) * 1e3:.0f} ms at most, of {len(alone):,}")
    print(f"  a transaction of it {spread(deletions):>31}, {max(deletions) * 1e3:.0f} ms at most")
    print(f"  a write meanwhile {spread(waits):>33}, {max(waits) * 1e3:.0f} ms at most, of {len(waits):,}")


def drained(count: int) -> None:
    """Measure a waiting spool that `drain` sends."""
    with tempfile.TemporaryDirectory() as folder, served(f"--data={folder}/data") as service:
        spool, made = Spool(Path(folder) / "spool"), ids_over(1, count)
        with patch("os.fsync"):  # filling it is not what is measured
            for number in range(count):
                spool.put(record(*next(made), number))
        (Path(folder) / "token").write_text(service.token)
        client = StorageClient(service.url, Path(folder) / "token")
        began = time.perf_counter()
        stored, refused = drain(client, spool)
        took = time.perf_counter() - began
        client.close()
        assert (stored, refused) == (count, 0)
        print("\nA spool drained into SQLite\n  target: 100,000 records in 60 s")
        print(f"  {count:,} records {took:21.1f} s   {took / count * 100_000:.0f} s for 100,000")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float, nargs="?", default=30.0)
    parser.add_argument("--held", type=int, metavar="MINUTES", help="only batches, for so long")
    given = parser.parse_args()
    if given.held:
        asyncio.run(held(given.held))
        return
    asyncio.run(on_postgres(given.seconds))
    asyncio.run(on_sqlite(given.seconds))
    asyncio.run(deleted_beside_writers(50_000))
    drained(int(min(100_000, given.seconds * 2_000)))


if __name__ == "__main__":
    main()
