"""The action git/update_file: set one value in a file of a git repository."""

import random
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from kubernaut_argocd._address import without_credentials
from kubernaut_argocd._git import PUSH_REJECTED, Checkout, clone
from kubernaut_argocd.yamltext import plan_edit, read_state, restore
from kubernaut_sdk import Action, ActionError, Change, Context, Inputs, PreconditionFailed, Result, Transient

__all__ = ["update_file", "with_trailer"]

_RECORD = "Kubernaut-Record"
"""The trailer in a commit's message that names the record of the step."""
_UNDOES = "Kubernaut-Undoes"
"""The trailer of a commit that undoes another step's, with that step's record."""
_MOST_PUSHES = 12
_PAUSE, _LONGEST_PAUSE = 0.2, 4.0
_SPARE = 10.0
"""Seconds that one more attempt may need."""
_MASK = "***"
_TRAILERS = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9-]*[ \t]*:[ \t]*\S.*(?:\n[ \t]+\S.*)*(?:\n|$))+")
"""A paragraph that git takes for a block of trailers; a trailer may have several lines."""


def _require_inside(path: str) -> str:
    parts = path.split("/")
    if not path.isprintable() or any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts):
        raise ValueError("it leads out of the repository, or into .git; write it from the root, as deploy/app.yaml")
    return path


class UpdateInputs(Inputs):
    """The inputs of git/update_file."""

    repository: Annotated[
        str,
        BeforeValidator(without_credentials),
        Field(pattern=r"^[^-\s]\S*$", max_length=2048, description="A URL, or a path; without a user's password."),
    ]
    branch: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./@#+=-]*$", max_length=200, description="It must be there.")
    ] = "main"
    path: Annotated[
        str,
        Field(min_length=1, max_length=1024, description="A YAML or JSON file, from the repository's root."),
        AfterValidator(_require_inside),
    ]
    field: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1024,
            description="Such as spec.containers[0].image, or spec.containers[name=web].image; a key with dots in "
            'double quotes: annotations."a.b/c".',
        ),
    ]
    document: Annotated[int, Field(ge=0, description="Which document of the file, counted from 0.")] = 0
    value: Annotated[Any, Field(description="Any JSON value.")]
    message: Annotated[str | None, Field(min_length=1, max_length=4096, description="The commit's message.")] = None
    author: Annotated[str, Field(pattern=r"^[^<>\n]+ <[^<>\s]+>$", description="Of the commit.")] = (
        "Kubernaut <kubernaut@localhost>"
    )


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
        edit = plan_edit(_text(checkout.path(inputs.path)), inputs.field, inputs.document, inputs.value)
    if followers := edit.before.get("followers"):
        ctx.log.warning("%s: follows %s by an anchor, and changes with it", ", ".join(followers), inputs.field)
    return Change(edit.before, edit.after)


@update_file.apply
def apply(ctx: Context, inputs: UpdateInputs, change: Change) -> UpdateResult:
    """Commit the change and push it without force."""

    def edit_text(text: str) -> tuple[Any, str]:
        edit = plan_edit(text, inputs.field, inputs.document, inputs.value)
        return edit.before, edit.text

    commit = _commit_and_push(ctx, inputs, change, edit_text)
    return UpdateResult(commit=commit, value=inputs.value, followers=change.after.get("followers", []))


@update_file.verify(within=timedelta(seconds=30))
def verify(ctx: Context, inputs: UpdateInputs, change: Change) -> bool | str:
    """Return True if the branch has the commit (newer ones may follow it), or the value from another commit."""
    if change.empty:
        return True  # the file had the value already
    with clone(ctx, inputs.repository, inputs.branch, depth=50) as checkout:
        if checkout.find_commit(_trailer(ctx)):
            return True
        state = read_state(_text(checkout.path(inputs.path)), inputs.field, inputs.document)
        return state == change.after or f"branch {inputs.branch} does not have the commit yet."


@update_file.undo
def undo(ctx: Context, inputs: UpdateInputs, change: Change) -> None:
    """Commit and push the bytes that were there before, as `Revert "…"`."""
    if not isinstance(change.before, dict) or "value" not in change.before or _MASK in str(change.before):
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
    attempt = 0
    while True:
        attempt += 1
        with clone(ctx, inputs.repository, inputs.branch) as checkout:
            path = checkout.path(inputs.path)
            state, text = edit_text(_text(path))
            if state == change.after:
                return checkout.head()  # somebody else has just pushed the same change
            if state != change.before:
                raise Transient(f"{inputs.field} changed since it was read; it is planned anew.", reason="Conflict")
            path.write_text(text, encoding="utf-8", newline="")
            commit = _commit(ctx, inputs, checkout, message or _subject(inputs))
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
                return commit
        ctx.sleep(pause)


def _subject(inputs: UpdateInputs) -> str:
    return (inputs.message or f"Set {inputs.field} in {inputs.path}").strip() or f"Set {inputs.field}"


def _commit(ctx: Context, inputs: UpdateInputs, checkout: Checkout, message: str) -> str:
    message = with_trailer(message.rstrip(), _trailer(ctx))
    if ctx.undoes is not None:
        message = with_trailer(message, f"{_UNDOES}: {ctx.undoes}")
    return checkout.commit(inputs.path, message, inputs.author)


def _trailer(ctx: Context) -> str:
    return f"{_RECORD}: {ctx.record_id}"


def with_trailer(message: str, trailer: str) -> str:
    """Return the message with a trailer added to those at its end (such as Signed-off-by), in one block.

    Git's own `--trailer` takes a last line that begins with # for a comment, and would put the trailer before it.
    """
    paragraphs = re.split(r"\n[ \t]*\n", message)
    joins = len(paragraphs) > 1 and _TRAILERS.fullmatch(paragraphs[-1])
    return f"{message}\n{'' if joins else chr(10)}{trailer}"


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise PreconditionFailed(f"{path.name} is not UTF-8 text: {error.reason}.") from None
