"""Alembic's entry: runs the chain over the connection that the store passes."""

from alembic import context

from kubernaut_datastorage.database.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
