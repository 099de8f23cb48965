"""Standard output and error as a command writes to them: who reads them may go away, and no disk is without end."""

import errno
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

__all__ = ["SafeStream", "prepare_standard_streams"]


class SafeStream(io.TextIOBase):
    """A text stream that never raises: after the first failure nothing more is written, and `problem` says why.

    Args:
        stream: Where to; None where this process was started with the stream closed.
        closed: Called once, from whichever thread wrote, when its reader has gone away.
    """

    def __init__(self, stream: TextIO | None, closed: Callable[[], None] = lambda: None) -> None:
        self._stream, self._closed = stream, closed
        self.problem: str | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream beneath."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write, or pass the text over."""
        self._try(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing."""
        self._try(lambda stream: stream.flush())

    def isatty(self) -> bool:
        """Return whether a person watches."""
        with suppress(OSError, ValueError):
            return self._stream is not None and self._stream.isatty()
        return False

    def fileno(self) -> int:
        """Return the descriptor beneath.

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
        """Lead what is still buffered nowhere, so that the interpreter does not fail over it when it ends."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)


def prepare_standard_streams() -> None:
    """Make this process's own streams fit for any text, and stand in for those that it was started without.

    A descriptor below 3 that is closed would be the next file's that is opened, and that file would get what is
    printed.
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
