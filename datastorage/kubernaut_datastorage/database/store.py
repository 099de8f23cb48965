"""The half of a store that both databases share: the statements that read, and how rows become values."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from kubernaut_datastorage.database import statements
from kubernaut_datastorage.database.schema import commits, holds, records, signals, sweeps
from kubernaut_datastorage.log.checkpoints import Commit
from kubernaut_datastorage.log.plan import EventOutcome
from kubernaut_datastorage.records.documents import FoundRecord
from kubernaut_datastorage.records.ingest import ReceivedEvent
from kubernaut_datastorage.records.months import Month
from kubernaut_datastorage.store import (
    DatabaseUnavailable,
    Query,
    SignalFiring,
    SignalPlace,
    Store,
    UnstorableData,
)

__all__ = ["SqlStore", "commit_of_row"]

Rows = Sequence["sa.Row[Any]"]


class SqlStore(Store):
    """A store that runs SQLAlchemy's statements."""

    @abstractmethod
    async def read(self, statement: "sa.Select[Any]") -> Rows:
        """Return the rows of a statement.

        Raises:
            StorageError: if the database does not answer.
        """

    @abstractmethod
    async def write(self, events: Sequence[ReceivedEvent]) -> list[tuple[EventOutcome, str | None]]:
        """Merge events in the writer; return after the commit."""

    @abstractmethod
    async def write_signals(self, episodes: Sequence[SignalFiring]) -> None:
        """Store episodes in the writer, all or none of them.

        Raises:
            Unstorable: if one of them cannot be stored.
            StorageError: if they could not be stored for now.
        """

    @abstractmethod
    async def probe(self) -> None:
        """Write a little in the writer, and delete it again.

        Raises:
            StorageError: if nothing can be written.
        """

    async def put_signals(self, episodes: Sequence[SignalFiring]) -> list[str | None]:
        try:
            await self.write_signals(episodes)
        except UnstorableData as error:
            if len(episodes) == 1:
                return [str(error)]
            middle = len(episodes) // 2
            return await self.put_signals(episodes[:middle]) + await self.put_signals(episodes[middle:])
        return [None] * len(episodes)

    async def put(self, events: Sequence[ReceivedEvent]) -> list[tuple[EventOutcome, str | None]]:
        if self.waiting > self.settings.most_waiting:
            raise DatabaseUnavailable(f"{self.waiting} events wait to be written already; send this again later.")
        return await self.write(events)

    async def get(self, record_id: UUID) -> tuple[FoundRecord, str | None] | None:
        rows = await self.read(statements.select_record(record_id))
        return (_found(rows[0]), rows[0].namespace) if rows else None

    async def find(self, query: Query) -> list[FoundRecord]:
        return [_found(row) for row in await self.read(statements.select_records(query))]

    async def head(self) -> Commit | None:
        return _first(await self.read(statements.last_commit()))

    async def summary(self, action_type: str | None, since: str, until: str) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in await self.read(statements.summary(action_type, since, until))]

    async def find_signals(self, fingerprint: str | None, since: str, until: str) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in await self.read(statements.episodes(fingerprint, since, until))]

    async def follow_signals(self, heard_after: str, last: SignalPlace | None, limit: int) -> list[dict[str, Any]]:
        rows = await self.read(statements.followed_episodes(heard_after, last, limit))
        names = signals.c.keys()
        return [dict(zip(names, row, strict=True)) for row in rows]

    async def find_watch(self, since: str) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in await self.read(statements.watch(since))]

    async def commit_of(self, seq: int) -> Commit | None:
        commit = _first(await self.read(statements.commit_with_seq(seq)))
        return commit if commit is not None and seq < commit.next_seq else None

    async def last_commit_before(self, time: datetime) -> Commit | None:
        return _first(await self.read(statements.last_commit(time)))

    async def commits(self, after: int, limit: int) -> list[Commit]:
        rows = await self.read(statements.select_commits(commits.c.batch > after, limit=limit))
        return [commit_of_row(row) for row in rows]

    async def all_rows(self, after: UUID, limit: int) -> list[dict[str, Any]]:
        statement = sa.select(records).where(records.c.id > after).order_by(records.c.id).limit(limit)
        return [dict(row._mapping) for row in await self.read(statement)]

    async def notes(self) -> list[Commit]:
        return [commit_of_row(row) for row in await self.read(statements.notes())]

    async def count(self, seq: int) -> int:
        return int((await self.read(statements.count_records(seq)))[0][0])

    async def sweep_position(self) -> Month | None:
        rows = await self.read(sa.select(sweeps.c.month))
        return Month.parse(rows[0].month) if rows else None

    async def holds(self) -> dict[Month, str]:
        return {Month.parse(row.month): row.reason for row in await self.read(sa.select(holds))}


def commit_of_row(row: Any) -> Commit:
    """Return the commit of a row of the log."""
    return Commit(**row._mapping)


def _first(rows: Rows) -> Commit | None:
    return commit_of_row(rows[0]) if rows else None


def _found(row: Any) -> FoundRecord:
    return FoundRecord(row[0], row[1], row[2], row[3])
