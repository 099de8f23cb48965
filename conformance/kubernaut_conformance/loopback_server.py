"""A small HTTP server on a free port of loopback, and an address where none listens."""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["LoopbackServer", "unreachable_address"]


class LoopbackServer(ThreadingHTTPServer):
    """A server that listens in threads of its own until it is closed.

    Args:
        handler: The class that answers a request.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.server_port}"

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print no traceback for a client that left before the answer: the kit stops and times out what it examines."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def unreachable_address() -> Iterator[str]:
    """Reserve the address of a server that does not exist, for the block.

    The port stays bound and nobody listens, so connections are refused. A port that was merely free could be given to
    a server of another run meanwhile, which then would receive what was meant for nobody.
    """
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"
