"""The labels of signals, when each was heard, and what was seen of the monitoring itself."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns and the table. The columns of earlier signals stay empty: nobody kept what they would hold."""
    op.add_column("signals", sa.Column("labels", sa.Text))
    for name in ("heard_at", "resolved_heard_at", "last_heard_at"):
        op.add_column("signals", sa.Column(name, sa.String(27)))
    op.execute("UPDATE signals SET last_heard_at = coalesce(resolved_at, fired_at)")  # so that they can be followed
    op.create_index("signals_last_heard_at", "signals", ["last_heard_at"])
    op.create_table(
        "watch_spans",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("since", sa.String(27), primary_key=True),
        sa.Column("until", sa.String(27), nullable=False),
    )
    op.create_index("watch_spans_until", "watch_spans", ["until"])
