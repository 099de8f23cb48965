"""Result files: always written, also on failure, and never more than Tekton can carry.

Tekton reads them from the container's termination message: a JSON array of `{"key", "value", "type"}`, as Go's
encoder writes it, of which one container has 4,096 bytes and a pod 12,288. One byte over fails a step whose action
succeeded, so everything here stays under 2,000, of which Tekton's own part takes about 300.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from kubernaut_sdk.models import MAX_SCALAR
from kubernaut_sdk.portable import dumps
from kubernaut_sdk.states import Change, Error, State

__all__ = ["BUDGET", "REQUIRED_RESULTS", "RESULT_NAMES", "WITHHELD", "Results", "message_size", "write"]

BUDGET = 1_700
"""The most bytes of all results in the termination message."""

_ERROR_BUDGET = 640
_LONGEST_CHANGE = 256
"""The most bytes of the file `change`; the record has the whole change."""
REQUIRED_RESULTS = ("changed", "error", "output", "record-id", "record-status", "status")
"""The results that a step's end is judged by."""
RESULT_NAMES = ("change", *REQUIRED_RESULTS)
"""All results that the Task declares. `change` is for people; an image may leave it out."""
WITHHELD = "withheld"
"""The field of `output` that names those that were left out because they would show a secret."""

RecordStatus = Literal["stored", "deferred", "disabled"]


@dataclass(frozen=True, kw_only=True)
class Results:
    """The contents of the result files."""

    status: State
    changed: bool | None
    record_id: UUID | None
    record_status: RecordStatus
    change: Change | None = None
    output: dict[str, Any] | None = None
    reliable: tuple[str, ...] = ()
    error: Error | None = None

    def files(self) -> dict[str, str]:
        """Return file name → content, within the budget.

        `output` keeps the reliable fields, and others if they fit. `change` is for people only, so it is left empty if
        the whole output fits without it and not with it.
        """
        files = {
            "changed": {True: "true", False: "false", None: "unknown"}[self.changed],
            "error": _fitting_error(self.error),
            "record-id": str(self.record_id or ""),
            "record-status": self.record_status,
            "status": self.status.value,
        }
        for files["change"] in (_fitting_change(self.change), ""):
            files["output"] = self._fitting_output(files)
            if self.output is None or files["output"] == dumps(self.output):
                return files
        files["change"] = _fitting_change(self.change)
        if message_size({**files, "output": dumps(self._least_output())}) > BUDGET:
            files["change"] = ""
        files["output"] = self._fitting_output(files)
        return files

    def _least_output(self) -> dict[str, Any]:
        """Return the fields that are kept first of an output that does not fit."""
        assert self.output is not None
        kept = {name: self.output[name] for name in self.reliable if name in self.output}
        kept = {name: value for name, value in kept.items() if len(dumps(value)) <= 6 * MAX_SCALAR}
        kept |= {"truncated": True}
        return kept | ({WITHHELD: self.output[WITHHELD]} if WITHHELD in self.output else {})

    def _fitting_output(self, others: dict[str, str]) -> str:
        if self.output is None:
            return ""
        whole = dumps(self.output)
        if message_size({**others, "output": whole}) <= BUDGET:
            return whole
        kept = self._least_output()
        for name, value in self.output.items():
            if name not in kept and message_size({**others, "output": dumps({**kept, name: value})}) <= BUDGET:
                kept[name] = value
        while message_size({**others, "output": dumps(kept)}) > BUDGET:  # escapes can make six bytes of one
            kept.pop(
                max(
                    (name for name in kept if name not in {"truncated", WITHHELD}),
                    key=lambda name: len(dumps(kept[name])),
                )
            )
        return dumps(kept)


def _fitting_change(change: Change | None) -> str:
    """Return a change as JSON of at most 256 bytes; a long side becomes text, the beginning of its JSON."""
    if change is None:
        return ""
    whole = dumps(change.document())
    if len(whole.encode("utf-8", "replace")) <= _LONGEST_CHANGE:
        return whole
    sides = {name: json.dumps(value, ensure_ascii=False) for name, value in change.document().items()}
    for length in range(100, -1, -5):
        cut = {
            name: change.document()[name] if len(text) <= length else f"{text[:length]}…"
            for name, text in sides.items()
        }
        if len((text := dumps({**cut, "truncated": True})).encode("utf-8", "replace")) <= _LONGEST_CHANGE:
            break
    return text


def _fitting_error(error: Error | None) -> str:
    if error is None:
        return ""
    message = error.message
    while True:
        text = dumps({"code": error.code, "reason": error.reason, "message": message})
        if message_size({"error": text}) <= _ERROR_BUDGET or not message:
            return text
        message = message[: len(message) * 9 // 10 - 1] + "…" if len(message) > 20 else ""


def message_size(files: dict[str, str]) -> int:
    """Return the bytes of results in the termination message, with the escapes of Go's JSON encoder."""
    entries = [{"key": name, "value": value, "type": 1} for name, value in files.items()]
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False)
    return (
        len(text.encode("utf-8", "replace"))
        + sum(5 * text.count(sign) for sign in "<>&")
        + 3 * (text.count("\u2028") + text.count("\u2029"))
    )


def write(results: Results, folder: Path | None) -> None:
    """Write the files, each atomically; `status` last, so that it is there only if the others are."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in sorted(results.files().items()):
        _replace(folder / name, content.encode("utf-8", "replace"))


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        if not path.exists():
            raise
        with path.open("r+b") as file:  # a full disk has no room for a second file; the existing one has its block
            file.write(content)
            file.truncate()
