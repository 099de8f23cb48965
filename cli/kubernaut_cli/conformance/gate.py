"""A Data Storage Service as a container meets it: a real one behind a gate that listens and, if told to, misbehaves."""

import gzip
import json
import threading
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal
from urllib.parse import urlsplit

from kubernaut_cli.conformance.listener import Listener

__all__ = ["Gate"]

Mode = Literal["pass", "hold", "repeat"]
_LONGEST_HOLD = 20.0


class Gate(Listener):
    """Listens on a free port of loopback and passes on to the service.

    Args:
        store: The service's address.
        mode: `pass`; `hold` keeps the answer to events that say `applying` back until `release` is set;
            `repeat` passes everything on twice and cuts the first connection before its answer.

    Attributes:
        events: What came, in order, each event as often as it came.
        reached: Set when the event came whose answer is held.
        release: Lets the held answer go.
    """

    def __init__(self, store: str, mode: Mode = "pass") -> None:
        self.store = urlsplit(store)
        self.mode = mode
        self.events: list[dict[str, Any]] = []
        self.reached, self.release = threading.Event(), threading.Event()
        self.cut = False
        super().__init__(_Handler)

    def close(self) -> None:
        """Ends it, whatever it still holds."""
        self.release.set()
        super().close()

    def passed_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """What the service answers: status, content type, content."""
        connection = HTTPConnection(self.store.hostname or "", self.store.port, timeout=30)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("content-type") or "", answer.read()
        except (OSError, HTTPException) as error:
            return 503, "text/plain", str(error).encode()
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gate

    def do_GET(self) -> None:
        """A record that is asked for."""
        self._answer(*self.server.passed_on("GET", self.path, {}, b""))

    def do_POST(self) -> None:
        """Events."""
        gate = self.server
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name: self.headers[name] for name in ("content-type", "content-encoding") if name in self.headers}
        events = _events(body, headers.get("content-encoding", ""))
        gate.events += events
        if gate.mode == "hold" and any(event.get("state") == "applying" for event in events):
            gate.reached.set()
            gate.release.wait(_LONGEST_HOLD)
        answer = gate.passed_on("POST", self.path, headers, body)
        if gate.mode == "repeat":
            answer = gate.passed_on("POST", self.path, headers, body)
            if not gate.cut:
                gate.cut = self.close_connection = True
                return
        self._answer(*answer)

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        """Says nothing; the events are kept."""


def _events(body: bytes, encoding: str) -> list[dict[str, Any]]:
    try:
        value = json.loads(gzip.decompress(body) if encoding == "gzip" else body)
    except (ValueError, OSError):
        return []
    return [event for event in value if isinstance(event, dict)] if isinstance(value, list) else []
