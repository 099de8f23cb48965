"""The tables: one MetaData for every backend. Alembic's chain in `migrations/` makes them."""

import sqlalchemy as sa

__all__ = ["HEAD", "metadata", "records", "signals"]

HEAD = "0001"
"""The newest revision of the chain; a database that is there already needs no migration."""

metadata = sa.MetaData()

records = sa.Table(
    "action_records",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # UUIDv7: order of ids is order of time
    sa.Column("seq", sa.BigInteger, nullable=False),  # order of commit; renewed whenever the record changes
    sa.Column("recorded_at", sa.String(27), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("action_type", sa.String(253)),
    sa.Column("target", sa.Text),
    sa.Column("workflow_namespace", sa.String(253)),
    sa.Column("workflow", sa.String(253)),
    sa.Column("remediation", sa.String(253)),
    sa.Column("signal", sa.String(253)),
    sa.Column("dry_run", sa.Boolean),
    sa.Column("document", sa.JSON, nullable=False),  # slot → value, see merge.py
    sa.Column("provenance", sa.JSON, nullable=False),  # slot → key, see merge.py
    sa.Index("action_records_seq", "seq", unique=True),
    sa.Index("action_records_type", "action_type", "id"),
    sa.Index("action_records_workflow", "workflow", "id"),
    sa.Index("action_records_signal", "signal", "id"),
    sa.Index("action_records_target", "target", "id"),
)

signals = sa.Table(
    "signals",
    metadata,
    sa.Column("fingerprint", sa.String(253), primary_key=True),
    sa.Column("fired_at", sa.String(27), primary_key=True),
    sa.Column("resolved_at", sa.String(27)),
    sa.Column("name", sa.Text),
    sa.Column("severity", sa.Text),
)
