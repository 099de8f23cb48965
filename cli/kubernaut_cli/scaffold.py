"""A new project of action images: the files below templates/new, which are a working project, with other names."""

import keyword
import re
import sys
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from kubernaut_sdk import InvalidInputs, PreconditionFailed
from kubernaut_sdk.action import ACTION_TYPE
from kubernaut_sdk.portable import shorten

__all__ = ["Project", "project", "write"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PLACEHOLDER = re.compile(r"sample/set_flag|sample-actions|sample_actions|\bset_flag\b|\bsample\b")
_LONGEST = 50


@dataclass(frozen=True)
class Project:
    """What a new project is called.

    Attributes:
        name: Of its distribution and folder, such as `feature-flags`.
        action_type: Of its first action.
    """

    name: str
    action_type: str

    @property
    def package(self) -> str:
        """Its Python package."""
        return self.name.replace("-", "_")

    def texts(self) -> dict[str, str]:
        """Path → content of all its files."""
        return dict(sorted(self._texts(files("kubernaut_cli") / "templates" / "new", "")))

    def _texts(self, folder: Traversable, prefix: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for entry in folder.iterdir():
            # a name that begins with a dot would act on this repository and its packages
            path = prefix + self._renamed(re.sub(r"^dot-", ".", entry.name))
            if entry.is_dir():
                found += self._texts(entry, f"{path}/") if entry.name != "__pycache__" else []
            else:
                found.append((path, self._renamed(entry.read_text(encoding="utf-8"))))
        return found

    def _renamed(self, text: str) -> str:
        domain, verb = self.action_type.split("/")
        names = {
            "sample/set_flag": self.action_type,
            "sample-actions": self.name,
            "sample_actions": self.package,
            "set_flag": verb,
            "sample": domain,
        }
        return _PLACEHOLDER.sub(lambda match: names[match[0]], text)


def project(name: str, action_type: str | None = None) -> Project:
    """A project of these names.

    Args:
        name: Lower-case words with hyphens between.
        action_type: By default `set_flag` in a domain of the project's name.

    Raises:
        InvalidInputs: if one of them cannot be used, with what would do.
    """
    if problem := _problem(name):
        would_do = _mended(name)
        hint = f", such as {would_do}" if would_do else ""
        raise InvalidInputs(
            f"{shorten(name) or 'an empty text'} is no name of a project: {problem}; take lower-case words with "
            f"hyphens between{hint}."
        )
    domain = name.removesuffix("-actions")
    chosen = f"{domain}/set_flag" if action_type is None else action_type
    if not ACTION_TYPE.fullmatch(chosen):
        hint = would_do if ACTION_TYPE.fullmatch(would_do := _mended_type(chosen)) else f"{domain}/purge_messages"
        raise InvalidInputs(
            f"{shorten(chosen) or 'an empty text'} is no action type; write domain/verb_noun, such as {hint}."
        )
    return Project(name, chosen)


def write(made: Project, parent: Path) -> Path:
    """Writes it into a new (or empty) folder of its name, and returns that.

    Raises:
        PreconditionFailed: if there is something already, or nothing can be written.
    """
    folder = parent / made.name
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise PreconditionFailed(
                f"{folder} is there already, and not empty; take another name, or --into a folder."
            )
        for path, text in made.texts().items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise PreconditionFailed(f"{folder}: {error.strerror}; take another name, or --into a folder.") from None
    return folder


def _problem(name: str) -> str | None:
    package = name.replace("-", "_")
    if not _NAME.fullmatch(name):
        return "it does not have that form"
    if len(name) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    if keyword.iskeyword(package) or package in sys.stdlib_module_names:
        return f"Python itself has a {package}"
    if package.startswith("kubernaut"):
        return "packages named kubernaut… are Kubernaut's own"
    if package in {"tests", "wheels"}:
        return f"the project has a folder {package} already"
    return None


def _mended(name: str) -> str | None:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
    words = re.sub(r"[^a-z0-9]+", "-", words).strip("-0123456789").removeprefix("kubernaut").strip("-")[:_LONGEST]
    return next((text for text in (words.strip("-"), f"{words}-actions") if not _problem(text)), None)


def _mended_type(text: str) -> str:
    domain, _, verb = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower().partition("/")
    return f"{re.sub('[^a-z0-9]+', '-', domain).strip('-')}/{re.sub('[^a-z0-9]+', '_', verb).strip('_')}"
