"""The one version of all parts: that of the root's pyproject.toml.

`python release/versions.py set X.Y.Z` writes it into every part; `check vX.Y.Z` fails if the tag, or a part, has
another.
A test runs the latter, so that no part is forgotten.
"""

import re
import sys
import tomllib
from pathlib import Path

__all__ = ["PARTS", "main", "problems", "read_version"]

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("sdk", "actions/kubectl", "actions/argocd", "actions/aws-cli", "conformance", "controller", "datastorage",
         "effectiveness", "cli")  # fmt: skip
"""The folders of the packages that a release publishes."""
_LINE = re.compile(r'^version = "(?P<version>[^"]*)"$', re.MULTILINE)
_VERSION = re.compile(r"\d+\.\d+\.\d+(rc\d+)?")


def read_version(folder: Path) -> str:
    """Return the version in a folder's pyproject.toml."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def problems(root: Path, tag: str | None = None) -> list[str]:
    """Return a sentence for each part whose version is not the root's, and for a tag that is not."""
    version = read_version(root)
    found = [
        f"{part}: its version is {other}, not {version}; run `python release/versions.py set {version}`."
        for part in PARTS
        if (other := read_version(root / part)) != version
    ]
    if tag is not None and tag != f"v{version}":
        found.append(f"The tag {tag} is not v{version}, the version in pyproject.toml; tag the commit that sets it.")
    return found


def write_version(root: Path, version: str) -> None:
    """Write a version into the root's pyproject.toml and every part's."""
    for folder in (root, *(root / part for part in PARTS)):
        path = folder / "pyproject.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(_LINE.sub(f'version = "{version}"', text, count=1), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Run the program; see the module's description."""
    match arguments:
        case ["set", version] if _VERSION.fullmatch(version):
            write_version(ROOT, version)
            return 0
        case ["check", tag]:
            found = problems(ROOT, tag)
            sys.stderr.writelines(f"versions: {problem}\n" for problem in found)
            return 1 if found else 0
        case _:
            sys.stderr.write("usage: versions.py set X.Y.Z | check vX.Y.Z\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
