"""Records and signals in the database: one writer that commits in groups, and readers beside it."""

import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from kubernaut_datastorage.database import StorageError, reason
from kubernaut_datastorage.merge import Merged, Outcome, merge
from kubernaut_datastorage.schema import records, signals
from kubernaut_sdk.times import rfc3339, utcnow

__all__ = ["Query", "Store"]

_LARGEST_GROUP = 5_000
_AT_ONCE = 500


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


class Store:
    """All that is kept. Its methods may be called from any thread.

    Args:
        engine: At the newest schema.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[tuple[Sequence[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_groups, name="writer")
        self._writer.start()

    def put(self, events: Sequence[dict[str, Any]]) -> "Future[list[Outcome]]":
        """Merges valid events; the future has an outcome for each once they are committed.

        The future raises `StorageError` if they could not be; then none of them is stored.
        """
        future: Future[list[Outcome]] = Future()
        self._queue.put((events, future))
        return future

    def get(self, record_id: UUID) -> dict[str, Any] | None:
        """One record, or None."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(records).where(records.c.id == record_id)).first()
        return _document(row) if row else None

    def find(self, query: Query) -> list[dict[str, Any]]:
        """The records that a query names."""
        statement = sa.select(records).limit(query.limit)
        for column, value in query.equal:
            # what nobody called a dry run is none
            matches = records.c[column].is_not(True) if value is False else records.c[column] == value
            statement = statement.where(matches)
        if query.first is not None:
            statement = statement.where(records.c.id >= query.first)
        if query.last is not None:
            statement = statement.where(records.c.id < query.last)
        if query.after_seq is not None:
            statement = statement.where(records.c.seq > query.after_seq).order_by(records.c.seq)
        else:
            statement = statement.order_by(records.c.id.desc())
        with self._engine.connect() as connection:
            return [_document(row) for row in connection.execute(statement)]

    def stream(self, query: Query) -> Iterator[dict[str, Any]]:
        """All records that a query names, page by page, whatever its limit; memory stays that of a page."""
        while True:
            page = self.find(query)
            yield from page
            if len(page) < query.limit:
                return
            if query.after_seq is not None:
                query = replace(query, after_seq=page[-1]["seq"])
            else:
                query = replace(query, last=UUID(page[-1]["id"]))

    def put_signals(self, episodes: Sequence[dict[str, Any]]) -> None:
        """Keeps when signals fired and when they were resolved; hearing it again changes nothing.

        Raises:
            StorageError: if they could not be stored.
        """
        future: Future[Any] = Future()
        self._queue.put(([_Episode(**episode) for episode in episodes], future))
        future.result()

    def find_signals(self, fingerprint: str | None, since: str, until: str) -> list[dict[str, Any]]:
        """The episodes that had not ended before `since` and fired before `until`, oldest first."""
        over = sa.func.coalesce(signals.c.resolved_at, until)
        statement = sa.select(signals).where(over >= since, signals.c.fired_at < until).order_by(signals.c.fired_at)
        if fingerprint is not None:
            statement = statement.where(signals.c.fingerprint == fingerprint)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def require_ready(self) -> None:
        """Raises `StorageError` if the database does not answer."""
        try:
            with self._engine.connect() as connection:
                connection.execute(sa.select(records.c.id).limit(1)).first()
        except sa.exc.DBAPIError as error:
            raise StorageError(f"the database does not answer: {reason(error)}.") from None
        if not self._writer.is_alive():
            raise StorageError("the writer has ended; restart the service.")

    def close(self) -> None:
        """Commits what waits and closes the database."""
        self._queue.put(None)
        self._writer.join()
        self._engine.dispose()

    def _write_groups(self) -> None:
        """The one writer: what waits together is committed together."""
        over = False
        while not over:
            job = self._queue.get()
            group = [job]
            size = len(job[0]) if job else 0
            while job is not None and size < _LARGEST_GROUP and not self._queue.empty():
                job = self._queue.get()
                group.append(job)
                size += len(job[0]) if job else 0
            over = None in group
            self._write_group([job for job in group if job is not None])

    def _write_group(self, jobs: "list[tuple[Sequence[Any], Future[Any]]]") -> None:
        if not jobs:
            return
        try:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                answers = [self._write(connection, items) for items, _ in jobs]
        except Exception as error:  # whatever it is, the one writer lives on and everyone gets an answer
            # one request's failure is not its neighbours'; a database that is locked or full is everyone's
            if len(jobs) > 1 and not isinstance(error, sa.exc.OperationalError):
                for job in jobs:
                    self._write_group([job])
                return
            jobs[0][1].set_exception(StorageError(f"the database refused to store it: {reason(error)}."))
            return
        for (_, future), answer in zip(jobs, answers, strict=True):
            future.set_result(answer)

    def _write(self, connection: sa.Connection, items: Sequence[Any]) -> list[Outcome]:
        if items and isinstance(items[0], _Episode):
            for episode in items:
                _put_episode(connection, episode)
            return []
        return _put_events(connection, items)


