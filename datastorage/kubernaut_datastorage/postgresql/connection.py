"""Connections to PostgreSQL: how they are made, which errors are transient, and the advisory locks."""

import os
import socket
from typing import TYPE_CHECKING

import asyncpg

from kubernaut_datastorage.store import StorageError

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

__all__ = [
    "COMMIT_LOCK",
    "LONGEST_PAUSE",
    "PAUSE",
    "SCHEMA_LOCK",
    "SWEEP_LOCK",
    "TRANSIENT_ERRORS",
    "connect",
    "database_message",
    "is_data_error",
    "is_transient",
    "is_transient_in_sqlalchemy",
]

COMMIT_LOCK = 0x6B75_6265_7200  # "kuber": a namespace of advisory locks
SCHEMA_LOCK = COMMIT_LOCK + 1
SWEEP_LOCK = COMMIT_LOCK + 2

PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds before the next attempt while the database is away: after the first failure, and at most."""
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
TRANSIENT_ERRORS = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
    OSError,
    TimeoutError,
    EOFError,
)
"""Transient errors: the database is away, starts, stops, became a replica, or somebody else holds the lock."""
_IN_THE_DATA = ("22", "23", "54")
"""Classes of SQLSTATE: data exceptions, integrity constraints, and limits such as that of an index's row."""


def is_transient(error: BaseException) -> bool:
    """Return True if the database is away: the same request may succeed later."""
    # asyncpg's DataError, of a value that it cannot send, is an InterfaceError too
    return isinstance(error, TRANSIENT_ERRORS) and not isinstance(error, ValueError)


def is_data_error(error: BaseException) -> bool:
    """Return True if an error lies in the values to store: sent again, they would fail again."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _IN_THE_DATA and not isinstance(error, asyncpg.CheckViolationError)
    return isinstance(error, (ValueError, TypeError, LookupError, ArithmeticError, RecursionError))


async def connect(url: str) -> "Connection":
    """Open a connection outside of any pool."""
    return await asyncpg.connect(url, timeout=_CONNECTING, command_timeout=35, server_settings=_SESSION)


def is_transient_in_sqlalchemy(error: Exception) -> bool:
    """Return True if SQLAlchemy wraps a transient error."""
    if getattr(error, "connection_invalidated", False):
        return True
    cause: BaseException | None = getattr(error, "orig", None)
    while cause is not None:
        if is_transient(cause):
            return True
        cause = cause.__cause__
    return False


def database_message(error: BaseException) -> str:
    """Return the database's own message, without the statement (which would show the values).

    The message of any other error may contain parts of the database's address, even its password, if the address is
    malformed. So those errors are described in words of this function.
    """
    cause = getattr(error, "orig", None) or error
    cause = cause.__cause__ or cause
    if isinstance(cause, (asyncpg.PostgresError, StorageError)):
        return str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    if isinstance(cause, socket.gaierror):
        return "its host's name is not known"
    if isinstance(cause, TimeoutError):
        return "it took too long"
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno).lower()
    if isinstance(cause, ValueError):
        return "its address cannot be used, or what was to be stored cannot be sent"
    return type(cause).__name__
