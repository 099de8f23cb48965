"""The standard streams of the process: standard output has the verb's JSON object and nothing else.

File descriptor 1 is kept aside before an action is imported. From then on, prints of the action, its libraries and the
programs that it starts go to standard error.
"""

import json
import os
import sys
from typing import Any

__all__ = ["StandardOutput", "open_standard_streams"]


def open_standard_streams() -> None:
    """Open those of the descriptors 0, 1 and 2 that the caller left closed, so that no other file gets their number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False))


class StandardOutput:
    """Standard output, kept for one JSON object."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._number = os.dup(1)
        os.dup2(2, 1)

    def write(self, document: dict[str, Any]) -> None:
        """Write the object: on one line, or on several if standard output is a terminal.

        Raises:
            OSError: if it cannot be written.
        """
        person = os.isatty(self._number)
        text = json.dumps(document, ensure_ascii=not person, indent=2 if person else None) + "\n"
        rest = text.encode("utf-8", "backslashreplace")
        while rest:
            rest = rest[os.write(self._number, rest) :]
