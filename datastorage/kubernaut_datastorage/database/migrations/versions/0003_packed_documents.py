"""Documents packed, on PostgreSQL (SQLite keeps them as text); two more indexes."""

import sqlalchemy as sa
from alembic import op

from kubernaut_datastorage.records.packing import pack_document

revision = "0003"
down_revision = "0002"

_PAGE = 1_000


def upgrade() -> None:
    """Pack the documents. The table is locked meanwhile."""
    connection = op.get_bind()
    known = sa.text("namespace IS NOT NULL")
    op.create_index(
        "action_records_namespace", "action_records", ["namespace", "id"], postgresql_where=known, sqlite_where=known
    )
    op.create_index("action_records_type_state", "action_records", ["action_type", "state", "id"])
    if connection.dialect.name == "postgresql":
        _pack(connection)


def _pack(connection: sa.Connection) -> None:
    op.add_column("action_records", sa.Column("packed", sa.LargeBinary))
    after = "00000000-0000-0000-0000-000000000000"
    some = sa.text("SELECT id, document::text FROM action_records WHERE id > :after ORDER BY id LIMIT :page")
    keep = sa.text("UPDATE action_records SET packed = :packed WHERE id = :id")
    while rows := connection.execute(some, {"after": after, "page": _PAGE}).all():
        connection.execute(keep, [{"id": row[0], "packed": pack_document(row[1])} for row in rows])
        after = rows[-1][0]
    op.alter_column("action_records", "packed", nullable=False)
    op.drop_column("action_records", "document")
    op.alter_column("action_records", "packed", new_column_name="document")
    op.execute("ALTER TABLE action_records ALTER COLUMN document SET STORAGE EXTERNAL")  # it is compressed already
