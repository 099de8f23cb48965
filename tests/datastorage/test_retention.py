"""The clock moves over a year: months are made ahead and dropped whole, what is held stays, the log verifies."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from kubernaut_datastorage.log.verification import verify
from kubernaut_datastorage.records.ingest import ReceivedEvent, RefusedEvent, parse_events
from kubernaut_datastorage.records.months import Month, log_months_to_drop, months_to_create, months_to_drop
from kubernaut_datastorage.retention import drop_requested_month, sweep
from kubernaut_datastorage.store import Query, StorageError, Store
from kubernaut_sdk.ids import mint, step_record_id

MakeStore = Callable[..., Store]
RETENTION = timedelta(days=90)


class AdjustableClock:
    """A clock that is set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def batch(now: datetime, *ids: UUID) -> list[ReceivedEvent]:
    at = now.isoformat()
    events = [{"id": str(one), "state": "succeeded", "at": at, "action_type": "a/b_c"} for one in ids]
    made = parse_events(json.dumps(events).encode(), retention=RETENTION, now=now)
    assert not [one for one in made if isinstance(one, RefusedEvent)], made
    return [one for one in made if isinstance(one, ReceivedEvent)]


def test_a_year_goes_by(make_store: MakeStore) -> None:
    clock = AdjustableClock(datetime(2027, 1, 15, 12, tzinfo=UTC))

    async def work() -> None:
        store = make_store(clock=clock, retention=RETENTION)
        await store.start()
        await sweep(store)
        held, dropped = Month(2027, 3), list[Month]()
        for day in range(0, 365, 10):
            clock.now = datetime(2027, 1, 15, 12, tzinfo=UTC) + timedelta(days=day)
            late = clock.now - timedelta(days=89)  # and one that waited long in a spool
            ids = [step_record_id(when, f"{day}", f"{n}") for n, when in enumerate([clock.now] * 3 + [late])]
            await store.put(batch(clock.now, *ids))
            if day == 60:
                await store.set_hold(held, "case 4711")
            dropped += await sweep(store)
            if day % 60 == 0:
                assert (await verify(store)).faults == []
        months = await store.months()
        oldest = Month.of_key(UUID((await store.find(Query(last=Month(2027, 6).first_id)))[0].id).bytes)
        counted = await store.summary("a/b_c", "0", "9999")
        kept = await store.count(10**9)
        await store.set_hold(held, None)
        after = await sweep(store)
        report = await verify(store)
        log = await store.log_months()
        await store.close()

        assert held not in dropped
        assert dropped == sorted(dropped)
        assert dropped[-1] == Month(2027, 9)
        assert oldest == held
        assert months[0] == held
        assert sum(row["records"] for row in counted) == kept
        assert after == [held]
        assert report.faults == []
        assert str(held) in report.dropped
        assert log[0] >= Month(2027, 8)

    asyncio.run(work())


def test_a_dropped_month_takes_little_time_and_stops_no_writer(make_store: MakeStore) -> None:
    clock = AdjustableClock(datetime(2027, 1, 15, tzinfo=UTC))

    async def work() -> None:
        store = make_store(clock=clock, retention=RETENTION)
        await store.start()
        await sweep(store)
        for part in range(10):
            await store.put(batch(clock.now, *(step_record_id(clock.now, f"{part}", f"{n}") for n in range(300))))
        for _ in range(3):  # as time goes by: a clock that jumps makes nobody drop anything
            clock.now += timedelta(days=31)
            await sweep(store)
        clock.now += timedelta(days=27)
        await store.create_months(months_to_create(clock.now, RETENTION))
        task, waits = asyncio.create_task(sweep(store)), list[float]()
        while not task.done():
            started = time.monotonic()
            await store.put(batch(clock.now, step_record_id(clock.now, f"{len(waits)}", "x")))
            waits.append(time.monotonic() - started)
        left = await store.find(Query(last=Month(2027, 2).first_id))
        await store.close()

        assert task.result() == [Month(2027, 1)]
        assert left == []
        assert max(waits) < 5  # what it is on a quiet machine, the benchmark says

    asyncio.run(work())


