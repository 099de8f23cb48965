"""Records in a SQLite file: reading beside the one writer."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from kubernaut_datastorage.database.schema import commits, counts, holds, records, signals, sweeps, watch_spans
from kubernaut_datastorage.database.store import SqlStore
from kubernaut_datastorage.log.checkpoints import Commit
from kubernaut_datastorage.log.plan import EventOutcome
from kubernaut_datastorage.records.ingest import ReceivedEvent
from kubernaut_datastorage.records.months import Month
from kubernaut_datastorage.sqlite.commit import AT_ONCE, write_episodes, write_note, write_probe, write_watch
from kubernaut_datastorage.sqlite.connection import database_message
from kubernaut_datastorage.sqlite.writer import SqliteWriter
from kubernaut_datastorage.store import DatabaseUnavailable, Settings, SignalFiring, StorageError, WatchMark

__all__ = ["SqliteStore"]

_DELETED_AT_ONCE = 100
"""Rows of one deletion: some milliseconds, so that no writer waits long."""


class SqliteStore(SqlStore):
    """A store of records in a SQLite file.

    Args:
        engine: At the newest schema.
        settings: The store's settings.
    """

    def __init__(self, engine: sa.Engine, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._engine = engine
        self._writer = SqliteWriter(engine, self.settings)
        self._readers = ThreadPoolExecutor(thread_name_prefix="sqlite-reader")

    @property
    def waiting(self) -> int:
        return self._writer.waiting

    async def start(self) -> None:
        self._writer.start()

    async def prepare(self) -> None:
        """Do nothing: `open_sqlite` has brought the schema up to date."""

    async def close(self) -> None:
        await self._writer.close()
        await asyncio.to_thread(self._readers.shutdown)  # a read whose caller has gone still has a connection
        self._engine.dispose()

    async def require_ready(self) -> None:
        await self.read(sa.select(records.c.id).limit(1))
        if not self._writer.is_alive:
            raise StorageError("the writer has ended; restart the service.")
        if self._writer.failing:
            await self.probe()

    async def probe(self) -> None:
        await self._writer.enqueue(work=write_probe)

    async def write(self, events: Sequence[ReceivedEvent]) -> list[tuple[EventOutcome, str | None]]:
        outcomes: list[tuple[EventOutcome, str | None]] = await self._writer.enqueue(events)
        return outcomes

    async def write_signals(self, episodes: Sequence[SignalFiring]) -> None:
        await self._writer.enqueue(work=lambda connection: write_episodes(connection, episodes))

    async def put_watch(self, marks: Sequence[WatchMark]) -> None:
        await self._writer.enqueue(work=lambda connection: write_watch(connection, marks))

    async def rows(self, ids: Sequence[UUID]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for start in range(0, len(ids), AT_ONCE):
            wanted = records.c.id.in_(ids[start : start + AT_ONCE])
            found += [dict(row._mapping) for row in await self.read(sa.select(records).where(wanted))]
        return found

    async def months(self) -> list[Month]:
        row: Any = (await self.read(sa.select(sa.func.min(records.c.id), sa.func.max(records.c.id))))[0]
        first, last = row
        months = _between(first and Month.of_key(first.bytes), last and Month.of_key(last.bytes))
        return [month for month in months if await self.read(sa.select(records.c.id).where(*_of(month)).limit(1))]

    async def log_months(self) -> list[Month]:
        row: Any = (await self.read(sa.select(sa.func.min(commits.c.at), sa.func.max(commits.c.at))))[0]
        first, last = row
        return _between(first and Month.of(first), last and Month.of(last))

    async def set_hold(self, month: Month, reason: str | None) -> None:
        now = self.settings.clock()

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(holds).where(holds.c.month == str(month)))
            if reason is not None:
                connection.execute(sa.insert(holds).values(month=str(month), reason=reason, since=now))

        await self._writer.enqueue(work=work)

    async def save_sweep_position(self, month: Month) -> None:
        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(sweeps))
            connection.execute(sa.insert(sweeps).values(id=1, month=str(month)))

        await self._writer.enqueue(work=work)

    async def create_months(self, months: Sequence[Month]) -> None:
        """Do nothing: SQLite has one table for all months."""

    async def add_note(self, note: str) -> Commit:
        commit: Commit = await self._writer.enqueue(work=lambda connection: write_note(connection, note, self.settings))
        return commit

    async def drop_month(self, month: Month) -> None:
        await self._delete(records, records.c.id, *_of(month))
        await self._delete(counts, counts.c.day, counts.c.day.like(f"{month}-%"))

    async def drop_signals(self, month: Month) -> None:
        for column in (signals.c.fired_at, watch_spans.c.since):
            row: sa.ColumnElement[int] = sa.literal_column("rowid", sa.Integer)
            await self._delete(column.table, row, column.like(f"{month}-%"))

    async def drop_log(self, month: Month) -> None:
        await self._delete(commits, commits.c.batch, commits.c.at < month.following.start)

    async def _delete(self, table: sa.Table, column: "sa.ColumnElement[Any]", *conditions: Any) -> None:
        """Delete a few rows at a time, each group in a transaction of its own among the others."""
        bite = sa.select(column).where(*conditions).limit(_DELETED_AT_ONCE).scalar_subquery()

        def work(connection: sa.Connection) -> int:
            return connection.execute(sa.delete(table).where(column.in_(bite))).rowcount

        deleted = _DELETED_AT_ONCE
        while deleted == _DELETED_AT_ONCE:
            deleted = await self._writer.enqueue(work=work)
            await asyncio.sleep(0.01)

    async def read(self, statement: "sa.Select[Any]") -> "list[sa.Row[Any]]":
        def work() -> "list[sa.Row[Any]]":
            with self._engine.connect() as connection:
                return list(connection.execute(statement))

        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, work)
        except sa.exc.DBAPIError as error:
            raise DatabaseUnavailable(f"the database does not answer: {database_message(error)}.") from None


def _of(month: Month) -> tuple[Any, Any]:
    return records.c.id >= month.first_id, records.c.id < month.following.first_id


def _between(first: Month | None, last: Month | None) -> list[Month]:
    months = [first] if first and last else []
    while months and last and months[-1] < last:
        months.append(months[-1].following)
    return months
