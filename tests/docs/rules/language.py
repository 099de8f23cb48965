"""The rules of language that a machine can hold: class names that are unique, docstrings that begin plainly.

`make language` runs this file, with folders or without. It prints each place that breaks a rule, and ends with 1 then.
"""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]

FIRST_WORDS = {"what", "whether", "as", "of", "who", "how", "when", "where", "why", "is", "are"}
"""A docstring begins with none of these, nor with "the same": it tells in the imperative, or is a noun phrase."""


class LanguageFault(NamedTuple):
    """A line of a file, and the name or the docstring that stands there."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def python_files(folders: Iterable[str] = ()) -> list[str]:
    """Return the tracked Python files below the folders (all without one), by their path from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *(folders or ["."])], cwd=ROOT, capture_output=True, check=True
    )
    names = listed.stdout.decode().split("\0")
    return sorted(name for name in names if name.endswith(".py") and (ROOT / name).is_file())


def repeated_classes(files: Iterable[str]) -> list[LanguageFault]:
    """Return each definition of a class whose name another definition in these files has, too."""
    places = defaultdict(list)
    for file in files:
        for node in ast.walk(_parsed(file)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(LanguageFault(file, node.lineno, f"class {node.name}"))
    return [place for name in sorted(places) if len(places[name]) > 1 for place in places[name]]


def odd_docstrings(files: Iterable[str]) -> list[LanguageFault]:
    """Return each docstring whose first word is one of `FIRST_WORDS`, or that begins with "the same"."""
    return [place for file in files for place in _docstrings(file) if _is_odd(place.text)]


def _docstrings(file: str) -> Iterator[LanguageFault]:
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            bodies = [node.body[0]] if node.body else []
            if isinstance(node, ast.Module | ast.ClassDef):  # a string below an attribute documents it
                bodies += [
                    b
                    for a, b in zip(node.body, node.body[1:], strict=False)
                    if isinstance(a, ast.Assign | ast.AnnAssign)
                ]
            for statement in bodies:
                match statement:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        yield LanguageFault(file, statement.lineno, " ".join(text.split())[:100])


def _is_odd(docstring: str) -> bool:
    words = [word.strip(".,:;!?…\"'`").lower() for word in docstring.split()[:2]]
    return words[:1] != [] and (words[0] in FIRST_WORDS or words == ["the", "same"])


def _parsed(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text(), file)


if __name__ == "__main__":
    tracked = python_files(sys.argv[1:])
    classes, docstrings = repeated_classes(tracked), odd_docstrings(tracked)
    for fault in classes + docstrings:
        print(fault)
    print(f"{len(tracked)} files: {len(classes)} classes that share a name, {len(docstrings)} odd docstrings")
    sys.exit(bool(classes or docstrings))