def test_a_clock_that_jumps_drops_nothing_until_each_month_is_asked_for_by_name(
    make_store: MakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    clock = AdjustableClock(datetime(2027, 3, 15, tzinfo=UTC))
    january, march = (step_record_id(datetime(2027, month, 15, tzinfo=UTC), "u", "s") for month in (1, 3))

    async def work() -> None:
        store = make_store(clock=clock, retention=RETENTION)
        await store.start()
        await store.put(batch(clock.now, january, march))
        clock.now += timedelta(days=400)
        jumped = await sweep(store), await sweep(store), len(await store.find(Query()))
        with pytest.raises(StorageError, match="2028-03 is not over for 90 days"):
            await drop_requested_month(store, Month(2028, 3))
        with pytest.raises(StorageError, match="there is nothing of 2020-01; there is "):
            await drop_requested_month(store, Month(2020, 1))
        await store.set_hold(Month(2027, 1), "case 4711")
        with pytest.raises(StorageError, match="2027-01 is held"):
            await drop_requested_month(store, Month(2027, 1))
        await store.set_hold(Month(2027, 1), None)
        await drop_requested_month(store, Month(2027, 1))
        left = [one.id for one in await store.find(Query())]
        report = await verify(store)
        clock.now -= timedelta(days=400)
        back = await sweep(store)
        after = [one.id for one in await store.find(Query())]
        await store.close()

        assert jumped == ([], [], 2)
        assert left == [str(march)]
        assert report.faults == []
        assert "2027-01" in report.dropped
        assert all(month < Month(2026, 12) for month in back)  # empty ones, which the clock of today had made
        assert after == left

    asyncio.run(work())
    assert (
        "nothing is dropped: by this clock (2028-04-18) and a retention of 90 days all of before 2028-01 is too old"
        in (caplog.text)
    )
    assert "kubernaut records drop-month, for " in caplog.text


def test_from_month_to_month_retention_goes_by_itself_also_where_there_was_nothing_to_drop(
    make_store: MakeStore,
) -> None:
    clock = AdjustableClock(datetime(2027, 1, 15, tzinfo=UTC))

    async def work() -> None:
        store = make_store(clock=clock, retention=RETENTION)
        await store.start()
        await store.put(batch(clock.now, step_record_id(clock.now, "u", "s")))
        swept = []
        for _ in range(5):
            await sweep(store)
            swept.append(await store.sweep_position())
            clock.now += timedelta(days=31)
        left = await store.find(Query())
        await store.close()

        assert swept == [Month(2026, 10), Month(2026, 11), Month(2026, 12), Month(2027, 1), Month(2027, 2)]
        assert left == []

    asyncio.run(work())


def test_ids_of_the_future_and_of_the_past_are_refused_by_the_store_s_clock_and_retention() -> None:
    now = datetime(2027, 1, 15, tzinfo=UTC)

    def refused(when: datetime, retention: timedelta) -> str | None:
        event: dict[str, Any] = {"id": str(step_record_id(when, "u", "s")), "state": "failed", "at": now.isoformat()}
        [one] = parse_events(json.dumps([event]).encode(), retention=retention, now=now)
        return one.reason if isinstance(one, RefusedEvent) else None

    assert refused(now - timedelta(days=100), timedelta(days=400)) is None
    assert "older than the 30 days that are kept" in str(refused(now - timedelta(days=31), timedelta(days=30)))
    assert "more than a day ahead" in str(refused(now + timedelta(days=2), timedelta(days=90)))


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [
        (datetime(2027, 1, 15, tzinfo=UTC), Month(2026, 10), Month(2027, 4)),
        (datetime(2027, 12, 31, 23, 59, tzinfo=UTC), Month(2027, 10), Month(2028, 3)),
    ],
)
def test_which_months_are_made(now: datetime, first: Month, last: Month) -> None:
    months = months_to_create(now, RETENTION)

    assert (months[0], months[-1]) == (first, last)
    assert all(one.following == other for one, other in pairwise(months))


def test_which_months_are_dropped() -> None:
    months = [Month(2026, month) for month in range(1, 13)]
    now = Month(2026, 7).start + RETENTION  # July's last record is not old enough; June's is, by a moment

    assert months_to_drop(months, [], now, RETENTION) == months[:6]
    assert months_to_drop(months, [Month(2026, 2)], now, RETENTION) == [months[0], *months[2:6]]
    assert log_months_to_drop(months, [Month(2026, 7)]) == months[:5]
    assert log_months_to_drop(months, [Month(2026, 2), Month(2026, 7)]) == []


def test_a_month_is_a_range_of_ids() -> None:
    month = Month.of(datetime.now(UTC))

    assert month.first_id < mint() < month.following.first_id
    assert str(Month.parse("2026-01").first_id) == "019b76da-a800-0000-0000-000000000000"
