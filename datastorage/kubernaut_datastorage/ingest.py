"""From a request's bytes to valid events: size first, then each event by itself, so that a bad one harms no other."""

import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request

from kubernaut_datastorage.problems import Problem
from kubernaut_sdk.errors import InvalidInputs
from kubernaut_sdk.ids import timestamp
from kubernaut_sdk.portable import require_portable, shorten
from kubernaut_sdk.records import Event
from kubernaut_sdk.states import Source
from kubernaut_sdk.times import utcnow

__all__ = [
    "LARGEST_BODY",
    "LARGEST_EVENT",
    "MOST_EVENTS",
    "RETENTION",
    "read_json",
    "require_storable_time",
    "valid_event",
]

LARGEST_BODY = 4 * 1024 * 1024
"""Bytes of a request, after decompression."""
LARGEST_EVENT = 64 * 1024
MOST_EVENTS = 1_000
RETENTION = timedelta(days=90)
_AHEAD = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def read_json(request: Request) -> Any:
    """The JSON value of a request's body, plain or gzip.

    Raises:
        Problem: 413 where it is too large, 415 for another encoding, 400 where it is not JSON.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in {"identity", "gzip"}:
        raise Problem(415, "Unsupported encoding", f"content-encoding {shorten(encoding)}: send it plain, or gzip.")
    unpack = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    body = bytearray()
    async for part in request.stream():
        try:
            # never unpacks more than would be refused anyway
            body += unpack.decompress(part, LARGEST_BODY + 1 - len(body)) if unpack else part
        except zlib.error as error:
            raise Problem(400, "Not gzip", f"the body is not gzip: {error}.") from None
        if len(body) > LARGEST_BODY:
            raise Problem(413, "Too large", f"a request may have {LARGEST_BODY} bytes (4 MiB) after decompression.")
        if unpack and unpack.unused_data:
            raise Problem(400, "Not gzip", "there is more after the end of the gzip body; send one gzip member.")
    if unpack and not unpack.eof:
        raise Problem(400, "Not gzip", "the gzip body ends too early.")
    try:
        return json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise Problem(400, "Not JSON", f"the body is not JSON: {shorten(str(error))}.") from None


def valid_event(item: Any) -> dict[str, Any]:
    """An event as the store takes it.

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
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{path}: {first['msg'].lower()}; it is {shorten(repr(first['input']))}") from None
    except OverflowError:
        raise ValueError("a time of it is out of range: in UTC its year must have four digits") from None
    _require_storable_id(event)
    _require_storable_times(event)
    # without tokens, whoever speaks on loopback says himself who he is
    return {"source": Source.CONTAINER.value, **event.wire()}


def require_storable_time(path: str, time: datetime | None) -> None:
    """Refuses a time before 1970: no clock says so, and below the year 1000 its text would not sort, nor be read back.

    Raises:
        ValueError: with the path and the time.
    """
    if time is not None and time < _EPOCH:
        raise ValueError(f"{path}: {time.isoformat()} is before 1970; is a clock wrong?")


def _require_storable_times(event: Event) -> None:
    for name in ("at", "intended_at", "started_at", "finished_at"):
        require_storable_time(name, getattr(event, name))
    if event.signal:
        require_storable_time("signal.firedAt", event.signal.firedAt)
    for index, attempt in enumerate(event.attempts or ()):
        require_storable_time(f"attempts.{index}.started", attempt.started)
        require_storable_time(f"attempts.{index}.ended", attempt.ended)


def _require_storable_id(event: Event) -> None:
    if event.id.version != 7:
        raise ValueError(f"id: {event.id} is no UUID of version 7, whose time sorts records")
    made, now = timestamp(event.id), utcnow()
    if made > now + _AHEAD:
        raise ValueError(f"id: {event.id} is of {made:%Y-%m-%d %H:%M}, more than a day ahead; is a clock wrong?")
    if made < now - RETENTION:
        raise ValueError(f"id: {event.id} is of {made:%Y-%m-%d}, older than the {RETENTION.days} days that are kept")
