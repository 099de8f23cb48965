"""Parsing a request's body into events, each by itself: a bad one does not harm the others.

An event that needs no correction is checked while it is parsed (`shapes.py`). Any other goes through the SDK's model,
which corrects it or says what is wrong. Which way an event goes depends on the event alone.
"""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from pydantic import ValidationError

from kubernaut_datastorage.records.access import Caller, find_forbidden_claim, sender_fields
from kubernaut_datastorage.records.bounds import trim_event
from kubernaut_datastorage.records.columns import RECORD_COLUMNS
from kubernaut_datastorage.records.documents import digest, encode, format_time
from kubernaut_datastorage.records.shapes import TIMES, EventShape
from kubernaut_sdk.errors import InvalidInputs
from kubernaut_sdk.faults import validation_faults
from kubernaut_sdk.ids import timestamp
from kubernaut_sdk.portable import require_portable, shorten
from kubernaut_sdk.records import Event
from kubernaut_sdk.times import utcnow

__all__ = [
    "LARGEST_EVENT",
    "MOST_EVENTS",
    "InvalidBatch",
    "MalformedJson",
    "ReceivedEvent",
    "RefusedEvent",
    "parse_events",
    "require_storable_time",
]

logger = logging.getLogger(__name__)

LARGEST_EVENT = 64 * 1024
MOST_EVENTS = 1_000
_AHEAD = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SHAPE: "msgspec.json.Decoder[Any]" = msgspec.json.Decoder(EventShape)
_PARTS = msgspec.json.Decoder(list[msgspec.Raw])
_DIGITS = bytes.maketrans(bytes(range(256)), bytes(48 if 48 <= sign <= 57 else 32 for sign in range(256)))
_LONG_NUMBER = b"0" * 19
_DEEPEST = 64
_SEARCHED = tuple(dict.fromkeys(column.field for column in RECORD_COLUMNS if not column.takes_nul))
"""Fields in which no NUL is accepted: PostgreSQL stores none in a column."""


class MalformedJson(ValueError):
    """A body that is not JSON; the message says why."""


class InvalidBatch(ValueError):
    """A body that is JSON, but not an array of 1 to 1,000 events; the message says what it is instead."""


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """A valid event.

    Attributes:
        id: The record's id, as text with hyphens.
        key: The id as 16 bytes.
        event: The value of `Event.wire()`, with its source, and without its id.
        document: The event as text.
        digest: The digest over key and document.
        caller: The sender; None if every sender is trusted (loopback, without tokens).
    """

    id: str
    key: bytes
    event: dict[str, Any]
    document: str
    digest: bytes
    caller: Caller | None


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """An event that cannot be stored.

    Attributes:
        id: The id that was sent, if it is text at all.
        reason: The fault, with the value.
    """

    id: str | None
    reason: str


@dataclass(frozen=True)
class _IdWindow:
    """The range of ids that are accepted, by the milliseconds within them."""

    first: int
    last: int
    latest: str
    now: datetime
    retention: timedelta


def parse_events(
    body: bytes, *, caller: Caller | None = None, retention: timedelta, now: datetime | None = None
) -> list[ReceivedEvent | RefusedEvent]:
    """Return the events of a body, in their order.

    Args:
        body: A JSON array of 1 to 1,000 events.
        caller: The sender.
        retention: The age of the oldest id that is accepted.
        now: The time; the current one by default.

    Raises:
        MalformedJson: if the body is not JSON.
        InvalidBatch: if it is not such an array.
    """
    now = now or utcnow()
    ahead = now + _AHEAD
    window = _IdWindow(_milliseconds(now - retention), _milliseconds(ahead), format_time(ahead), now, retention)
    parts: list[Any]
    try:
        parts = _PARTS.decode(body)
        body.decode()  # what is passed over is not checked to be UTF-8
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # perhaps it is JSON still, with a lone surrogate somewhere; or it is no array
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise MalformedJson(str(error)) from None
        if not isinstance(value, list):
            raise InvalidBatch(type(value).__name__) from None
        parts = value
    if not 1 <= len(parts) <= MOST_EVENTS:
        raise InvalidBatch(f"{len(parts)} items")
    return [_parse_or_refuse(part, caller, window) for part in parts]


def _parse_or_refuse(part: Any, caller: Caller | None, window: _IdWindow) -> ReceivedEvent | RefusedEvent:
    """Return the event, or the reason why it is refused. Whatever is wrong with one, the others go on."""
    try:
        return _parse_event(part, caller, window)
    except Exception:
        logger.exception("an event failed in a way that nobody foresaw; it is refused")
        return RefusedEvent(
            None, "the event cannot be read, in a way that nobody foresaw; the service's log says more."
        )


def _parse_event(part: Any, caller: Caller | None, window: _IdWindow) -> ReceivedEvent | RefusedEvent:
    if isinstance(part, msgspec.Raw):
        text = bytes(part)
        event = _parse_as_it_stands(text)
        if event is None:
            try:
                part = json.loads(text)
            except (ValueError, RecursionError) as error:
                return RefusedEvent(None, f"it is not JSON that can be used: {shorten(str(error))}.")
    else:
        event = None
    record_id = part.get("id") if event is None and isinstance(part, dict) else None
    try:
        event = event or _parse_by_model(part)
        record_id = event.pop("id")
        key = _key(record_id, window)
        _require_not_ahead(event["at"], window)
    except ValueError as error:
        return RefusedEvent(record_id if isinstance(record_id, str) and record_id.isascii() else None, f"{error}.")
    if refusal := find_forbidden_claim(caller, event):
        return RefusedEvent(record_id, f"{refusal}.")
    event |= sender_fields(caller, event)
    document = encode(event)
    if (cut := trim_event(event, document)) is not None:
        event, document = cut, encode(cut)
    return ReceivedEvent(record_id, key, event, document, digest(key, document), caller)


