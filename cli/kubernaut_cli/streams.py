"""Standard output and error that survive their reader: a closed pipe or a full disk must not break a run."""

import errno
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

__all__ = ["SafeStream", "discard_output", "prepare_standard_streams"]


class SafeStream(io.TextIOBase):
    """A text stream whose writes never raise: after the first error nothing more is written, and `problem` says why.

    Args:
        stream: The stream to write to; None if this process was started with it closed.
        closed: Called once, in the thread that writes, when the reader of a pipe has closed it.
    """

    def __init__(self, stream: TextIO | None, closed: Callable[[], None] = lambda: None) -> None:
        self._stream, self._closed = stream, closed
        self.problem: str | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the underlying stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write the text, or drop it after an error."""
        self._try(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing after an error."""
        self._try(lambda stream: stream.flush())

    def isatty(self) -> bool:
        """Return True if the stream is a terminal."""
        with suppress(OSError, ValueError):
            return self._stream is not None and self._stream.isatty()
        return False

    def fileno(self) -> int:
        """Return the descriptor of the underlying stream.

        Raises:
            io.UnsupportedOperation: if there is none.
        """
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def writable(self) -> bool:
        """Return True."""
        return True

    def _try(self, work: Callable[[TextIO], object]) -> None:
        if self._stream is None or self.problem is not None:
            return
        try:
            work(self._stream)
        except (OSError, ValueError) as error:  # ValueError: the stream is closed, or cannot encode the text
            self.problem = getattr(error, "strerror", None) or str(error)
            self._silence()
            if getattr(error, "errno", None) == errno.EPIPE:
                self._closed()

    def _silence(self) -> None:
        with suppress(OSError, ValueError):
            discard_output(self.fileno())


def discard_output(descriptor: int) -> None:
    """Send what is written to a descriptor to /dev/null; otherwise the interpreter fails when it flushes at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def prepare_standard_streams() -> None:
    """Let standard output and error take any text, and open /dev/null for those that the process was started without.

    If a descriptor below 3 were closed, the next file that is opened would get it, and with it what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # the lowest that is free
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
