"""The columns `image` and `requester`, by which records can be found."""

from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from alembic import op

from kubernaut_datastorage.database.schema import DocumentText
from kubernaut_datastorage.records.bounds import index_key
from kubernaut_datastorage.records.documents import decode

revision = "0005"
down_revision = "0004"

_COLUMNS = ("image", "requester")
_PAGE = 1_000


def upgrade() -> None:
    """Add the columns, and fill them from the documents. The table is locked meanwhile."""
    for name in _COLUMNS:
        op.add_column("action_records", sa.Column(name, sa.Text))
        known = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"action_records_{name}", "action_records", [name, "id"], postgresql_where=known, sqlite_where=known
        )
    connection = op.get_bind()
    records = sa.table(
        "action_records",
        sa.column("id", sa.Uuid),
        sa.column("document", DocumentText),
        *(sa.column(name, sa.Text) for name in _COLUMNS),
    )
    page = sa.select(records.c.id, records.c.document).order_by(records.c.id).limit(_PAGE)
    update = sa.update(records).where(records.c.id == sa.bindparam("record_id"))
    update = update.values({name: sa.bindparam(f"new_{name}") for name in _COLUMNS})
    last = UUID(int=0)
    while rows := connection.execute(page.where(records.c.id > last)).all():
        last = rows[-1].id
        values = [{"record_id": row.id, **_read(row.document)} for row in rows]
        if filled := [one for one in values if any(one[f"new_{name}"] is not None for name in _COLUMNS)]:
            connection.execute(update, filled)


def _read(text: str) -> dict[str, Any]:
    try:
        document = decode(text)
    except msgspec.MsgspecError:  # somebody edited it; `kubernaut records verify` names it
        document = {}
    return {f"new_{name}": _key(document.get(name)) for name in _COLUMNS}


def _key(value: Any) -> str | None:
    return index_key(value) if isinstance(value, str) and "\0" not in value else None
