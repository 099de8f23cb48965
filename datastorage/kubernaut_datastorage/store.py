"""The interface of a backend. SQLite and PostgreSQL pass the same tests."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from kubernaut_datastorage.log.checkpoints import Commit, NoSigner, Signer
from kubernaut_datastorage.log.plan import EventOutcome
from kubernaut_datastorage.records.documents import FoundRecord
from kubernaut_datastorage.records.ingest import ReceivedEvent
from kubernaut_datastorage.records.months import Month
from kubernaut_sdk.times import utcnow

__all__ = [
    "RETENTION",
    "WATCH_GAP",
    "DatabaseUnavailable",
    "InvalidSetting",
    "Query",
    "Settings",
    "SignalFiring",
    "SignalPlace",
    "StorageError",
    "StorageFull",
    "Store",
    "UnstorableData",
    "WatchKind",
    "WatchMark",
    "join_marks",
]

RETENTION = timedelta(days=90)
_CHUNK_BYTES = 2 << 20
_PAGE_BYTES = 16 << 20


class StorageError(Exception):
    """The store cannot be used; the message says why and what to do.

    Attributes:
        exit_code: The exit code of a command that ends with it, as in every command of `kubernaut`.
    """

    exit_code: ClassVar[int] = 3


class InvalidSetting(StorageError):
    """An option, an address or a file that an option names cannot be used."""

    exit_code = 2


class DatabaseUnavailable(StorageError):
    """The database cannot be used now; the same request may succeed later."""

    exit_code = 75


class StorageFull(StorageError):
    """The disk or the database is full."""


class UnstorableData(StorageError):
    """A value that no attempt can store: the fault lies in the value, not in the database."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """A selection of records and their order. Every value is bound, never written into SQL.

    Attributes:
        equal: Columns and the values that records must have; the caller checks the columns' names.
        about: The target, or the end of it after a `/`, such as the name alone.
        id_part: The beginning or the end of a record's id, in hexadecimal digits.
        first: The smallest id.
        last: The id that ends the range, itself excluded; a page's cursor is the last record's id of the page before.
        after_seq: Return the records that changed after this seq, oldest change first, instead of the newest first.
        limit: The largest number of records.
    """

    equal: tuple[tuple[str, Any], ...] = ()
    about: str | None = None
    id_part: str | None = None
    first: UUID | None = None
    last: UUID | None = None
    after_seq: int | None = None
    limit: int = 100

    def after(self, found: FoundRecord) -> "Query":
        """Return the rest of the query after this record."""
        if self.after_seq is not None:
            return replace(self, after_seq=found.seq)
        return replace(self, last=UUID(found.id))


@dataclass(frozen=True)
class SignalFiring:
    """One firing of a signal, as one message told it. Times are in the spelling of records.

    Attributes:
        fingerprint: Alertmanager's hash of the labels.
        fired_at: The time since which it fires.
        resolved_at: The time of its end; None while it fires.
        name: The alert's name.
        severity: The label of that name.
        labels: All labels, as JSON with sorted keys.
        heard_at: When it was told that it fires; None if this message tells of its end.
        resolved_heard_at: When it was told that it ended.
        last_heard_at: When this message came.
    """

    fingerprint: str
    fired_at: str
    resolved_at: str | None
    name: str | None
    severity: str | None
    labels: str | None = None
    heard_at: str | None = None
    resolved_heard_at: str | None = None
    last_heard_at: str | None = None


SignalPlace = tuple[str, str, str]
"""The place of an episode among those that are followed: last_heard_at, fingerprint, fired_at."""


class WatchKind(StrEnum):
    """The kinds of marks of the monitoring itself."""

    HEARTBEAT = "heartbeat"
    """The watchdog alert was told. The subject is its label `cluster`, or empty."""
    POLLED = "polled"
    """Alertmanager's API answered, so that silences are known. The subject is its address."""
    SILENCED = "silenced"
    """Alertmanager held a firing back for a silence. The subject is a fingerprint, and again its labels, as JSON."""
    INHIBITED = "inhibited"
    """Alertmanager held it back for another alert. The subject is a fingerprint, and again its labels, as JSON."""
    TRUNCATED = "truncated"
    """A webhook left out alerts. The subject is their common labels, as JSON with sorted keys."""
    DELETED = "deleted"
    """A target was deleted. The subject is the target, as records have it in one text."""


