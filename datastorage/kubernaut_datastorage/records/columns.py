"""The columns of a record, each declared once: its type, how it is read from a document, its filter and its index.

The rows of a commit, COPY and UPDATE, the table and its indexes, the filters of the HTTP interface and their
description in OpenAPI follow from `RECORD_COLUMNS`. A new filter is a declaration here, and a migration.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from kubernaut_datastorage.records.bounds import index_key
from kubernaut_datastorage.records.documents import format_target
from kubernaut_datastorage.records.provenance import Pods
from kubernaut_sdk.states import State

__all__ = ["KNOWN", "LONGEST_TEXT", "RECORD_COLUMNS", "ColumnFilter", "Known", "RecordColumn", "parse_text"]

LONGEST_TEXT = 2048
"""Characters of a filter's value."""


class Known:
    """The type of `KNOWN`."""


KNOWN = Known()
"""The value of a filter that selects the records which have any value in a column."""


@dataclass(frozen=True, kw_only=True)
class ColumnFilter:
    """A parameter that selects records by a column.

    Attributes:
        parse: Returns the columns and values that records must have; raises ValueError with what is wrong.
        schema: The parameter's JSON schema.
        description: The parameter's description in OpenAPI.
    """

    parse: Callable[[str], tuple[tuple[str, Any], ...]]
    schema: Mapping[str, Any]
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class RecordColumn:
    """A column of `action_records` that repeats a value of the document.

    Attributes:
        name: The column's name, and the filter's.
        field: The event's field that the value comes from.
        read: Returns the value, from a document and the pods that wrote it.
        kind: The type, as PostgreSQL names it.
        length: Characters of a text, at most; None for any number.
        required: True if every record has a value.
        index: `known` for an index of the records that have a value, `all` for one of every record, `true` for one of
            the records whose value is true; None for none of its own.
        filter: The parameter that selects by it, if any.
        takes_nul: True if an event may have a NUL in the field: the column is then empty. Otherwise it is refused.
    """

    name: str
    field: str
    read: Callable[[Mapping[str, Any], Pods], Any]
    kind: Literal["text", "boolean", "uuid"] = "text"
    length: int | None = 253
    required: bool = False
    index: Literal["known", "all", "true"] | None = "known"
    filter: ColumnFilter | None = None
    takes_nul: bool = False


def parse_text(text: str) -> str:
    """Return the text of a filter.

    Raises:
        ValueError: if no record can have it.
    """
    if "\0" in text or len(text) > LONGEST_TEXT:
        raise ValueError(f"it must be text without NUL, of at most {LONGEST_TEXT} characters")
    return text


def _filter(
    name: str, parse: Callable[[str], Any], schema: Mapping[str, Any] | None = None, description: str | None = None
) -> ColumnFilter:
    """Return a filter by one column; a text's, unless it has another schema."""
    text = {"type": "string", "maxLength": LONGEST_TEXT}
    return ColumnFilter(parse=lambda value: ((name, parse(value)),), schema=schema or text, description=description)


def _parse_key(text: str) -> str:
    return index_key(parse_text(text))


def _parse_state(text: str) -> str:
    if text not in list(State):
        raise ValueError(f"there is {', '.join(State)}")
    return text


def _parse_flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("it must be true or false")
    return text == "true"


def _parse_undone(text: str) -> UUID | Known:
    if text == "any":
        return KNOWN
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("it must be a record's id (a UUID), or any") from None


def _parse_workflow(text: str) -> tuple[tuple[str, Any], ...]:
    namespace, _, name = parse_text(text).rpartition("/")
    if not name or "/" in namespace:
        raise ValueError("write a name, or namespace/name")
    return (("workflow", name), *([("namespace", namespace)] if namespace else []))


def _text(name: str, description: str | None = None) -> RecordColumn:
    """Return the column of a field whose texts may be too long for an index: those are found by their hash."""

    def read(document: Mapping[str, Any], _pods: Pods) -> str | None:
        text = document.get(name)
        # PostgreSQL stores no NUL in a text, and nobody looks for one
        return index_key(text) if isinstance(text, str) and "\0" not in text else None

    return RecordColumn(
        name=name,
        field=name,
        length=None,
        read=read,
        filter=_filter(name, _parse_key, description=description),
        takes_nul=True,
    )


def _inside(name: str, part: str, description: str | None = None) -> RecordColumn:
    """Return the column of a part of an object, such as a signal's fingerprint."""
    return RecordColumn(
        name=name,
        field=name,
        read=lambda document, _pods: (document.get(name) or {}).get(part),
        filter=_filter(name, parse_text, description=description),
    )


def _read_target(document: Mapping[str, Any], _pods: Pods) -> str | None:
    target = format_target(document.get("target"))
    return None if target is None else index_key(target)


def _read_namespace(document: Mapping[str, Any], pods: Pods) -> str | None:
    """Return the workflow's namespace or, if it is unknown, that of a pod that wrote the record."""
    return (document.get("workflow") or {}).get("namespace") or next((pod[0] for pod in pods.values()), None)


RECORD_COLUMNS = (
    RecordColumn(
        name="action_type",
        field="action_type",
        read=lambda document, _pods: document.get("action_type"),
        index=None,  # its indexes have more columns, see schema.py
        filter=_filter("action_type", parse_text, description="Such as kubernetes/scale_deployment."),
    ),
    RecordColumn(
        name="state",
        field="state",
        length=16,
        required=True,
        read=lambda document, _pods: document["state"],
        index="all",
        filter=_filter("state", _parse_state, {"type": "string", "enum": list(State)}),
    ),
    RecordColumn(
        name="target",
        field="target",
        length=None,
        read=_read_target,
        filter=_filter("target", _parse_key, description="namespace/Kind/name, Kind/name, or the text that it is."),
    ),
    RecordColumn(name="namespace", field="workflow", read=_read_namespace),
    RecordColumn(
        name="workflow",
        field="workflow",
        read=lambda document, _pods: (document.get("workflow") or {}).get("name"),
        filter=ColumnFilter(
            parse=_parse_workflow,
            schema={"type": "string", "maxLength": LONGEST_TEXT},
            description="A name, or namespace/name.",
        ),
    ),
    _inside("remediation", "name"),
    _inside("signal", "fingerprint", "A fingerprint."),
    RecordColumn(
        name="dry_run",
        field="dry_run",
        kind="boolean",
        read=lambda document, _pods: document.get("dry_run"),
        index="true",
        filter=_filter("dry_run", _parse_flag, {"type": "string", "enum": ["true", "false"]}),
    ),
    RecordColumn(
        name="undoes",
        field="undoes",
        kind="uuid",
        read=lambda document, _pods: document.get("undoes"),
        filter=_filter("undoes", _parse_undone, description="The id of a record that was undone; or any."),
    ),
    _text("image", "With its digest, as the record has it."),
    _text("requester"),
)
"""The columns, in the order of a row's values."""
