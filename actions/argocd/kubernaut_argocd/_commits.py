"""Commits that say which step made them, and pushes that begin anew when somebody else's was first."""

import random
import re
from collections.abc import Callable
from typing import Literal
from uuid import UUID

from kubernaut_argocd._git import PUSH_REJECTED, Checkout, clone
from kubernaut_sdk import Context, Transient

__all__ = ["AUTHOR", "push_anew", "record_trailer", "with_record", "with_trailer"]

AUTHOR = "Kubernaut <kubernaut@localhost>"
_RECORD = "Kubernaut-Record"
"""The trailer in a commit's message that names the record of the step."""
_UNDOES = "Kubernaut-Undoes"
"""The trailer of a commit that undoes another step's, with that step's record."""
_MOST_PUSHES = 12
_PAUSE, _LONGEST_PAUSE = 0.2, 4.0
_SPARE = 10.0
"""Seconds that one more attempt may need."""
_TRAILERS = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9-]*[ \t]*:[ \t]*\S.*(?:\n[ \t]+\S.*)*(?:\n|$))+")
"""A paragraph that git takes for a block of trailers; a trailer may have several lines."""


def record_trailer(record_id: UUID | Literal[""]) -> str:
    """Return the trailer that names a record; for an empty id, how that of any record begins."""
    return f"{_RECORD}: {record_id}"


def with_record(ctx: Context, message: str) -> str:
    """Return a commit's message with the step's record and, for an undo, the record that it undoes."""
    message = with_trailer(message.rstrip(), record_trailer(ctx.record_id))
    return message if ctx.undoes is None else with_trailer(message, f"{_UNDOES}: {ctx.undoes}")


def with_trailer(message: str, trailer: str) -> str:
    """Return the message with a trailer added to those at its end (such as Signed-off-by), in one block.

    Git's own `--trailer` takes a last line that begins with # for a comment, and would put the trailer before it.
    """
    paragraphs = re.split(r"\n[ \t]*\n", message)
    joins = len(paragraphs) > 1 and _TRAILERS.fullmatch(paragraphs[-1])
    return f"{message}\n{'' if joins else chr(10)}{trailer}"


def push_anew(
    ctx: Context, repository: str, branch: str, commit: Callable[[Checkout], str | None], *, depth: int | None = 1
) -> str:
    """Commit and push to a branch; if another push came first, start again from the new commit.

    Args:
        ctx: The context of the step.
        repository: The repository's address.
        branch: The branch.
        commit: Makes the commit in a fresh clone and returns its id, or returns None if the branch has the change.
        depth: The number of commits that it needs; None for the whole history.

    Returns:
        The commit's id; if there was nothing to commit, that of the branch.

    Raises:
        Transient: if other pushes come first every time.
    """
    attempt = 0
    while True:
        attempt += 1
        with clone(ctx, repository, branch, depth=depth) as checkout:
            made = commit(checkout)
            if made is None:
                return checkout.head()
            try:
                checkout.push()
            except Transient as error:
                pause = min(_LONGEST_PAUSE, _PAUSE * 1.5**attempt) * random.uniform(0.5, 1.5)  # noqa: S311 – jitter
                if error.reason != PUSH_REJECTED or attempt == _MOST_PUSHES or ctx.remaining() < pause + _SPARE:
                    raise
                ctx.log.info(
                    "somebody else's push was first; this one is made anew", extra={"fields": {"try": attempt}}
                )
            else:
                return made
        ctx.sleep(pause)
