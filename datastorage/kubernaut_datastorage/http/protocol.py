"""uvicorn's HTTP/1.1 with limits on the time and size of a request's headers."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedHttpProtocol"]

_HEADERS_WITHIN = 10.0
"""Seconds from the connection, or a request's first byte, to the end of its headers."""
_MOST_HEADERS = 32 * 1024
"""Bytes of a request's headers, and of its URL."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 that closes a connection whose headers do not arrive in time, or are too large."""

    _slow: asyncio.TimerHandle | None = None
    _size = 0

    def connection_made(self, transport: Any) -> None:
        """Start the timer for the headers."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Start the timer at the first byte of a request."""
        super().on_message_begin()
        self._size = 0
        if self._slow is None:
            self._start_timer()

    def on_url(self, url: bytes) -> None:
        """Count the bytes of the URL."""
        self._size += len(url)
        super().on_url(url)
        self._enforce_bound()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count the bytes of a header."""
        self._size += len(name) + len(value)
        super().on_header(name, value)
        self._enforce_bound()

    def on_headers_complete(self) -> None:
        """Stop the timer, and handle the request unless its headers are too large."""
        self._stop_timer()
        if self._size <= _MOST_HEADERS:
            super().on_headers_complete()

    def _start_timer(self) -> None:
        self._slow = self.loop.call_later(_HEADERS_WITHIN, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None

    def _enforce_bound(self) -> None:
        if self._size > _MOST_HEADERS:
            self.transport.abort()
