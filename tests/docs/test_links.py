"""Every link of every document: local ones lead to a file and a heading, remote ones are whole addresses."""

import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kubernaut_cli.scaffold import name_project

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^()\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def pages() -> list[str]:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [name for name in names if "/templates/" not in name and (ROOT / name).is_file()]


def anchors(text: str) -> set[str]:
    headings = re.findall(
        r"^#+ (.*)$", CODE.sub(lambda code: code[0] if "\n" not in code[0] else "", text), re.MULTILINE
    )
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def faults(page: Path, text: str) -> list[str]:
    found = []
    for link in LINK.findall(CODE.sub("", text)):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                found.append(f"{link}: no address of the web")
            continue
        there = page.parent / parts.path if parts.path else page
        if not there.exists():
            found.append(f"{link}: no such file")
        elif parts.fragment and (there.is_dir() or parts.fragment not in anchors(there.read_text())):
            found.append(f"{link}: no such heading")
    return found


@pytest.mark.parametrize("folder", sorted({name.partition("/")[0] for name in pages()}))
def test_every_link_leads_somewhere(folder: str) -> None:
    names = [name for name in pages() if name.partition("/")[0] == folder]

    assert [f"{name}: {fault}" for name in names for fault in faults(ROOT / name, (ROOT / name).read_text())] == []


def test_every_link_of_a_new_project_leads_somewhere(tmp_path: Path) -> None:
    texts = name_project("queue-actions").texts()
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = {name: faults(tmp_path / name, text) for name, text in texts.items() if name.endswith(".md")}

    assert "README.md" in found
    assert [fault for faults_of_page in found.values() for fault in faults_of_page] == []


def test_a_wrong_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = "# One\n[a](#one) [b](#two) [c](none.md) [d](ftp://x/y) [e](https://) `[f](none)`\n"
    page.write_text(text)

    assert faults(page, text) == [
        "#two: no such heading",
        "none.md: no such file",
        "ftp://x/y: no address of the web",
        "https://: no address of the web",
    ]
