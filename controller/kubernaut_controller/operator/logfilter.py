"""A filter for kopf's log: no traceback where the API server is away, and a repeated line once a minute at most."""

import logging
import re
import time

import aiohttp

from kubernaut_controller.operator.api import ApiError

__all__ = ["RepeatFilter"]

_PAUSE = 60.0
_CONNECTION_ERRORS = (ApiError, aiohttp.ClientError, OSError, TimeoutError)
_ADDRESS = re.compile(r"0x[0-9a-f]+|#\d+(/\d+)?|[?&][^\s]*|/api\S*")
_MOST = 1000


class RepeatFilter(logging.Filter):
    """A filter that drops repeated lines, and the traceback of errors that are not the code's fault."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True if a record is to be written; its message may be replaced by a shorter one."""
        if record.levelno < logging.WARNING:
            return True
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, _CONNECTION_ERRORS):
            text = str(error) or type(error).__name__
            record.msg, record.args = f"the API server does not answer: {text}; it is asked again", ()
            record.exc_info = record.exc_text = None
        elif record.exc_info:
            return True
        key, now = _ADDRESS.sub("", record.getMessage()), time.monotonic()
        if now - self._last.get(key, -_PAUSE) < _PAUSE:
            return False
        if len(self._last) >= _MOST:
            self._last.clear()
        self._last[key] = now
        return True
