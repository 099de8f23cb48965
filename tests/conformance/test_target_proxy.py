"""The recording proxy passes an answer that does not end, a watch's, on as it comes."""

import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from kubernaut_conformance.loopback_server import LoopbackServer
from kubernaut_conformance.target_proxy import TargetProxy

PATH = "/apis/apps/v1/namespaces/shop/deployments?fieldSelector=metadata.name%3Dcheckout&watch=true"


class WatchedServer(LoopbackServer):
    """A server whose answers go on until the other side leaves."""

    def __init__(self) -> None:
        self.more, self.left = threading.Event(), threading.Event()
        super().__init__(_Handler)


class _Handler(BaseHTTPRequestHandler):
    server: WatchedServer

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"first\n")
        assert self.server.more.wait(10)
        try:
            while True:
                self.wfile.write(b"second\n")
                time.sleep(0.01)
        except OSError:
            self.server.left.set()

    def log_message(self, *_args: object) -> None:
        """Write no access log."""


@pytest.fixture
def server() -> Iterator[WatchedServer]:
    made = WatchedServer()
    yield made
    made.close()


def test_a_watch_is_passed_on_line_by_line_recorded_and_ended(server: WatchedServer) -> None:
    proxy = TargetProxy(server.url, "kubernetes")
    with urllib.request.urlopen(f"{proxy.url}{PATH}", timeout=10) as answer:
        assert answer.readline() == b"first\n"  # while the server has not ended its answer
        server.more.set()
        assert answer.readline() == b"second\n"
    assert server.left.wait(10)
    proxy.close()

    assert [(request.permission, request.writes) for request in proxy.requests] == [("apps/deployments: watch", False)]
