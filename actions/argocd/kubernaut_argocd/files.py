"""Changing a value in a file of a git repository."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from kubernaut_argocd._git import Checkout, cloned
from kubernaut_argocd.yamltext import read_value, replace_value
from kubernaut_sdk import Action, ActionError, Change, Context, Inputs, PreconditionFailed, Result, Transient

__all__ = ["update_file"]

_RECORD = "Kubernaut-Record"
"""The trailer of a commit's message that names the record it was made for."""


def _without_password(repository: str) -> str:
    if "://" in repository and urlsplit(repository).password is not None:
        raise ValueError("a password in the address would be recorded; put it into the Secret of the step's secretName")
    return repository


def _inside(path: str) -> str:
    parts = path.split("/")
    if not path.isprintable() or any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts):
        raise ValueError("it leads out of the repository, or into .git; write it from the root, as deploy/app.yaml")
    return path


class Update(Inputs):
    """Which value of which file."""

    repository: Annotated[
        str,
        Field(pattern=r"^[^-\s]\S*$", max_length=2048, description="A URL, or a path."),
        AfterValidator(_without_password),
    ]
    branch: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./@#+=-]*$", max_length=200, description="It must be there.")
    ] = "main"
    path: Annotated[
        str,
        Field(min_length=1, max_length=1024, description="A YAML file, from the repository's root."),
        AfterValidator(_inside),
    ]
    field: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1024,
            description='Such as spec.containers[0].image; a key with dots in double quotes: annotations."a.b/c".',
        ),
    ]
    document: Annotated[int, Field(ge=0, description="Which document of the file, counted from 0.")] = 0
    value: Annotated[Any, Field(description="Any JSON value.")]
    message: Annotated[str | None, Field(min_length=1, max_length=4096, description="The commit's message.")] = None
    author: Annotated[str, Field(pattern=r"^[^<>\n]+ <[^<>\s]+>$", description="Of the commit.")] = (
        "Kubernaut <kubernaut@localhost>"
    )


class Updated(Result):
    """The commit, and what stands there now."""

    commit: Annotated[str, Field(max_length=64)]
    value: Any = None


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
def plan(ctx: Context, inputs: Update) -> Change:
    """Sets a value in a YAML file of a git repository, in one commit, with every other byte left as it is.

    Idempotent: where the value stands there already, nothing is committed. If somebody pushes in between, the next
    attempt starts from what they pushed.
    """
    with cloned(ctx, inputs.repository, inputs.branch) as checkout:
        text = _text(checkout.path(inputs.path))
        replace_value(text, inputs.field, inputs.document, inputs.value)
        return Change({"value": read_value(text, inputs.field, inputs.document)}, {"value": inputs.value})


@update_file.apply
def apply(ctx: Context, inputs: Update, change: Change) -> Updated:
    """One commit, pushed without force."""
    return Updated(commit=_write(ctx, inputs, change.before["value"], inputs.value), value=inputs.value)


@update_file.verify(within=timedelta(seconds=30))
def verify(ctx: Context, inputs: Update, change: Change) -> bool | str:
    """Whether the branch has the commit, be it under newer ones; where the value stood there, no commit is needed."""
    if change.empty:
        return True
    with cloned(ctx, inputs.repository, inputs.branch, depth=50) as checkout:
        return bool(checkout.newest(_trailer(ctx))) or f"branch {inputs.branch} does not have the commit yet."


@update_file.undo
def undo(ctx: Context, inputs: Update, change: Change) -> None:
    """Another commit, with the value that stood there before."""
    _write(ctx, inputs, change.after["value"], change.before["value"])


@update_file.target
def target(inputs: Update) -> str:
    """The repository."""
    return inputs.repository


@update_file.check
def check(ctx: Context, inputs: Update) -> dict[str, str | None]:
    """Whether the branch may be pushed to."""
    with cloned(ctx, inputs.repository, inputs.branch) as checkout:
        try:
            checkout.push(dry_run=True)
        except ActionError as error:
            return {"permission to push": error.message}
    return {"permission to push": None}


def _write(ctx: Context, inputs: Update, before: Any, value: Any) -> str:
    with cloned(ctx, inputs.repository, inputs.branch) as checkout:
        path = checkout.path(inputs.path)
        text = _text(path)
        if read_value(text, inputs.field, inputs.document) != before:
            raise Transient(f"{inputs.field} changed since it was read; it is planned anew.", reason="Conflict")
        changed = replace_value(text, inputs.field, inputs.document, value)
        path.write_text(changed, encoding="utf-8", newline="")
        return _committed(ctx, inputs, checkout)


def _committed(ctx: Context, inputs: Update, checkout: Checkout) -> str:
    subject = inputs.message or f"Set {inputs.field} in {inputs.path}"
    commit = checkout.commit(inputs.path, f"{subject.rstrip()}\n\n{_trailer(ctx)}", inputs.author)
    checkout.push()
    return commit


def _trailer(ctx: Context) -> str:
    return f"{_RECORD}: {ctx.record_id}"


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise PreconditionFailed(f"{path.name} is not UTF-8 text: {error.reason}.") from None
