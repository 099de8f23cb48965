"""One commit's statements to SQLite, within the writer's transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from kubernaut_datastorage.database import statements
from kubernaut_datastorage.database.schema import commits, counts, holds, records, signals, watch_spans
from kubernaut_datastorage.database.store import commit_of_row
from kubernaut_datastorage.log.checkpoints import Commit
from kubernaut_datastorage.log.plan import CommitPlan, EventOutcome, LogHead, RecordRow, StoredRecord, plan_commit
from kubernaut_datastorage.records.columns import RECORD_COLUMNS
from kubernaut_datastorage.records.ingest import ReceivedEvent
from kubernaut_datastorage.store import WATCH_GAP, Settings, SignalFiring, WatchMark, join_marks
from kubernaut_sdk.times import rfc3339, utcnow

__all__ = ["merge_events", "write_episodes", "write_note", "write_probe", "write_watch"]

AT_ONCE = 500


def merge_events(
    connection: sa.Connection, events: Sequence[ReceivedEvent], settings: Settings
) -> list[tuple[EventOutcome, str | None]]:
    """Merge events into records, and return the outcome of each."""
    ids = list({UUID(bytes=event.key) for event in events})
    known: dict[bytes, StoredRecord] = {}
    columns = (records.c.id, records.c.document, records.c.provenance)
    for start in range(0, len(ids), AT_ONCE):
        wanted = records.c.id.in_(ids[start : start + AT_ONCE])
        for row in connection.execute(sa.select(*columns).where(wanted)):
            known[row.id.bytes] = StoredRecord(row.document, row.provenance)
    plan = plan_commit(events, known, _head(connection), now=settings.clock(), signer=settings.signer)
    _write(connection, plan)
    return plan.outcomes


def write_note(connection: sa.Connection, note: str, settings: Settings) -> Commit:
    """Add a commit that holds only a note, as JSON."""
    plan = plan_commit([], {}, _head(connection), now=settings.clock(), signer=settings.signer, note=note)
    _write(connection, plan)
    assert plan.commit is not None
    return plan.commit


def _head(connection: sa.Connection) -> LogHead:
    row = connection.execute(statements.last_commit()).first()
    return LogHead.after(commit_of_row(row)) if row else LogHead()


def _write(connection: sa.Connection, plan: CommitPlan) -> None:
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


def _values(row: RecordRow) -> dict[str, Any]:
    values = {
        column.name: UUID(value) if column.kind == "uuid" and value else value
        for column, value in zip(RECORD_COLUMNS, row.values, strict=True)
    }
    return {
        **values,
        "id": UUID(bytes=row.id),
        "seq": row.seq,
        "recorded_at": row.recorded_at,
        "document": row.document,
        "provenance": row.provenance,
    }


def write_probe(connection: sa.Connection) -> None:
    """Write a row and delete it again: if that fails, no record can be stored either."""
    row = {"month": statements.PROBE_MONTH, "reason": statements.PROBE_TEXT, "since": utcnow()}
    connection.execute(sa.insert(holds).values(row))
    connection.execute(sa.delete(holds).where(holds.c.month == statements.PROBE_MONTH))


def write_episodes(connection: sa.Connection, episodes: Sequence[SignalFiring]) -> None:
    """Store when signals fired and when they were resolved; in any order of messages the same remains."""
    statement = insert(signals)
    new, old = statement.excluded, signals.c

    def known(choose: Any, name: str) -> Any:
        return sa.func.coalesce(choose(new[name], old[name]), new[name], old[name])

    renewed = {
        "resolved_at": known(sa.func.max, "resolved_at"),
        "name": sa.func.coalesce(new.name, old.name),
        "severity": sa.func.coalesce(new.severity, old.severity),
        "labels": sa.func.coalesce(new.labels, old.labels),
        "heard_at": known(sa.func.min, "heard_at"),
        "resolved_heard_at": known(sa.func.min, "resolved_heard_at"),
        "last_heard_at": known(sa.func.max, "last_heard_at"),
    }
    upsert = statement.on_conflict_do_update(index_elements=[signals.c.fingerprint, signals.c.fired_at], set_=renewed)
    if episodes:
        connection.execute(upsert, [vars(episode) for episode in episodes])


def write_watch(connection: sa.Connection, marks: Sequence[WatchMark]) -> None:
    """Lengthen the span of each mark, or begin one."""
    spans = watch_spans.c
    for kind, subject, first, last in join_marks(marks):
        since, until, before = rfc3339(first), rfc3339(last), rfc3339(first - WATCH_GAP)
        mine = (spans.kind == kind, spans.subject == subject)
        reached = sa.update(watch_spans).where(*mine, spans.until >= before, spans.since <= until)
        if not connection.execute(reached.values(until=sa.func.max(spans.until, until))).rowcount:
            new = {"kind": kind, "subject": subject, "since": since, "until": until}
            connection.execute(insert(watch_spans).values(new).on_conflict_do_nothing())
