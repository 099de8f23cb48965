"""The PostgreSQL backend: commits in groups, one after the other whichever replica makes them; readers beside them.

A commit holds an advisory lock from before it reads to after it is visible. So merging has no race, seq is the order
of commit without a gap (whoever follows it misses nothing), and the log is one chain. What takes time, checking and
hashing events, is done before; under the lock are a look-up by primary key, a binary COPY, and a small statement.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from asyncpg.pgproto import pgproto
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from kubernaut_datastorage import statements
from kubernaut_datastorage.batch import COLUMNS, Head, Outcome, Plan, Row, Stored, decide
from kubernaut_datastorage.checkpoints import Commit
from kubernaut_datastorage.documents import Found, moment_text
from kubernaut_datastorage.ingest import Told
from kubernaut_datastorage.migrate import found_revision, upgrade
from kubernaut_datastorage.months import Month, wanted
from kubernaut_datastorage.packing import pack, unpack
from kubernaut_datastorage.schema import HEAD, commits, counts, holds, records, tell_postgresql
from kubernaut_datastorage.store import Episode, Query, Settings, StorageError, Store, Unready

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

__all__ = ["PostgresStore", "values_of"]

tell_postgresql()

_COMMIT_LOCK = 0x6B75_6265_7200  # "kuber": a namespace of advisory locks
_SCHEMA_LOCK = _COMMIT_LOCK + 1
_SWEEP_LOCK = _COMMIT_LOCK + 2
_LARGEST_GROUP = 5_000
_CONNECTING = 5.0
_LINES = 5_000
"""Lines of an export that PostgreSQL writes at once."""
_SESSION = {
    "application_name": "kubernaut-data-storage",
    "timezone": "UTC",
    "jit": "off",  # compiling takes longer than any of these queries
    # a replica that hangs must not hold the lock for ever
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "8s",
    "statement_timeout": "30s",
}
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    OSError,
    TimeoutError,
    EOFError,
)
"""Errors that pass: the database is away, starts, stops, or somebody else holds the lock."""

_ARRAYS = ", ".join(
    f"${number}::{kind}[]"
    for number, kind in enumerate(
        ("uuid", "bigint", "timestamptz", *["text"] * 7, "boolean", "bytea", "json"),
        1,
    )
)
_UPDATE = f"""
UPDATE action_records AS record SET ({", ".join(COLUMNS[1:])}) = ({", ".join(f"told.{name}" for name in COLUMNS[1:])})
FROM unnest({_ARRAYS}) AS told({", ".join(COLUMNS)})
WHERE record.id = told.id AND record.id BETWEEN $14 AND $15
"""  # noqa: S608 – names of columns
_KNOWN = "SELECT id, document, provenance FROM action_records WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3"
_HEAD = "SELECT batch, first_seq + count, chain, at FROM commits ORDER BY at DESC, batch DESC LIMIT 1"
_LOG = """
WITH counted AS (
  INSERT INTO record_counts AS known (day, action_type, state, records)
  SELECT * FROM unnest($12::text[], $13::text[], $14::text[], $15::bigint[])
  ON CONFLICT (day, action_type, state) DO UPDATE SET records = known.records + excluded.records
)
INSERT INTO commits (batch, at, first_seq, count, root, previous, chain, leaves, note, key_id, signature)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_EPISODES = """
INSERT INTO signals AS known (fingerprint, fired_at, resolved_at, name, severity) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (fingerprint, fired_at) DO UPDATE
SET resolved_at = coalesce(excluded.resolved_at, known.resolved_at), name = excluded.name, severity = excluded.severity
"""


