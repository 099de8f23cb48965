"""The embedded backend: one SQLite file, one writer that commits in groups, and readers beside it.

WAL, so that readers do not wait for the writer; synchronous=FULL, so that what was acknowledged survives a power cut;
and a long busy timeout, so that a second process on the same folder waits for its turn.
"""

import asyncio
import fcntl
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from kubernaut_datastorage import statements
from kubernaut_datastorage.batch import Head, Outcome, Plan, Row, Stored, decide
from kubernaut_datastorage.checkpoints import Commit
from kubernaut_datastorage.ingest import Told
from kubernaut_datastorage.migrate import found_revision, upgrade
from kubernaut_datastorage.months import Month
from kubernaut_datastorage.reading import ReadingStore, commit_of_row
from kubernaut_datastorage.schema import commits, counts, holds, records, signals, sweeps
from kubernaut_datastorage.store import Episode, Settings, StorageError, StorageFull, Unready, Unstorable
from kubernaut_sdk.times import utcnow

__all__ = ["SqliteStore", "open_sqlite", "reason"]

T = TypeVar("T")
logger = logging.getLogger(__name__)

BUSY_SECONDS = 60
_LARGEST_GROUP = 5_000
_AT_ONCE = 500
_DELETED_AT_ONCE = 100
"""Rows of one deletion: some milliseconds, so that no writer waits long."""


def open_sqlite(folder: Path) -> sa.Engine:
    """The database in a folder, made where there is none, at the newest schema.

    Raises:
        StorageError: if the folder or the database in it cannot be used.
    """
    file = folder / "records.db"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(folder / "lock"):
            # as a part of its own, so that a ? or % of the path stays what it is
            url = sa.URL.create("sqlite+pysqlite", database=str(file))
            engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
            sa.event.listen(engine, "connect", _configure)
            sa.event.listen(engine, "begin", _begin)
            with engine.connect().execution_options(writes=True) as connection:
                upgrade(connection, found_revision(connection))
                connection.commit()
    except OSError as error:
        raise StorageError(f"the folder cannot be used: {error.strerror}; choose another with --data.") from None
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        said = f"{file.name} cannot be used as a database: {reason(error)}; move it away, or mend it."
        raise StorageError(said) from None
    return engine


def reason(error: Exception) -> str:
    """What the database itself said, without the statement (which would show what was to be stored)."""
    return str(getattr(error, "orig", None) or error)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time makes or migrates the database."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin, below, says when a transaction starts
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@dataclass
class _Job:
    """What waits for the writer: events, or other work on its connection."""

    events: Sequence[Told] = ()
    work: Callable[[sa.Connection], Any] | None = None
    future: "Future[Any]" = field(default_factory=Future)


