"""The types of inputs that several actions on git share."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from kubernaut_argocd._address import well_formed, without_credentials

__all__ = ["Author", "BranchName", "CommitMessage", "Document", "FieldPath", "FilePath", "RepositoryAddress"]


def _require_inside(path: str) -> str:
    parts = path.split("/")
    if not path.isprintable() or any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts):
        raise ValueError("it leads out of the repository, or into .git; write it from the root, as deploy/app.yaml")
    return path


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
CommitMessage = Annotated[str | None, Field(min_length=1, max_length=4096, description="The commit's message.")]
Author = Annotated[str, Field(pattern=r"^[^<>\n]+ <[^<>\s]+>$", description="Of the commit.")]