@dataclass
class _Job:
    """What waits for the writer: events, or other work in its transaction."""

    deadline: float
    events: Sequence[Told] = ()
    work: "Callable[[Connection], Awaitable[Any]] | None" = None
    future: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class PostgresStore(Store):
    """Records in PostgreSQL.

    Args:
        url: As libpq takes it: `postgresql://user@host/database?sslmode=verify-full`. The password may come from
            PGPASSWORD or PGPASSFILE.
        settings: What a store is told.
        migrates: Whether it brings the schema up to date itself.
    """

    def __init__(self, url: str, settings: Settings | None = None, *, migrates: bool = True) -> None:
        self.settings = settings or Settings()
        self._url = url
        self._migrates = migrates
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            json_deserializer=str,  # documents stay text
            pool_size=8,
            max_overflow=8,
            pool_timeout=5,
        )
        self._jobs: deque[_Job] = deque()
        self._told = asyncio.Event()
        self._waiting = 0
        self._closing = False
        self._ready = False
        self._current = False
        self._problem = "it has not been asked yet"
        self._connection: Connection | None = None
        self._writer: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        return self._waiting

    async def start(self) -> None:
        self._writer = asyncio.create_task(self._write_groups(), name="writer")

    async def close(self) -> None:
        self._closing = True
        self._told.set()
        if self._writer is not None:
            await self._writer
        await self._leave()
        await self._engine.dispose()

    async def prepare(self) -> None:
        try:
            await self._prepare()
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, *_AWAY) as error:
            raise Unready(f"the database does not answer: {_reason(error).rstrip('.')}.") from None

    async def _prepare(self) -> None:
        async with self._engine.begin() as connection:
            # loading Alembic may take long on a busy machine, and waiting for another replica's migration longer
            for limit in ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout"):
                await connection.exec_driver_sql(f"SET LOCAL {limit} = '5min'")
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
            found = await connection.run_sync(found_revision)
            if found != HEAD and not self._migrates:
                raise StorageError(_other_schema(found))
            await connection.run_sync(upgrade, found)
        await self.make_months(wanted(self.settings.clock(), self.settings.retention))

    async def require_ready(self) -> None:
        if not self._ready:
            raise Unready(f"the database does not answer: {self._problem}.")
        await self._read(sa.select(records.c.id).limit(1))

    async def put(self, told: Sequence[Told]) -> list[tuple[Outcome, str | None]]:
        if self._waiting > self.settings.most_waiting:
            raise Unready(f"{self._waiting} events wait to be written already; send this again later.")
        outcomes: list[tuple[Outcome, str | None]] = await self._enqueue(told)
        return outcomes

    async def get(self, record_id: UUID) -> tuple[Found, str | None] | None:
        rows = await self._read(statements.one_record(record_id))
        return (_found(rows[0]), rows[0].namespace) if rows else None

    async def find(self, query: Query) -> list[Found]:
        return [_found(row) for row in await self._read(statements.some_records(query))]

    async def narrow(self, query: Query, fields: tuple[str, ...]) -> AsyncIterator[str] | None:
        return None if set(fields) - statements.WRITTEN.keys() else self._narrow(query, fields)

    async def _narrow(self, query: Query, fields: tuple[str, ...]) -> AsyncIterator[str]:
        while True:
            row: Any = (await self._read(statements.some_lines(query, fields, _LINES)))[0]
            count, lines, seq, record_id = row
            if not count:
                return
            yield f"{lines}\n"
            if count < _LINES:
                return
            query = query.after(Found(record_id, seq, "", ""))

    async def head(self) -> Commit | None:
        rows = await self._read(statements.last_commit())
        return _commit_of(rows[0]) if rows else None

    async def summary(self, action_type: str | None, since: str, until: str) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in await self._read(statements.summary(action_type, since, until))]

    async def put_signals(self, episodes: Sequence[Episode]) -> None:
        rows = [(one.fingerprint, one.fired_at, one.resolved_at, one.name, one.severity) for one in episodes]
        await self._enqueue(work=lambda connection: connection.executemany(_EPISODES, rows))

    async def find_signals(self, fingerprint: str | None, since: str, until: str) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in await self._read(statements.episodes(fingerprint, since, until))]

    async def commit_of(self, seq: int) -> Commit | None:
        # a commit that is only a note has no leaf, and the first_seq of the next
        with_leaf = sa.select(commits).where(commits.c.first_seq <= seq, commits.c.count > 0)
        rows = await self._read(with_leaf.order_by(commits.c.first_seq.desc()).limit(1))
        commit = _commit_of(rows[0]) if rows else None
        return commit if commit is not None and seq < commit.next_seq else None

    async def last_commit_before(self, time: datetime) -> Commit | None:
        rows = await self._read(statements.last_commit(time))
        return _commit_of(rows[0]) if rows else None

    async def commits(self, after: int, limit: int) -> list[Commit]:
        rows = await self._read(statements.some_commits(commits.c.batch > after, limit=limit))
        return [_commit_of(row) for row in rows]

    async def rows(self, ids: Sequence[UUID]) -> list[dict[str, Any]]:
        if not ids:
            return []
        wanted_ids = (records.c.id == sa.func.any(sa.cast(list(ids), sa.ARRAY(sa.Uuid))), records.c.id >= min(ids))
        statement = sa.select(records).where(*wanted_ids, records.c.id <= max(ids))
        return [dict(row._mapping) for row in await self._read(statement)]

    async def all_rows(self, after: UUID, limit: int) -> list[dict[str, Any]]:
        statement = sa.select(records).where(records.c.id > after).order_by(records.c.id).limit(limit)
        return [dict(row._mapping) for row in await self._read(statement)]

    async def notes(self) -> list[Commit]:
        return [_commit_of(row) for row in await self._read(statements.notes())]

    async def count(self, seq: int) -> int:
        return int((await self._read(statements.how_many(seq)))[0][0])

    async def months(self) -> list[Month]:
        return await self._partitions("action_records")

    async def log_months(self) -> list[Month]:
        return await self._partitions("commits")

    async def holds(self) -> dict[Month, str]:
        return {Month.parse(row.month): row.reason for row in await self._read(sa.select(holds))}

    async def hold(self, month: Month, reason: str | None) -> None:
        now = self.settings.clock()

        async def work(connection: "Connection") -> None:
            await connection.execute("DELETE FROM legal_holds WHERE month = $1", str(month))
            if reason is not None:
                await connection.execute("INSERT INTO legal_holds VALUES ($1, $2, $3)", str(month), reason, now)

        await self._enqueue(work=work)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        connection = await self._connect()
        try:
            yield bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", _SWEEP_LOCK))
        finally:
            await connection.close()

    async def make_months(self, months: Sequence[Month]) -> None:
        there = {"action_records": set(await self.months()), "commits": set(await self.log_months())}
        for table, known in there.items():
            for month in months:
                if month not in known:
                    await self._make(table, month)

    async def note(self, note: str) -> Commit:
        async def work(connection: "Connection") -> Commit:
            plan = decide(
                [], {}, await _head(connection), now=self.settings.clock(), signer=self.settings.signer, note=note
            )
            await _write(connection, plan)
            assert plan.commit is not None
            return plan.commit

        commit: Commit = await self._enqueue(work=work)
        return commit

    async def drop_month(self, month: Month) -> None:
        await self._drop("action_records", month)
        async with self._engine.begin() as connection:
            await connection.execute(sa.delete(counts).where(counts.c.day.like(f"{month}-%")))

    async def drop_log(self, month: Month) -> None:
        await self._drop("commits", month)

    async def _connect(self) -> "Connection":
        return await asyncpg.connect(self._url, timeout=_CONNECTING, command_timeout=35, server_settings=_SESSION)

    async def _partitions(self, table: str) -> list[Month]:
        statement = sa.text(
            "SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid"
            " WHERE inhparent = to_regclass(:parent) AND NOT inhdetachpending"
        )
        names = [row[0] for row in await self._read(statement.bindparams(parent=table))]
        return sorted(Month(int(name[-7:-3]), int(name[-2:])) for name in names)

    async def _make(self, table: str, month: Month) -> None:
        name, after = month.partition(table), month.following
        first, last = (month.first_id, after.first_id) if table == "action_records" else (month.start, after.start)
        async with self._engine.begin() as connection:
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
            if await connection.scalar(sa.text("SELECT to_regclass(:name)").bindparams(name=name)) is not None:
                return
            # a table of its own first: attaching needs a lock of the parent that does not stop readers or writers
            await connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
            attach = f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{last}')"
            await connection.exec_driver_sql(attach)

    async def _drop(self, table: str, month: Month) -> None:
        name = month.partition(table)
        async with self._engine.connect() as connection:
            alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
            pending = sa.text(
                "SELECT inhdetachpending FROM pg_inherits"
                " WHERE inhparent = to_regclass(:parent) AND inhrelid = to_regclass(:name)"
            )
            state = await alone.scalar(pending.bindparams(parent=table, name=name))
            if state is not None:
                how = "FINALIZE" if state else "CONCURRENTLY"  # readers and writers of other months go on
                await alone.exec_driver_sql(f"ALTER TABLE {table} DETACH PARTITION {name} {how}")
            await alone.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")

    async def _read(self, statement: Any) -> "list[sa.Row[Any]]":
        """Reads, again where the database was away, within the patience that a request has."""
        deadline = monotonic() + self.settings.patience
        pause = 0.05
        while True:
            try:
                async with self._reading() as connection:
                    return list(await connection.execute(statement))
            except (sa.exc.DBAPIError, sa.exc.TimeoutError, *_AWAY) as error:
                passing = isinstance(error, (*_AWAY, sa.exc.TimeoutError)) or _is_away(error)
                if not passing or monotonic() + pause > deadline:
                    raise Unready(f"the database does not answer: {_reason(error)}.") from None
            await asyncio.sleep(pause)
            pause = min(1.0, pause * 2)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            if not self._current:
                found = await connection.run_sync(found_revision)
                if found != HEAD:
                    raise Unready(_other_schema(found))
                self._current = True
            yield connection

    async def _enqueue(
        self, events: Sequence[Told] = (), work: "Callable[[Connection], Awaitable[Any]] | None" = None
    ) -> Any:
        if self._closing:
            raise Unready("the service is stopping; send this again.")
        job = _Job(monotonic() + self.settings.patience, events, work)
        self._jobs.append(job)
        self._waiting += len(events)
        self._told.set()
        try:
            return await job.future
        finally:
            self._waiting -= len(events)

    async def _write_groups(self) -> None:
        """The one writer of this replica: what waits together is committed together."""
        pause = 0.05
        while not self._ready and not self._closing:
            try:
                await self._prepare()
                self._ready = True
            except Exception as error:  # whatever it is, the next attempt may go well, and /readyz says it
                self._problem = _reason(error).rstrip(".")
                self._give_up()
                await asyncio.sleep(pause)
                pause = min(1.0, pause * 2)
        while self._jobs or not self._closing:
            self._told.clear()
            if not self._jobs:
                await self._told.wait()
                continue
            group: list[_Job] = []
            size = 0
            while self._jobs and size < _LARGEST_GROUP:
                group.append(self._jobs.popleft())
                size += len(group[-1].events)
            await self._write_group(group)

    def _give_up(self, jobs: "deque[_Job] | list[_Job] | None" = None) -> None:
        """Answers those whose time is over while the database is away."""
        now = monotonic()
        waiting = self._jobs if jobs is None else jobs
        late = [job for job in waiting if job.deadline <= now or job.future.done()]
        for job in late:
            waiting.remove(job)
            if not job.future.done():
                job.future.set_exception(Unready(f"the database does not answer: {self._problem}."))

    async def _write_group(self, jobs: list[_Job]) -> None:
        pause = 0.05
        while jobs:
            started = monotonic()
            try:
                async with asyncio.timeout(self.settings.patience):
                    answers = await self._commit(jobs)
            except _AWAY as error:
                self._problem = _reason(error).rstrip(".")
                await self._leave()
                await asyncio.sleep(pause)
                pause = min(1.0, pause * 2)
                self._give_up(jobs)
                self._give_up()
                continue
            except asyncpg.CheckViolationError:
                # no partition for it: the clock went past what was made
                await self._leave()
                with suppress(StorageError, sa.exc.DBAPIError, *_AWAY):
                    await self.make_months(wanted(self.settings.clock(), self.settings.retention))
                await asyncio.sleep(pause)
                self._give_up(jobs)
                continue
            except Exception as error:  # whatever it is, the one writer lives on and everyone gets an answer
                await self._leave()
                if len(jobs) > 1:  # one request's failure is not its neighbours'
                    for job in jobs:
                        await self._write_group([job])
                elif not jobs[0].future.done():
                    jobs[0].future.set_exception(Unready(f"the database refused to store it: {_reason(error)}."))
                return
            self.settings.observe(sum(len(job.events) for job in jobs), monotonic() - started)
            for job, answer in zip(jobs, answers, strict=True):
                if not job.future.done():
                    job.future.set_result(answer)
            return

    async def _commit(self, jobs: list[_Job]) -> list[Any]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        connection = self._connection
        told = [one for job in jobs for one in job.events]
        await connection.execute(f"BEGIN; SELECT pg_advisory_xact_lock({_COMMIT_LOCK})")
        outcomes = iter(await self._put(connection, told) if told else ())
        answers = [
            await job.work(connection) if job.work is not None else [next(outcomes) for _ in job.events] for job in jobs
        ]
        await connection.execute("COMMIT")
        return answers

    async def _put(self, connection: "Connection", told: Sequence[Told]) -> list[tuple[Outcome, str | None]]:
        ids = [pgproto.UUID(key) for key in sorted({one.key for one in told})]
        rows = await connection.fetch(_KNOWN, ids, ids[0], ids[-1])
        known = {row[0].bytes: Stored(unpack(row[1]), row[2]) for row in rows}
        head = await _head(connection)
        plan = decide(told, known, head, now=self.settings.clock(), signer=self.settings.signer)
        await _write(connection, plan)
        return plan.outcomes

    async def _leave(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.terminate()


async def _head(connection: "Connection") -> Head:
    row = await connection.fetchrow(_HEAD)
    return Head(*row) if row is not None else Head()


async def _write(connection: "Connection", plan: Plan) -> None:
    if plan.inserts:
        rows = map(values_of, plan.inserts)
        await connection.copy_records_to_table("action_records", records=rows, columns=COLUMNS)
    if plan.updates:
        await connection.execute(_UPDATE, *_arrays(plan.updates))
    if plan.commit is None:
        return
    one = plan.commit
    places = list(plan.counts)
    await connection.execute(
        _LOG,
        one.batch,
        one.at,
        one.first_seq,
        one.count,
        one.root,
        one.previous,
        one.chain,
        one.leaves,
        one.note,
        one.key_id,
        one.signature,
        [day for day, _, _ in places],
        [kind for _, kind, _ in places],
        [state for _, _, state in places],
        [plan.counts[place] for place in places],
    )


def _arrays(rows: Sequence[Row]) -> list[Any]:
    columns = [list(column) for column in zip(*map(values_of, rows), strict=True)]
    return [*columns, min(columns[0]), max(columns[0])]


def values_of(row: Row) -> tuple[Any, ...]:
    """A row as PostgreSQL is given it, in the order of its columns."""
    # asyncpg's own UUID takes bytes, and an eighth of the time
    return (pgproto.UUID(row.id), *row[1:-2], pack(row.document), row.provenance)


def _other_schema(found: str | None) -> str:
    return f"the database has schema {found}, and this version wants {HEAD}; run: kubernaut serve migrate"


def _found(row: Any) -> Found:
    return Found(str(row[0]), row[1], moment_text(row[2]), row[3])


def _commit_of(row: Any) -> Commit:
    return Commit(**row._mapping)


def _is_away(error: Exception) -> bool:
    """Whether SQLAlchemy wraps an error that passes."""
    if getattr(error, "connection_invalidated", False):
        return True
    cause: BaseException | None = getattr(error, "orig", None)
    while cause is not None:
        if isinstance(cause, _AWAY):
            return True
        cause = cause.__cause__
    return False


def _reason(error: BaseException) -> str:
    """What the database itself said, without the statement (which would show what was to be stored)."""
    cause = getattr(error, "orig", None) or error
    cause = cause.__cause__ or cause
    return str(cause).splitlines()[0] if str(cause) else type(cause).__name__
