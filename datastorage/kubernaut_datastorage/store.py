"""What a backend is: one interface over SQLite and PostgreSQL, which pass the same tests."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from kubernaut_datastorage.log.checkpoints import Commit, NoSigner, Signer
from kubernaut_datastorage.log.plan import EventOutcome
from kubernaut_datastorage.records.documents import FoundRecord
from kubernaut_datastorage.records.ingest import ReceivedEvent
from kubernaut_datastorage.records.months import Month
from kubernaut_sdk.times import utcnow

__all__ = [
    "RETENTION",
    "DatabaseUnavailable",
    "Query",
    "Settings",
    "SignalEpisode",
    "StorageError",
    "StorageFull",
    "Store",
    "UnstorableData",
]

RETENTION = timedelta(days=90)
_CHUNK_BYTES = 2 << 20
_PAGE_BYTES = 16 << 20


class StorageError(Exception):
    """The store cannot be used; the message says why and what to do."""


class DatabaseUnavailable(StorageError):
    """The store cannot be used now, and may be soon."""


class StorageFull(StorageError):
    """There is no room for more."""


class UnstorableData(StorageError):
    """What was to be stored cannot be, whenever it is sent: the error lies in it, not in the database."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which records, in which order. Every value is bound, never spelt into SQL.

    Attributes:
        equal: Column → value; the columns are checked by whoever makes a Query.
        first: Ids from here.
        last: Ids below here; a page's cursor is the id of the last record before it.
        after_seq: Instead of the newest first, what changed after this commit, oldest change first.
        limit: At most so many.
    """

    equal: tuple[tuple[str, Any], ...] = ()
    first: UUID | None = None
    last: UUID | None = None
    after_seq: int | None = None
    limit: int = 100

    def after(self, found: FoundRecord) -> "Query":
        """The rest of it, once this record was seen."""
        if self.after_seq is not None:
            return replace(self, after_seq=found.seq)
        return replace(self, last=UUID(found.id))


@dataclass(frozen=True)
class SignalEpisode:
    """One firing of a signal."""

    fingerprint: str
    fired_at: str
    resolved_at: str | None
    name: str | None
    severity: str | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a store is told, whatever the backend.

    Attributes:
        retention: Records are kept for so long at least, and older ones are not taken.
        signer: Signs commits.
        patience: Seconds that a request waits for a database that is away.
        most_waiting: Events that may wait to be written; more are turned away.
        clock: The time.
        observe: Called after each commit with the number of events and the seconds it took.
    """

    retention: timedelta = RETENTION
    signer: Signer = field(default_factory=NoSigner)
    patience: float = 10.0
    most_waiting: int = 50_000
    clock: Callable[[], datetime] = utcnow
    observe: Callable[[int, float], None] = lambda _events, _seconds: None


