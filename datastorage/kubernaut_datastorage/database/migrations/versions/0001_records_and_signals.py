"""Records and signals, on SQLite: no PostgreSQL was ever made at this revision."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.create_table(
        "action_records",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", sa.String(27), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("action_type", sa.String(253)),
        sa.Column("target", sa.Text),
        sa.Column("workflow_namespace", sa.String(253)),
        sa.Column("workflow", sa.String(253)),
        sa.Column("remediation", sa.String(253)),
        sa.Column("signal", sa.String(253)),
        sa.Column("dry_run", sa.Boolean),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("provenance", sa.JSON, nullable=False),
    )
    op.create_index("action_records_seq", "action_records", ["seq"], unique=True)
    for name in ("workflow", "signal", "target"):
        op.create_index(f"action_records_{name}", "action_records", [name, "id"])
    op.create_index("action_records_type", "action_records", ["action_type", "id"])
    op.create_table(
        "signals",
        sa.Column("fingerprint", sa.String(253), primary_key=True),
        sa.Column("fired_at", sa.String(27), primary_key=True),
        sa.Column("resolved_at", sa.String(27)),
        sa.Column("name", sa.Text),
        sa.Column("severity", sa.Text),
    )
