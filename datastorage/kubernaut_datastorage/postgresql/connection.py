"""Connections to PostgreSQL: how they are made, which of their errors pass, and which locks there are."""

from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

__all__ = ["AWAY", "COMMIT_LOCK", "SCHEMA_LOCK", "SWEEP_LOCK", "connect", "is_away", "reason"]

COMMIT_LOCK = 0x6B75_6265_7200  # "kuber": a namespace of advisory locks
SCHEMA_LOCK = COMMIT_LOCK + 1
SWEEP_LOCK = COMMIT_LOCK + 2

_CONNECTING = 5.0
_SESSION = {
    "application_name": "kubernaut-data-storage",
    "timezone": "UTC",
    "jit": "off",  # compiling takes longer than any of these queries
    # a replica that hangs must not hold the lock for ever
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "8s",
    "statement_timeout": "30s",
}
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    OSError,
    TimeoutError,
    EOFError,
)
"""Errors that pass: the database is away, starts, stops, or somebody else holds the lock."""


async def connect(url: str) -> "Connection":
    """A connection of its own."""
    return await asyncpg.connect(url, timeout=_CONNECTING, command_timeout=35, server_settings=_SESSION)


def is_away(error: Exception) -> bool:
    """Whether SQLAlchemy wraps an error that passes."""
    if getattr(error, "connection_invalidated", False):
        return True
    cause: BaseException | None = getattr(error, "orig", None)
    while cause is not None:
        if isinstance(cause, AWAY):
            return True
        cause = cause.__cause__
    return False


def reason(error: BaseException) -> str:
    """What the database itself said, without the statement (which would show what was to be stored)."""
    cause = getattr(error, "orig", None) or error
    cause = cause.__cause__ or cause
    return str(cause).splitlines()[0] if str(cause) else type(cause).__name__
