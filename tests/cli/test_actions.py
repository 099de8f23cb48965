"""`kubernaut actions` and `kubernaut docs`, for installed packages and for images."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubernaut_cli.catalog import known_types
from kubernaut_cli.docs import action_page

from .conftest import IMAGE_PREFIX, SPEC

Run = Callable[..., Any]


def test_the_installed_actions_are_listed(called: Run) -> None:
    table, document = called("actions", "list"), called("actions", "list", "-o", "json")

    assert [entry["action_type"] for entry in json.loads(document.stdout)] == known_types()
    assert [line.split()[0] for line in table.stdout.splitlines() if "/" in line.split(" ")[0]] == known_types()


def test_one_action_is_shown_whole(called: Run) -> None:
    text = called("actions", "show", "kubernetes/scale_deployment").stdout
    entry = json.loads(called("actions", "show", "kubernetes/scale_deployment", "-o", "json").stdout)
    markdown = called("actions", "show", "kubernetes/scale_deployment", "-o", "markdown").stdout

    for part in (entry["summary"], *entry["permissions"], "integer, ≥ 0, ≤ 10000", "risk: medium"):
        assert part in text
    assert "kubernaut-action plan kubernetes/scale_deployment -p namespace=shop -p deployment=checkout" in text
    assert markdown == action_page(entry)


@pytest.mark.parametrize(
    ("action_type", "sentence"),
    [
        ("kubernetes/scale_deploymen", "no action kubernetes/scale_deploymen here; did you mean kubernetes/scale_dep"),
        ("nothing", "no action nothing here; there is alertmanager/silence_alert, "),
        ("nothing", f" and {len(known_types()) - 12} more.\n"),
        ("git/x", "no action git/x here; there is git/merge_pull_request, git/open_pull_request, git/revert_commit, "),
    ],
)
def test_an_unknown_action_is_refused_with_the_known_ones(called: Run, action_type: str, sentence: str) -> None:
    ended = called("actions", "show", action_type)

    assert (ended.code, ended.stdout) == (2, "")
    assert sentence in ended.stderr


def test_pages_are_written_where_they_are_wanted(called: Run, tmp_path: Path) -> None:
    ended = called("docs", tmp_path / "a" / "b")
    (tmp_path / "file").write_text("")
    refused = called("docs", tmp_path / "file" / "b")

    assert (ended.code, ended.stdout) == (0, f"{tmp_path}/a/b: {len(known_types())} pages\n")
    written = sorted(path.name for path in (tmp_path / "a" / "b").iterdir())
    assert written == [f"{name.replace('/', '-')}.md" for name in known_types()]
    assert (refused.code, refused.stderr.count("\n")) == (3, 1)
    assert "name a folder that you may write" in refused.stderr


def test_a_page_keeps_its_table_whatever_a_description_holds() -> None:
    inputs = {"type": "object", "properties": {"to": {"enum": ["a", 1], "description": "one\nor | the other"}}}
    text = action_page({**SPEC["actions"][0], "inputs": inputs})

    assert '| `to` | "a" or 1 | no: `null` | one or \\| the other |' in text


@pytest.mark.docker
@pytest.mark.parametrize("stamped", [True, False])
def test_an_image_is_read_where_it_is_stamped_and_asked_where_not(
    kubernaut: Run, context: Run, tmp_path: Path, stamped: bool
) -> None:
    name = f"{IMAGE_PREFIX}/actions:{'stamped' if stamped else 'plain'}"
    if stamped:
        # what it would answer now is something else: it is not run
        folder = context(tmp_path / "image", "RUN true")
        assert kubernaut("build", folder, f"--tag={name}", "--quiet").code == 0
        content = {**SPEC, "actions": [{**SPEC["actions"][0], "action_type": "other/do_else"}]}
        (folder / "Dockerfile").write_text(f"FROM {name}\nCOPY spec.json /spec.json\n")
        (folder / "spec.json").write_text(json.dumps(content))
    else:
        folder = context(tmp_path / "image")
    subprocess.run(["docker", "build", "--quiet", f"--tag={name}", folder], check=True, capture_output=True)
    listed = kubernaut("actions", "list", f"--image={name}", "-o", "json")
    subprocess.run(["docker", "image", "rm", "--no-prune", name], capture_output=True)

    assert listed.code == 0, listed.stderr
    assert json.loads(listed.stdout) == SPEC["actions"]
