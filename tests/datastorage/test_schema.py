"""The chain makes what the MetaData says, on both databases; and a database of before keeps its records."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from kubernaut_datastorage.database.migration import upgrade
from kubernaut_datastorage.database.schema import NEWEST_REVISION, metadata, records
from kubernaut_datastorage.log.verification import verify
from kubernaut_datastorage.postgresql import PostgresStore
from kubernaut_datastorage.records.bounds import index_key
from kubernaut_datastorage.records.documents import decode
from kubernaut_datastorage.records.ingest import ReceivedEvent, parse_events
from kubernaut_datastorage.records.merge import merge
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import RETENTION, DatabaseUnavailable, Query, Store
from kubernaut_sdk.ids import mint

COUNTS_OF_0003 = """CREATE TABLE record_counts (
    day VARCHAR(10) NOT NULL, action_type VARCHAR(253) NOT NULL, state VARCHAR(16) NOT NULL, records BIGINT NOT NULL,
    PRIMARY KEY (day, action_type, state)
)"""
TO_0005 = (
    "DROP TABLE watch_spans",
    "DROP INDEX signals_last_heard_at",
    *(
        f"ALTER TABLE signals DROP COLUMN {name}"
        for name in ("labels", "heard_at", "resolved_heard_at", "last_heard_at")
    ),
)
"""From the newest schema back to revision 0005."""
TO_0003 = (
    *TO_0005,
    "DROP INDEX action_records_image",
    "DROP INDEX action_records_requester",
    "ALTER TABLE action_records DROP COLUMN image",
    "ALTER TABLE action_records DROP COLUMN requester",
    "DROP INDEX action_records_undoes",
    "ALTER TABLE action_records DROP COLUMN undoes",
    "DROP TABLE sweeps",
    "ALTER TABLE record_counts RENAME TO counts_of_0004",
    COUNTS_OF_0003,
    "INSERT INTO record_counts SELECT day, action_type, state, sum(records) FROM counts_of_0004 GROUP BY 1, 2, 3",
    "DROP TABLE counts_of_0004",
)
"""From the newest schema back to revision 0003."""
TO_0003_POSTGRESQL = (
    *TO_0003[:-4],
    "ALTER TABLE record_counts DROP CONSTRAINT record_counts_pkey",
    *TO_0003[-4:],
)


def schema(connection: sqlite3.Connection) -> list[Any]:
    rows = connection.execute("SELECT name, lower(replace(sql, '\"', '')) FROM sqlite_master WHERE sql IS NOT NULL")
    return sorted((name, " ".join(sql.split())) for name, sql in rows)


def difference(connection: sa.Connection) -> list[Any]:
    def ours(name: str | None, kind: str, _parents: Any) -> bool:
        # partitions and their indexes are made by the service
        return kind not in {"table", "index"} or name is None or name[-3:-2] != "_" or not name[-2:].isdigit()

    context = MigrationContext.configure(connection, opts={"include_name": ours, "compare_type": True})
    return list(compare_metadata(context, metadata))


def test_sqlite_is_made_at_once_as_the_chain_makes_it(tmp_path: Path) -> None:
    open_sqlite(tmp_path / "direct").dispose()
    engine = sa.create_engine(f"sqlite:///{tmp_path}/chain.db")
    with engine.begin() as connection:
        upgrade(connection, "")
        assert difference(connection) == []
    engine.dispose()

    direct, chain = sqlite3.connect(tmp_path / "direct" / "records.db"), sqlite3.connect(tmp_path / "chain.db")
    with closing(direct), closing(chain):
        made, expected = schema(direct), schema(chain)
    assert [name for name, _ in made] == [name for name, _ in expected]


def test_postgresql_is_as_the_metadata_says(database: str) -> None:
    async def work() -> None:
        store = PostgresStore(database)
        async with store._engine.connect() as connection:
            assert await connection.run_sync(difference) == []
        await store.close()

    asyncio.run(work())


def test_postgresql_is_made_at_once_as_the_chain_makes_it(database: str) -> None:
    """The chain makes exactly the schema of the MetaData, with the same storage of each column."""

    def kept(connection: sa.Connection) -> list[Any]:
        found = connection.exec_driver_sql(
            "SELECT relname, attname, attstorage FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
            " WHERE relname IN ('action_records', 'commits') AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2"
        )
        return [tuple(row) for row in found]

    async def work() -> None:
        store = PostgresStore(database)
        async with store._engine.begin() as connection:
            at_once = await connection.run_sync(kept)
            await connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            await connection.exec_driver_sql("CREATE SCHEMA public")
            await connection.run_sync(upgrade, "")
            assert await connection.run_sync(difference) == []
            assert await connection.run_sync(kept) == at_once
        await store.close()

    asyncio.run(work())


def test_records_that_postgresql_had_as_text_are_packed(database: str) -> None:
    """A database of revision 0002, on which the service starts."""
    at = "2026-11-24T09:05:07Z"
    events = [{"id": str(mint()), "state": "failed", "at": at, "step": f"s{number}"} for number in range(3)]
    sent = [
        one for one in parse_events(json.dumps(events).encode(), retention=RETENTION) if isinstance(one, ReceivedEvent)
    ]

    async def work() -> None:
        store = PostgresStore(database)
        await store.start()
        await store.put(sent)
        async with store._engine.begin() as connection:
            rows = (await connection.execute(sa.select(records.c.id, records.c.document))).all()
            for statement in TO_0003_POSTGRESQL:
                await connection.exec_driver_sql(statement)
            await connection.exec_driver_sql("DROP INDEX action_records_namespace, action_records_type_state")
            await connection.exec_driver_sql("ALTER TABLE action_records ADD COLUMN text json")
            for row in rows:
                how = sa.text("UPDATE action_records SET text = CAST(:text AS json) WHERE id = :id")
                await connection.execute(how, {"text": row.document, "id": row.id})
            await connection.exec_driver_sql("ALTER TABLE action_records DROP COLUMN document")
            await connection.exec_driver_sql("ALTER TABLE action_records RENAME COLUMN text TO document")
            await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
        await store.close()

        again = PostgresStore(database)
        with pytest.raises(DatabaseUnavailable, match="the database has schema 0002, and this version wants 0006"):
            await again.find(Query())
        await again.prepare()
        found = await again.find(Query())
        report = await verify(again)
        await again.close()
        assert {decode(one.document)["step"] for one in found} == {"s0", "s1", "s2"}
        assert (report.records, report.faults) == (3, [])

    asyncio.run(work())


def test_many_replicas_that_start_at_once_migrate_once(postgres: str, database: str) -> None:
    async def work() -> None:
        stores = [PostgresStore(database) for _ in range(4)]
        async with stores[0]._engine.begin() as connection:
            await connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            await connection.exec_driver_sql("CREATE SCHEMA public")
        await asyncio.gather(*(store.prepare() for store in stores))
        async with stores[0]._engine.connect() as connection:
            assert await connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == NEWEST_REVISION
        assert len(await stores[0].months()) >= 7
        for store in stores:
            await store.close()

    asyncio.run(work())


def test_a_database_of_before_keeps_its_records(tmp_path: Path) -> None:
    """A file as revision 0001 wrote it: slots and keys."""
    record_id = mint()
    base = {"id": str(record_id), "attempt": 0, "source": "container"}
    events: list[dict[str, Any]] = [
        {**base, "state": "started", "at": "2026-11-24T09:05:07.000000Z", "step": "s", "inputs": {"a": 1}},
        {
            **base,
            "state": "succeeded",
            "at": "2026-11-24T09:05:09.000000Z",
            "attempts": [
                {"number": 0, "started": "2026-11-24T09:05:07.000000Z"},
                {"number": 1, "started": "2026-11-24T09:05:08.000000Z"},
            ],
        },
    ]
    merged = merge(merge(None, events[0])[0], events[1])[0]
    engine = sa.create_engine(f"sqlite:///{tmp_path}/records.db")
    with engine.begin() as connection:
        from alembic import command
        from alembic.config import Config

        import kubernaut_datastorage

        config = Config()
        config.set_main_option(
            "script_location", str(Path(kubernaut_datastorage.__file__).parent / "database" / "migrations")
        )
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO action_records VALUES (?, 7, '2026-11-24T09:05:10.000000Z', 'succeeded', NULL, NULL, NULL,"
            " NULL, NULL, NULL, NULL, ?, ?)",
            (record_id.hex, json.dumps(merged.values), json.dumps(merged.keys)),
        )
    engine.dispose()

    async def work() -> None:
        store = SqliteStore(open_sqlite(tmp_path))
        await store.start()
        [found] = await store.find(Query())
        report = await verify(store)
        await store.close()
        assert decode(found.document) == merged.document()
        assert (report.records, report.faults) == (1, [])

    asyncio.run(work())


LONG = "a target of more than the 1,024 bytes that an index takes " * 30
LONG_NAME = "é" * 1_000
"""A requester of as many characters as one may have, and of more bytes than an index takes."""


def old_events() -> list[ReceivedEvent]:
    base = {"state": "failed", "at": "2026-11-24T09:05:07Z", "action_type": "a/b_c"}
    events = [
        {**base, "id": str(mint()), "target": LONG},
        {**base, "id": str(mint()), "target": "short", "dry_run": True},
        {**base, "id": str(mint()), "dry_run": False, "image": "ghcr.io/k/a@sha256:00", "requester": LONG_NAME},
    ]
    received = parse_events(json.dumps(events).encode(), retention=RETENTION)
    assert [one for one in received if not isinstance(one, ReceivedEvent)] == []
    return [one for one in received if isinstance(one, ReceivedEvent)]


async def converted(store: Store) -> None:
    """Check the records after revisions 0004 and 0005."""
    [long] = await store.find(Query(equal=(("target", index_key(LONG)),)))
    assert decode(long.document)["target"] == LONG
    assert len(await store.find(Query(equal=(("target", "short"),)))) == 1
    [by_image] = await store.find(Query(equal=(("image", "ghcr.io/k/a@sha256:00"),)))
    assert await store.find(Query(equal=(("requester", index_key(LONG_NAME)),))) == [by_image]
    assert await store.summary("a/b_c", "0", "9") == [
        {"action_type": "a/b_c", "state": "failed", "dry_run": False, "records": 2},
        {"action_type": "a/b_c", "state": "failed", "dry_run": True, "records": 1},
    ]
    assert await store.sweep_position() is None
    report = await verify(store)
    assert (report.records, report.faults) == (3, [])


def test_a_sqlite_of_0003_becomes_one_of_now(tmp_path: Path) -> None:
    async def work() -> None:
        store = SqliteStore(open_sqlite(tmp_path))
        await store.start()
        await store.put(old_events())
        await store.close()
        with closing(sqlite3.connect(tmp_path / "records.db")) as database:
            for statement in TO_0003:
                database.execute(statement)
            database.execute("UPDATE action_records SET target = ? WHERE target LIKE '%sha256%'", (LONG,))
            database.execute("UPDATE alembic_version SET version_num = '0003'")
            database.commit()
        again = SqliteStore(open_sqlite(tmp_path))
        await again.start()
        try:
            await converted(again)
        finally:
            await again.close()

    asyncio.run(work())


def test_a_postgresql_of_0003_becomes_one_of_now(database: str) -> None:
    async def work() -> None:
        store = PostgresStore(database)
        await store.start()
        await store.put(old_events())
        async with store._engine.begin() as connection:
            for statement in TO_0003_POSTGRESQL:
                await connection.exec_driver_sql(statement)
            # a text that repeats itself is compressed in the index, so that one of this length was there
            how = sa.text("UPDATE action_records SET target = :target WHERE target LIKE '%sha256%'")
            await connection.execute(how, {"target": LONG})
            await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0003'")
        await store.close()
        again = PostgresStore(database)
        await again.prepare()
        await again.start()
        try:
            await converted(again)
        finally:
            await again.close()

    asyncio.run(work())
