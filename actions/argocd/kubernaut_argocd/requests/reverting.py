"""The action git/revert_commit: take a commit back by a new one."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from kubernaut_argocd._commits import AUTHOR, push_anew, record_trailer, with_record
from kubernaut_argocd._git import Checkout, clone
from kubernaut_argocd._inputs import Author, BranchName, CommitMessage, RepositoryAddress
from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, PreconditionFailed, Result

__all__ = ["revert_commit"]

_SHOWN = 50
"""The most files that a change lists."""


class RevertInputs(Inputs):
    """The inputs of git/revert_commit."""

    repository: RepositoryAddress
    branch: BranchName = "main"
    commit: Annotated[
        str,
        Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$", description="The whole id; a name such as HEAD may move."),
    ]
    parent: Annotated[
        int | None,
        Field(ge=1, le=8, description="For a merge: the parent whose side stays; 1 is the branch merged into."),
    ] = None
    message: CommitMessage = None
    author: Author = AUTHOR


class RevertResult(Result):
    """The new commit."""

    commit: Annotated[str, Field(max_length=64)]
    reverted: Annotated[str, Field(max_length=64)]
    files: Annotated[list[str], Field(default_factory=list)]


revert_commit = Action(
    "git/revert_commit",
    permissions=["repository: read, push to the branch"],
    tools=["git"],
    risk="medium",
    examples=[
        {
            "repository": "https://git.example.com/shop/deploy.git",
            "commit": "3f786850e387550fdab836ed7e6dc881de23001b",
        }
    ],
)


@revert_commit.plan
def plan(ctx: Context, inputs: RevertInputs) -> Change:
    """Take back what a commit changed, by a new commit on the same branch.

    The commit is named by its whole id and must be an ancestor of the branch. If what it changed was changed again
    since, there is a conflict, and nothing is pushed. A merge needs `parent`. A commit that was reverted already (its
    revert says so, as git writes it) is left as it is. Undo reverts the revert. If somebody else pushes in between, the
    revert is made again from the new commit.
    """
    with clone(ctx, inputs.repository, inputs.branch, depth=None) as checkout:
        _require_ancestor(checkout, inputs)
        reverted = _last_revert(checkout, inputs.commit) is not None
        files = _files(checkout, inputs)
        if not reverted and ctx.undoing is None:
            _revert(checkout, inputs.commit, inputs)
            if checkout.try_run(["diff", "--cached", "--quiet"]).exit_code == 0:
                reverted = True  # the branch is as if the commit had not been
    return Change(_state(inputs, files, reverted=reverted), _state(inputs, files, reverted=True))


@revert_commit.apply
def apply(ctx: Context, inputs: RevertInputs, change: Change) -> RevertResult:
    """Commit the revert and push it without force."""
    subject = inputs.message or f"Revert {inputs.commit[:12]}"

    def commit(checkout: Checkout) -> str | None:
        if _last_revert(checkout, inputs.commit) is not None:
            return None
        return _commit(ctx, inputs, checkout, inputs.commit, subject)

    made = push_anew(ctx, inputs.repository, inputs.branch, commit, depth=None)
    return RevertResult(commit=made, reverted=inputs.commit, files=change.after["files"])


@revert_commit.verify(within=timedelta(seconds=30))
def verify(ctx: Context, inputs: RevertInputs, change: Change) -> bool | str:
    """Return True if the branch has the revert."""
    if change.empty:
        return True
    with clone(ctx, inputs.repository, inputs.branch, depth=50) as checkout:
        made = checkout.find_commit(record_trailer(ctx.record_id)) or _last_revert(checkout, inputs.commit)
    return bool(made) or f"branch {inputs.branch} does not have the revert yet."


@revert_commit.undo
def undo(ctx: Context, inputs: RevertInputs, change: Change) -> None:
    """Revert the revert."""

    def commit(checkout: Checkout) -> str | None:
        made = _last_revert(checkout, inputs.commit)
        if made is None:
            return None
        return _commit(ctx, inputs, checkout, made, f"Restore {inputs.commit[:12]}")

    push_anew(ctx, inputs.repository, inputs.branch, commit, depth=None)


@revert_commit.target
def target(inputs: RevertInputs) -> str:
    """Return the repository."""
    return inputs.repository


def _state(inputs: RevertInputs, files: list[str], *, reverted: bool) -> dict[str, Any]:
    return {"commit": inputs.commit, "files": files, "reverted": reverted}


def _require_ancestor(checkout: Checkout, inputs: RevertInputs) -> None:
    known = checkout.try_run(["merge-base", "--is-ancestor", inputs.commit, "HEAD"])
    if known.exit_code != 0:
        raise NotFound(
            f"commit {inputs.commit} is not in the history of branch {inputs.branch}.", reason="NotAnAncestor"
        )
    parents = checkout.run(["rev-list", "--parents", "-1", inputs.commit]).stdout.split()[1:]
    if not parents:
        raise PreconditionFailed(
            f"commit {inputs.commit} is the first one of the repository, and cannot be reverted.", reason="RootCommit"
        )
    if len(parents) > 1 and inputs.parent is None:
        raise PreconditionFailed(
            f"commit {inputs.commit} is a merge of {len(parents)} parents; say whose side stays, as parent (mostly 1).",
            reason="MergeCommit",
        )
    if inputs.parent is not None and inputs.parent > len(parents):
        raise PreconditionFailed(f"commit {inputs.commit} has {len(parents)} parents; parent is {inputs.parent}.")


def _last_revert(checkout: Checkout, commit: str) -> str | None:
    """Return the newest commit that reverts another and was not reverted itself, or None."""
    words = ["log", "--format=%H", "--fixed-strings", f"--grep=This reverts commit {commit}"]
    for made in checkout.run(words).stdout.split():
        if _last_revert(checkout, made) is None:
            return made
    return None


def _files(checkout: Checkout, inputs: RevertInputs) -> list[str]:
    side = f"{inputs.commit}^{inputs.parent or 1}"
    listed = checkout.run(["diff", "--name-only", "--no-renames", "-z", side, inputs.commit]).stdout
    files = [name for name in listed.split("\0") if name]
    return [*files[:_SHOWN], *([f"{len(files)} in all"] if len(files) > _SHOWN else [])]


def _revert(checkout: Checkout, commit: str, inputs: RevertInputs) -> None:
    """Make the revert in the index.

    Raises:
        PreconditionFailed: if there is a conflict.
    """
    mainline = [f"--mainline={inputs.parent}"] if inputs.parent is not None and commit == inputs.commit else []
    done = checkout.try_run(["revert", "--no-commit", *mainline, commit], {"GIT_EDITOR": "true"})
    if done.exit_code == 0:
        return
    listed = checkout.run(["diff", "--name-only", "--diff-filter=U", "-z"]).stdout
    conflicts = [name for name in listed.split("\0") if name]
    if not conflicts:
        raise checkout.error("revert", done)
    raise PreconditionFailed(
        f"commit {commit[:12]} cannot be reverted: {', '.join(conflicts)[:300]} was changed again since; revert the "
        f"newer commits first, or set the fields (git/update_file).",
        reason="Conflict",
    )


def _commit(ctx: Context, inputs: RevertInputs, checkout: Checkout, commit: str, subject: str) -> str | None:
    _revert(checkout, commit, inputs)
    if checkout.try_run(["diff", "--cached", "--quiet"]).exit_code == 0:
        return None
    message = f"{subject.rstrip()}\n\nThis reverts commit {commit}."
    return checkout.commit_index(with_record(ctx, message), inputs.author)
