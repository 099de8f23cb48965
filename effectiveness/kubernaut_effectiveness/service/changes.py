"""The lines of a change: a diff that no record can make slow."""

import difflib
import json
from typing import Any

__all__ = ["changed_lines", "diff_lines"]

_MOST_LINES = 1_000
"""Lines of one side that are compared; with more, all of them are shown as removed and added."""
_SHOWN = 8
"""Lines that a row of a table shows."""

Line = tuple[str, str]


def diff_lines(before: Any, after: Any) -> list[Line]:
    """Return the lines of a change, each with its kind: same, removed or added."""
    first, second = (
        json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).splitlines() for value in (before, after)
    )
    if max(len(first), len(second)) > _MOST_LINES:
        return [*(("removed", line) for line in first), *(("added", line) for line in second)]
    found: list[Line] = []
    one, other = ([line.rstrip(",") for line in lines] for lines in (first, second))  # a comma more is no change
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    for kind, since, until, new_since, new_until in matcher.get_opcodes():
        if kind == "equal":
            found += [("same", line) for line in second[new_since:new_until]]
        else:
            found += [("removed", line) for line in first[since:until]]
            found += [("added", line) for line in second[new_since:new_until]]
    return found


def changed_lines(before: Any, after: Any) -> tuple[list[Line], int]:
    """Return the first lines of a change that are not the same on both sides, and the number of the others."""
    found = [(kind, line.strip().rstrip(",")) for kind, line in diff_lines(before, after) if kind != "same"]
    return found[:_SHOWN], max(0, len(found) - _SHOWN)
