"""The action git/merge_pull_request: merge a pull request whose required checks have passed."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from kubernaut_argocd._inputs import RepositoryAddress
from kubernaut_argocd.forges.finding import ApiAddress, ForgeKind, find_forge
from kubernaut_argocd.forges.forge import Forge, MergeMethod, PullRequest, mark_required
from kubernaut_sdk import Action, Change, Context, Inputs, PreconditionFailed, Result, VerifyFailed

__all__ = ["merge_pull_request"]

_POLL = 3.0
_LOOKS, _PAUSE = 30, 1.0
"""The number of looks for the commit of a merge, and the seconds after each."""
_SPARE = 15.0
"""Seconds of the step's time that the merge itself may need."""
_UNDECIDED = 15.0
"""Seconds after which a forge that has not found out yet if there is a conflict is taken at its word."""


class MergeInputs(Inputs):
    """The inputs of git/merge_pull_request."""

    repository: RepositoryAddress
    forge: ForgeKind = "auto"
    api: ApiAddress = None
    number: Annotated[int, Field(ge=1, description="The pull request's number; on GitLab the merge request's iid.")]
    commit: Annotated[
        str | None,
        Field(
            pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$",
            description="Its newest commit, if another one must not be merged.",
        ),
    ] = None
    method: Annotated[MergeMethod, Field(description="GitLab knows merge and squash.")] = "merge"
    required_checks: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200)]],
        Field(default_factory=list, max_length=50, description="Checks that must pass beside those of the branch."),
    ]
    wait: Annotated[
        int, Field(ge=0, le=3600, description="Seconds to wait for checks that still run, within the step's time.")
    ] = 300


class MergeResult(Result):
    """The merged pull request."""

    number: int
    state: Literal["merged"]
    commit: Annotated[str, Field(max_length=64, description="The commit on the base branch.")]
    url: str = ""


merge_pull_request = Action(
    "git/merge_pull_request",
    permissions=["forge: read checks, merge pull requests"],
    risk="medium",
    examples=[{"repository": "https://github.com/shop/deploy.git", "number": 42, "method": "squash"}],
)


@merge_pull_request.plan
def plan(ctx: Context, inputs: MergeInputs) -> Change:
    """Merge a pull request (a merge request on GitLab), only if its required checks have passed.

    Required are the checks that the base branch requires and those of `required_checks`; if nothing is required, each
    check that was reported for the newest commit. While some of them run it waits, and merges only the commit that it
    looked at: if another one is pushed, it looks again. A draft, a conflict, a missing approval or a failed check is
    refused. A pull request that is merged already is left as it is. There is no undo: `git/revert_commit` takes the
    merged commit back.
    """
    forge = find_forge(ctx, inputs.repository, inputs.forge, inputs.api)
    waited = 0.0
    while True:
        request = forge.read(inputs.number)
        _require_commit(inputs, request)
        if request.state == "merged":
            return Change(_state(request), _state(request))
        _require_open(request)
        pending = _pending(forge, inputs, request, settled=waited >= _UNDECIDED)
        if not pending:
            return Change(_state(request), {**_state(request), "state": "merged"})
        if ctx.dry_run or waited + _POLL > inputs.wait or ctx.remaining() < _POLL + _SPARE:
            raise PreconditionFailed(
                f"pull request {request.number} cannot be merged yet: {pending}; {request.url}.", reason="ChecksPending"
            )
        ctx.log.info("waiting: %s", pending)
        ctx.sleep(_POLL)
        waited += _POLL


@merge_pull_request.apply
def apply(ctx: Context, inputs: MergeInputs, change: Change) -> MergeResult:
    """Merge the commit that was looked at."""
    forge = find_forge(ctx, inputs.repository, inputs.forge, inputs.api)
    forge.merge(inputs.number, change.before["commit"], inputs.method)
    request = _merged(ctx, forge, inputs.number)
    return MergeResult(number=request.number, state="merged", commit=request.merge_commit, url=request.url)


@merge_pull_request.verify(within=timedelta(seconds=60))
def verify(ctx: Context, inputs: MergeInputs, change: Change) -> bool | str:
    """Return True if the forge shows the pull request as merged."""
    request = find_forge(ctx, inputs.repository, inputs.forge, inputs.api).read(inputs.number)
    if request.state == "closed":
        raise VerifyFailed(f"pull request {request.number} was closed without a merge ({request.url}).")
    return request.state == "merged" or f"pull request {request.number} is {request.state}."


@merge_pull_request.target
def target(inputs: MergeInputs) -> str:
    """Return the repository."""
    return inputs.repository


def _merged(ctx: Context, forge: Forge, number: int) -> PullRequest:
    """Return the pull request with the commit that it became; a forge may merge it after its answer.

    Raises:
        VerifyFailed: if that takes too long.
    """
    for _ in range(_LOOKS):
        request = forge.read(number)
        if request.state == "merged" and request.merge_commit:
            return request
        ctx.sleep(_PAUSE)
    raise VerifyFailed(f"the forge took the merge of pull request {number}, and does not show it as merged yet.")


def _state(request: PullRequest) -> dict[str, Any]:
    return {"number": request.number, "base": request.base, "commit": request.commit, "state": request.state}


def _require_commit(inputs: MergeInputs, request: PullRequest) -> None:
    if inputs.commit is not None and inputs.commit != request.commit:
        raise PreconditionFailed(
            f"the newest commit of pull request {request.number} is {request.commit}, and not {inputs.commit}; "
            f"somebody pushed to it. Look at the change, and name that commit.",
            reason="CommitChanged",
        )


def _require_open(request: PullRequest) -> None:
    if request.state == "closed":
        raise PreconditionFailed(
            f"pull request {request.number} was closed without a merge ({request.url}); it is not opened again.",
            reason="ClosedByPerson",
        )
    if request.draft:
        raise PreconditionFailed(
            f"pull request {request.number} is a draft; mark it as ready first ({request.url}).", reason="Draft"
        )


def _pending(forge: Forge, inputs: MergeInputs, request: PullRequest, *, settled: bool) -> str:
    """Return what the merge still waits for; empty if it can be done.

    Raises:
        PreconditionFailed: if it will not be possible by itself.
    """
    found = mark_required(forge.checks(request), inputs.required_checks)
    checks = [check for check in found if check.required] or found
    failed = [check.name for check in checks if check.state == "failed"]
    if failed:
        raise PreconditionFailed(
            f"pull request {request.number} is not merged: {', '.join(failed)} failed; {request.url}.",
            reason="ChecksFailed",
        )
    running = [check.name for check in checks if check.state == "pending"]
    if running:
        return f"{', '.join(running)} must pass and has not ended"
    answer = forge.mergeability(request.number)
    if answer.state == "blocked" or (answer.state == "pending" and settled):
        raise PreconditionFailed(
            f"pull request {request.number} cannot be merged: {answer.problem}; {request.url}.", reason="MergeBlocked"
        )
    return answer.problem if answer.state == "pending" else ""
