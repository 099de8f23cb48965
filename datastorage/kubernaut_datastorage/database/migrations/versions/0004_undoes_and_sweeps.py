"""The column `undoes`; long targets by their hash; dry runs counted apart; the position of retention."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from kubernaut_datastorage.records.bounds import index_key

revision = "0004"
down_revision = "0003"

_PAGE = 1_000
_LONG = 256
"""Characters from which a text may be too long for an index."""


def upgrade() -> None:
    """Add the new columns and tables, and correct the rows. The tables are locked meanwhile."""
    connection = op.get_bind()
    op.add_column("action_records", sa.Column("undoes", sa.Uuid))
    known = sa.text("undoes IS NOT NULL")
    op.create_index(
        "action_records_undoes", "action_records", ["undoes", "id"], postgresql_where=known, sqlite_where=known
    )
    op.create_table(
        "sweeps",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("month", sa.String(7), nullable=False),
    )
    _hash_long_targets(connection)
    _count_dry_runs_apart(connection)


def _hash_long_targets(connection: sa.Connection) -> None:
    records = sa.table("action_records", sa.column("id"), sa.column("target", sa.Text))
    long = sa.select(records.c.id, records.c.target).where(sa.func.length(records.c.target) > _LONG)
    rows = connection.execute(long).all()
    mended = [{"of": row.id, "key": index_key(row.target)} for row in rows if index_key(row.target) != row.target]
    if mended:
        update = sa.update(records).where(records.c.id == sa.bindparam("of")).values(target=sa.bindparam("key"))
        connection.execute(update, mended)


def _count_dry_runs_apart(connection: sa.Connection) -> None:
    """Create the table of counters anew: its primary key gets one more column."""
    columns: tuple[Any, ...] = (sa.column("day"), sa.column("action_type"), sa.column("state"), sa.column("records"))
    counted = connection.execute(sa.select(*columns).select_from(sa.table("record_counts"))).all()
    counts = {(row.day, row.action_type, row.state, False): row.records for row in counted}
    records = sa.table("action_records", sa.column("id", sa.Uuid), sa.column("action_type"), sa.column("state"))
    dry = sa.select(records.c.id, records.c.action_type, records.c.state).where(sa.text("dry_run"))
    for row in connection.execute(dry):
        day = _day(row.id.bytes)
        for is_dry, change in ((True, 1), (False, -1)):
            place = (day, row.action_type or "", row.state, is_dry)
            counts[place] = counts.get(place, 0) + change
    op.drop_table("record_counts")
    made = op.create_table(
        "record_counts",
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("action_type", sa.String(253), primary_key=True),
        sa.Column("state", sa.String(16), primary_key=True),
        sa.Column("dry_run", sa.Boolean, primary_key=True),
        sa.Column("records", sa.BigInteger, nullable=False),
    )
    rows = [
        {"day": day, "action_type": kind, "state": state, "dry_run": is_dry, "records": number}
        for (day, kind, state, is_dry), number in counts.items()
        if number
    ]
    for start in range(0, len(rows), _PAGE):
        connection.execute(sa.insert(made), rows[start : start + _PAGE])


def _day(key: bytes) -> str:
    return datetime.fromtimestamp(int.from_bytes(key[:6]) / 1000, UTC).date().isoformat()
