"""Records in PostgreSQL: reading beside the one writer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from kubernaut_datastorage.database import statements
from kubernaut_datastorage.database.migration import found_revision, upgrade
from kubernaut_datastorage.database.schema import (
    NEWEST_REVISION,
    configure_postgresql,
    counts,
    records,
    signals,
    watch_spans,
)
from kubernaut_datastorage.database.store import SqlStore
from kubernaut_datastorage.log.checkpoints import Commit
from kubernaut_datastorage.log.plan import EventOutcome
from kubernaut_datastorage.postgresql.commit import write_episodes, write_note, write_probe, write_watch
from kubernaut_datastorage.postgresql.connection import (
    LONGEST_PAUSE,
    PAUSE,
    SCHEMA_LOCK,
    SWEEP_LOCK,
    TRANSIENT_ERRORS,
    connect,
    database_message,
    is_transient_in_sqlalchemy,
)
from kubernaut_datastorage.postgresql.partitions import (
    drop_partition,
    make_partition,
    month_of_partition,
    partitions_of,
)
from kubernaut_datastorage.postgresql.writer import PostgresWriter
from kubernaut_datastorage.records.documents import FoundRecord
from kubernaut_datastorage.records.ingest import ReceivedEvent
from kubernaut_datastorage.records.months import Month, months_to_create
from kubernaut_datastorage.store import DatabaseUnavailable, Query, Settings, SignalFiring, StorageError, WatchMark
from kubernaut_sdk.backoff import backoff

if TYPE_CHECKING:
    from kubernaut_datastorage.postgresql.connection import Connection

__all__ = ["PostgresStore"]

configure_postgresql()

_LINES = 5_000
"""Lines of an export that PostgreSQL writes at once."""


class PostgresStore(SqlStore):
    """A store of records in PostgreSQL.

    Args:
        url: As libpq takes it: `postgresql://user@host/database?sslmode=verify-full`. The password may come from
            PGPASSWORD or PGPASSFILE.
        settings: The store's settings.
        migrates: True to bring the schema up to date at the start.
    """

    def __init__(self, url: str, settings: Settings | None = None, *, migrates: bool = True) -> None:
        self.settings = settings or Settings()
        self._url = url
        self._migrates = migrates
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=lambda: connect(url),
            json_deserializer=str,  # documents stay text
            pool_size=8,
            max_overflow=8,
            pool_timeout=5,
        )
        self._writer = PostgresWriter(url, self.settings, self._prepare, self._make_wanted)
        self._current = False

    @property
    def waiting(self) -> int:
        return self._writer.waiting

    async def start(self) -> None:
        self._writer.start()

    async def close(self) -> None:
        await self._writer.close()
        await self._engine.dispose()

    async def prepare(self) -> None:
        try:
            await self._prepare()
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, *TRANSIENT_ERRORS) as error:
            raise DatabaseUnavailable(f"the database does not answer: {database_message(error).rstrip('.')}.") from None

    async def _prepare(self) -> None:
        async with self._engine.begin() as connection:
            # loading Alembic may take long on a busy machine, and waiting for another replica's migration longer
            for limit in ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout"):
                await connection.exec_driver_sql(f"SET LOCAL {limit} = '5min'")
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
            found = await connection.run_sync(found_revision)
            if found != NEWEST_REVISION and not self._migrates:
                raise StorageError(_other_schema(found))
            await connection.run_sync(upgrade, found)
        await self._make_wanted()

    async def _make_wanted(self) -> None:
        await self.create_months(months_to_create(self.settings.clock(), self.settings.retention))

    async def require_ready(self) -> None:
        if not self._writer.ready:
            raise DatabaseUnavailable(f"the database does not answer: {self._writer.problem}.")
        await self.read(sa.select(records.c.id).limit(1))
        if self._writer.failing:
            await self.probe()

    async def probe(self) -> None:
        await self._writer.enqueue(work=write_probe)

    async def write(self, events: Sequence[ReceivedEvent]) -> list[tuple[EventOutcome, str | None]]:
        outcomes: list[tuple[EventOutcome, str | None]] = await self._writer.enqueue(events)
        return outcomes

    async def stream_fields(self, query: Query, fields: tuple[str, ...]) -> AsyncIterator[str] | None:
        return None if set(fields) - statements.JSON_COLUMNS.keys() else self._stream_lines(query, fields)

    async def _stream_lines(self, query: Query, fields: tuple[str, ...]) -> AsyncIterator[str]:
        while True:
            row: Any = (await self.read(statements.select_lines(query, fields, _LINES)))[0]
            count, lines, seq, record_id = row
            if not count:
                return
            yield f"{lines}\n"
            if count < _LINES:
                return
            query = query.after(FoundRecord(record_id, seq, "", ""))

    async def write_signals(self, episodes: Sequence[SignalFiring]) -> None:
        await self._writer.enqueue(work=lambda connection: write_episodes(connection, episodes))

    async def put_watch(self, marks: Sequence[WatchMark]) -> None:
        await self._writer.enqueue(work=lambda connection: write_watch(connection, marks))

    async def rows(self, ids: Sequence[UUID]) -> list[dict[str, Any]]:
        if not ids:
            return []
        wanted_ids = (records.c.id == sa.func.any(sa.cast(list(ids), sa.ARRAY(sa.Uuid))), records.c.id >= min(ids))
        statement = sa.select(records).where(*wanted_ids, records.c.id <= max(ids))
        return [dict(row._mapping) for row in await self.read(statement)]

    async def months(self) -> list[Month]:
        return await self._months_of("action_records")

    async def log_months(self) -> list[Month]:
        return await self._months_of("commits")

    async def set_hold(self, month: Month, reason: str | None) -> None:
        now = self.settings.clock()

        async def work(connection: "Connection") -> None:
            await connection.execute("DELETE FROM legal_holds WHERE month = $1", str(month))
            if reason is not None:
                await connection.execute("INSERT INTO legal_holds VALUES ($1, $2, $3)", str(month), reason, now)

        await self._writer.enqueue(work=work)

    async def save_sweep_position(self, month: Month) -> None:
        async def work(connection: "Connection") -> None:
            await connection.execute("DELETE FROM sweeps")
            await connection.execute("INSERT INTO sweeps VALUES (1, $1)", str(month))

        await self._writer.enqueue(work=work)

    @asynccontextmanager
    async def sweep_lock(self) -> AsyncIterator[bool]:
        connection = await connect(self._url)
        try:
            yield bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", SWEEP_LOCK))
        finally:
            await connection.close()

    async def create_months(self, months: Sequence[Month]) -> None:
        there = {"action_records": set(await self.months()), "commits": set(await self.log_months())}
        for table, known in there.items():
            for month in months:
                if month not in known:
                    await make_partition(self._engine, table, month)

    async def add_note(self, note: str) -> Commit:
        commit: Commit = await self._writer.enqueue(work=lambda connection: write_note(connection, note, self.settings))
        return commit

    async def drop_month(self, month: Month) -> None:
        await drop_partition(self._engine, "action_records", month)
        async with self._engine.begin() as connection:
            await connection.execute(sa.delete(counts).where(counts.c.day.like(f"{month}-%")))

    async def drop_signals(self, month: Month) -> None:
        async with self._engine.begin() as connection:
            for column in (signals.c.fired_at, watch_spans.c.since):
                await connection.execute(sa.delete(column.table).where(column.like(f"{month}-%")))

    async def drop_log(self, month: Month) -> None:
        await drop_partition(self._engine, "commits", month)

    async def _months_of(self, table: str) -> list[Month]:
        return sorted(month_of_partition(row[0]) for row in await self.read(partitions_of(table)))

    async def read(self, statement: Any) -> "list[sa.Row[Any]]":
        """Read; try again while the database is away, within the patience of a request."""
        deadline = monotonic() + self.settings.patience
        failures = 0
        while True:
            try:
                async with self._reading() as connection:
                    return list(await connection.execute(statement))
            except (sa.exc.DBAPIError, sa.exc.TimeoutError, *TRANSIENT_ERRORS) as error:
                passing = isinstance(error, (*TRANSIENT_ERRORS, sa.exc.TimeoutError)) or is_transient_in_sqlalchemy(
                    error
                )
                failures += 1
                pause = backoff(failures, PAUSE, LONGEST_PAUSE)
                if not passing or monotonic() + pause > deadline:
                    raise DatabaseUnavailable(f"the database does not answer: {database_message(error)}.") from None
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            if not self._current:
                found = await connection.run_sync(found_revision)
                if found != NEWEST_REVISION:
                    raise DatabaseUnavailable(_other_schema(found))
                self._current = True
            yield connection


def _other_schema(found: str | None) -> str:
    return f"the database has schema {found}, and this version wants {NEWEST_REVISION}; run: kubernaut serve migrate"
