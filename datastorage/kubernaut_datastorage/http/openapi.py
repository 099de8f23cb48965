"""The OpenAPI 3.1 document, made from the SDK's models and the service's own limits."""

import json
import sys
from typing import Any

from pydantic.json_schema import models_json_schema

from kubernaut_datastorage.http.body import LARGEST_BODY
from kubernaut_datastorage.http.deletions import MOST_DELETED
from kubernaut_datastorage.http.export import STREAMS
from kubernaut_datastorage.http.queries import FIELDS, MOST
from kubernaut_datastorage.records.columns import LONGEST_TEXT, RECORD_COLUMNS
from kubernaut_datastorage.records.ingest import LARGEST_EVENT, MOST_EVENTS
from kubernaut_datastorage.store import WatchKind
from kubernaut_sdk.records import Event, Record

__all__ = ["document"]

_TIME = "A time such as 2026-01-31T09:05:07Z, or an age such as 90d."
_TEXT = {"type": "string", "maxLength": LONGEST_TEXT}


def document() -> dict[str, Any]:
    """Return the whole document."""
    _, models = models_json_schema(
        [(Event, "validation"), (Record, "serialization")], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kubernaut Data Storage",
            "version": "1",
            "description": "Action records in, history out. Errors are problem details (RFC 9457).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _paths(),
        "components": {
            "schemas": {**models["$defs"], **_SCHEMAS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _paths() -> dict[str, Any]:
    records = "/api/v1/action-records"
    return {
        records: {
            "post": _operation(
                "put_records",
                f"Stores 1 to {MOST_EVENTS:,} events; answers after commit. An event has at most {LARGEST_EVENT:,} "
                f"bytes, the request {LARGEST_BODY:,} after decompression.",
                _json({"type": "array", "items": _ref("Outcome")}),
                body={"type": "array", "minItems": 1, "maxItems": MOST_EVENTS, "items": _ref("Event")},
                more=("507",),
            ),
            "get": _operation(
                "find_records",
                "Records, newest first: a page as JSON, or all that match as a stream.",
                {**_json(_ref("Page")), **{kind: {"schema": {"type": "string"}} for kind in sorted(STREAMS)}},
                parameters=[*_filters(), *_paging()],
                more=("406",),
            ),
        },
        f"{records}/summary": {
            "get": _operation(
                "summarise",
                "How many records there are, by action type, state and dry run, of whole days in UTC.",
                _json(_ref("Summary")),
                parameters=[_query("action_type", _TEXT), *_times()],
            )
        },
        f"{records}/{{record_id}}": {
            "get": _operation("get_record", "One record.", _json(_ref("Record")), parameters=[_ID], more=("404",))
        },
        f"{records}/{{record_id}}/proof": {
            "get": _operation(
                "prove_record",
                "That a record is in the log, as anyone can check.",
                _json({"type": "object"}),
                parameters=[_ID],
                more=("404",),
            )
        },
        "/api/v1/checkpoint": {
            "get": _operation("get_checkpoint", "The state of the log now.", _json(_ref("Checkpoint")), more=("404",))
        },
        "/api/v1/signals": {
            "post": _operation(
                "put_signals",
                "Alertmanager's webhook, version 4. One odd alert is refused alone: Alertmanager does not send again.",
                _json(_ref("Alerts")),
                body=_ref("Webhook"),
                more=("507",),
            ),
            "get": _operation(
                "find_signals",
                "When signals fired and were resolved: episodes that overlap the time.",
                _json(_object("items", items={"type": "array", "items": _ref("Episode")}, next=_MAYBE)),
                parameters=[_query("fingerprint", _TEXT), *_times(), *_following()],
            ),
        },
        "/api/v1/monitoring": {
            "get": _operation(
                "get_monitoring",
                "When heartbeats came, Alertmanager was asked, and signals were held back or left out.",
                _json(_object("items", items={"type": "array", "items": _ref("WatchSpan")})),
                parameters=[_times()[0]],
            ),
            "post": _operation(
                "put_monitoring",
                "Tell that targets were deleted in the last 24 hours: what is silent because it is gone is not mended.",
                _json(_object("deleted", deleted=_NUMBER)),
                body=_ref("Deletions"),
                more=("507",),
            ),
        },
        "/healthz": {"get": _operation("healthz", "The process is alive.", _json(_ref("Status")))},
        "/readyz": {
            "get": _operation(
                "readyz",
                "Records can be stored. It needs no token, so that the reason is in the log.",
                _json(_ref("Status")),
            )
        },
        "/metrics": {
            "get": _operation(
                "get_metrics", "Prometheus' text format.", {"text/plain": {"schema": {"type": "string"}}}, more=("404",)
            )
        },
    }


def _operation(
    name: str,
    summary: str,
    answer: dict[str, Any],
    *,
    body: dict[str, Any] | None = None,
    parameters: list[dict[str, Any]] | None = None,
    more: tuple[str, ...] = (),
) -> dict[str, Any]:
    problems = ["400", "401", "403", "429", "500", "503", *more]
    if body is not None:
        problems += ["408", "413", "415", "422"]
    made: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": "As asked.", "content": answer},
            **{
                status: {
                    "description": _PROBLEMS[status],
                    "content": {"application/problem+json": {"schema": _ref("Problem")}},
                }
                for status in sorted(problems)
            },
        },
    }
    if parameters:
        made["parameters"] = parameters
    if body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return made


def _filters() -> list[dict[str, Any]]:
    filters = [(column.name, column.filter) for column in RECORD_COLUMNS if column.filter is not None]
    return [
        *(_query(name, dict(one.schema), one.description) for name, one in filters),
        _query("about", _TEXT, "The target, or its end after a /, such as the name alone."),
        _query("id", {"type": "string", "minLength": 4, "maxLength": 36}, "The beginning or the end of a record's id."),
        *_times(),
    ]


def _paging() -> list[dict[str, Any]]:
    return [
        _query("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": 100}),
        _query("cursor", {"type": "string"}, "`next` of the page before."),
        _query("fields", {"type": "string"}, f"Some of {', '.join(FIELDS)}, with commas."),
        _query(
            "after_seq",
            {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
            "What changed after this commit, oldest change first: go on from the last item's seq.",
        ),
    ]


def _following() -> list[dict[str, Any]]:
    return [
        _query("heard_after", {"type": "string"}, "Episodes in the order in which they were told, since this time."),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": MOST}, "With heard_after."),
        _query("cursor", {"type": "string"}, "With heard_after: `next` of the page before."),
    ]


def _times() -> list[dict[str, Any]]:
    return [_query("since", {"type": "string"}, _TIME), _query("until", {"type": "string"}, _TIME)]


def _query(name: str, schema: dict[str, Any], description: str | None = None) -> dict[str, Any]:
    made = {"name": name, "in": "query", "schema": schema}
    return made if description is None else {**made, "description": description}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _object(required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


_ID = {"name": "record_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
_STRING = {"type": "string"}
_NUMBER = {"type": "integer"}
_MAYBE = {"type": ["string", "null"]}
_PROBLEMS = {
    "400": "A parameter or the body cannot be used.",
    "401": "There is no token, or none that is known.",
    "403": "The token does not allow it; or, without tokens, the request is not of this machine.",
    "404": "There is no such thing.",
    "406": "None of the forms that are accepted can be answered.",
    "408": "The body did not arrive in time.",
    "413": "The request is too large.",
    "415": "The body is neither plain nor gzip.",
    "422": "The body is not what is expected.",
    "429": "Too many requests; Retry-After says when to come again.",
    "500": "The service failed.",
    "503": "The database is away; Retry-After says when to come again.",
    "507": "There is no room for more.",
}
_SCHEMAS: dict[str, Any] = {
    "Outcome": _object(
        "index id outcome reason",
        index=_NUMBER,
        id=_MAYBE,
        outcome={"type": "string", "enum": ["stored", "merged", "duplicate", "refused"]},
        reason=_MAYBE,
    ),
    "Page": _object("items next", items={"type": "array", "items": {"type": "object"}}, next=_MAYBE),
    "Summary": _object(
        "since items",
        since=_STRING,
        items={
            "type": "array",
            "items": _object(
                "action_type state dry_run records",
                action_type=_STRING,
                state=_STRING,
                dry_run={"type": "boolean"},
                records=_NUMBER,
            ),
        },
    ),
    "Checkpoint": _object(
        "batch at first_seq count root note previous chain key_id signature",
        batch=_NUMBER,
        at=_STRING,
        first_seq=_NUMBER,
        count=_NUMBER,
        root=_STRING,
        note=_MAYBE,
        previous=_STRING,
        chain=_STRING,
        key_id=_MAYBE,
        signature=_MAYBE,
    ),
    "Webhook": _object(
        "version alerts",
        version={"const": "4"},
        truncatedAlerts=_NUMBER,
        groupLabels={"type": "object", "additionalProperties": _STRING},
        alerts={
            "type": "array",
            "items": _object(
                "status startsAt fingerprint",
                status={"type": "string", "enum": ["firing", "resolved"]},
                labels={"type": "object", "additionalProperties": _STRING},
                startsAt={"type": "string", "format": "date-time"},
                endsAt={"type": ["string", "null"], "format": "date-time"},
                fingerprint={"type": "string", "minLength": 1, "maxLength": 253},
            ),
        },
    ),
    "Alerts": _object(
        "episodes refused",
        episodes={**_NUMBER, "description": "How many alerts were stored."},
        refused={
            "type": "array",
            "items": _object("index fingerprint reason", index=_NUMBER, fingerprint=_MAYBE, reason=_STRING),
        },
    ),
    "Episode": _object(
        "fingerprint fired_at resolved_at name severity",
        fingerprint=_STRING,
        fired_at=_STRING,
        resolved_at=_MAYBE,
        name=_MAYBE,
        severity=_MAYBE,
        labels={"type": ["object", "null"], "additionalProperties": _STRING},
        heard_at={**_MAYBE, "description": "First told that it fires; null where only its end was told."},
        resolved_heard_at={**_MAYBE, "description": "First told that it ended."},
        last_heard_at=_MAYBE,
    ),
    "WatchSpan": _object(
        "kind subject since until",
        kind={"type": "string", "enum": list(WatchKind)},
        subject={
            **_STRING,
            "description": "A cluster, Alertmanager's address, a fingerprint, labels as JSON, or a target.",
        },
        since=_STRING,
        until=_STRING,
    ),
    "Deletions": _object(
        "deleted",
        deleted={
            "type": "array",
            "items": _object("target at", target=_STRING, at={**_STRING, "format": "date-time"}),
            "minItems": 1,
            "maxItems": MOST_DELETED,
        },
    ),
    "Status": _object("status", status=_STRING),
    "Problem": _object(
        "type title status detail instance",
        type=_STRING,
        title=_STRING,
        status=_NUMBER,
        detail=_STRING,
        instance=_STRING,
    ),
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=2, ensure_ascii=False) + "\n")
