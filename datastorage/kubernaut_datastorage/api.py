"""The HTTP interface over a store."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from operator import itemgetter
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from kubernaut_datastorage import problems
from kubernaut_datastorage.database import StorageError, reason
from kubernaut_datastorage.ingest import MOST_EVENTS, read_json, valid_event
from kubernaut_datastorage.locality import require_local
from kubernaut_datastorage.merge import Outcome
from kubernaut_datastorage.problems import Problem
from kubernaut_datastorage.queries import (
    FIELDS,
    cursor_after,
    parameters_of,
    parse_fields,
    parse_query,
    require_known,
    time_text,
)
from kubernaut_datastorage.signals import episodes_of
from kubernaut_datastorage.store import Store
from kubernaut_sdk.portable import shorten

__all__ = ["create_app"]

router = APIRouter(dependencies=[Depends(require_local)])

Record = dict[str, Any]


def create_app(store: Store) -> FastAPI:
    """The service; it closes the store when it stops."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(store.close)

    app = FastAPI(title="Kubernaut Data Storage", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.store = store
    app.include_router(router)
    app.add_exception_handler(Problem, problems.answer)
    app.add_exception_handler(HTTPException, _as_problem)
    app.add_exception_handler(StorageError, _unavailable)
    app.add_exception_handler(DBAPIError, _unreadable)
    app.add_exception_handler(Exception, _unexpected)
    return app


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


@router.post("/api/v1/action-records")
async def put_records(request: Request) -> Response:
    """Stores 1 to 1,000 events; answers after commit, with an outcome for each."""
    items = await read_json(request)
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_EVENTS:
        got = f"{len(items)} items" if isinstance(items, list) else type(items).__name__
        raise Problem(422, "Not a batch", f"send a JSON array of 1 to {MOST_EVENTS} events; this is {got}.")
    return JSONResponse(await _put(_store(request), items))


@router.get("/api/v1/action-records")
async def find_records(request: Request) -> Response:
    """Records, newest first: a page as JSON, or all as NDJSON or CSV."""
    parameters = parameters_of(request)
    query, fields = parse_query(parameters), parse_fields(parameters)
    media_type = _preferred(request.headers.get("accept") or "*/*")
    if media_type in _STREAMS:
        pages = _store(request).stream(replace(query, limit=_STREAMED_AT_ONCE))
        return StreamingResponse(_STREAMS[media_type](pages, fields), media_type=media_type)
    page = await run_in_threadpool(_store(request).find, query)
    more = len(page) == query.limit and query.after_seq is None
    following = cursor_after(page[-1]) if page and more else None
    return JSONResponse({"items": [_narrow(record, fields) for record in page], "next": following})


@router.get("/api/v1/action-records/{record_id}")
async def get_record(request: Request, record_id: str) -> Response:
    """One record."""
    require_known(parameters_of(request), set())
    try:
        wanted = UUID(record_id)
    except ValueError:
        raise Problem(400, "Bad id", f"{shorten(record_id)} is not a record id (a UUID).") from None
    record = await run_in_threadpool(_store(request).get, wanted)
    if record is None:
        raise Problem(404, "No such record", f"there is no record {wanted}.")
    return JSONResponse(record)


@router.post("/api/v1/signals")
async def put_signals(request: Request) -> Response:
    """Alertmanager's webhook."""
    episodes = episodes_of(await read_json(request))
    await run_in_threadpool(_store(request).put_signals, episodes)
    return JSONResponse({"episodes": len(episodes)})


@router.get("/api/v1/signals")
async def find_signals(request: Request) -> Response:
    """When signals fired and were resolved."""
    parameters = parameters_of(request)
    require_known(parameters, {"fingerprint", "since", "until"})
    since = time_text("since", parameters.get("since", "90d"))
    until = time_text("until", parameters.get("until", "9999-01-01T00:00:00Z"))
    items = await run_in_threadpool(_store(request).find_signals, parameters.get("fingerprint"), since, until)
    return JSONResponse({"items": items})


@router.get("/healthz")
async def healthz() -> Response:
    """The process is alive."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """The database answers."""
    await run_in_threadpool(_store(request).require_ready)
    return JSONResponse({"status": "ok"})


async def _put(store: Store, items: list[Any]) -> list[dict[str, Any]]:
    """An outcome for each item, after what is good of them is committed."""
    outcomes: list[dict[str, Any]] = []
    good: list[dict[str, Any]] = []
    places: list[int] = []
    for index, item in enumerate(items):
        told = item.get("id") if isinstance(item, dict) and isinstance(item.get("id"), str) else None
        try:
            good.append(valid_event(item))
            outcomes.append({"index": index, "id": good[-1]["id"], "outcome": "stored", "reason": None})
            places.append(index)
        except ValueError as error:
            told = told if told is None or told.isascii() else None
            outcomes.append({"index": index, "id": told, "outcome": "refused", "reason": f"{error}."})
    if good:
        answers: list[Outcome] = await asyncio.wrap_future(store.put(good))
        for place, outcome in zip(places, answers, strict=True):
            outcomes[place]["outcome"] = outcome
    return outcomes


def _narrow(record: Record, fields: tuple[str, ...] | None) -> Record:
    return record if fields is None else {name: record[name] for name in fields if name in record}


def _ndjson(records: Iterator[Record], fields: tuple[str, ...] | None) -> Iterator[str]:
    for record in records:
        yield json.dumps(_narrow(record, fields), separators=(",", ":")) + "\n"


def _csv(records: Iterator[Record], fields: tuple[str, ...] | None) -> Iterator[str]:
    """RFC 4180. A cell that a spreadsheet would take for a formula gets an apostrophe before it."""
    names = fields or FIELDS
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(names)
    for record in records:
        writer.writerow([_cell(record.get(name)) for name in names])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _cell(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return "" if value is None else json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


_STREAMS: dict[str, Callable[[Iterator[Record], tuple[str, ...] | None], Iterator[str]]] = {
    "application/x-ndjson": _ndjson,
    "text/csv": _csv,
}


_STREAMED_AT_ONCE = 200
"""Records in memory: some 100 KB each at worst, for each client that streams."""


def _preferred(accept: str) -> str:
    """Of what the service can answer, what the client likes best; JSON where it does not say (RFC 9110, 12.5.1).

    Raises:
        Problem: 406 where it takes none of it.
    """
    liked = []
    for part in accept.split(","):
        name, *parameters = [piece.strip().lower() for piece in part.split(";")]
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        offered = [known for known in ("application/json", *_STREAMS) if fnmatchcase(known, name)]
        with suppress(ValueError):
            liked += [(float(quality), known) for known in offered[:1] if float(quality) > 0]
    if not liked:
        detail = f"accept: {shorten(accept)}: there is application/json, {', '.join(_STREAMS)}."
        raise Problem(406, "Not acceptable", detail)
    return max(liked, key=itemgetter(0))[1]


async def _as_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path}: {error.detail}."
    return await problems.answer(request, Problem(error.status_code, str(error.detail), detail, error.headers))


async def _unavailable(request: Request, error: Exception) -> Response:
    return await problems.answer(request, Problem(503, "Unavailable", str(error), {"retry-after": "1"}))


async def _unreadable(request: Request, error: Exception) -> Response:
    return await _unavailable(request, StorageError(f"the database does not answer: {reason(error)}."))


async def _unexpected(request: Request, _error: Exception) -> Response:
    detail = "the service failed in a way that nobody foresaw; its log says more."
    return await problems.answer(request, Problem(500, "Internal error", detail))
