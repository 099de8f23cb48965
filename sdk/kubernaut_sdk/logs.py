"""Logs on standard error: JSON lines, or plain coloured lines on a terminal. Always masked."""

import io
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from typing import Any, TextIO

from kubernaut_sdk.masking import Masker
from kubernaut_sdk.times import rfc3339, utcnow

__all__ = ["JsonFormatter", "configure", "configure_service", "logger", "mask_prints"]

logger = logging.getLogger("kubernaut.action")

_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "DEBUG": "\x1b[2m"}


class JsonFormatter(logging.Formatter):
    """The formatter of every log of Kubernaut's: one JSON object a line, or a plain line for a person.

    A line has `time`, `level`, `message`, the common fields, those in the record's `fields`, and `exception` with the
    traceback where there is one.

    Args:
        common: Fields of every line; what is added to the mapping later counts from then.
        masker: Hides secrets.
        plain: If True, lines for a person instead of JSON.
        names: If True, each line has the logger's name.
    """

    def __init__(
        self,
        common: Mapping[str, Any] | None = None,
        *,
        masker: Masker | None = None,
        plain: bool = False,
        names: bool = False,
    ) -> None:
        super().__init__()
        self._common = {} if common is None else common
        self._masker, self._plain, self._names = masker or Masker(), plain, names

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        fields: dict[str, Any] = getattr(record, "fields", {})
        exception = self.formatException(record.exc_info) if record.exc_info else None
        if self._plain:
            extra = "".join(f" {name}={value}" for name, value in fields.items())
            line = f"{record.levelname.lower()}: {record.getMessage()}{extra}" + (f"\n{exception}" if exception else "")
            colour = _COLOURS.get(record.levelname)
            line = self._masker.text(line)
            return f"{colour}{line}\x1b[0m" if colour else line
        entry = {
            "time": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            **({"logger": record.name} if self._names else {}),
            "message": record.getMessage(),
            **self._common,
            **fields,
            **({"exception": exception} if exception else {}),
        }
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
    handler.setFormatter(JsonFormatter(common, masker=masker, plain=stream.isatty()))
    root = logging.getLogger("kubernaut")
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(logging.INFO)


def configure_service(level: int | str = logging.INFO, quiet: Iterable[str] = ()) -> None:
    """Send all log lines of a long-running service to standard error.

    Args:
        level: The lowest level that is written.
        quiet: Loggers of libraries, of which only warnings and errors are written.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(plain=sys.stderr.isatty(), names=True))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)


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