class SqliteStore(ReadingStore):
    """Records in a SQLite file.

    Args:
        engine: At the newest schema.
        settings: What a store is told.
    """

    def __init__(self, engine: sa.Engine, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._engine = engine
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._failing = False
        self._writer = threading.Thread(target=self._write_groups, name="writer")

    @property
    def waiting(self) -> int:
        return self._waiting

    async def start(self) -> None:
        self._writer.start()

    async def prepare(self) -> None:
        """Nothing is left to do: `open_sqlite` did it."""

    async def close(self) -> None:
        self._queue.put(None)
        if self._writer.is_alive():
            await asyncio.to_thread(self._writer.join)
        self._engine.dispose()

    async def require_ready(self) -> None:
        await self.read(sa.select(records.c.id).limit(1))
        if not self._writer.is_alive():
            raise StorageError("the writer has ended; restart the service.")
        if self._failing:
            await self.probe()

    async def probe(self) -> None:
        await self._enqueue(_Job(work=_probe))

    async def write(self, told: Sequence[Told]) -> list[tuple[Outcome, str | None]]:
        outcomes: list[tuple[Outcome, str | None]] = await self._enqueue(_Job(events=told))
        return outcomes

    async def write_signals(self, episodes: Sequence[Episode]) -> None:
        await self._enqueue(_Job(work=lambda connection: _put_episodes(connection, episodes)))

    async def rows(self, ids: Sequence[UUID]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for start in range(0, len(ids), _AT_ONCE):
            wanted = records.c.id.in_(ids[start : start + _AT_ONCE])
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

    async def hold(self, month: Month, reason: str | None) -> None:
        now = self.settings.clock()

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(holds).where(holds.c.month == str(month)))
            if reason is not None:
                connection.execute(sa.insert(holds).values(month=str(month), reason=reason, since=now))

        await self._enqueue(_Job(work=work))

    async def keep_swept(self, month: Month) -> None:
        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(sweeps))
            connection.execute(sa.insert(sweeps).values(id=1, month=str(month)))

        await self._enqueue(_Job(work=work))

    async def make_months(self, months: Sequence[Month]) -> None:
        """Nothing is made: SQLite has one table."""

    async def note(self, note: str) -> Commit:
        def work(connection: sa.Connection) -> Commit:
            plan = decide([], {}, _head(connection), now=self.settings.clock(), signer=self.settings.signer, note=note)
            _write(connection, plan)
            assert plan.commit is not None
            return plan.commit

        commit: Commit = await self._enqueue(_Job(work=work))
        return commit

    async def drop_month(self, month: Month) -> None:
        await self._delete(records, records.c.id, *_of(month))
        await self._delete(counts, counts.c.day, counts.c.day.like(f"{month}-%"))

    async def drop_log(self, month: Month) -> None:
        await self._delete(commits, commits.c.batch, commits.c.at < month.following.start)

    async def _delete(self, table: sa.Table, column: "sa.Column[Any]", *conditions: Any) -> None:
        """Deletes in small bites, each a transaction of its own among the others."""
        bite = sa.select(column).where(*conditions).limit(_DELETED_AT_ONCE).scalar_subquery()

        def work(connection: sa.Connection) -> int:
            return connection.execute(sa.delete(table).where(column.in_(bite))).rowcount

        deleted = _DELETED_AT_ONCE
        while deleted == _DELETED_AT_ONCE:
            deleted = await self._enqueue(_Job(work=work))
            await asyncio.sleep(0.01)

    async def _enqueue(self, job: _Job) -> Any:
        self._waiting += len(job.events)
        self._queue.put(job)
        try:
            return await asyncio.wrap_future(job.future)
        finally:
            self._waiting -= len(job.events)

    async def read(self, statement: "sa.Select[Any]") -> "list[sa.Row[Any]]":
        def work() -> "list[sa.Row[Any]]":
            with self._engine.connect() as connection:
                return list(connection.execute(statement))

        try:
            return await asyncio.to_thread(work)
        except sa.exc.DBAPIError as error:
            raise Unready(f"the database does not answer: {reason(error)}.") from None

    def _write_groups(self) -> None:
        """The one writer: what waits together is committed together."""
        over = False
        while not over:
            job = self._queue.get()
            group = [job]
            size = len(job.events) if job else 0
            while job is not None and size < _LARGEST_GROUP and not self._queue.empty():
                job = self._queue.get()
                group.append(job)
                size += len(job.events) if job else 0
            over = None in group
            self._write_group([job for job in group if job is not None])

    def _write_group(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        started = monotonic()
        try:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                answers = self._work(connection, jobs)
        except Exception as error:  # whatever it is, the one writer lives on and everyone gets an answer
            # a database that is locked or full is everyone's trouble
            if isinstance(error, sa.exc.OperationalError):
                self._failing = True
                for job in jobs:
                    job.future.set_exception(_refusal(error))
            else:
                self._write_apart(jobs, error)
            return
        self._failing = False
        self.settings.observe(sum(len(job.events) for job in jobs), monotonic() - started)
        for job, answer in zip(jobs, answers, strict=True):
            job.future.set_result(answer)

    def _write_apart(self, jobs: list[_Job], error: Exception) -> None:
        """Writes in halves what could not be written together, so that one event decides for no other."""
        if len(jobs) > 1:
            middle = len(jobs) // 2
            self._write_group(jobs[:middle])
            self._write_group(jobs[middle:])
            return
        [job] = jobs
        if len(job.events) > 1:
            middle = len(job.events) // 2
            halves = [_Job(events=job.events[:middle]), _Job(events=job.events[middle:])]
            for half in halves:
                self._write_group([half])
            problems = [problem for half in halves if (problem := half.future.exception()) is not None]
            if problems:
                job.future.set_exception(problems[0])
            else:
                job.future.set_result([outcome for half in halves for outcome in half.future.result()])
        elif not _lies_in_the_data(error):
            logger.error("the database refused an event or other work: %s", reason(error))
            job.future.set_exception(_refusal(error))
        elif job.events:
            logger.warning("the database cannot store an event of the record %s: %s", job.events[0].id, reason(error))
            job.future.set_result([("refused", f"the database cannot store it: {reason(error)}.")])
        else:
            job.future.set_exception(Unstorable(f"the database cannot store it: {reason(error)}."))

    def _work(self, connection: sa.Connection, jobs: list[_Job]) -> list[Any]:
        told = [one for job in jobs for one in job.events]
        outcomes = iter(self._put(connection, told)) if told else iter(())
        return [job.work(connection) if job.work is not None else [next(outcomes) for _ in job.events] for job in jobs]

    def _put(self, connection: sa.Connection, told: Sequence[Told]) -> list[tuple[Outcome, str | None]]:
        ids = list({UUID(bytes=one.key) for one in told})
        known: dict[bytes, Stored] = {}
        columns = (records.c.id, records.c.document, records.c.provenance)
        for start in range(0, len(ids), _AT_ONCE):
            wanted = records.c.id.in_(ids[start : start + _AT_ONCE])
            for row in connection.execute(sa.select(*columns).where(wanted)):
                known[row.id.bytes] = Stored(row.document, row.provenance)
        plan = decide(told, known, _head(connection), now=self.settings.clock(), signer=self.settings.signer)
        _write(connection, plan)
        return plan.outcomes


def _head(connection: sa.Connection) -> Head:
    row = connection.execute(statements.last_commit()).first()
    return Head.after(commit_of_row(row)) if row else Head()


def _write(connection: sa.Connection, plan: Plan) -> None:
    if rows := [_values(row) for row in (*plan.inserts, *plan.updates)]:
        statement = insert(records)
        columns = {column.name: statement.excluded[column.name] for column in records.c if column.name != "id"}
        connection.execute(statement.on_conflict_do_update(index_elements=[records.c.id], set_=columns), rows)
    if plan.counts:
        upsert = insert(counts)
        more = {"records": counts.c.records + upsert.excluded.records}
        changes = [
            {"day": day, "action_type": kind, "state": state, "dry_run": dry, "records": change}
            for (day, kind, state, dry), change in plan.counts.items()
        ]
        keys = [counts.c.day, counts.c.action_type, counts.c.state, counts.c.dry_run]
        connection.execute(upsert.on_conflict_do_update(index_elements=keys, set_=more), changes)
    if plan.commit is not None:
        connection.execute(sa.insert(commits).values(vars(plan.commit)))


def _values(row: Row) -> dict[str, Any]:
    return {**row._asdict(), "id": UUID(bytes=row.id), "undoes": row.undoes and UUID(row.undoes)}


def _probe(connection: sa.Connection) -> None:
    """Write a little and take it back: what fails then, no record can be stored either."""
    row = {"month": statements.PROBE_MONTH, "reason": statements.PROBE_TEXT, "since": utcnow()}
    connection.execute(sa.insert(holds).values(row))
    connection.execute(sa.delete(holds).where(holds.c.month == statements.PROBE_MONTH))


def _put_episodes(connection: sa.Connection, episodes: Sequence[Episode]) -> None:
    statement = insert(signals)
    new = statement.excluded
    renewed = {
        "resolved_at": sa.func.coalesce(new.resolved_at, signals.c.resolved_at),
        "name": new.name,
        "severity": new.severity,
    }
    upsert = statement.on_conflict_do_update(index_elements=[signals.c.fingerprint, signals.c.fired_at], set_=renewed)
    if episodes:
        connection.execute(upsert, [vars(episode) for episode in episodes])


def _of(month: Month) -> tuple[Any, Any]:
    return records.c.id >= month.first_id, records.c.id < month.following.first_id


def _between(first: Month | None, last: Month | None) -> list[Month]:
    months = [first] if first and last else []
    while months and last and months[-1] < last:
        months.append(months[-1].following)
    return months


def _lies_in_the_data(error: Exception) -> bool:
    """Return whether an error lies in what was to be stored, so that it will be the same whenever it is sent."""
    if isinstance(error, sa.exc.DBAPIError):
        return isinstance(error, (sa.exc.DataError, sa.exc.IntegrityError, sa.exc.InterfaceError))
    wrapped = getattr(error, "orig", None) or error
    return isinstance(wrapped, (ValueError, TypeError, LookupError, ArithmeticError, RecursionError))


def _refusal(error: Exception) -> StorageError:
    full = getattr(getattr(error, "orig", None), "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    if full:
        return StorageFull("there is no room for more on the disk; make room, and send it again. Reading goes on.")
    return Unready(f"the database refused to store it: {reason(error)}.")
