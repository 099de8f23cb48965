"""Documents as text: how records are written, hashed and read back, the same to the byte wherever that happens."""

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

__all__ = ["FoundRecord", "decode", "digest", "encode", "format_target", "format_time", "record_line"]

_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder()


class FoundRecord(NamedTuple):
    """A record as the database has it.

    Attributes:
        id: As text, with hyphens.
        seq: Of its last change.
        recorded_at: When that was committed.
        document: The rest of it, as JSON.
    """

    id: str
    seq: int
    recorded_at: str
    document: str


def encode(value: Any) -> str:
    """A JSON value as text: compact, keys sorted, other than ASCII as it is."""
    return _ENCODER.encode(value).decode()


def decode(text: str) -> Any:
    """The JSON value of a text that `encode` made."""
    return _DECODER.decode(text)


def digest(key: bytes, document: str, provenance: str | None = None) -> bytes:
    """What the log keeps of an event, or of a record: SHA-256 over its id's 16 bytes, its document and its provenance.

    Args:
        key: The id.
        document: As `encode` writes it, without the id.
        provenance: As `provenance.pack` writes it.
    """
    text = document if provenance is None else f"{document}\n{provenance}"
    return hashlib.sha256(key + text.encode()).digest()


def record_line(found: FoundRecord) -> str:
    """A record as one line of JSON, as the service answers it."""
    return f'{{"id":"{found.id}",{found.document[1:-1]},"seq":{found.seq},"recorded_at":"{found.recorded_at}"}}'


def format_time(time: datetime) -> str:
    """A time in UTC as records spell it."""
    return time.isoformat(timespec="microseconds")[:26] + "Z"


def format_target(target: Any) -> str | None:
    """A target as the filter takes it: an object as `namespace/Kind/name` (`Kind/name` without a namespace)."""
    if isinstance(target, dict):
        namespace = target.get("namespace")
        return f"{namespace}/{target['kind']}/{target['name']}" if namespace else f"{target['kind']}/{target['name']}"
    return None if target is None else str(target)
