"""The one writer of a SQLite store, a thread: events that wait at the same time are committed together."""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import sqlalchemy as sa

from kubernaut_datastorage.records.ingest import ReceivedEvent
from kubernaut_datastorage.sqlite.commit import merge_events
from kubernaut_datastorage.sqlite.connection import database_message, is_data_error, storage_error
from kubernaut_datastorage.store import Settings, UnstorableData

__all__ = ["SqliteWriter"]

logger = logging.getLogger(__name__)

_LARGEST_GROUP = 5_000
"""Events of one commit, at most."""


@dataclass
class _SqliteJob:
    """Work that waits for the writer: events, or another function on its connection."""

    events: Sequence[ReceivedEvent] = ()
    work: Callable[[sa.Connection], Any] | None = None
    future: "Future[Any]" = field(default_factory=Future)


class SqliteWriter:
    """A thread that commits in groups.

    Args:
        engine: At the newest schema.
        settings: The store's settings.

    Attributes:
        waiting: The number of events that wait to be written.
        failing: True if the last write failed because the database is locked or full.
    """

    def __init__(self, engine: sa.Engine, settings: Settings) -> None:
        self.waiting = 0
        self.failing = False
        self._engine, self._settings = engine, settings
        self._queue: queue.SimpleQueue[_SqliteJob | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_groups, name="writer")

    @property
    def is_alive(self) -> bool:
        """True while the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def close(self) -> None:
        """Commit what waits, and end the thread."""
        self._queue.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    async def enqueue(
        self, events: Sequence[ReceivedEvent] = (), work: Callable[[sa.Connection], Any] | None = None
    ) -> Any:
        """Merge events, or do other work in the writer's transaction; return once it is committed.

        Raises:
            StorageError: if it could not be committed.
        """
        job = _SqliteJob(events, work)
        self.waiting += len(events)
        self._queue.put(job)
        try:
            return await asyncio.wrap_future(job.future)
        finally:
            self.waiting -= len(events)

    def _write_groups(self) -> None:
        """Commit until the writer is closed: jobs that wait at the same time, in one commit."""
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

    def _write_group(self, jobs: list[_SqliteJob]) -> None:
        if not jobs:
            return
        started = monotonic()
        try:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                answers = self._work(connection, jobs)
        except Exception as error:  # whatever it is, the one writer lives on and everyone gets an answer
            # a database that is locked or full is everyone's trouble
            if isinstance(error, sa.exc.OperationalError):
                self.failing = True
                for job in jobs:
                    job.future.set_exception(storage_error(error))
            else:
                self._write_apart(jobs, error)
            return
        self.failing = False
        self._settings.observe(sum(len(job.events) for job in jobs), monotonic() - started)
        for job, answer in zip(jobs, answers, strict=True):
            job.future.set_result(answer)

    def _write_apart(self, jobs: list[_SqliteJob], error: Exception) -> None:
        """Write in halves what could not be written together: one bad event must not harm the others."""
        if len(jobs) > 1:
            middle = len(jobs) // 2
            self._write_group(jobs[:middle])
            self._write_group(jobs[middle:])
            return
        [job] = jobs
        if len(job.events) > 1:
            middle = len(job.events) // 2
            halves = [_SqliteJob(events=job.events[:middle]), _SqliteJob(events=job.events[middle:])]
            for half in halves:
                self._write_group([half])
            problems = [problem for half in halves if (problem := half.future.exception()) is not None]
            if problems:
                job.future.set_exception(problems[0])
            else:
                job.future.set_result([outcome for half in halves for outcome in half.future.result()])
        elif not is_data_error(error):
            logger.error("the database refused an event or other work: %s", database_message(error))
            job.future.set_exception(storage_error(error))
        elif job.events:
            logger.warning(
                "the database cannot store an event of the record %s: %s", job.events[0].id, database_message(error)
            )
            job.future.set_result([("refused", f"the database cannot store it: {database_message(error)}.")])
        else:
            job.future.set_exception(UnstorableData(f"the database cannot store it: {database_message(error)}."))

    def _work(self, connection: sa.Connection, jobs: list[_SqliteJob]) -> list[Any]:
        events = [event for job in jobs for event in job.events]
        outcomes = iter(merge_events(connection, events, self._settings)) if events else iter(())
        return [job.work(connection) if job.work is not None else [next(outcomes) for _ in job.events] for job in jobs]
