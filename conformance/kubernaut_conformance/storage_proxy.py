"""A proxy before a Data Storage Service that keeps the events it forwards, and can fail on purpose."""

import gzip
import json
import threading
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal
from urllib.parse import urlsplit

from kubernaut_conformance.loopback_server import LoopbackServer

__all__ = ["StorageProxy"]

Mode = Literal["pass", "hold", "repeat"]
_LONGEST_HOLD = 20.0


class StorageProxy(LoopbackServer):
    """A proxy on a free port of loopback that keeps the events it passes on to the service.

    Args:
        store: The service's address.
        mode: `pass`; `hold` keeps back the answer to an `applying` event until `release` is set; `repeat` passes
            every event on twice, and closes the first connection without an answer.

    Attributes:
        events: The events received, in order, each as often as it was received.
        reached: Set when the `applying` event was received whose answer is kept back.
        release: Set to send that answer.
    """

    def __init__(self, store: str, mode: Mode = "pass") -> None:
        self.store = urlsplit(store)
        self.mode = mode
        self.events: list[dict[str, Any]] = []
        self.reached, self.release = threading.Event(), threading.Event()
        self.cut = False
        super().__init__(_StorageProxyHandler)

    def close(self) -> None:
        """Stop listening, and send an answer that is still kept back."""
        self.release.set()
        super().close()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """Forward a request; return the service's status, content type and content."""
        connection = HTTPConnection(self.store.hostname or "", self.store.port, timeout=30)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("content-type") or "", answer.read()
        except (OSError, HTTPException) as error:
            return 503, "text/plain", str(error).encode()
        finally:
            connection.close()


class _StorageProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StorageProxy

    def do_GET(self) -> None:
        """Forward a query for a record."""
        self._answer(*self.server.forward("GET", self.path, {}, b""))

    def do_POST(self) -> None:
        """Keep and forward events."""
        proxy = self.server
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name: self.headers[name] for name in ("content-type", "content-encoding") if name in self.headers}
        events = _read_events(body, headers.get("content-encoding", ""))
        proxy.events += events
        if proxy.mode == "hold" and any(event.get("state") == "applying" for event in events):
            proxy.reached.set()
            proxy.release.wait(_LONGEST_HOLD)
        answer = proxy.forward("POST", self.path, headers, body)
        if proxy.mode == "repeat":
            answer = proxy.forward("POST", self.path, headers, body)
            if not proxy.cut:
                proxy.cut = self.close_connection = True
                return
        self._answer(*answer)

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        """Write no access log."""


def _read_events(body: bytes, encoding: str) -> list[dict[str, Any]]:
    try:
        value = json.loads(gzip.decompress(body) if encoding == "gzip" else body)
    except (ValueError, OSError):
        return []
    return [event for event in value if isinstance(event, dict)] if isinstance(value, list) else []
