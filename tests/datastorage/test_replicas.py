"""Two stores on one database at once: no merge is lost, and whoever follows misses nothing."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any

from kubernaut_datastorage.log.verification import verify
from kubernaut_datastorage.records.documents import FoundRecord, decode
from kubernaut_datastorage.records.ingest import ReceivedEvent, parse_events
from kubernaut_datastorage.store import Query, Store
from kubernaut_sdk.ids import mint

MakeStore = Callable[..., Store]
STATES = ("intended", "started", "applying", "succeeded")


def sent(*events: dict[str, Any]) -> list[ReceivedEvent]:
    made = parse_events(json.dumps(events).encode(), retention=timedelta(days=90))
    assert all(isinstance(one, ReceivedEvent) for one in made), made
    return [one for one in made if isinstance(one, ReceivedEvent)]


def event(record_id: str, state: str, **fields: Any) -> dict[str, Any]:
    at = f"2026-01-31T09:05:0{STATES.index(state)}.000000Z"
    source = "controller" if state == "intended" else "container"
    return {"id": record_id, "state": state, "at": at, "source": source, f"{_FIELD[state]}": state, **fields}


_FIELD = {"intended": "requester", "started": "action_version", "applying": "trace_id", "succeeded": "target"}
"""The fields that only one sender sends; of the container, those that the controller does not send."""


async def both(make_store: MakeStore) -> tuple[Store, Store]:
    stores = make_store(), make_store()
    for store in stores:
        await store.start()
    return stores


async def close(stores: Sequence[Store]) -> None:
    for store in stores:
        await store.close()


def test_two_replicas_merge_the_same_records_at_once(make_store: MakeStore) -> None:
    """Each record's four events come in every order, spread over two replicas; nothing of them is lost."""

    async def work() -> None:
        stores = await both(make_store)
        orders = [order for order in permutations(STATES) for _ in range(4)]
        ids = [str(mint()) for _ in orders]
        random.seed(1)

        async def tell(record_id: str, states: Sequence[str]) -> None:
            await asyncio.gather(*(random.choice(stores).put(sent(event(record_id, state))) for state in states))

        await asyncio.gather(*(tell(record_id, order) for record_id, order in zip(ids, orders, strict=True)))
        found = await stores[0].find(Query(limit=1000))
        documents = [decode(one.document) for one in found]
        report = await verify(stores[1])
        counted = await stores[1].summary(None, "0", "9999")
        await close(stores)

        assert {one.id for one in found} == set(ids)
        assert {document["state"] for document in documents} == {"succeeded"}
        assert all(set(_FIELD.values()) <= set(document) for document in documents)
        assert report.faults == []
        assert (report.records, report.events) == (len(ids), 4 * len(ids))  # each event tells what no other does
        assert sum(row["records"] for row in counted) == len(ids)

    asyncio.run(work())


def test_whoever_follows_sees_the_last_of_each_change_while_two_replicas_write(make_store: MakeStore) -> None:
    async def work() -> None:
        stores = await both(make_store)
        ids = [str(mint()) for _ in range(60)]
        seen: dict[str, FoundRecord] = {}
        seqs: list[int] = []
        writing = True

        async def follow() -> None:
            after = 0
            while True:
                last = not writing
                page = await stores[0].find(Query(after_seq=after, limit=7))
                for one in page:
                    seen[one.id] = one
                    seqs.append(one.seq)
                    after = one.seq
                if last and not page:
                    return
                await asyncio.sleep(0)

        async def write(store: Store, states: Sequence[str]) -> None:
            for record_id in ids:
                for state in states:
                    await store.put(sent(event(record_id, state)))

        following = asyncio.create_task(follow())
        await asyncio.gather(write(stores[0], STATES[::2]), write(stores[1], STATES[1::2]))
        writing = False
        await following
        kept = {one.id: one for one in await stores[1].find(Query(limit=1000))}
        head = await stores[1].head()
        await close(stores)

        assert seen == kept
        assert seqs == sorted(set(seqs))
        assert head is not None
        assert head.next_seq == 4 * len(ids) + 1

    asyncio.run(work())


def test_the_same_event_at_both_replicas_is_stored_once(make_store: MakeStore) -> None:
    async def work() -> None:
        stores = await both(make_store)
        batch = sent(*(event(str(mint()), "succeeded") for _ in range(50)))
        answers = await asyncio.gather(*(stores[number % 2].put(batch) for number in range(6)))
        outcomes = [outcome for answer in answers for outcome, _ in answer]
        await close(stores)

        assert outcomes.count("stored") == 50
        assert outcomes.count("duplicate") == 250

    asyncio.run(work())


def test_within_one_batch_later_events_see_earlier_ones(make_store: MakeStore) -> None:
    async def work() -> None:
        [store, other] = await both(make_store)
        record_id = str(mint())
        events = [event(record_id, state) for state in STATES]
        outcomes = [outcome for outcome, _ in await store.put(sent(*events, events[0]))]
        report = await verify(store)
        await close([store, other])

        assert outcomes == ["stored", "merged", "merged", "merged", "duplicate"]
        assert (report.records, report.events, report.faults) == (1, 4, [])

    asyncio.run(work())
