"""Query strings: every parameter known and every value checked, or a problem that names the wrong one."""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from starlette.requests import Request

from kubernaut_datastorage.http.problems import Problem
from kubernaut_datastorage.records.columns import RECORD_COLUMNS, parse_text
from kubernaut_datastorage.store import Query
from kubernaut_sdk.durations import parse_duration
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.records import Record
from kubernaut_sdk.times import rfc3339, utcnow

__all__ = [
    "FIELDS",
    "cursor_after",
    "parse_fields",
    "parse_query",
    "parse_time_text",
    "read_parameters",
    "require_known",
]

MOST = 1_000
FIELDS = tuple(Record.model_fields)


def read_parameters(request: Request) -> dict[str, str]:
    """Return the query string's parameters.

    Raises:
        Problem: 400 for one that is given twice, since one of its values would be passed over in silence.
    """
    parameters: dict[str, str] = {}
    for name, text in request.query_params.multi_items():
        if name in parameters:
            raise _bad(name, text, "it is given twice; give it once")
        parameters[name] = text
    return parameters


def parse_query(parameters: Mapping[str, str]) -> Query:
    """Return the query of these parameters.

    Raises:
        Problem: 400 for an unknown parameter or a value that cannot be used.
    """
    require_known(parameters, {*_FILTERS, "about", "id", "since", "until", "limit", "cursor", "fields", "after_seq"})
    equal = [
        pair
        for name, column in _FILTERS.items()
        if name in parameters
        for pair in _checked(name, parameters[name], column.parse)
    ]
    first = _id_at(parse_time("since", parameters["since"])) if "since" in parameters else None
    last = _id_at(parse_time("until", parameters["until"])) if "until" in parameters else None
    if cursor := parameters.get("cursor"):
        if "after_seq" in parameters:
            raise _bad("cursor", cursor, "it does not go with after_seq, which is a place by itself")
        before = _checked("cursor", cursor, _cursor)
        last = before if last is None else min(last, before)
    after_seq = parameters.get("after_seq")
    return Query(
        equal=tuple(equal),
        about=_checked("about", parameters["about"], _about) if "about" in parameters else None,
        id_part=_checked("id", parameters["id"], _id_part) if "id" in parameters else None,
        first=first,
        last=last,
        after_seq=None if after_seq is None else _checked("after_seq", after_seq, _seq),
        limit=_checked("limit", parameters.get("limit", "100"), _limit),
    )


def parse_fields(parameters: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the wanted fields, or None for all.

    Raises:
        Problem: 400 for one that there is not.
    """
    if "fields" not in parameters:
        return None
    names = tuple(parameters["fields"].split(","))
    for name in names:
        if name not in FIELDS:
            raise _bad("fields", name, f"there is {', '.join(FIELDS)}")
    return names


def cursor_after(record_id: str) -> str:
    """Return the cursor of the page after this record."""
    return base64.urlsafe_b64encode(UUID(record_id).bytes).decode().rstrip("=")


def require_known(parameters: Mapping[str, str], known: set[str]) -> None:
    """Refuse an unknown parameter, which would otherwise be ignored."""
    for name in parameters:
        if name not in known:
            detail = f"there is no parameter {shorten(name)}; there is {', '.join(sorted(known)) or 'none at all'}."
            raise Problem(400, "Unknown parameter", detail)


def parse_time(name: str, text: str) -> datetime:
    """Return the time of a text: a time, or an age such as `90d`.

    Raises:
        Problem: 400 for anything else.
    """
    try:
        return utcnow() - parse_duration(text)
    except ValueError:
        pass
    try:
        # in a query string a plus sign that was not escaped arrives as a space
        time = datetime.fromisoformat(text.replace(" ", "+"))
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _bad(name, text, "write a time such as 2026-01-31T09:05:07Z, or an age such as 90d") from None


def parse_time_text(name: str, text: str) -> str:
    """Return a time or an age in the spelling of records."""
    return rfc3339(parse_time(name, text))


def _id_at(time: datetime) -> UUID:
    """Return the smallest UUIDv7 of a time."""
    milliseconds = max(0, int(time.timestamp() * 1000)) & ((1 << 48) - 1)
    return UUID(int=milliseconds << 80)


def _cursor(text: str) -> UUID:
    try:
        return UUID(bytes=base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        raise ValueError("take it from `next` of the page before") from None


def _number(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise ValueError(f"it must be a whole number from {least} to {most}")
    return int(text)


def _about(text: str) -> str:
    if not parse_text(text).strip("/"):
        raise ValueError("write a target, such as shop/Deployment/checkout, or its name")
    return text


def _id_part(text: str) -> str:
    digits = text.replace("-", "").lower()
    if not (4 <= len(digits) <= 32 and set(digits) <= set("0123456789abcdef")):
        raise ValueError("write 4 to 32 hexadecimal digits of an id, from its beginning or its end")
    return digits


def _seq(text: str) -> int:
    return _number(text, 0, 2**63 - 1)


def _limit(text: str) -> int:
    return _number(text, 1, MOST)


_FILTERS = {column.name: column.filter for column in RECORD_COLUMNS if column.filter is not None}


def _checked(name: str, text: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise _bad(name, text, str(error)) from None


def _bad(name: str, text: str, reason: str) -> Problem:
    return Problem(400, "Bad parameter", f"{name}={shorten(text)}: {reason}.")