def _require_not_ahead(at: str, window: _IdWindow) -> None:
    """Refuse an event of the future: it would stay the latest one for ever.

    Raises:
        ValueError: with the time.
    """
    if at > window.latest:
        raise ValueError(f"at: {at} is more than a day ahead; a clock seems to be wrong")


def _parse_as_it_stands(text: bytes) -> dict[str, Any] | None:
    """Return the event if it needs no correction, or None."""
    if len(text) > LARGEST_EVENT or _LONG_NUMBER in text.translate(_DIGITS) or b"\\u0000" in text:
        return None
    if text.count(b"{") + text.count(b"[") > _DEEPEST:
        return None
    try:
        event: dict[str, Any] = msgspec.to_builtins(_SHAPE.decode(text))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    event.setdefault("attempt", 0)
    if not all(_is_canonical_time(event[name]) for name in TIMES if name in event) or not _has_canonical_ids(event):
        return None
    for attempt in event.get("attempts", ()):
        if not all(_is_canonical_time(attempt[name]) for name in ("started", "ended") if name in attempt):
            return None
    signal = event.get("signal")
    return event if signal is None or "firedAt" not in signal or _is_canonical_time(signal["firedAt"]) else None


def _is_canonical_time(text: str) -> bool:
    """Return True if a time is in the spelling of records, and of 1970 or later."""
    if len(text) != 27 or text[26] != "Z" or text[10] != "T" or text[19] != "." or text < "1970":
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_canonical_id(text: str) -> bool:
    return len(text) == 36 and text == text.lower() and text[8] == text[13] == text[18] == text[23] == "-"


def _has_canonical_ids(event: dict[str, Any]) -> bool:
    """Return True if an event's id, and that of the record it undoes, are in the spelling of records."""
    try:
        return _is_canonical_id(event["id"]) and (
            "undoes" not in event or str(UUID(event["undoes"])) == event["undoes"]
        )
    except ValueError:
        return False


def _key(text: str, window: _IdWindow) -> bytes:
    try:
        key = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        key = b""
    if len(key) != 16 or key[6] >> 4 != 7 or key[8] >> 6 != 2:
        raise ValueError(f"id: {shorten(text)} is no UUID of version 7, whose time sorts records")
    made = int.from_bytes(key[:6])
    if made > window.last:
        raise ValueError(
            f"id: {text} is of {_time_of(key):%Y-%m-%d %H:%M}, more than a day ahead; a clock seems to be wrong"
        )
    if made < window.first:
        days = window.retention.days
        raise ValueError(f"id: {text} is of {_time_of(key):%Y-%m-%d}, older than the {days} days that are kept")
    return key


def _time_of(key: bytes) -> datetime:
    try:
        return timestamp(UUID(bytes=key))
    except (ValueError, OverflowError):
        return datetime.max.replace(tzinfo=UTC)


def _parse_by_model(item: Any) -> dict[str, Any]:
    """Return the event, checked and corrected by the SDK's model.

    Raises:
        ValueError: with the path, the value and the reason for which it is refused.
    """
    if not isinstance(item, dict):
        raise ValueError(f"an event is a JSON object, not {shorten(json.dumps(item))}")  # noqa: TRY004 – a refusal
    try:
        require_portable(item, "event")
    except InvalidInputs as error:
        raise ValueError(error.message.removeprefix("event.").rstrip(".")) from None
    size = len(json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode())
    if size > LARGEST_EVENT:
        raise ValueError(f"the event has {size} bytes; at most {LARGEST_EVENT} (64 KiB)")
    try:
        event = Event.model_validate(item)
    except ValidationError as error:
        raise ValueError(str(validation_faults(error, document="the event")[0]).rstrip(".")) from None
    except OverflowError:
        raise ValueError("a time of it is out of range: in UTC its year must have four digits") from None
    _require_storable_times(event)
    wire = event.wire()
    for name in _SEARCHED:
        if "\\u0000" in json.dumps(wire.get(name)):
            raise ValueError(f"{name}: it has a NUL, by which nobody could look for it")
    return wire


def require_storable_time(path: str, time: datetime | None) -> None:
    """Refuse a time before 1970: no clock shows it, and below the year 1000 its text would not sort.

    Raises:
        ValueError: with the path and the time.
    """
    if time is not None and time < _EPOCH:
        raise ValueError(f"{path}: {time.isoformat()} is before 1970; a clock seems to be wrong")


def _require_storable_times(event: Event) -> None:
    for name in TIMES:
        require_storable_time(name, getattr(event, name))
    if event.signal:
        require_storable_time("signal.firedAt", event.signal.firedAt)
    for index, attempt in enumerate(event.attempts or ()):
        require_storable_time(f"attempts[{index}].started", attempt.started)
        require_storable_time(f"attempts[{index}].ended", attempt.ended)


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
