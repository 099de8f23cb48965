"""The notes of a release: its section of CHANGELOG.md. `python release/notes.py vX.Y.Z` prints them."""

import re
import sys
from pathlib import Path

__all__ = ["main", "notes_of"]

CHANGELOG = Path(__file__).resolve().parents[1] / "CHANGELOG.md"


def notes_of(version: str, changelog: str) -> str | None:
    """Return the text below the heading `## VERSION` (a date may follow), or None if there is no such section."""
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    for section in sections:
        heading, _, text = section.partition("\n")
        if heading.strip().removeprefix("[").split("]")[0].split(" ")[0] == version:
            return text.strip() + "\n"
    return None


def main(arguments: list[str]) -> int:
    """Run the program; see the module's description."""
    if len(arguments) != 1:
        sys.stderr.write("usage: notes.py vX.Y.Z\n")
        return 2
    version = arguments[0].removeprefix("v")
    notes = notes_of(version, CHANGELOG.read_text(encoding="utf-8"))
    if notes is None:
        sys.stderr.write(f"notes: CHANGELOG.md has no section {version}; rename Unreleased, with the date.\n")
        return 1
    sys.stdout.write(notes)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
