"""The routes of the HTTP interface."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kubernaut_datastorage.http import problems
from kubernaut_datastorage.http.body import not_json, read_body
from kubernaut_datastorage.http.export import STREAMS, select_fields
from kubernaut_datastorage.http.negotiation import negotiate
from kubernaut_datastorage.http.openapi import document
from kubernaut_datastorage.http.problems import Problem
from kubernaut_datastorage.http.queries import (
    cursor_after,
    parse_fields,
    parse_query,
    parse_time_text,
    read_parameters,
    require_known,
)
from kubernaut_datastorage.http.signals import find_signals, get_monitoring, put_monitoring, put_signals
from kubernaut_datastorage.log.checkpoints import make_checkpoint
from kubernaut_datastorage.log.proofs import make_proof
from kubernaut_datastorage.records.access import Caller
from kubernaut_datastorage.records.documents import FoundRecord, record_line
from kubernaut_datastorage.records.ingest import MOST_EVENTS, InvalidBatch, MalformedJson, RefusedEvent, parse_events
from kubernaut_datastorage.retention import sweep_regularly
from kubernaut_datastorage.store import Query, StorageError, StorageFull, Store
from kubernaut_sdk.portable import shorten

__all__ = ["create_app", "with_fast_path"]


logger = logging.getLogger(__name__)

_FREQUENT = "/api/v1/action-records"


def create_app(
    store: Store,
    *,
    on_events: Callable[[str, str | None, int], None] | None = None,
    on_alerts: Callable[[int, int], None] | None = None,
    metrics: Callable[[], bytes] | None = None,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> Starlette:
    """Return the application. It starts the store, sweeps it, and closes it when it stops.

    Args:
        store: The store of records.
        on_events: Called after a request with an outcome of events, the reason of a refusal, and their number.
        on_alerts: Called after a webhook with the number of alerts that were stored, and of those refused.
        metrics: Returns the response of `/metrics`.
        beside: Works beside the requests, until it is cancelled.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await store.start()
        tasks = [asyncio.create_task(sweep_regularly(store))]
        if beside is not None:
            tasks.append(asyncio.create_task(beside()))
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await store.close()

    app = Starlette(
        routes=[
            Route("/api/v1/action-records", put_records, methods=["POST"]),
            Route("/api/v1/action-records", find_records, methods=["GET"]),
            Route("/api/v1/action-records/summary", summarise, methods=["GET"]),
            Route("/api/v1/action-records/{record_id}", get_record, methods=["GET"]),
            Route("/api/v1/action-records/{record_id}/proof", prove_record, methods=["GET"]),
            Route("/api/v1/checkpoint", get_checkpoint, methods=["GET"]),
            Route("/api/v1/signals", put_signals, methods=["POST"]),
            Route("/api/v1/signals", find_signals, methods=["GET"]),
            Route("/api/v1/monitoring", get_monitoring, methods=["GET"]),
            Route("/api/v1/monitoring", put_monitoring, methods=["POST"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/metrics", get_metrics, methods=["GET"]),
            Route("/openapi.json", get_openapi, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
        ],
        exception_handlers={
            Problem: problems.answer,
            HTTPException: _as_problem,
            StorageError: _unavailable,
            Exception: _unexpected,
        },
        lifespan=lifespan,
    )
    app.state.store, app.state.on_events, app.state.on_alerts, app.state.metrics = store, on_events, on_alerts, metrics
    app.state.unready = None
    return app


async def get_metrics(request: Request) -> Response:
    """Return the service's metrics in Prometheus' text format."""
    metrics = request.app.state.metrics
    if metrics is None:
        raise Problem(404, "No metrics", "an embedded service keeps no figures.")
    return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def get_openapi(_request: Request) -> Response:
    """Return the OpenAPI document."""
    return JSONResponse(document())


def with_fast_path(app: Starlette) -> ASGIApp:
    """Return the application with its most frequent request answered without routing.

    Of a request with one event, routing and its middleware are a third of the work.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != _FREQUENT or scope["method"] != "POST":
            await app(scope, receive, send)
            return
        scope["app"] = app
        request = Request(scope, receive)
        try:
            response = await put_records(request)
        except Problem as problem:
            response = await problems.answer(request, problem)
        except StorageError as error:
            response = await _unavailable(request, error)
        except Exception as error:
            logger.exception("a request failed")
            response = await _unexpected(request, error)
        await response(scope, receive, send)

    return answer


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def _caller(request: Request) -> Caller | None:
    caller: Caller | None = request.scope.get("caller")
    return caller


async def put_records(request: Request) -> Response:
    """Store 1 to 1,000 events; answer after commit, with an outcome for each."""
    store = _store(request)
    body = await read_body(request)
    try:
        received = parse_events(
            body, caller=_caller(request), retention=store.settings.retention, now=store.settings.clock()
        )
    except MalformedJson as error:
        raise not_json(error) from None
    except InvalidBatch as error:
        detail = f"send a JSON array of 1 to {MOST_EVENTS} events; this is {error}."
        raise Problem(422, "Not a batch", detail) from None
    good = [one for one in received if not isinstance(one, RefusedEvent)]
    outcomes = iter(await store.put(good) if good else ())
    answers: list[dict[str, Any]] = []
    for index, one in enumerate(received):
        outcome, reason = ("refused", one.reason) if isinstance(one, RefusedEvent) else next(outcomes)
        answers.append({"index": index, "id": one.id, "outcome": outcome, "reason": reason})
    if (on_events := request.app.state.on_events) is not None:
        for (outcome, reason), events in Counter((one["outcome"], one["reason"]) for one in answers).items():
            on_events(outcome, reason, events)
    return Response(msgspec.json.encode(answers), media_type="application/json")


async def find_records(request: Request) -> Response:
    """Return records, newest first: a page as JSON, or all as a stream."""
    parameters = read_parameters(request)
    query, fields = _limit_to_caller(parse_query(parameters), _caller(request)), parse_fields(parameters)
    store = _store(request)
    media_type = negotiate(request.headers.get("accept") or "*/*")
    if media_type in STREAMS:
        if media_type == "application/x-ndjson" and fields and (lines := await store.stream_fields(query, fields)):
            return StreamingResponse(lines, media_type=media_type)
        chunks = store.stream(replace(query, limit=200))
        return StreamingResponse(STREAMS[media_type](chunks, fields), media_type=media_type)
    page = await store.page(query)
    full = query.after_seq is None and bool(page) and len(page) == query.limit
    following = f'"{cursor_after(page[-1].id)}"' if full else "null"
    body = f'{{"items":[{",".join(select_fields(page, fields))}],"next":{following}}}'
    return Response(body, media_type="application/json")


async def summarise(request: Request) -> Response:
    """Return the number of records by action type and state, over whole days in UTC."""
    parameters = read_parameters(request)
    require_known(parameters, {"action_type", "since", "until"})
    if (caller := _caller(request)) is not None and "read" not in caller.roles:
        raise Problem(403, "Forbidden", "a summary is of all namespaces; it takes the role read.")
    since = parse_time_text("since", parameters.get("since", "90d"))[:10]
    until = parse_time_text("until", parameters["until"])[:10] if "until" in parameters else "9999"
    items = await _store(request).summary(parameters.get("action_type"), since, until)
    return JSONResponse({"since": since, "items": items})


async def get_record(request: Request) -> Response:
    """Return one record."""
    require_known(read_parameters(request), set())
    return Response(record_line(await _read_visible(request, _record_id(request))), media_type="application/json")


async def prove_record(request: Request) -> Response:
    """Return a proof that a record is in the log, which anyone can check."""
    require_known(read_parameters(request), set())
    record_id, store = _record_id(request), _store(request)
    await _read_visible(request, record_id)
    [row] = await store.rows([record_id])
    commit = await store.commit_of(row["seq"])
    if commit is None:
        raise Problem(
            404, "Not in the log", f"the log has no entry {row['seq']}; `kubernaut records verify` says more."
        )
    return JSONResponse(make_proof(row, commit))


async def get_checkpoint(request: Request) -> Response:
    """Return the state of the whole log now. Kept elsewhere, it shows later whether the log was changed."""
    require_known(read_parameters(request), set())
    head = await _store(request).head()
    if head is None:
        raise Problem(404, "Nothing yet", "there is no commit yet.")
    return JSONResponse(make_checkpoint(head))


async def healthz(_request: Request) -> Response:
    """Answer that the process is alive."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Answer whether records can be stored. The request has no token, so the reason is only in the log."""
    try:
        await _store(request).require_ready()
    except StorageFull as error:
        _log_unready(request, error)
        raise Problem(503, "Not ready", "there is no room for more; the service's log says more.") from None
    except StorageError as error:
        _log_unready(request, error)
        raise Problem(503, "Not ready", "the database does not answer; the service's log says more.") from None
    request.app.state.unready = None
    return JSONResponse({"status": "ok"})


def _log_unready(request: Request, error: StorageError) -> None:
    """Log why the service is not ready, once for each reason: kubelets ask every few seconds."""
    if request.app.state.unready != str(error):
        request.app.state.unready = str(error)
        logger.warning("not ready: %s", error)


async def _read_visible(request: Request, record_id: UUID) -> FoundRecord:
    """Return a record that the caller may see; any other answers 404, as if it did not exist."""
    known, caller = await _store(request).get(record_id), _caller(request)
    if known is None or (caller is not None and not _reads_all(caller) and known[1] != caller.namespace):
        raise Problem(404, "No such record", f"there is no record {record_id}.")
    return known[0]


def _record_id(request: Request) -> UUID:
    text = request.path_params["record_id"]
    try:
        return UUID(text)
    except ValueError:
        raise Problem(400, "Bad id", f"{shorten(text)} is not a record id (a UUID).") from None


def _reads_all(caller: Caller) -> bool:
    return "read" in caller.roles


def _limit_to_caller(query: Query, caller: Caller | None) -> Query:
    """Return the query, limited to what the caller may read."""
    if caller is None or _reads_all(caller):
        return query
    return replace(query, equal=(*query.equal, ("namespace", caller.namespace)))


async def _as_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path}: {error.detail}."
    return await problems.answer(request, Problem(error.status_code, str(error.detail), detail, error.headers))


async def _unavailable(request: Request, error: Exception) -> Response:
    if isinstance(error, StorageFull):
        return await problems.answer(request, Problem(507, "No room", str(error)))
    return await problems.answer(request, Problem(503, "Unavailable", str(error), {"retry-after": "1"}))


async def _unexpected(request: Request, _error: Exception) -> Response:
    detail = "the service failed in a way that nobody foresaw; its log says more."
    return await problems.answer(request, Problem(500, "Internal error", detail))
