"""The action git/open_pull_request: propose a change of files, on a branch of its own."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from kubernaut_argocd._commits import AUTHOR, with_record
from kubernaut_argocd._git import PUSH_REJECTED, Checkout, clone
from kubernaut_argocd._inputs import WITHOUT_NUL, Author, BranchName, CommitMessage, RepositoryAddress
from kubernaut_argocd.forges.finding import ApiAddress, ForgeKind, find_forge
from kubernaut_argocd.forges.forge import Forge, NewPullRequest, PullRequest
from kubernaut_argocd.requests.branches import Proposal, proposed_by, require_own_branch
from kubernaut_argocd.requests.description import describe, title_of
from kubernaut_argocd.requests.edits import FileEdit, plan_edits
from kubernaut_sdk import (
    Action,
    ActionError,
    Change,
    Context,
    Failed,
    Inputs,
    NotFound,
    PreconditionFailed,
    Result,
    Transient,
    VerifyFailed,
)

__all__ = ["open_pull_request"]

_PREFIX = "kubernaut/"
_MOST_EDITS = 50
_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the requests to open a pull request, while the forge does not know its branch."""


class OpenInputs(Inputs):
    """The inputs of git/open_pull_request."""

    repository: RepositoryAddress
    forge: ForgeKind = "auto"
    api: ApiAddress = None
    base: BranchName = "main"
    head: Annotated[
        BranchName | None,
        Field(description="The branch that is made for it; by default kubernaut/ and the record's id."),
    ] = None
    edits: Annotated[
        list[FileEdit], Field(min_length=1, max_length=_MOST_EDITS, description="The changes of files, in one commit.")
    ]
    title: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            pattern=r"^[^\r\n]+$",
            description="The title; by default it says what is set.",
        ),
        WITHOUT_NUL,
    ] = None
    body: Annotated[
        str | None,
        Field(max_length=8192, description="Markdown; the signal, the record and the diff are added."),
    ] = None
    labels: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100)]],
        Field(default_factory=list, max_length=20, description="Labels."),
    ]
    reviewers: Annotated[
        list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]*$", max_length=100)]],
        Field(default_factory=list, max_length=20, description="User names."),
    ]
    draft: Annotated[bool, Field(description="Whether it is opened as a draft.")] = False
    message: CommitMessage = None
    author: Author = AUTHOR

    @model_validator(mode="after")
    def _require_distinct(self) -> "OpenInputs":
        if self.head == self.base:
            raise ValueError("head and base are the same branch")
        places = [(edit.path, edit.document, edit.field) for edit in self.edits]
        if len(set(places)) < len(places):
            raise ValueError("two edits set the same place; keep one of them")
        whole = {edit.path for edit in self.edits if edit.content is not None}
        if any(edit.path in whole and edit.content is None for edit in self.edits):
            raise ValueError(
                "a file is written as a whole, and a field in it is set, too; put the value into the content"
            )
        return self


class OpenResult(Result):
    """The pull request that was opened."""

    number: int
    state: Literal["open"]
    head: Annotated[str, Field(max_length=200)]
    commit: Annotated[str, Field(max_length=64)]
    url: str = ""
    warnings: Annotated[list[str], Field(default_factory=list, description="Labels or reviews that the forge refused.")]


open_pull_request = Action(
    "git/open_pull_request",
    permissions=["repository: read, push to a new branch", "forge: open and close pull requests"],
    tools=["git"],
    risk="low",
    examples=[
        {
            "repository": "https://git.example.com/shop/deploy.git",
            "forge": "gitea",
            "edits": [
                {"path": "checkout/hpa.yaml", "field": "spec.maxReplicas", "value": 12},
                {"path": "kustomization.yaml", "field": "images[name=web].newTag", "value": "v2", "create": True},
            ],
            "labels": ["remediation"],
        }
    ],
)


