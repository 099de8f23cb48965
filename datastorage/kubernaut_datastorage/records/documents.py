"""Documents as text: how records are written, hashed and read back, byte for byte the same everywhere."""

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

__all__ = ["FoundRecord", "decode", "digest", "encode", "format_target", "format_time", "record_line"]

_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder()


class FoundRecord(NamedTuple):
    """A record as a query returns it.

    Attributes:
        id: The id as text, with hyphens.
        seq: The seq of its last change.
        recorded_at: The time of that commit.
        document: The record without these, as JSON.
    """

    id: str
    seq: int
    recorded_at: str
    document: str


def encode(value: Any) -> str:
    """Return a JSON value as text: compact, keys sorted, not escaped to ASCII."""
    return _ENCODER.encode(value).decode()


def decode(text: str) -> Any:
    """Return the JSON value of a text that `encode` made."""
    return _DECODER.decode(text)


def digest(key: bytes, document: str, provenance: str | None = None) -> bytes:
    """Return the log's digest of an event or a record: SHA-256 over the id's 16 bytes, document and provenance.

    Args:
        key: The id.
        document: The text of `encode`, without the id.
        provenance: The text of `pack_provenance`.
    """
    text = document if provenance is None else f"{document}\n{provenance}"
    return hashlib.sha256(key + text.encode()).digest()


def record_line(found: FoundRecord) -> str:
    """Return a record as one line of JSON, in the form that the service answers."""
    return f'{{"id":"{found.id}",{found.document[1:-1]},"seq":{found.seq},"recorded_at":"{found.recorded_at}"}}'


def format_time(time: datetime) -> str:
    """Return a time in UTC in the spelling of records."""
    return time.isoformat(timespec="microseconds")[:26] + "Z"


def format_target(target: Any) -> str | None:
    """Return a target as the filter takes it: `namespace/Kind/name`, or `Kind/name` without a namespace."""
    if isinstance(target, dict):
        namespace = target.get("namespace")
        return f"{namespace}/{target['kind']}/{target['name']}" if namespace else f"{target['kind']}/{target['name']}"
    return None if target is None else str(target)
