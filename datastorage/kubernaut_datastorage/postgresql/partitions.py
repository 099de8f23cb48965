"""Partitions by month: of records by the time within their id, of the log by the time of the commit."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from kubernaut_datastorage.postgresql.connection import SCHEMA_LOCK
from kubernaut_datastorage.records.months import Month

__all__ = ["drop_partition", "make_partition", "month_of_partition", "partitions_of"]


def partitions_of(table: str) -> sa.TextClause:
    """Return the statement that selects the names of a table's partitions."""
    named = sa.text(
        "SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid"
        " WHERE inhparent = to_regclass(:parent) AND NOT inhdetachpending"
    )
    return named.bindparams(parent=table)


def month_of_partition(name: str) -> Month:
    """Return the month in a partition's name, such as `action_records_2026_01`."""
    return Month(int(name[-7:-3]), int(name[-2:]))


async def make_partition(engine: AsyncEngine, table: str, month: Month) -> None:
    """Create the partition of a month, unless it exists."""
    name, after = month.partition(table), month.following
    first, last = (month.first_id, after.first_id) if table == "action_records" else (month.start, after.start)
    async with engine.begin() as connection:
        await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
        if await connection.scalar(sa.text("SELECT to_regclass(:name)").bindparams(name=name)) is not None:
            return
        # a table of its own first: attaching needs a lock of the parent that does not stop readers or writers
        await connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
        attach = f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{last}')"
        await connection.exec_driver_sql(attach)


async def drop_partition(engine: AsyncEngine, table: str, month: Month) -> None:
    """Drop the partition of a month, with all its rows."""
    name = month.partition(table)
    async with engine.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        pending = sa.text(
            "SELECT inhdetachpending FROM pg_inherits"
            " WHERE inhparent = to_regclass(:parent) AND inhrelid = to_regclass(:name)"
        )
        state = await alone.scalar(pending.bindparams(parent=table, name=name))
        if state is not None:
            how = "FINALIZE" if state else "CONCURRENTLY"  # readers and writers of other months go on
            await alone.exec_driver_sql(f"ALTER TABLE {table} DETACH PARTITION {name} {how}")
        await alone.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
