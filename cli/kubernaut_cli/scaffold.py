"""New projects of action images: the files of templates/new, which are a working project, with other names."""

import keyword
import re
import shutil
import sys
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from kubernaut_sdk import InvalidInputs, PreconditionFailed
from kubernaut_sdk.action import ACTION_TYPE
from kubernaut_sdk.portable import shorten

__all__ = ["Project", "copy_wheels", "name_project", "write_project"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PLACEHOLDER = re.compile(r"sample/set_flag|sample-actions|sample_actions|\bset_flag\b|\bsample\b")
_LONGEST = 50


@dataclass(frozen=True)
class Project:
    """The names of a new project.

    Attributes:
        name: The name of its distribution and folder, such as `feature-flags`.
        action_type: The type of its first action.
    """

    name: str
    action_type: str

    @property
    def package(self) -> str:
        """The name of its Python package."""
        return self.name.replace("-", "_")

    def texts(self) -> dict[str, str]:
        """Return path → content of all its files."""
        return dict(sorted(self._read_templates(files("kubernaut_cli") / "templates" / "new", "")))

    def _read_templates(self, folder: Traversable, prefix: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for entry in folder.iterdir():
            # with its dot in place, such a file would take effect in this repository and its wheels
            path = prefix + self._replace_names(re.sub(r"^dot-", ".", entry.name))
            if entry.is_dir():
                found += self._read_templates(entry, f"{path}/") if entry.name != "__pycache__" else []
            else:
                found.append((path, self._replace_names(entry.read_text(encoding="utf-8"))))
        return found

    def _replace_names(self, text: str) -> str:
        domain, verb = self.action_type.split("/")
        names = {
            "sample/set_flag": self.action_type,
            "sample-actions": self.name,
            "sample_actions": self.package,
            "set_flag": verb,
            "sample": domain,
        }
        return _PLACEHOLDER.sub(lambda match: names[match[0]], text)


def name_project(name: str, action_type: str | None = None) -> Project:
    """Check the names of a new project.

    Args:
        name: Lower-case words with hyphens between them.
        action_type: By default `set_flag` in the domain of the project's name.

    Raises:
        InvalidInputs: if one of them cannot be used; the message suggests one that can.
    """
    if problem := _find_problem(name):
        suggestion = _suggest_name(name)
        hint = f", such as {suggestion}" if suggestion else ""
        raise InvalidInputs(
            f"{shorten(name) or 'an empty text'} is no name of a project: {problem}; take lower-case words with "
            f"hyphens between{hint}."
        )
    domain = name.removesuffix("-actions")
    chosen = f"{domain}/set_flag" if action_type is None else action_type
    if not ACTION_TYPE.fullmatch(chosen):
        hint = suggestion if ACTION_TYPE.fullmatch(suggestion := _suggest_type(chosen)) else f"{domain}/purge_messages"
        raise InvalidInputs(
            f"{shorten(chosen) or 'an empty text'} is no action type; write domain/verb_noun, such as {hint}."
        )
    return Project(name, chosen)


def write_project(project: Project, parent: Path) -> Path:
    """Write the project into a new (or empty) folder of its name; return that folder.

    Raises:
        PreconditionFailed: if the folder has files already, or cannot be written.
    """
    folder = parent / project.name
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise PreconditionFailed(
                f"{folder} is there already, and not empty; take another name, or --into a folder."
            )
        for path, text in project.texts().items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise PreconditionFailed(f"{folder}: {error.strerror}; take another name, or --into a folder.") from None
    return folder


def copy_wheels(folder: Path) -> int:
    """Copy this checkout's own wheels (`make author-wheels`) into a project's wheels/; return their number.

    As long as Kubernaut's packages are not published, pip finds them there alone. Outside a checkout there are none.
    """
    found = sorted((Path(__file__).parents[2] / "build" / "author-wheels").glob("*.whl"))
    for wheel in found:
        (folder / "wheels").mkdir(exist_ok=True)
        shutil.copy(wheel, folder / "wheels")
    return len(found)


def _find_problem(name: str) -> str | None:
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


def _suggest_name(name: str) -> str | None:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
    words = re.sub(r"[^a-z0-9]+", "-", words).strip("-0123456789").removeprefix("kubernaut").strip("-")[:_LONGEST]
    return next((text for text in (words.strip("-"), f"{words}-actions") if not _find_problem(text)), None)


def _suggest_type(text: str) -> str:
    domain, _, verb = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower().partition("/")
    return f"{re.sub('[^a-z0-9]+', '-', domain).strip('-')}/{re.sub('[^a-z0-9]+', '_', verb).strip('_')}"