@open_pull_request.plan
def plan(ctx: Context, inputs: OpenInputs) -> Change:
    """Propose a change of files as a pull request (a merge request on GitLab), on a branch of its own.

    The change is one commit on a branch that is named after the step's record, and pushed only if there is no such
    branch yet. The pull request is looked for, by its two branches, before it is opened: a step that is tried again, or
    was killed half-way, ends with one. Another record proposes its own, unless `head` names the branch. It succeeds
    when the pull request is open; nothing has been remedied by then (`git/merge_pull_request`, or a person, merges it).
    A request that a person closed is not opened again. Fields are edited as `git/update_file` edits them; a whole file
    is written by `content`. Undo closes the pull request and deletes the branch.

    The step's Secret holds the forge's token, as `token` or `password`; a deploy key may push instead
    (`ssh-privatekey`, `known_hosts`, with an ssh address).
    """
    forge = find_forge(ctx, inputs.repository, inputs.forge, inputs.api)
    head = _head(ctx, inputs)
    found = forge.find(head, inputs.base)
    with clone(ctx, inputs.repository, inputs.base) as checkout:
        tip = checkout.branch_tip(head)
        if ctx.undoing is not None and (found is None or found.state == "closed"):
            # an undo that was interrupted goes on: it is done only when the branch is gone, too
            if tip:
                require_own_branch(ctx, inputs.repository, head)
            return Change(ctx.undoing.after if tip else ctx.undoing.before, ctx.undoing.after)
        if found is not None and found.state == "closed":
            raise PreconditionFailed(
                f"pull request {found.number} of {head} was closed without a merge ({found.url}); it is not opened "
                f"again. Reopen it there, or run this with another head.",
                reason="ClosedByPerson",
            )
        if found is not None and found.state == "merged":
            state = _state(inputs, head, "merged")
            return Change(state, state)
        planned = plan_edits(checkout, inputs.edits)
    if tip:
        proposed = proposed_by(
            ctx, Proposal(inputs.repository, inputs.base, head, inputs.edits), named=bool(inputs.head)
        )
        after = {"pull_request": _request(inputs, head, "open"), "edits": proposed.after}
        return Change(after if found is not None else {"pull_request": None, "edits": planned.before}, after)
    if not planned.texts:
        return Change({"pull_request": None, "edits": planned.after}, {"pull_request": None, "edits": planned.after})
    return Change(
        {"pull_request": None, "edits": planned.before},
        {"pull_request": _request(inputs, head, "open"), "edits": planned.after},
    )


@open_pull_request.apply
def apply(ctx: Context, inputs: OpenInputs, change: Change) -> OpenResult:
    """Push the branch and open the pull request."""
    head = _head(ctx, inputs)
    forge = find_forge(ctx, inputs.repository, inputs.forge, inputs.api)
    with clone(ctx, inputs.repository, inputs.base) as checkout:
        if checkout.branch_tip(head):
            with clone(ctx, inputs.repository, head, depth=2) as pushed:
                commit, diff = pushed.head(), pushed.diff()
        else:
            commit = _push(ctx, inputs, checkout, head, change)
            diff = checkout.diff()
    title = (inputs.title or "").strip() or title_of(inputs.edits)
    body = describe(inputs.body, diff, ctx.about, ctx.record_id)
    request = forge.find(head, inputs.base)
    if request is not None and request.state != "open":
        raise Transient(f"pull request {request.number} of {head} was {request.state} just now; it is planned anew.")
    if request is None:
        request = _open(ctx, forge, NewPullRequest(title, body, head, inputs.base, inputs.draft))
    warnings = _decorate(ctx, inputs, forge, request)
    return OpenResult(number=request.number, state="open", head=head, commit=commit, url=request.url, warnings=warnings)


@open_pull_request.verify(within=timedelta(seconds=60))
def verify(ctx: Context, inputs: OpenInputs, change: Change) -> bool | str:
    """Return True if the pull request is open or merged, with the pushed commit."""
    if change.after["pull_request"] is None:
        return True  # the base has the change already
    head = _head(ctx, inputs)
    found = find_forge(ctx, inputs.repository, inputs.forge, inputs.api).find(head, inputs.base)
    if found is None:
        return f"the forge does not show the pull request of {head} yet."
    if found.state == "closed":
        raise VerifyFailed(f"pull request {found.number} was closed by somebody ({found.url}).", reason="Closed")
    return True


