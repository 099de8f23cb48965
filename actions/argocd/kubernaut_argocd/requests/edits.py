"""The edits of a pull request: fields of YAML and JSON files, and whole files."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

from pydantic import Field, model_validator

from kubernaut_argocd._git import Checkout
from kubernaut_argocd._inputs import Document, FieldPath, FilePath, NewValue
from kubernaut_argocd.yamltext import ABSENT, plan_edit
from kubernaut_sdk import Inputs

__all__ = ["FileEdit", "PlannedEdits", "plan_edits"]


class FileEdit(Inputs):
    """One edit: a field's value, or the whole content of a file."""

    path: FilePath
    field: FieldPath | None = None
    document: Document = 0
    value: Annotated[NewValue, Field(description="Any JSON value, for the field.")] = None
    content: Annotated[
        str | None, Field(max_length=24 * 1024, description="The whole text of the file, instead of a field.")
    ] = None
    create: Annotated[
        bool,
        Field(description="Create the field, with what must be around it, or the file, if it is not there."),
    ] = False

    @model_validator(mode="after")
    def _require_one_kind(self) -> "FileEdit":
        given = self.model_fields_set
        if self.content is not None and given & {"field", "value", "document"}:
            raise ValueError("it has both a field and a content; write two edits")
        if self.content is None and (self.field is None or "value" not in given):
            raise ValueError("it has no field with a value, and no content")
        return self


@dataclass(frozen=True)
class PlannedEdits:
    """Edits that were planned on one commit.

    Attributes:
        before: The state of each edit's place now.
        after: Its state after the edits.
        texts: File → its whole text after the edits, for the files that change.
    """

    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    texts: dict[str, str]


def plan_edits(checkout: Checkout, edits: Sequence[FileEdit]) -> PlannedEdits:
    """Return the edits as they would be made on a checked-out commit; several edits of one file follow each other.

    Raises:
        NotFound: if a file or field is missing that may not be created.
        PreconditionFailed: if an edit would touch something else in its file.
    """
    before, after, texts, old = (
        list[dict[str, Any]](),
        list[dict[str, Any]](),
        dict[str, str](),
        dict[str, str | None](),
    )
    for edit in edits:
        if edit.path not in old:
            old[edit.path] = _read(checkout, edit)
        now = texts.get(edit.path, old[edit.path])
        if edit.content is not None:
            texts[edit.path] = edit.content
            before.append({"path": edit.path, "content": _summary(now)})
            after.append({"path": edit.path, "content": _summary(edit.content)})
            continue
        assert edit.field is not None
        planned = plan_edit(now or "", edit.field, edit.document, edit.value, create=edit.create)
        texts[edit.path] = planned.text
        place = {"path": edit.path, "field": edit.field}
        before.append(place | planned.before)
        after.append(place | planned.after)
    return PlannedEdits(before, after, {path: text for path, text in texts.items() if text != old[path]})


def _read(checkout: Checkout, edit: FileEdit) -> str | None:
    """Return a file's text, or None if it is missing and may be created."""
    path = checkout.path(edit.path, create=edit.create)
    return checkout.read(edit.path) if path.is_file() else None


def _summary(text: str | None) -> dict[str, Any]:
    """Return a content as a change shows it: its diff stands in the pull request."""
    if text is None:
        return {ABSENT: True}
    data = text.encode()
    return {"bytes": len(data), "sha256": sha256(data).hexdigest()}
