"""The types of inputs that several actions on git share."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from kubernaut_argocd._address import well_formed, without_credentials

__all__ = [
    "WITHOUT_NUL",
    "Author",
    "BranchName",
    "CommitMessage",
    "Document",
    "FieldPath",
    "FilePath",
    "NewValue",
    "RepositoryAddress",
]


_GIT = {".git", "git~1"}
"""The names of git's own folder; the second one is that of Windows, which git refuses everywhere."""
_LONGEST_NAME, _DEEPEST = 255, 60


def _require_inside(path: str) -> str:
    parts = path.split("/")
    if not path.isprintable() or any(part in {"", ".", ".."} or part.lower() in _GIT for part in parts):
        raise ValueError("it leads out of the repository, or into .git; write it from the root, as deploy/app.yaml")
    if any(len(part.encode()) > _LONGEST_NAME for part in parts):
        raise ValueError(f"a part of it is longer than {_LONGEST_NAME} bytes, which no file system can hold")
    return path


def _require_text(text: str | None) -> str | None:
    """Return a text that goes to git as an argument or variable unchanged, if it can be one."""
    if text is not None and "\0" in text:
        raise ValueError("it holds a NUL character, which git cannot be given")
    return text


def _require_flat(value: Any) -> Any:
    """Return a JSON value unchanged, if it is not nested so deep that it cannot be read or written."""
    level, depth = [value], 0
    while level:
        depth += 1
        inner = [part for part in level if isinstance(part, dict | list)]
        level = [item for part in inner for item in (part.values() if isinstance(part, dict) else part)]
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
    return value


def _require_branch(name: str) -> str:
    """Return a branch's name unchanged, if it is one by git's own rules (`git check-ref-format`)."""
    parts = name.split("/")
    if ".." in name or any(not part or part.startswith(".") or part.endswith((".", ".lock")) for part in parts):
        raise ValueError("it is no name of a branch: git allows no .., no // and no end in / or .lock")
    return name


RepositoryAddress = Annotated[
    str,
    BeforeValidator(without_credentials),
    Field(pattern=r"^[^-\s]\S*$", max_length=2048, description="A URL, or a path; without a user's password."),
    AfterValidator(well_formed),
]
BranchName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./@#+=-]*$", max_length=200, description="It must be there."),
    AfterValidator(_require_branch),
]
FilePath = Annotated[
    str,
    Field(min_length=1, max_length=1024, description="A YAML or JSON file, from the repository's root."),
    AfterValidator(_require_inside),
]
FieldPath = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1024,
        description="Such as spec.containers[0].image, or spec.containers[name=web].image; a key with dots in "
        'double quotes: annotations."a.b/c". Or a JSON pointer: /spec/replicas.',
    ),
]
Document = Annotated[int, Field(ge=0, description="Which document of the file, counted from 0.")]
CommitMessage = Annotated[
    str | None,
    Field(min_length=1, max_length=4096, description="The commit's message."),
    AfterValidator(_require_text),
]
Author = Annotated[
    str, Field(pattern=r"^[^<>\n]+ <[^<>\s]+>$", description="Of the commit."), AfterValidator(_require_text)
]
WITHOUT_NUL = AfterValidator(_require_text)
"""The check of a text that goes to git; it stands behind the limits of a field, which its schema would lack else."""
NewValue = Annotated[Any, AfterValidator(_require_flat)]
