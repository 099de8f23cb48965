"""A small Data Storage Service in this process, used where the real one (`[store]`) is not installed.

It checks events by the SDK's model and merges them by rank, which is all that the checks need. It keeps no history,
and knows neither the limits nor the proofs of the real service.
"""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

from pydantic import ValidationError

from kubernaut_conformance.loopback_server import LoopbackServer
from kubernaut_sdk.faults import validation_faults
from kubernaut_sdk.records import Event
from kubernaut_sdk.states import RANK, State
from kubernaut_sdk.storage import RECORDS

__all__ = ["MemoryStore"]


class MemoryStore(LoopbackServer):
    """A store that takes events and returns records, over HTTP on a free port of loopback."""

    def __init__(self) -> None:
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        super().__init__(_MemoryStoreHandler)

    def store_event(self, value: Any) -> dict[str, Any]:
        """Add an event to its record; return the outcome as the real service words it."""
        identifier = value.get("id") if isinstance(value, dict) else None
        try:
            event = Event.model_validate_json(json.dumps(value)).wire()
        except ValidationError as error:
            return {
                "id": identifier,
                "outcome": "refused",
                "reason": str(validation_faults(error, document="the event")[0]),
            }
        with self._lock:
            known = self._events.setdefault(event["id"], [])
            outcome = "duplicate" if event in known else "merged" if known else "stored"
            known.append(event)
        return {"id": event["id"], "outcome": outcome}

    def read_record(self, record_id: str) -> dict[str, Any] | None:
        """Return the record of an id, merged from its events; None where there is none."""
        with self._lock:
            events = list(self._events.get(record_id, ()))
        record: dict[str, Any] = {}
        for event in sorted(events, key=lambda event: (RANK[State(event["state"])], event["at"])):
            record |= event
        return record or None


class _MemoryStoreHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: MemoryStore

    def do_GET(self) -> None:
        """Answer with one record, or 404."""
        record = self.server.read_record(self.path.removeprefix(f"{RECORDS}/"))
        self._answer(404 if record is None else 200, record)

    def do_POST(self) -> None:
        """Store events; answer with an outcome for each."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            events = json.loads(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
        except (ValueError, OSError, RecursionError):
            events = None
        if self.path != RECORDS or not isinstance(events, list):
            self._answer(400, {"title": "send a JSON array of events", "status": 400})
            return
        outcomes = [self.server.store_event(event) for event in events]
        self._answer(200, [{**outcome, "index": index} for index, outcome in enumerate(outcomes)])

    def _answer(self, status: int, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json" if status < 400 else "application/problem+json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        """Write no access log."""
