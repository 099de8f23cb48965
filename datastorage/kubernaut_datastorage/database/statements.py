"""Queries as SQL, the same for both backends. Every value is bound."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from kubernaut_datastorage.database.schema import TimeText, UuidText, commits, counts, records, signals, watch_spans
from kubernaut_datastorage.records.bounds import index_key
from kubernaut_datastorage.records.columns import KNOWN
from kubernaut_datastorage.store import Query, SignalPlace

__all__ = [
    "JSON_COLUMNS",
    "PROBE_MONTH",
    "PROBE_TEXT",
    "commit_with_seq",
    "count_records",
    "episodes",
    "followed_episodes",
    "last_commit",
    "notes",
    "select_commits",
    "select_lines",
    "select_record",
    "select_records",
    "summary",
    "watch",
]

PROBE_MONTH = "probe"
PROBE_TEXT = "x" * 64 * 1024
"""The text of a row that is written and deleted in one transaction, to check that there is room."""
_FOUND = (
    sa.type_coerce(records.c.id, UuidText).label("id"),
    records.c.seq,
    sa.type_coerce(records.c.recorded_at, TimeText).label("recorded_at"),
    records.c.document,
)
"""The columns of `FoundRecord`, read as the texts that it holds."""


def select_records(query: Query) -> "sa.Select[Any]":
    """Select the records of a query, with the columns of `FoundRecord`."""
    statement = sa.select(*_FOUND).limit(query.limit)
    for column, value in query.equal:
        matches = records.c[column].is_not(None) if value is KNOWN else records.c[column] == value
        if isinstance(value, bool):
            # what nobody called a dry run is none
            matches = records.c[column] if value else records.c[column].is_not(True)
        statement = statement.where(matches)
    if query.about is not None:
        statement = statement.where(_is_or_ends(records.c.target, query.about))
    if query.id_part is not None:
        digits, length = sa.func.replace(sa.cast(records.c.id, sa.Text), "-", ""), len(query.id_part)
        ends = (sa.func.substr(digits, 1, length), sa.func.substr(digits, 33 - length))
        statement = statement.where(sa.or_(*(end == query.id_part for end in ends)))
    if query.first is not None:
        statement = statement.where(records.c.id >= query.first)
    if query.last is not None:
        statement = statement.where(records.c.id < query.last)
    if query.after_seq is not None:
        return statement.where(records.c.seq > query.after_seq).order_by(records.c.seq)
    return statement.order_by(records.c.id.desc())


def _is_or_ends(column: "sa.ColumnElement[Any]", text: str) -> "sa.ColumnElement[Any]":
    """Return the condition that a column is a text, or ends with / and the text. Case counts, as LIKE does not say."""
    end = sa.func.substr(column, sa.func.length(column) - len(text))
    return sa.or_(column == index_key(text), end == f"/{text}")


def _text(column: "sa.ColumnElement[Any]") -> "sa.ColumnElement[Any]":
    return sa.cast(sa.func.to_json(column), sa.Text)


JSON_COLUMNS: "dict[str, sa.ColumnElement[Any]]" = {
    "id": _text(records.c.id),
    "seq": sa.cast(records.c.seq, sa.Text),
    "state": _text(records.c.state),
    "action_type": _text(records.c.action_type),
    "dry_run": sa.cast(records.c.dry_run, sa.Text),
}
"""Fields that PostgreSQL writes by itself, from an index alone where the query names an action type."""


def select_lines(query: Query, fields: tuple[str, ...], limit: int) -> "sa.Select[Any]":
    """Select records as lines of JSON in one text, with their number and the position from which to continue."""
    # concat_ws leaves out what is null, as what is not known of a record is left out
    inside = sa.func.concat_ws(
        ",", *(sa.literal(f'"{name}":').concat(JSON_COLUMNS[name]) for name in dict.fromkeys(fields))
    )
    some = select_records(query).with_only_columns(records.c.id, records.c.seq, inside.label("inside")).limit(limit)
    page = some.subquery()
    # a subquery's order is the order in which its rows are aggregated, as PostgreSQL has it
    lines = sa.func.string_agg(sa.literal("{").concat(page.c.inside).concat("}"), "\n")
    last = sa.func.max(page.c.seq) if query.after_seq is not None else sa.literal(0)
    first = sa.cast(sa.func.min(sa.cast(page.c.id, sa.Text)), sa.Text)
    return sa.select(sa.func.count().label("count"), lines.label("lines"), last.label("seq"), first.label("id"))


def select_record(record_id: Any) -> "sa.Select[Any]":
    """Select one record, with the columns of `FoundRecord` and its namespace."""
    return sa.select(*_FOUND, records.c.namespace).where(records.c.id == record_id)


def last_commit(before: datetime | None = None) -> "sa.Select[Any]":
    """Select the newest commit, or the newest before a time."""
    statement = sa.select(commits).order_by(commits.c.at.desc(), commits.c.batch.desc()).limit(1)
    return statement if before is None else statement.where(commits.c.at < before)


def select_commits(*conditions: Any, limit: int) -> "sa.Select[Any]":
    """Select commits in the order of their batches."""
    return sa.select(commits).where(*conditions).order_by(commits.c.batch).limit(limit)


def commit_with_seq(seq: int) -> "sa.Select[Any]":
    """Select the last commit with leaves that begins at this seq or before. A commit that is only a note has none."""
    with_leaf = sa.select(commits).where(commits.c.first_seq <= seq, commits.c.count > 0)
    return with_leaf.order_by(commits.c.first_seq.desc()).limit(1)


def notes() -> "sa.Select[Any]":
    """Select the commits that have a note."""
    return sa.select(commits).where(commits.c.note.is_not(None)).order_by(commits.c.at, commits.c.batch)


def count_records(seq: int) -> "sa.Select[Any]":
    """Count the records whose last change has this seq or a lesser one."""
    return sa.select(sa.func.count()).select_from(records).where(records.c.seq <= seq)


def summary(action_type: str | None, since: str, until: str) -> "sa.Select[Any]":
    """Select counts by action type, state and dry run."""
    total = sa.cast(sa.func.sum(counts.c.records), sa.BigInteger).label("records")
    grouped = (
        sa.select(counts.c.action_type, counts.c.state, counts.c.dry_run, total)
        .where(counts.c.day >= since, counts.c.day < until)
        .group_by(counts.c.action_type, counts.c.state, counts.c.dry_run)
        .having(total > 0)
        .order_by(counts.c.action_type, counts.c.state, counts.c.dry_run)
    )
    return grouped if action_type is None else grouped.where(counts.c.action_type == action_type)


def episodes(fingerprint: str | None, since: str, until: str) -> "sa.Select[Any]":
    """Select the signals' episodes that overlap a time."""
    over = sa.func.coalesce(signals.c.resolved_at, until)
    statement = sa.select(signals).where(over >= since, signals.c.fired_at < until).order_by(signals.c.fired_at)
    return statement if fingerprint is None else statement.where(signals.c.fingerprint == fingerprint)


def followed_episodes(heard_after: str, last: SignalPlace | None, limit: int) -> "sa.Select[Any]":
    """Select the episodes of which something was told since a time, in the order of the last message."""
    order = (signals.c.last_heard_at, signals.c.fingerprint, signals.c.fired_at)
    # the index is entered at the last message of the page before: none of what went before is looked at again
    since = heard_after if last is None else max(heard_after, last[0])
    statement = sa.select(signals).where(signals.c.last_heard_at >= since).order_by(*order).limit(limit)
    return statement if last is None else statement.where(sa.tuple_(*order) > sa.tuple_(*map(sa.literal, last)))


def watch(since: str) -> "sa.Select[Any]":
    """Select the spans of what was seen of the monitoring."""
    order = (watch_spans.c.since, watch_spans.c.kind, watch_spans.c.subject)
    return sa.select(watch_spans).where(watch_spans.c.until >= since).order_by(*order)