@dataclass(frozen=True)
class WatchMark:
    """One thing that was seen of the monitoring, at one time."""

    kind: WatchKind
    subject: str
    at: datetime


WATCH_GAP = timedelta(minutes=10)
"""Two marks of one subject that are no further apart belong to one span."""


def join_marks(marks: Iterable[WatchMark]) -> Iterator[tuple[WatchKind, str, datetime, datetime]]:
    """Yield marks as spans: kind, subject, since, until. Those of one subject without a gap are one."""
    times: dict[tuple[WatchKind, str], list[datetime]] = {}
    for mark in marks:
        times.setdefault((mark.kind, mark.subject), []).append(mark.at)
    for (kind, subject), found in times.items():
        found.sort()
        since = until = found[0]
        for at in found[1:]:
            if at - until > WATCH_GAP:
                yield kind, subject, since, until
                since = at
            until = at
        yield kind, subject, since, until


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a store, the same for every backend.

    Attributes:
        retention: The least time for which records are kept; older ones are not accepted.
        signer: The signer of commits.
        patience: The seconds that a request waits for a database that is away.
        most_waiting: The number of events that may wait to be written; more are refused for now.
        clock: Returns the time.
        observe: Called after each commit with the number of events and the seconds it took.
        watchdog: The name of the alert that always fires: a heartbeat of the monitoring.
    """

    retention: timedelta = RETENTION
    signer: Signer = field(default_factory=NoSigner)
    patience: float = 10.0
    most_waiting: int = 50_000
    clock: Callable[[], datetime] = utcnow
    observe: Callable[[int, float], None] = lambda _events, _seconds: None
    watchdog: str = "Watchdog"


class Store(ABC):
    """A store of records, of the log and of signals. Its methods belong to one event loop."""

    settings: Settings

    @property
    @abstractmethod
    def waiting(self) -> int:
        """The number of events that wait to be written."""

    @abstractmethod
    async def start(self) -> None:
        """Start to work. `require_ready` says what is wrong with the database then."""

    @abstractmethod
    async def prepare(self) -> None:
        """Bring schema and partitions up to date.

        Raises:
            StorageError: if that cannot be.
        """

    @abstractmethod
    async def close(self) -> None:
        """Commit what waits, and close the database."""

    @abstractmethod
    async def require_ready(self) -> None:
        """Return if records can be stored.

        Raises:
            StorageError: that says why not.
        """

    @abstractmethod
    async def put(self, events: Sequence[ReceivedEvent]) -> list[tuple[EventOutcome, str | None]]:
        """Merge events; return once they are committed, with an outcome for each and the reason of a refusal.

        Raises:
            StorageError: if they could not be; then none of them is stored.
        """

    @abstractmethod
    async def get(self, record_id: UUID) -> tuple[FoundRecord, str | None] | None:
        """Return one record and its namespace, or None."""

    @abstractmethod
    async def find(self, query: Query) -> list[FoundRecord]:
        """Return the records of a query."""

    @abstractmethod
    async def head(self) -> Commit | None:
        """Return the last commit, or None before the first."""

    @abstractmethod
    async def summary(self, action_type: str | None, since: str, until: str) -> list[dict[str, Any]]:
        """Return counts by action type, state and dry run, of days from `since` to before `until` (2026-01-31)."""

    @abstractmethod
    async def put_signals(self, episodes: Sequence[SignalFiring]) -> list[str | None]:
        """Store when signals fired and when they were resolved; the same episode again changes nothing.

        Returns:
            For each, in order, None or why it cannot be stored.

        Raises:
            StorageError: if they could not be stored for now.
        """

    @abstractmethod
    async def find_signals(self, fingerprint: str | None, since: str, until: str) -> list[dict[str, Any]]:
        """Return the episodes that had not ended before `since` and fired before `until`, oldest first."""

    @abstractmethod
    async def follow_signals(self, heard_after: str, last: SignalPlace | None, limit: int) -> list[dict[str, Any]]:
        """Return the episodes of which something was told at a time or later, oldest message first.

        Args:
            heard_after: The time.
            last: The place of the last episode of the page before.
            limit: The largest number of episodes.
        """

    @abstractmethod
    async def put_watch(self, marks: Sequence[WatchMark]) -> None:
        """Store what was seen of the monitoring: each mark lengthens its span, or begins another after a gap.

        Raises:
            StorageError: if it could not be stored for now.
        """

    @abstractmethod
    async def find_watch(self, since: str) -> list[dict[str, Any]]:
        """Return the spans that ended at a time or later, oldest first: kind, subject, since, until."""

    @abstractmethod
    async def drop_signals(self, month: Month) -> None:
        """Drop the episodes that began in a month, and the spans that began in it."""

    @abstractmethod
    async def commit_of(self, seq: int) -> Commit | None:
        """Return the commit that has the leaf of this seq."""

    @abstractmethod
    async def commits(self, after: int, limit: int) -> list[Commit]:
        """Return commits after a batch, oldest first."""

    @abstractmethod
    async def last_commit_before(self, time: datetime) -> Commit | None:
        """Return the last commit before a time."""

    @abstractmethod
    async def rows(self, ids: Sequence[UUID]) -> list[dict[str, Any]]:
        """Return whole rows of records, with all columns of `schema.records`: for verification."""

    @abstractmethod
    async def all_rows(self, after: UUID, limit: int) -> list[dict[str, Any]]:
        """Return whole rows of records with ids after this one, in the order of ids."""

    @abstractmethod
    async def notes(self) -> list[Commit]:
        """Return the commits that have a note, oldest first."""

    @abstractmethod
    async def count(self, seq: int) -> int:
        """Return the number of records whose last change has this seq or a lesser one, counted anew."""

    @abstractmethod
    async def months(self) -> list[Month]:
        """Return the months that have a partition for records, or records."""

    @abstractmethod
    async def log_months(self) -> list[Month]:
        """Return the months of the log."""

    @abstractmethod
    async def holds(self) -> dict[Month, str]:
        """Return the months under a legal hold, with the reason."""

    @abstractmethod
    async def set_hold(self, month: Month, reason: str | None) -> None:
        """Put a month under a legal hold or, without a reason, release it."""

    @abstractmethod
    async def sweep_position(self) -> Month | None:
        """Return the first month that retention has not reached, as of the last sweep; None before the first."""

    @abstractmethod
    async def save_sweep_position(self, month: Month) -> None:
        """Store the position that `sweep_position` returns."""

    @asynccontextmanager
    async def sweep_lock(self) -> AsyncIterator[bool]:
        """Hold the lock of the sweep during the block; yield False if another replica holds it."""
        yield True

    @abstractmethod
    async def create_months(self, months: Sequence[Month]) -> None:
        """Create the partitions of these months; harmless where they exist."""

    @abstractmethod
    async def add_note(self, note: str) -> Commit:
        """Add a commit that holds a note, as JSON, and no events."""

    @abstractmethod
    async def drop_month(self, month: Month) -> None:
        """Drop the records of a month, and their counts."""

    @abstractmethod
    async def drop_log(self, month: Month) -> None:
        """Drop the log of a month."""

    async def stream_fields(self, query: Query, fields: tuple[str, ...]) -> AsyncIterator[str] | None:
        """Return all records of a query as NDJSON if the database can write these fields itself; else None."""
        del query, fields
        return None

    async def page(self, query: Query) -> list[FoundRecord]:
        """Return as many records of a query as its limit says, or fewer if they are large."""
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
        """Yield all records of a query, chunk by chunk; `limit` bounds the first chunk.

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