@open_pull_request.undo
def undo(ctx: Context, inputs: OpenInputs, change: Change) -> None:
    """Close the pull request and delete its branch."""
    head = _head(ctx, inputs)
    forge = find_forge(ctx, inputs.repository, inputs.forge, inputs.api)
    found = forge.find(head, inputs.base)
    if found is not None and found.state == "open":
        forge.close(found.number)
    with clone(ctx, inputs.repository, inputs.base) as checkout:
        if tip := checkout.branch_tip(head):
            checkout.delete_branch(head, tip)


@open_pull_request.target
def target(inputs: OpenInputs) -> str:
    """Return the repository."""
    return inputs.repository


@open_pull_request.check
def check(ctx: Context, inputs: OpenInputs) -> dict[str, str | None]:
    """Check the permission to push a branch, and that the forge takes the token."""
    found: dict[str, str | None] = {"permission to push": None, "the forge's token": None}
    with clone(ctx, inputs.repository, inputs.base) as checkout:
        try:
            checkout.push(dry_run=True, to=_head(ctx, inputs))
        except ActionError as error:
            found["permission to push"] = error.message
    try:
        find_forge(ctx, inputs.repository, inputs.forge, inputs.api).find(_head(ctx, inputs), inputs.base)
    except ActionError as error:
        found["the forge's token"] = error.message
    return found


def _head(ctx: Context, inputs: OpenInputs) -> str:
    """Return the branch of this step; for an undo, that of the step that is undone."""
    if inputs.head is not None:
        return inputs.head
    if ctx.undoing is not None:
        request = ctx.undoing.after.get("pull_request") if isinstance(ctx.undoing.after, dict) else None
        if not isinstance(request, dict) or not str(request.get("head", "")).startswith(_PREFIX):
            raise PreconditionFailed("the change names no branch of a pull request, so there is nothing to undo.")
        return str(request["head"])
    return f"{_PREFIX}{ctx.record_id}"


def _request(inputs: OpenInputs, head: str, state: str) -> dict[str, Any]:
    return {"head": head, "base": inputs.base, "state": state}


def _state(inputs: OpenInputs, head: str, state: str) -> dict[str, Any]:
    return {"pull_request": _request(inputs, head, state), "edits": []}


def _push(ctx: Context, inputs: OpenInputs, checkout: Checkout, head: str, change: Change) -> str:
    planned = plan_edits(checkout, inputs.edits)
    if planned.before != change.before["edits"]:
        raise Transient(f"branch {inputs.base} changed since it was read; it is planned anew.", reason="Conflict")
    for path, text in planned.texts.items():
        checkout.write(path, text, create=True)
    message = with_record(ctx, _subject(inputs))
    commit = checkout.commit(list(planned.texts), message, inputs.author)
    try:
        checkout.push(to=head)
    except Transient as error:
        if error.reason != PUSH_REJECTED:
            raise
        raise Transient(f"somebody has just made branch {head}; it is planned anew.", reason="Conflict") from None
    return commit


def _subject(inputs: OpenInputs) -> str:
    texts = (inputs.message, inputs.title, title_of(inputs.edits))
    return next(text.strip() for text in texts if text is not None and text.strip())


def _open(ctx: Context, forge: Forge, new: NewPullRequest) -> PullRequest:
    """Open the pull request. It may take a forge a moment to know the branch that was just pushed."""
    for pause in _PAUSES:
        try:
            return forge.open(new)
        except NotFound:
            ctx.log.info("the forge does not know branch %s yet; it is asked again in %s s", new.head, pause)
            ctx.sleep(pause)
    return forge.open(new)


def _decorate(ctx: Context, inputs: OpenInputs, forge: Forge, request: PullRequest) -> list[str]:
    """Add labels and reviewers; the pull request is open, so a refusal is a warning."""
    warnings: list[str] = []
    for wanted, add in ((inputs.labels, forge.add_labels), (inputs.reviewers, forge.request_reviews)):
        if wanted:
            try:
                add(request.number, wanted)
            except (PreconditionFailed, Failed) as error:
                ctx.log.warning("%s", error.message)
                warnings.append(error.message)
    return warnings
