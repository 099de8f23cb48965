"""One commit's statements to PostgreSQL, under the lock that allows one commit at a time.

The slow part, checking and hashing events, was done before; here are a look-up by primary key, a binary COPY, and a
small statement.
"""

from collections.abc import Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from asyncpg.pgproto import pgproto

from kubernaut_datastorage.database.statements import PROBE_MONTH, PROBE_TEXT
from kubernaut_datastorage.log.checkpoints import Commit
from kubernaut_datastorage.log.plan import (
    ROW_COLUMNS,
    CommitPlan,
    EventOutcome,
    LogHead,
    RecordRow,
    StoredRecord,
    plan_commit,
)
from kubernaut_datastorage.records.columns import RECORD_COLUMNS
from kubernaut_datastorage.records.ingest import ReceivedEvent
from kubernaut_datastorage.records.packing import pack_document, unpack_document
from kubernaut_datastorage.store import WATCH_GAP, Settings, SignalFiring, WatchMark, join_marks
from kubernaut_sdk.times import rfc3339

if TYPE_CHECKING:
    from kubernaut_datastorage.postgresql.connection import Connection

__all__ = ["merge_events", "row_values", "write_episodes", "write_note", "write_probe", "write_watch"]

_KINDS = ("uuid", "bigint", "timestamptz", *(column.kind for column in RECORD_COLUMNS), "bytea", "json")
_ARRAYS = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(_KINDS, 1))
_UUIDS = tuple(place for place, column in enumerate(RECORD_COLUMNS) if column.kind == "uuid")
_UPDATE = f"""
UPDATE action_records AS record
SET ({", ".join(ROW_COLUMNS[1:])}) = ({", ".join(f"new.{name}" for name in ROW_COLUMNS[1:])})
FROM unnest({_ARRAYS}) AS new({", ".join(ROW_COLUMNS)})
WHERE record.id = new.id AND record.id BETWEEN ${len(_KINDS) + 1} AND ${len(_KINDS) + 2}
"""  # noqa: S608 – names of columns
_KNOWN = "SELECT id, document, provenance FROM action_records WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3"
_HEAD = "SELECT batch, first_seq + count, chain, at FROM commits ORDER BY at DESC, batch DESC LIMIT 1"
_LOG = """
WITH counted AS (
  INSERT INTO record_counts AS known (day, action_type, state, dry_run, records)
  SELECT * FROM unnest($12::text[], $13::text[], $14::text[], $15::boolean[], $16::bigint[])
  ON CONFLICT (day, action_type, state, dry_run) DO UPDATE SET records = known.records + excluded.records
)
INSERT INTO commits (batch, at, first_seq, count, root, previous, chain, leaves, note, key_id, signature)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_EPISODES = """
INSERT INTO signals AS known (
  fingerprint, fired_at, resolved_at, name, severity, labels, heard_at, resolved_heard_at, last_heard_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (fingerprint, fired_at) DO UPDATE
SET resolved_at = greatest(excluded.resolved_at, known.resolved_at), name = coalesce(excluded.name, known.name),
  severity = coalesce(excluded.severity, known.severity), labels = coalesce(excluded.labels, known.labels),
  heard_at = least(excluded.heard_at, known.heard_at),
  resolved_heard_at = least(excluded.resolved_heard_at, known.resolved_heard_at),
  last_heard_at = greatest(excluded.last_heard_at, known.last_heard_at)
"""
_WATCH = """
WITH reached AS (
  UPDATE watch_spans SET until = greatest(until, $4) WHERE kind = $1 AND subject = $2 AND until >= $5 AND since <= $4
  RETURNING 1
)
INSERT INTO watch_spans (kind, subject, since, until)
SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM reached) ON CONFLICT DO NOTHING
"""


async def merge_events(
    connection: "Connection", events: Sequence[ReceivedEvent], settings: Settings
) -> list[tuple[EventOutcome, str | None]]:
    """Merge events into records, and return the outcome of each."""
    ids = [pgproto.UUID(key) for key in sorted({event.key for event in events})]
    rows = await connection.fetch(_KNOWN, ids, ids[0], ids[-1])
    known = {row[0].bytes: StoredRecord(unpack_document(row[1]), row[2]) for row in rows}
    plan = plan_commit(events, known, await _head(connection), now=settings.clock(), signer=settings.signer)
    await _write(connection, plan)
    return plan.outcomes


async def write_note(connection: "Connection", note: str, settings: Settings) -> Commit:
    """Add a commit that holds only a note, as JSON."""
    plan = plan_commit([], {}, await _head(connection), now=settings.clock(), signer=settings.signer, note=note)
    await _write(connection, plan)
    assert plan.commit is not None
    return plan.commit


async def write_episodes(connection: "Connection", episodes: Sequence[SignalFiring]) -> None:
    """Store when signals fired and when they were resolved."""
    await connection.executemany(_EPISODES, [astuple(one) for one in episodes])


async def write_watch(connection: "Connection", marks: Sequence[WatchMark]) -> None:
    """Lengthen the span of each mark, or begin one."""
    rows = [
        (kind, subject, rfc3339(first), rfc3339(last), rfc3339(first - WATCH_GAP))
        for kind, subject, first, last in join_marks(marks)
    ]
    await connection.executemany(_WATCH, rows)


async def write_probe(connection: "Connection") -> None:
    """Write a row and delete it again: if that fails, no record can be stored either."""
    await connection.execute("INSERT INTO legal_holds VALUES ($1, $2, now())", PROBE_MONTH, PROBE_TEXT)
    await connection.execute("DELETE FROM legal_holds WHERE month = $1", PROBE_MONTH)


async def _head(connection: "Connection") -> LogHead:
    row = await connection.fetchrow(_HEAD)
    return LogHead(*row) if row is not None else LogHead()


async def _write(connection: "Connection", plan: CommitPlan) -> None:
    if plan.inserts:
        rows = map(row_values, plan.inserts)
        await connection.copy_records_to_table("action_records", records=rows, columns=ROW_COLUMNS)
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
        [day for day, _, _, _ in places],
        [kind for _, kind, _, _ in places],
        [state for _, _, state, _ in places],
        [dry for _, _, _, dry in places],
        [plan.counts[place] for place in places],
    )


def _arrays(rows: Sequence[RecordRow]) -> list[Any]:
    columns = [list(column) for column in zip(*map(row_values, rows), strict=True)]
    return [*columns, min(columns[0]), max(columns[0])]


def row_values(row: RecordRow) -> tuple[Any, ...]:
    """Return a row as asyncpg takes it, in the order of its columns."""
    values = list(row.values)
    for place in _UUIDS:  # asyncpg's own UUID takes an eighth of the time
        values[place] = values[place] and pgproto.UUID(values[place])
    return (pgproto.UUID(row.id), row.seq, row.recorded_at, *values, pack_document(row.document), row.provenance)
