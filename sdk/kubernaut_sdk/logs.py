"""Logs on standard error: JSON lines, or plain coloured lines on a terminal. Always masked."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO

from kubernaut_sdk.masking import Masker
from kubernaut_sdk.times import rfc3339, utcnow

__all__ = ["configure", "logger", "mask_prints"]

logger = logging.getLogger("kubernaut.action")

_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "DEBUG": "\x1b[2m"}


class _LogFormatter(logging.Formatter):
    """A formatter of masked lines.

    Args:
        masker: Hides secrets.
        common: Fields of every line.
        plain: If True, lines for a person instead of JSON.
    """

    def __init__(self, masker: Masker, common: dict[str, Any], *, plain: bool) -> None:
        super().__init__()
        self._masker, self._common, self._plain = masker, common, plain

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = getattr(record, "fields", {})
        trace = self.formatException(record.exc_info) if record.exc_info else None
        if self._plain:
            extra = "".join(f" {name}={value}" for name, value in fields.items())
            line = f"{record.levelname.lower()}: {record.getMessage()}{extra}" + (f"\n{trace}" if trace else "")
            colour = _COLOURS.get(record.levelname)
            line = self._masker.text(line)
            return f"{colour}{line}\x1b[0m" if colour else line
        entry = {
            "time": rfc3339(utcnow()),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **self._common,
            **fields,
        }
        if trace:
            entry["trace"] = trace
        return json.dumps(self._masker.json(entry), ensure_ascii=False, default=str)


class _LogHandler(logging.StreamHandler[TextIO]):
    """A handler that never stops an action for a line that cannot be written (full disk, closed stream, odd arguments).

    Python's own handler would print the line and a traceback on standard error, past the masker.
    """

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 – Python's name
        with suppress(Exception):
            line = f"a line of {record.pathname}:{record.lineno} could not be written"
            self.stream.write(json.dumps({"time": rfc3339(utcnow()), "level": "error", "message": line}) + "\n")
            self.flush()


def configure(masker: Masker, common: dict[str, Any], stream: TextIO | None = None) -> None:
    """Send the log lines of the SDK and of the action to standard error, through the masker.

    Args:
        masker: What hides secrets; those it learns later are hidden from then on.
        common: Fields of every line, such as the action type and the record id; what is added later counts from then.
        stream: Instead of standard error.
    """
    stream = stream or sys.stderr
    handler = _LogHandler(stream)
    handler.setFormatter(_LogFormatter(masker, common, plain=stream.isatty()))
    root = logging.getLogger("kubernaut")
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(logging.INFO)


@contextmanager
def mask_prints(masker: Masker) -> Iterator[None]:
    """Send prints of the action to standard error, masked, for the block: standard output is the verb's own.

    Prints of programs that the action starts without `Context.run` cannot be masked; see `program.stdio`.
    """
    lines = _MaskedLines(masker, sys.stderr)
    try:
        with redirect_stdout(lines), redirect_stderr(lines):
            yield
    finally:
        lines.close()


class _MaskedLines(io.TextIOBase):
    """A stream that passes on whole lines only, so that a secret in two writes is still recognised."""

    def __init__(self, masker: Masker, stream: TextIO) -> None:
        self._masker, self._stream = masker, stream
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        whole, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            self._pass(whole + newline)
        return len(text)

    def close(self) -> None:
        if not self.closed and self._rest:
            self._pass(self._rest + "\n")
        super().close()

    def _pass(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a full disk or a closed stream is no reason to stop half-way
            self._stream.write(self._masker.text(text))
            self._stream.flush()
