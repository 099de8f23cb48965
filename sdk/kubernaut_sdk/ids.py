"""Record ids: UUIDv7 (RFC 9562, section 5.7), so that ids sort by time and a month is a range of them."""

import os
import time
from datetime import UTC, datetime
from uuid import UUID

__all__ = ["mint", "step_record_id", "timestamp"]

_RANDOM_BITS = 74


def mint() -> UUID:
    """Return a new record id."""
    return _uuid7(time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10)))


def step_record_id(created: datetime, workflow_uid: str, step: str) -> UUID:
    """Return the record id of a workflow's step. Every process computes the same id, before and after a restart.

    Args:
        created: The WorkflowExecution's creationTimestamp; it gives the timestamp bits.
        workflow_uid: The WorkflowExecution's uid.
        step: The step's name, unique within the workflow.
    """
    import hashlib  # noqa: PLC0415 – a container, which is given its id, need not load OpenSSL

    digest = hashlib.sha256(f"{workflow_uid}/{step}".encode()).digest()
    return _uuid7(int(created.timestamp() * 1000), int.from_bytes(digest[:10]))


def timestamp(record_id: UUID) -> datetime:
    """Return the time within an id, to the millisecond."""
    return datetime.fromtimestamp((record_id.int >> 80) / 1000, UTC)


def _uuid7(milliseconds: int, entropy: int) -> UUID:
    entropy &= (1 << _RANDOM_BITS) - 1
    high, low = entropy >> 62, entropy & ((1 << 62) - 1)
    return UUID(int=(milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
