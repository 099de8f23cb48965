"""The one writer of a replica, a task: events that wait at the same time are committed together."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import asyncpg
import sqlalchemy as sa

from kubernaut_datastorage.postgresql.commit import merge_events
from kubernaut_datastorage.postgresql.connection import (
    COMMIT_LOCK,
    LONGEST_PAUSE,
    PAUSE,
    TRANSIENT_ERRORS,
    connect,
    database_message,
    is_data_error,
    is_transient,
)
from kubernaut_datastorage.records.ingest import ReceivedEvent
from kubernaut_datastorage.store import DatabaseUnavailable, Settings, StorageError, StorageFull, UnstorableData

if TYPE_CHECKING:
    from kubernaut_datastorage.postgresql.connection import Connection
from kubernaut_sdk.backoff import backoff

__all__ = ["PostgresWriter"]

logger = logging.getLogger(__name__)

_LARGEST_GROUP = 5_000


@dataclass
class _PostgresJob:
    """Work that waits for the writer: events, or another function in its transaction."""

    deadline: float
    events: Sequence[ReceivedEvent] = ()
    work: "Callable[[Connection], Awaitable[Any]] | None" = None
    future: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class PostgresWriter:
    """A task that commits in groups.

    Args:
        url: The database's address.
        settings: The store's settings.
        prepare: Brings the schema up to date; called until it goes well, before anything is written.
        create_months: Makes partitions where a commit found none.

    Attributes:
        waiting: The number of events that wait to be written.
        ready: True once the schema is up to date.
        problem: The database's last error.
        failing: True if the last job was given up.
    """

    def __init__(
        self,
        url: str,
        settings: Settings,
        prepare: Callable[[], Awaitable[None]],
        create_months: Callable[[], Awaitable[None]],
    ) -> None:
        self.waiting = 0
        self.ready = False
        self.failing = self._full = False
        self.problem = "it has not been asked yet"
        self._url, self._settings, self._prepare, self._create_months = url, settings, prepare, create_months
        self._jobs: deque[_PostgresJob] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task; needs a running loop."""
        self._task = asyncio.create_task(self._write_groups(), name="writer")

    async def close(self) -> None:
        """Commit what waits, and end the task."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        self._disconnect()

    async def enqueue(
        self, events: Sequence[ReceivedEvent] = (), work: "Callable[[Connection], Awaitable[Any]] | None" = None
    ) -> Any:
        """Merge events, or do other work in the writer's transaction; return once it is committed.

        Raises:
            StorageError: if it could not be, within the patience of a request.
        """
        if self._closing:
            raise DatabaseUnavailable("the service is stopping; send this again.")
        job = _PostgresJob(monotonic() + self._settings.patience, events, work)
        self._jobs.append(job)
        self.waiting += len(events)
        self._wake.set()
        try:
            return await job.future
        finally:
            self.waiting -= len(events)

    async def _write_groups(self) -> None:
        """Commit until the writer is closed: jobs that wait at the same time, in one commit."""
        failures = 0
        while not self.ready and not self._closing:
            try:
                await self._prepare()
                self.ready = True
            except Exception as error:  # whatever it is, the next attempt may go well, and /readyz says it
                self.problem = database_message(error).rstrip(".")
                self._give_up()
                failures += 1
                await asyncio.sleep(backoff(failures, PAUSE, LONGEST_PAUSE))
        while self._jobs or not self._closing:
            self._wake.clear()
            if not self._jobs:
                await self._wake.wait()
                continue
            group: list[_PostgresJob] = []
            size = 0
            while self._jobs and size < _LARGEST_GROUP:
                group.append(self._jobs.popleft())
                size += len(group[-1].events)
            await self._write_group(group)

    def _give_up(self, jobs: "deque[_PostgresJob] | list[_PostgresJob] | None" = None) -> None:
        """Answer the jobs whose deadline has passed while the database is away."""
        now = monotonic()
        waiting = self._jobs if jobs is None else jobs
        late = [job for job in waiting if job.deadline <= now or job.future.done()]
        for job in late:
            waiting.remove(job)
            if not job.future.done():
                self.failing = True
                job.future.set_exception(_full() if self._full else _away(self.problem))

    async def _write_group(self, jobs: list[_PostgresJob]) -> None:
        failures = 0
        made_months = False
        while jobs:
            started = monotonic()
            try:
                async with asyncio.timeout(self._settings.patience):
                    answers = await self._commit(jobs)
            except Exception as error:  # whatever it is, the one writer lives on and everyone gets an answer
                self._disconnect()
                if not is_transient(error) and (made_months or not isinstance(error, asyncpg.CheckViolationError)):
                    await self._write_apart(jobs, error)
                    return
                self._full = isinstance(error, asyncpg.DiskFullError)
                if is_transient(error):
                    self.problem = database_message(error).rstrip(".")
                else:
                    # no partition for it: the clock went past what was made
                    made_months = True
                    with suppress(StorageError, sa.exc.DBAPIError, *TRANSIENT_ERRORS):
                        await self._create_months()
                failures += 1
                await asyncio.sleep(backoff(failures, PAUSE, LONGEST_PAUSE))
                self._give_up(jobs)
                self._give_up()
                continue
            self.failing = False
            self._settings.observe(sum(len(job.events) for job in jobs), monotonic() - started)
            for job, answer in zip(jobs, answers, strict=True):
                if not job.future.done():
                    job.future.set_result(answer)
            return

    async def _write_apart(self, jobs: list[_PostgresJob], error: Exception) -> None:
        """Write in halves what could not be written together: one bad event must not harm the others."""
        if len(jobs) > 1:
            middle = len(jobs) // 2
            await self._write_group(jobs[:middle])
            await self._write_group(jobs[middle:])
            return
        [job] = jobs
        if job.future.done():
            return
        if len(job.events) > 1:
            middle = len(job.events) // 2
            halves = [_PostgresJob(job.deadline, job.events[:middle]), _PostgresJob(job.deadline, job.events[middle:])]
            for half in halves:
                await self._write_group([half])
            await _answer_from(halves, job)
        elif not is_data_error(error):
            logger.error("the database refused an event or other work: %s", database_message(error))
            job.future.set_exception(
                DatabaseUnavailable(f"the database refused to store it: {database_message(error)}.")
            )
        elif job.events:
            logger.warning(
                "the database cannot store an event of the record %s: %s", job.events[0].id, database_message(error)
            )
            job.future.set_result([("refused", f"the database cannot store it: {database_message(error)}.")])
        else:
            job.future.set_exception(UnstorableData(f"the database cannot store it: {database_message(error)}."))

    async def _commit(self, jobs: list[_PostgresJob]) -> list[Any]:
        if self._connection is None or self._connection.is_closed():
            try:
                self._connection = await connect(self._url)
            except Exception as error:  # whatever it is, it says nothing about what is to be written
                raise ConnectionError(database_message(error)) from error
        connection = self._connection
        events = [event for job in jobs for event in job.events]
        await connection.execute(f"BEGIN; SELECT pg_advisory_xact_lock({COMMIT_LOCK})")
        outcomes = iter(await merge_events(connection, events, self._settings) if events else ())
        answers = [
            await job.work(connection) if job.work is not None else [next(outcomes) for _ in job.events] for job in jobs
        ]
        await connection.execute("COMMIT")
        return answers

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.terminate()


def _away(problem: str) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"the database does not answer: {problem}.")


def _full() -> StorageFull:
    return StorageFull("there is no room for more on the database's disk; make room, and send it again.")


async def _answer_from(halves: list[_PostgresJob], job: _PostgresJob) -> None:
    """Complete a job with the answers of its halves, or with the error of one."""
    answers: list[Any] = await asyncio.gather(*(half.future for half in halves), return_exceptions=True)
    if job.future.done():
        return
    if errors := [answer for answer in answers if isinstance(answer, BaseException)]:
        job.future.set_exception(errors[0])
    else:
        job.future.set_result([outcome for answer in answers for outcome in answer])
