"""The tables: one MetaData for both backends. Alembic's chain in `migrations/` makes the same.

On PostgreSQL, records are partitioned by the month within their id, and the log of commits by the month of the commit.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from kubernaut_datastorage.records.columns import RECORD_COLUMNS, RecordColumn
from kubernaut_datastorage.records.documents import format_time
from kubernaut_datastorage.records.packing import pack_document, unpack_document
from kubernaut_sdk.times import rfc3339

__all__ = [
    "NEWEST_REVISION",
    "DocumentText",
    "JsonText",
    "TimeText",
    "UtcTime",
    "UuidText",
    "commits",
    "configure_postgresql",
    "counts",
    "holds",
    "metadata",
    "records",
    "signals",
    "sweeps",
    "watch_spans",
]

NEWEST_REVISION = "0006"
"""The newest revision of the chain."""


class JsonText(sa.types.UserDefinedType[str]):
    """A column of JSON that keeps the text byte for byte. Never jsonb, which rewrites it."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSON"


class DocumentText(sa.TypeDecorator[str]):
    """A column of records as JSON, the text that is hashed: packed in PostgreSQL, text in SQLite."""

    impl = sa.LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return JsonText() if dialect.name == "sqlite" else sa.LargeBinary()

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> Any:
        return value if value is None or dialect.name == "sqlite" else pack_document(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        return value if value is None or dialect.name == "sqlite" else unpack_document(value)


class UtcTime(sa.TypeDecorator[datetime]):
    """A column of times with a time zone; text in SQLite, which has no such type."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return sa.String(27) if dialect.name == "sqlite" else sa.DateTime(timezone=True)

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        return rfc3339(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
        return None if time is None else time.astimezone(UTC)


class UuidText(sa.types.UserDefinedType[str]):
    """A column of UUIDs that is read as text with hyphens, without an object in between. Only for results."""

    cache_ok = True

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], str]:
        del coltype
        return _with_hyphens if dialect.name == "sqlite" else str


class TimeText(sa.types.UserDefinedType[str]):
    """A column of times that is read in the spelling of records, without an object in between. Only for results."""

    cache_ok = True

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], str] | None:
        del coltype
        return None if dialect.name == "sqlite" else _in_utc


def _with_hyphens(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _in_utc(time: datetime) -> str:
    return format_time(time.astimezone(UTC))


metadata = sa.MetaData()


def _type(column: RecordColumn) -> sa.types.TypeEngine[Any]:
    if column.kind == "text":
        return sa.String(column.length) if column.length is not None else sa.Text()
    return sa.Boolean() if column.kind == "boolean" else sa.Uuid()


records = sa.Table(
    "action_records",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # UUIDv7: order of ids is order of time
    sa.Column("seq", sa.BigInteger, nullable=False),  # order of commit; renewed whenever the record changes
    sa.Column("recorded_at", UtcTime, nullable=False),
    *(sa.Column(column.name, _type(column), nullable=not column.required) for column in RECORD_COLUMNS),
    sa.Column("document", DocumentText, nullable=False),  # the record without id, seq and recorded_at; keys sorted
    sa.Column("provenance", JsonText),  # see provenance.py; null where the document says it all
)


def _add_index(column: RecordColumn) -> None:
    """Add the index of a column: with the id, so that the newest records are found first."""
    name, value = f"action_records_{column.name}", records.c[column.name]
    match column.index:
        case "all":
            sa.Index(name, value, records.c.id)
        case "known":
            sa.Index(name, value, records.c.id, sqlite_where=sa.text(f"{column.name} IS NOT NULL"))
        case "true":
            sa.Index(name, records.c.id, sqlite_where=sa.text(column.name))
        case None:
            pass


sa.Index("action_records_type", records.c.action_type, records.c.id.desc())
sa.Index("action_records_seq", records.c.seq)
sa.Index("action_records_type_state", records.c.action_type, records.c.state, records.c.id)  # which of a type failed?
for _column in RECORD_COLUMNS:
    _add_index(_column)

commits = sa.Table(
    "commits",
    metadata,
    sa.Column("at", UtcTime, primary_key=True),
    sa.Column("batch", sa.BigInteger, primary_key=True, autoincrement=False),  # 1, 2, 3, … without a gap
    sa.Column("first_seq", sa.BigInteger, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),  # leaves; they have seq first_seq, first_seq + 1, …
    sa.Column("root", sa.LargeBinary, nullable=False),  # RFC 6962's, over the leaves
    sa.Column("previous", sa.LargeBinary, nullable=False),  # the chain after the commit before
    sa.Column("chain", sa.LargeBinary, nullable=False),  # over the chain before and all that this row says
    sa.Column("leaves", sa.LargeBinary, nullable=False),  # see merkle.py
    sa.Column("note", JsonText),  # what was done beside records, such as a month dropped
    sa.Column("key_id", sa.String(16)),  # whose signature
    sa.Column("signature", sa.LargeBinary),
)
sa.Index("commits_first_seq", commits.c.first_seq)

counts = sa.Table(
    "record_counts",
    metadata,
    sa.Column("day", sa.String(10), primary_key=True),  # of the time within the id
    sa.Column("action_type", sa.String(253), primary_key=True),  # empty where none is known
    sa.Column("state", sa.String(16), primary_key=True),
    sa.Column("dry_run", sa.Boolean, primary_key=True),
    sa.Column("records", sa.BigInteger, nullable=False),
)

holds = sa.Table(
    "legal_holds",
    metadata,
    sa.Column("month", sa.String(7), primary_key=True),  # such as 2026-01
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("since", UtcTime, nullable=False),
)

sweeps = sa.Table(
    "sweeps",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    sa.Column("month", sa.String(7), nullable=False),  # the first that retention has not come to
)

signals = sa.Table(
    "signals",
    metadata,
    sa.Column("fingerprint", sa.String(253), primary_key=True),
    sa.Column("fired_at", sa.String(27), primary_key=True),
    sa.Column("resolved_at", sa.String(27)),
    sa.Column("name", sa.Text),
    sa.Column("severity", sa.Text),
    sa.Column("labels", sa.Text),  # JSON, keys sorted
    sa.Column("heard_at", sa.String(27)),  # first told that it fires; empty where only its end was told
    sa.Column("resolved_heard_at", sa.String(27)),  # first told that it ended
    sa.Column("last_heard_at", sa.String(27)),  # Alertmanager repeats what still fires
)
sa.Index("signals_fired_at", signals.c.fired_at)
sa.Index("signals_last_heard_at", signals.c.last_heard_at)

watch_spans = sa.Table(
    "watch_spans",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),  # see `WatchKind`
    sa.Column("subject", sa.Text, primary_key=True),  # a cluster, a fingerprint, or labels as JSON
    sa.Column("since", sa.String(27), primary_key=True),
    sa.Column("until", sa.String(27), nullable=False),  # the last time that it was seen so
)
sa.Index("watch_spans_until", watch_spans.c.until)

for _table, _packed in ((records, "document"), (commits, "leaves")):
    # neither hashes nor what is packed can be compressed once more
    _external = sa.DDL(f"ALTER TABLE {_table.name} ALTER COLUMN {_packed} SET STORAGE EXTERNAL")  # type: ignore[no-untyped-call]
    sa.event.listen(_table, "after_create", _external.execute_if(dialect="postgresql"))


def configure_postgresql() -> None:
    """Add the options that only PostgreSQL has: partitions, conditions of indexes, and included columns.

    Not at once, since SQLAlchemy loads a dialect to check its options: 0.2 s that a local run does without.
    """
    records.dialect_options["postgresql"]["partition_by"] = "RANGE (id)"
    commits.dialect_options["postgresql"]["partition_by"] = "RANGE (at)"
    for index in records.indexes:
        index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]
        if index.name == "action_records_type":
            index.dialect_options["postgresql"]["include"] = ["state", "dry_run", "seq"]
