"""The branch of a pull request that is there already: whose it is, and what it holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from kubernaut_argocd._commits import record_trailer
from kubernaut_argocd._git import clone
from kubernaut_argocd.requests.edits import FileEdit, PlannedEdits, plan_edits
from kubernaut_sdk import Context, PreconditionFailed

__all__ = ["Proposal", "proposed_by", "require_own_branch"]


@dataclass(frozen=True)
class Proposal:
    """Edits on a branch of a repository, as one commit after its base."""

    repository: str
    base: str
    head: str
    edits: Sequence[FileEdit]


def proposed_by(ctx: Context, wanted: Proposal, *, named: bool) -> PlannedEdits:
    """Return the edits as the branch has them.

    Args:
        ctx: The context of the step.
        wanted: The edits, and where they should be.
        named: True if the inputs name the branch, which may then be that of another step, too.

    Raises:
        PreconditionFailed: if it holds anything else than these edits, in its newest commit or before that.
    """
    with clone(ctx, wanted.repository, wanted.head, depth=2) as checkout:
        planned = plan_edits(checkout, wanted.edits)
        mine = (named and ctx.undoing is None) or _is_mine(ctx, checkout.message())
        alone = set(checkout.changed_files()) <= {edit.path for edit in wanted.edits}
        if planned.texts or not mine or not alone or not checkout.follows(wanted.base):
            raise PreconditionFailed(
                f"branch {wanted.head} is there already, and does not hold this change as its one commit after "
                f"{wanted.base} (its newest commit is {checkout.head()[:12]}); it is left alone. Delete it, or choose "
                f"another head.",
                reason="BranchTaken",
            )
    return planned


def require_own_branch(ctx: Context, repository: str, head: str) -> None:
    """Raise PreconditionFailed if a branch that an undo would delete has somebody else's newest commit."""
    with clone(ctx, repository, head) as checkout:
        if not _is_mine(ctx, checkout.message()):
            raise PreconditionFailed(
                f"the newest commit of branch {head}, {checkout.head()[:12]}, is not that of the step that is undone; "
                f"the branch is left alone.",
                reason="BranchTaken",
            )


def _is_mine(ctx: Context, message: str) -> bool:
    """Return True if a commit is this step's, or in an undo, that of the step that is undone, where that is known."""
    if ctx.undoing is None:
        return record_trailer(ctx.record_id) in message
    return record_trailer(ctx.undoes or "") in message
