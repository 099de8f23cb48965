"""Changing a value in a file of a git repository."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_argocd._git import cloned
from kubernaut_argocd.yamltext import read_value, replace_value
from kubernaut_sdk import Action, Change, Context, Inputs, PreconditionFailed, Result

__all__ = ["update_file"]


class Update(Inputs):
    """Which value of which file."""

    repository: Annotated[str, Field(pattern=r"^[^-\s]\S*$", max_length=2048, description="A URL, or a path.")]
    branch: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$", max_length=200)] = "main"
    path: Annotated[str, Field(min_length=1, max_length=1024, description="A YAML file, from the repository's root.")]
    field: Annotated[str, Field(min_length=1, max_length=1024, description="Such as spec.containers[0].image.")]
    document: Annotated[int, Field(ge=0, description="Which document of the file, counted from 0.")] = 0
    value: Annotated[Any, Field(description="Any JSON value.")]
    message: Annotated[str | None, Field(max_length=4096, description="The commit's message.")] = None
    author: Annotated[str, Field(pattern=r"^[^<>\n]+ <[^<>\s]+>$")] = "Kubernaut <kubernaut@localhost>"


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
        return Change({"value": read_value(text, inputs.field, inputs.document)}, {"value": inputs.value})


@update_file.apply
def apply(ctx: Context, inputs: Update, change: Change) -> Updated:
    """One commit, pushed without force."""
    return Updated(commit=_write(ctx, inputs, inputs.value), value=inputs.value)


@update_file.undo
def undo(ctx: Context, inputs: Update, change: Change) -> None:
    """Another commit, with the value that stood there before."""
    _write(ctx, inputs, change.before["value"])


@update_file.target
def target(inputs: Update) -> str:
    """The repository."""
    return inputs.repository


def _write(ctx: Context, inputs: Update, value: Any) -> str:
    with cloned(ctx, inputs.repository, inputs.branch) as checkout:
        path = checkout.path(inputs.path)
        changed = replace_value(_text(path), inputs.field, inputs.document, value)
        path.write_text(changed, encoding="utf-8", newline="")
        message = inputs.message or f"Set {inputs.field} in {inputs.path}\n\nKubernaut record {ctx.record_id}"
        commit = checkout.commit(inputs.path, message, inputs.author)
        checkout.push()
        return commit


def _text(path: Any) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return str(file.read())
    except UnicodeDecodeError as error:
        raise PreconditionFailed(f"{path.name} is not UTF-8 text: {error.reason}.") from None