@dataclass(frozen=True)
class _Episode:
    fingerprint: str
    fired_at: str
    resolved_at: str | None
    name: str | None
    severity: str | None


def _put_episode(connection: sa.Connection, episode: _Episode) -> None:
    statement = insert(signals).values(vars(episode))
    known = sa.func.coalesce(statement.excluded.resolved_at, signals.c.resolved_at)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[signals.c.fingerprint, signals.c.fired_at],
            set_={"resolved_at": known, "name": statement.excluded.name, "severity": statement.excluded.severity},
        )
    )


def _put_events(connection: sa.Connection, events: Sequence[dict[str, Any]]) -> list[Outcome]:
    ids = list({UUID(event["id"]) for event in events})
    known: dict[UUID, Merged] = {}
    for start in range(0, len(ids), _AT_ONCE):
        wanted = records.c.id.in_(ids[start : start + _AT_ONCE])
        for row in connection.execute(sa.select(records.c.id, records.c.document, records.c.provenance).where(wanted)):
            known[row.id] = Merged(row.document, {slot: tuple(key) for slot, key in row.provenance.items()})
    outcomes: list[Outcome] = []
    changed: dict[UUID, Merged] = {}
    for event in events:
        record_id = UUID(event["id"])
        known[record_id], outcome = merge(known.get(record_id), event)
        outcomes.append(outcome)
        if outcome != "duplicate":
            changed[record_id] = known[record_id]
    if changed:
        seq = connection.execute(sa.select(sa.func.coalesce(sa.func.max(records.c.seq), 0))).scalar_one()
        now = rfc3339(utcnow())
        rows = [_row(key, merged, seq + number, now) for number, (key, merged) in enumerate(changed.items(), 1)]
        statement = insert(records)
        columns = {column.name: statement.excluded[column.name] for column in records.c if column.name != "id"}
        connection.execute(statement.on_conflict_do_update(index_elements=[records.c.id], set_=columns), rows)
    return outcomes


def _row(record_id: UUID, merged: Merged, seq: int, now: str) -> dict[str, Any]:
    values = merged.values
    workflow = values.get("workflow") or {}
    return {
        "id": record_id,
        "seq": seq,
        "recorded_at": now,
        "state": values["state"],
        "action_type": values.get("action_type"),
        "target": target_text(values.get("target")),
        "workflow_namespace": workflow.get("namespace"),
        "workflow": workflow.get("name"),
        "remediation": (values.get("remediation") or {}).get("name"),
        "signal": (values.get("signal") or {}).get("fingerprint"),
        "dry_run": values.get("dry_run"),
        "document": values,
        "provenance": merged.keys,
    }


def target_text(target: Any) -> str | None:
    """A target as the filter takes it: an object as `namespace/Kind/name` (`Kind/name` without a namespace)."""
    if isinstance(target, dict):
        return "/".join(part for part in (target.get("namespace"), target["kind"], target["name"]) if part)
    return None if target is None else str(target)


def _document(row: Any) -> dict[str, Any]:
    merged = Merged(row.document, {})
    return {"id": str(row.id), **merged.document(), "seq": row.seq, "recorded_at": row.recorded_at}
