"""Reading: `python tests/benchmarks/bench_storage_queries.py [RECORDS]` (500,000 by default).

The records are spread over 90 days, in 32 action types; they are written by COPY, since what is measured is reading.
The floor of an export is COPY TO of the same columns, and that of a page its bare SQL.
"""

import asyncio
import json
import sys
import time

import asyncpg
from storage_workload import Client, Service, execute, ids_over, percentile, postgres, record, served, watched

from kubernaut_datastorage.log.checkpoints import NoSigner
from kubernaut_datastorage.log.plan import ROW_COLUMNS, LogHead, plan_commit
from kubernaut_datastorage.postgresql import row_values
from kubernaut_datastorage.records.ingest import ReceivedEvent, parse_events
from kubernaut_datastorage.store import RETENTION
from kubernaut_sdk.times import utcnow

RECORDS = "/api/v1/action-records"
TYPE = "kubernetes/action_07"


async def fill(url: str, count: int) -> None:
    """Write so many records and their counts, as the service's commits would."""
    connection = await asyncpg.connect(url)
    made, head = ids_over(89.9, count), LogHead()
    for start in range(0, count, 5_000):
        part = [record(*next(made), start + place) for place in range(min(5_000, count - start))]
        received: list[ReceivedEvent] = []
        for some in range(0, len(part), 1_000):
            events = parse_events(json.dumps(part[some : some + 1_000]).encode(), retention=RETENTION)
            received += [one for one in events if isinstance(one, ReceivedEvent)]
        plan = plan_commit(received, {}, head, now=utcnow(), signer=NoSigner())
        assert plan.commit is not None
        head = LogHead.after(plan.commit)
        rows = map(row_values, plan.inserts)
        await connection.copy_records_to_table("action_records", records=rows, columns=ROW_COLUMNS)
        await connection.executemany(
            "INSERT INTO record_counts AS known VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (day, action_type, state) DO UPDATE SET records = known.records + excluded.records",
            [(*place, change) for place, change in plan.counts.items()],
        )
    await connection.execute("VACUUM ANALYZE action_records")
    await connection.execute("VACUUM ANALYZE record_counts")
    await connection.close()


async def pages(service: Service) -> None:
    """Measure each filter: its first page and a deep one."""
    print("\nAny page of 100\n  target: p99 20 ms")
    async with Client(service) as client:
        everything = json.loads(await client.get(f"{RECORDS}?limit=1000&fields=id,target,workflow,signal,remediation"))
        some = everything["items"][500]
        target = some["target"]
        filters = {
            "no filter": "",
            "action_type": f"action_type={TYPE}",
            "state=failed": "state=failed",
            "target": f"target={target['namespace']}/{target['kind']}/{target['name']}",
            "workflow": f"workflow=shop/{some['workflow']['name']}",
            "signal": f"signal={some['signal']['fingerprint']}",
            "remediation": f"remediation={some['remediation']['name']}",
            "dry_run=true (none)": "dry_run=true",
            "action_type, state=cancelled": f"action_type={TYPE}&state=cancelled",
            "action_type, target": f"action_type={TYPE}&target={target['namespace']}/{target['kind']}/{target['name']}",
            "since=1h": "since=1h",
            "until=45d": "until=45d",
            "after_seq": "after_seq=1000",
        }
        for name, text in filters.items():
            took: list[float] = []
            cursor: str | None = None
            for _ in range(60):
                more = f"&cursor={cursor}" if cursor else ""
                began = time.perf_counter()
                page = json.loads(await client.get(f"{RECORDS}?{text}{more}&limit=100"))
                took.append(time.perf_counter() - began)
                cursor = page["next"]
            p50, p99 = percentile(took, 0.5) * 1e3, percentile(took, 0.99) * 1e3
            print(f"  {name:32} p50 {p50:7.1f} ms   p99 {p99:7.1f} ms   {len(page['items'])} on the last")
        took = []
        for _ in range(30):
            began = time.perf_counter()
            await client.get(f"{RECORDS}/summary")
            took.append(time.perf_counter() - began)
        print(f"  {'summary (target: 100 ms)':32} p50 {percentile(took, 0.5) * 1e3:7.1f} ms   p99 "
              f"{percentile(took, 0.99) * 1e3:7.1f} ms")  # fmt: skip


async def exports(url: str, service: Service) -> None:
    """Measure ninety days of one type, as NDJSON: few fields, and all."""
    print("\n90 days of one type, streamed\n  target: 158,000 records narrow in 1 s")
    connection = await asyncpg.connect(url)
    await connection.execute("SET jit = off")
    began = time.perf_counter()
    select = f"SELECT id, state, seq FROM action_records WHERE action_type = '{TYPE}' ORDER BY id DESC"
    size = 0

    async def count(part: bytes) -> None:
        nonlocal size
        size += len(part)

    await connection.copy_from_query(select, output=count)
    floor = time.perf_counter() - began
    await connection.close()
    print(f"  floor: COPY TO of id, state, seq {floor:8.2f} s   {size / 1e6:.1f} MB")
    async with watched(service), Client(service) as client:
        for name, fields in (
            ("narrow: id, state, seq", "&fields=id,state,seq"),
            ("narrow: with times and change", "&fields=id,state,started_at,finished_at,changed"),
            ("whole records", ""),
        ):
            best, lines, size = 1e9, 0, 0
            for _ in range(3):
                began = time.perf_counter()
                lines, size = await client.lines(f"{RECORDS}?action_type={TYPE}{fields}")
                best = min(best, time.perf_counter() - began)
            print(f"  {name:32} {best:7.2f} s   {lines:,} records, {size / 1e6:.1f} MB, {best / lines * 158_000:.2f} s"
                  f" for 158,000; {best / floor:.1f} × the floor")  # fmt: skip
    print(f"  memory while exporting: {service.peak} MB (180)")


async def drop(url: str, count: int) -> None:
    """Measure a month that retention drops."""
    from kubernaut_datastorage.postgresql import PostgresStore
    from kubernaut_datastorage.records.months import Month

    store = PostgresStore(url)
    months = [month for month in await store.months() if month < Month.of(utcnow())]
    some = sorted(months)[1]
    rows = await execute(url, f"SELECT count(*) FROM {some.partition('action_records')}")
    began = time.perf_counter()
    await store.drop_month(some)
    took = time.perf_counter() - began
    await store.close()
    print(f"\nA month dropped: {rows:,} of {count:,} records in {took:.2f} s\n  target: 2 s")


async def main(count: int) -> None:
    """Fill the database, and measure."""
    with postgres() as url, served(DATABASE_URL=url) as service:
        began = time.perf_counter()
        await fill(url, count)
        size = await execute(url, "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'"
                                  " AND relname LIKE 'action_records%'")  # fmt: skip
        print(
            f"{count:,} records in {time.perf_counter() - began:.0f} s; {size / count:.0f} bytes each, without the log"
        )
        await pages(service)
        await exports(url, service)
        await drop(url, count)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000))
