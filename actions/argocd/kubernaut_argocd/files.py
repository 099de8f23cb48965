"""The action git/update_file: set one value in a file of a git repository."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from kubernaut_argocd._commits import AUTHOR, push_anew, record_trailer, with_record, with_trailer
from kubernaut_argocd._git import Checkout, clone
from kubernaut_argocd._inputs import (
    Author,
    BranchName,
    CommitMessage,
    Document,
    FieldPath,
    FilePath,
    NewValue,
    RepositoryAddress,
)
from kubernaut_argocd.yamltext import ABSENT, plan_edit, read_state, restore
from kubernaut_sdk import Action, ActionError, Change, Context, Inputs, PreconditionFailed, Result, Transient

__all__ = ["update_file", "with_trailer"]

_MASK = "***"


class UpdateInputs(Inputs):
    """The inputs of git/update_file."""

    repository: RepositoryAddress
    branch: BranchName = "main"
    path: FilePath
    field: FieldPath
    document: Document = 0
    value: Annotated[NewValue, Field(description="Any JSON value.")]
    create: Annotated[
        bool, Field(description="Create the field, with the mappings and list items around it, if it is not there.")
    ] = False
    message: CommitMessage = None
    author: Author = AUTHOR


class UpdateResult(Result):
    """The commit, and the value that the file has now."""

    commit: Annotated[str, Field(max_length=64)]
    value: Any = None
    followers: Annotated[
        list[str], Field(default_factory=list, description="Fields that follow it by an anchor, and changed with it.")
    ]


update_file = Action(
    "git/update_file",
    permissions=["repository: read, push to the branch"],
    tools=["git"],
    risk="medium",
    examples=[
        {
            "repository": "https://git.example.com/shop.git",
            "path": "checkout.yaml",
            "field": "spec.replicas",
            "value": 6,
        }
    ],
)


@update_file.plan
def plan(ctx: Context, inputs: UpdateInputs) -> Change:
    """Set a value in a YAML file of a git repository, in one commit, and leave every other byte as it is.

    Values are read as Kubernetes reads them (`0400` is 256, `yes` is true), and a string is quoted where any YAML
    reader could take it for something else. The change holds the value and, where its notation is not the one that this
    action would write, its `source`: the text from the file, which undo restores to the byte. `followers` lists fields
    that refer to the value by a YAML alias, and change with it. Idempotent: if the file has the value already, nothing
    is committed. If somebody else pushes in between, the action starts again from the new commit, as long as this field
    still has the planned state.
    """
    with clone(ctx, inputs.repository, inputs.branch) as checkout:
        edit = plan_edit(checkout.read(inputs.path), inputs.field, inputs.document, inputs.value, create=inputs.create)
    if followers := edit.before.get("followers"):
        ctx.log.warning("%s: follows %s by an anchor, and changes with it", ", ".join(followers), inputs.field)
    return Change(edit.before, edit.after)


@update_file.apply
def apply(ctx: Context, inputs: UpdateInputs, change: Change) -> UpdateResult:
    """Commit the change and push it without force."""

    def edit_text(text: str) -> tuple[Any, str]:
        edit = plan_edit(text, inputs.field, inputs.document, inputs.value, create=inputs.create)
        return edit.before, edit.text

    commit = _commit_and_push(ctx, inputs, change, edit_text)
    return UpdateResult(commit=commit, value=inputs.value, followers=change.after.get("followers", []))


@update_file.verify(within=timedelta(seconds=30))
def verify(ctx: Context, inputs: UpdateInputs, change: Change) -> bool | str:
    """Return True if the branch has the commit (newer ones may follow it), or the value from another commit."""
    if change.empty:
        return True  # the file had the value already
    with clone(ctx, inputs.repository, inputs.branch, depth=50) as checkout:
        if checkout.find_commit(record_trailer(ctx.record_id)):
            return True
        state = read_state(checkout.read(inputs.path), inputs.field, inputs.document)
        return state == change.after or f"branch {inputs.branch} does not have the commit yet."


@update_file.undo
def undo(ctx: Context, inputs: UpdateInputs, change: Change) -> None:
    """Commit and push the bytes that were there before, as `Revert "…"`."""
    if not isinstance(change.before, dict) or not {"value", ABSENT} & set(change.before) or _MASK in str(change.before):
        raise PreconditionFailed(
            f"the record does not hold what stood in {inputs.field}, since it is secret or too long; "
            f"revert the commit by hand."
        )

    def edit_text(text: str) -> tuple[Any, str]:
        return (
            read_state(text, inputs.field, inputs.document),
            restore(text, inputs.field, inputs.document, change.before),
        )

    subject = f'Revert "{_subject(inputs).splitlines()[0]}"'
    _commit_and_push(ctx, inputs, Change(change.after, change.before), edit_text, subject)


@update_file.target
def target(inputs: UpdateInputs) -> str:
    """Return the repository."""
    return inputs.repository


@update_file.check
def check(ctx: Context, inputs: UpdateInputs) -> dict[str, str | None]:
    """Check the permission to push to the branch."""
    with clone(ctx, inputs.repository, inputs.branch) as checkout:
        try:
            checkout.push(dry_run=True)
        except ActionError as error:
            return {"permission to push": error.message}
    return {"permission to push": None}


def _commit_and_push(
    ctx: Context,
    inputs: UpdateInputs,
    change: Change,
    edit_text: Callable[[str], tuple[Any, str]],
    message: str | None = None,
) -> str:
    """Commit and push an edit; if another push came first, start again from the new commit.

    Args:
        ctx: The context of the step.
        inputs: The inputs that name the file and the field.
        change: The field's state before and after.
        edit_text: Takes the file's text, and returns the field's state and the edited text.
        message: The commit's message; by default the inputs' one.

    Returns:
        The commit's id.

    Raises:
        Transient: if the field does not have the planned state, or if other pushes come first every time.
    """

    def commit(checkout: Checkout) -> str | None:
        state, text = edit_text(checkout.read(inputs.path))
        if state == change.after:
            return None  # somebody else has just pushed the same change
        if state != change.before:
            raise Transient(f"{inputs.field} changed since it was read; it is planned anew.", reason="Conflict")
        checkout.write(inputs.path, text)
        text_of_commit = with_record(ctx, message or _subject(inputs))
        return checkout.commit([inputs.path], text_of_commit, inputs.author)

    return push_anew(ctx, inputs.repository, inputs.branch, commit)


def _subject(inputs: UpdateInputs) -> str:
    return (inputs.message or f"Set {inputs.field} in {inputs.path}").strip() or f"Set {inputs.field}"
