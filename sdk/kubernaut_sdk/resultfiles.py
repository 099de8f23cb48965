"""Reading a container's result files on this machine, as Tekton's entrypoint reads them within the pod.

Who wrote them is not trusted: a link is never followed, nothing but a plain file is opened for long, and no more is
read than Tekton could carry. Called by the local engine and by the conformance kit.
"""

import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubernaut_sdk.results import RESULT_NAMES, message_size

__all__ = ["LARGEST", "ResultFiles", "read_result_files"]

LARGEST = 4_096 - 300
"""Bytes that all results of a container may have together, as Tekton carries them; its own part takes about 300."""


@dataclass(frozen=True)
class ResultFiles:
    """What the result files say.

    Attributes:
        values: Name → text, of those that could be read. A file that is not there is in neither.
        unreadable: Name → why it was not read, to follow "the result NAME".
    """

    values: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)


def read_result_files(folder: Path, names: Collection[str] = RESULT_NAMES, *, largest: int = LARGEST) -> ResultFiles:
    """Return the results that stand in a folder; never raises for what stands there.

    Args:
        folder: RESULTS_DIR, as this machine has it.
        names: The results that the Task declares; other files are passed over, as Tekton does.
        largest: Bytes that they may have together.
    """
    values: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ResultFiles()
    try:
        for name in sorted(names):
            try:
                values[name] = _text(name, place, largest)
            except FileNotFoundError:
                continue
            except _Odd as odd:
                unreadable[name] = str(odd)
            except OSError as error:
                unreadable[name] = f"cannot be read ({error.strerror or error})"
    finally:
        os.close(place)
    size = message_size(values)
    if size > largest:
        longest = max(values, key=lambda name: len(values[name]))
        unreadable[longest] = f"is too large: the results have {size} bytes together, and Tekton carries {LARGEST}"
        values = {}
    return ResultFiles(values, unreadable)


class _Odd(Exception):
    """Why a file is not read."""


def _text(name: str, place: int, largest: int) -> str:
    kind = os.stat(name, dir_fd=place, follow_symlinks=False).st_mode
    if not stat.S_ISREG(kind):
        raise _Odd(_kind(kind))
    # it may have become another since: a link is refused, and a pipe with nobody at its other end does not block
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, dir_fd=place)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise _Odd(_kind(found.st_mode))
        if found.st_size > largest:
            raise _Odd(f"is too large: it has {found.st_size} bytes, and Tekton carries {LARGEST} of all together")
        content = os.read(file, largest + 1)
    finally:
        os.close(file)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise _Odd("is not UTF-8") from None


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "is a link, which is not followed"
    return "is a folder" if stat.S_ISDIR(mode) else "is no plain file"
