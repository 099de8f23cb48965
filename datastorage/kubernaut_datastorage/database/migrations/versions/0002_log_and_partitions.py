"""The log of commits, counts and holds; records by month on PostgreSQL; documents as they are read.

A SQLite database of revision 0001 keeps its records: they are entered in the log as one commit, in the order of seq.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from kubernaut_datastorage.database.schema import JsonText, UtcTime
from kubernaut_datastorage.log.plan import ROW_COLUMNS, LogHead, plan_import
from kubernaut_datastorage.records.documents import encode
from kubernaut_datastorage.records.merge import Merged
from kubernaut_datastorage.records.provenance import pack_provenance
from kubernaut_sdk.times import rfc3339, utcnow

revision = "0002"
down_revision = "0001"

_COLUMNS = ("state", "action_type", "target", "namespace", "workflow", "remediation", "signal", "dry_run")
_PARTIAL = ("target", "workflow", "remediation", "signal")


def upgrade() -> None:
    """Create the tables, and move the rows of revision 0001 into them."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    if not postgresql:
        for name in ("seq", "workflow", "signal", "target", "type"):
            op.drop_index(f"action_records_{name}", "action_records")
        op.rename_table("action_records", "old_records")
    _make_records()
    _make_others(with_signals=postgresql)
    if postgresql:
        op.execute("ALTER TABLE commits ALTER COLUMN leaves SET STORAGE EXTERNAL")  # hashes do not compress
    else:
        _move()
        op.drop_table("old_records")


def _make_records() -> None:
    op.create_table(
        "action_records",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", UtcTime, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("action_type", sa.String(253)),
        sa.Column("target", sa.Text),
        sa.Column("namespace", sa.String(253)),
        sa.Column("workflow", sa.String(253)),
        sa.Column("remediation", sa.String(253)),
        sa.Column("signal", sa.String(253)),
        sa.Column("dry_run", sa.Boolean),
        sa.Column("document", JsonText, nullable=False),
        sa.Column("provenance", JsonText),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index(
        "action_records_type",
        "action_records",
        ["action_type", sa.text("id DESC")],
        postgresql_include=["state", "dry_run", "seq"],
    )
    op.create_index("action_records_seq", "action_records", ["seq"])
    op.create_index("action_records_state", "action_records", ["state", "id"])
    for name in _PARTIAL:
        condition = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"action_records_{name}",
            "action_records",
            [name, "id"],
            postgresql_where=condition,
            sqlite_where=condition,
        )
    dry = sa.text("dry_run")
    op.create_index("action_records_dry_run", "action_records", ["id"], postgresql_where=dry, sqlite_where=dry)


def _make_others(*, with_signals: bool) -> None:
    op.create_table(
        "commits",
        sa.Column("at", UtcTime, primary_key=True),
        sa.Column("batch", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("first_seq", sa.BigInteger, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.Column("leaves", sa.LargeBinary, nullable=False),
        sa.Column("note", JsonText),
        sa.Column("key_id", sa.String(16)),
        sa.Column("signature", sa.LargeBinary),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("commits_first_seq", "commits", ["first_seq"])
    op.create_table(
        "record_counts",
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("action_type", sa.String(253), primary_key=True),
        sa.Column("state", sa.String(16), primary_key=True),
        sa.Column("records", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "legal_holds",
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", UtcTime, nullable=False),
    )
    if with_signals:
        op.create_table(
            "signals",
            sa.Column("fingerprint", sa.String(253), primary_key=True),
            sa.Column("fired_at", sa.String(27), primary_key=True),
            sa.Column("resolved_at", sa.String(27)),
            sa.Column("name", sa.Text),
            sa.Column("severity", sa.Text),
        )
    op.create_index("signals_fired_at", "signals", ["fired_at"])


def _move() -> None:
    """Convert the records of revision 0001, and enter them in the log as its first commits."""
    connection = op.get_bind()
    head = LogHead()
    old = connection.exec_driver_sql("SELECT id, document, provenance FROM old_records ORDER BY seq")
    while rows := old.fetchmany(500):
        kept: list[tuple[bytes, str, str | None]] = []
        for key, document, provenance in rows:
            keys: dict[str, Any] = {slot: tuple(key) for slot, key in json.loads(provenance).items()}
            merged = Merged(json.loads(document), keys)
            kept.append((bytes.fromhex(key), encode(merged.document()), pack_provenance(merged, {})))
        head = _enter(connection, kept, head)


def _enter(connection: sa.Connection, kept: list[tuple[bytes, str, str | None]], head: LogHead) -> LogHead:
    """Write records and their commit, in the columns that the tables have at this revision."""
    plan = plan_import(kept, head, now=utcnow())
    assert plan.commit is not None
    values = [
        {
            "id": row.id.hex(),
            "seq": row.seq,
            "recorded_at": rfc3339(row.recorded_at),
            **{name: value for name, value in zip(ROW_COLUMNS[3:-2], row.values, strict=True) if name in _COLUMNS},
            "document": row.document,
            "provenance": row.provenance,
        }
        for row in plan.inserts
    ]
    connection.exec_driver_sql(_insert("action_records", values[0]), [tuple(one.values()) for one in values])
    for (day, kind, state, _), change in plan.counts.items():
        connection.exec_driver_sql(
            "INSERT INTO record_counts VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET records = records + excluded.records",
            (day, kind, state, change),
        )
    commit = {**vars(plan.commit), "at": rfc3339(plan.commit.at)}
    connection.exec_driver_sql(_insert("commits", commit), tuple(commit.values()))
    return LogHead.after(plan.commit)


def _insert(table: str, row: dict[str, Any]) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' for _ in row)})"  # noqa: S608 – constants
