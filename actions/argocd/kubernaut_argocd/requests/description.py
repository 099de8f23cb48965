"""The title and body of a pull request: what it changes, why, and which record tells of it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from kubernaut_argocd.requests.edits import FileEdit

__all__ = ["describe", "title_of"]

_LONGEST_DIFF = 20_000
_LONGEST_TITLE = 200


def title_of(edits: Sequence[FileEdit]) -> str:
    """Return the title that edits have by default."""
    if len(edits) == 1:
        edit = edits[0]
        text = f"Set {edit.field} in {edit.path}" if edit.field else f"Write {edit.path}"
    else:
        files = {edit.path for edit in edits}
        where = next(iter(files)) if len(files) == 1 else f"{len(files)} files"
        text = f"Make {len(edits)} changes in {where}"
    return text if len(text) <= _LONGEST_TITLE else f"{text[: _LONGEST_TITLE - 1]}…"


def describe(text: str | None, diff: str, about: Mapping[str, Any], record_id: UUID) -> str:
    """Return the body of a pull request, as Markdown.

    Args:
        text: The author's own words, or None.
        diff: The change as a unified diff, masked.
        about: The reason for the step, as `ACTION_CONTEXT` gives it.
        record_id: The id of the step's record.
    """
    rows = [(name, shown) for name, part in _facts(about) if (shown := _shown(part))]
    facts = [f"- {name}: {shown}" for name, shown in [*rows, ("record", f"`{record_id}`")]]
    return "\n\n".join([*([text] if text else []), "\n".join(facts), _fenced(diff)]) + "\n"


def _facts(about: Mapping[str, Any]) -> list[tuple[str, Any]]:
    signal = about.get("signal") if isinstance(about.get("signal"), dict) else {}
    workflow = about.get("workflow") if isinstance(about.get("workflow"), dict) else {}
    assert isinstance(signal, dict)
    assert isinstance(workflow, dict)
    return [
        ("signal", " ".join(str(signal[key]) for key in ("name", "severity") if signal.get(key))),
        ("fingerprint", signal.get("fingerprint")),
        ("target", about.get("target")),
        ("workflow", "/".join(str(workflow[key]) for key in ("namespace", "name") if workflow.get(key))),
        ("step", about.get("step")),
        ("requested by", about.get("requester")),
    ]


def _shown(part: Any) -> str:
    """Return a fact as code, so that nothing in it is Markdown, nor a mention that notifies somebody."""
    if isinstance(part, dict):
        part = " ".join(str(part[key]) for key in ("kind", "namespace", "name") if part.get(key))
    text = " ".join(str(part or "").split()).replace("`", "'")[:200]
    return f"`{text}`" if text else ""


def _fenced(diff: str) -> str:
    """Return a diff in a fence longer than any run of backticks in it."""
    if len(diff) > _LONGEST_DIFF:
        diff = diff[:_LONGEST_DIFF].rpartition("\n")[0] + "\n… the rest is in the commit"
    longest = max((len(run) for run in re.findall(r"`+", diff)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}diff\n{diff.rstrip()}\n{fence}"