class Store(ABC):
    """All that is kept. Its methods belong to one event loop."""

    settings: Settings

    @property
    @abstractmethod
    def waiting(self) -> int:
        """Events that wait to be written."""

    @abstractmethod
    async def start(self) -> None:
        """Begins to work. What is wrong with the database then, `require_ready` says."""

    @abstractmethod
    async def prepare(self) -> None:
        """Brings schema and partitions up to date.

        Raises:
            StorageError: if that cannot be.
        """

    @abstractmethod
    async def close(self) -> None:
        """Commits what waits and closes the database."""

    @abstractmethod
    async def require_ready(self) -> None:
        """Returns if records can be stored.

        Raises:
            StorageError: that says why not.
        """

    @abstractmethod
    async def put(self, told: Sequence[ReceivedEvent]) -> list[tuple[EventOutcome, str | None]]:
        """Merges events; returns once they are committed, with an outcome for each, and the reason of a refusal.

        Raises:
            StorageError: if they could not be; then none of them is stored.
        """

    @abstractmethod
    async def get(self, record_id: UUID) -> tuple[FoundRecord, str | None] | None:
        """One record and its namespace, or None."""

    @abstractmethod
    async def find(self, query: Query) -> list[FoundRecord]:
        """The records that a query names."""

    @abstractmethod
    async def head(self) -> Commit | None:
        """The last commit, or None before the first."""

    @abstractmethod
    async def summary(self, action_type: str | None, since: str, until: str) -> list[dict[str, Any]]:
        """Counts by action type, state and dry run of the days from `since` to before `until`, such as 2026-01-31."""

    @abstractmethod
    async def put_signals(self, episodes: Sequence[SignalEpisode]) -> list[str | None]:
        """Keeps when signals fired and when they were resolved; hearing it again changes nothing.

        Returns:
            For each, in order, None or why it cannot be stored.

        Raises:
            StorageError: if they could not be stored for now.
        """

    @abstractmethod
    async def find_signals(self, fingerprint: str | None, since: str, until: str) -> list[dict[str, Any]]:
        """The episodes that had not ended before `since` and fired before `until`, oldest first."""

    @abstractmethod
    async def commit_of(self, seq: int) -> Commit | None:
        """The commit that has the leaf of this seq."""

    @abstractmethod
    async def commits(self, after: int, limit: int) -> list[Commit]:
        """Commits after a batch, oldest first."""

    @abstractmethod
    async def last_commit_before(self, time: datetime) -> Commit | None:
        """The last commit of before a time."""

    @abstractmethod
    async def rows(self, ids: Sequence[UUID]) -> list[dict[str, Any]]:
        """Whole rows of records, for those who verify them: all columns of `schema.records`."""

    @abstractmethod
    async def all_rows(self, after: UUID, limit: int) -> list[dict[str, Any]]:
        """Whole rows of records with ids after this one, in the order of ids."""

    @abstractmethod
    async def notes(self) -> list[Commit]:
        """The commits that have a note, oldest first."""

    @abstractmethod
    async def count(self, seq: int) -> int:
        """The number of records whose last change has this seq or a lesser one, counted."""

    @abstractmethod
    async def months(self) -> list[Month]:
        """The months that have a place for records, or records."""

    @abstractmethod
    async def log_months(self) -> list[Month]:
        """The months of the log."""

    @abstractmethod
    async def holds(self) -> dict[Month, str]:
        """Months under a legal hold, with the reason."""

    @abstractmethod
    async def set_hold(self, month: Month, reason: str | None) -> None:
        """Puts a month under a legal hold or, with no reason, releases it."""

    @abstractmethod
    async def sweep_position(self) -> Month | None:
        """The first month to which retention has not come yet, as the last sweep left it; None before the first."""

    @abstractmethod
    async def save_sweep_position(self, month: Month) -> None:
        """Keeps what `swept` says."""

    @asynccontextmanager
    async def sweep_lock(self) -> AsyncIterator[bool]:
        """Whether nobody else sweeps this database while the block lasts; of several replicas, one does."""
        yield True

    @abstractmethod
    async def create_months(self, months: Sequence[Month]) -> None:
        """Makes places for records of these months; harmless where they are there."""

    @abstractmethod
    async def add_note(self, note: str) -> Commit:
        """Adds a commit that states something beside records, as JSON."""

    @abstractmethod
    async def drop_month(self, month: Month) -> None:
        """Drops the records of a month, and what is counted of them."""

    @abstractmethod
    async def drop_log(self, month: Month) -> None:
        """Drops the log of a month."""

    async def stream_fields(self, query: Query, fields: tuple[str, ...]) -> AsyncIterator[str] | None:
        """All records that a query names as NDJSON, where the database itself can write these fields; else None."""
        del query, fields
        return None

    async def page(self, query: Query) -> list[FoundRecord]:
        """As many records of a query as its limit says, or fewer where they are large."""
        found: list[FoundRecord] = []
        size = 0
        async for chunk in self.stream(query):
            for one in chunk:
                found.append(one)
                size += len(one.document)
                if len(found) == query.limit or size > _PAGE_BYTES:
                    return found
        return found

    async def stream(self, query: Query) -> AsyncIterator[list[FoundRecord]]:
        """All records that a query names, chunk by chunk; `limit` is how many are wanted at first, at most.

        Each chunk is a query of its own, so that nobody who reads slowly holds a snapshot open. Its size follows from
        that of the records before it, so that memory stays some megabytes.
        """
        size = min(query.limit, 200)
        while True:
            chunk = await self.find(replace(query, limit=size))
            if chunk:
                yield chunk
            if len(chunk) < size:
                return
            query = query.after(chunk[-1])
            mean = sum(len(found.document) for found in chunk) // len(chunk) + 1
            size = max(20, min(2_000, _CHUNK_BYTES // mean))
