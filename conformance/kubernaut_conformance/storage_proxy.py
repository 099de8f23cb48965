"""A proxy before a Data Storage Service, which keeps the events it passes on and fails where it is told to."""

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
        super().__init__(_StorageProxyHandler)

    def close(self) -> None:
        """Ends it, whatever it still holds."""
        self.release.set()
        super().close()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
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


class _StorageProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StorageProxy

    def do_GET(self) -> None:
        """A record that is asked for."""
        self._answer(*self.server.forward("GET", self.path, {}, b""))

    def do_POST(self) -> None:
        """Events."""
        proxy = self.server
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name: self.headers[name] for name in ("content-type", "content-encoding") if name in self.headers}
        events = _events(body, headers.get("content-encoding", ""))
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
        """Says nothing; the events are kept."""


def _events(body: bytes, encoding: str) -> list[dict[str, Any]]:
    try:
        value = json.loads(gzip.decompress(body) if encoding == "gzip" else body)
    except (ValueError, OSError):
        return []
    return [event for event in value if isinstance(event, dict)] if isinstance(value, list) else []
