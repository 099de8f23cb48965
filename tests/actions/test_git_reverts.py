"""git/revert_commit, and clones that fetch only what is needed, on real repositories."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from kubernaut_argocd.files import update_file
from kubernaut_argocd.requests.reverting import revert_commit
from kubernaut_sdk.testing import ActionRunner


def tip(repository: Any) -> str:
    return str(repository.git("rev-parse", "main", cwd=repository.bare)).strip()


def reverted(repository: Any, commit: str, **inputs: Any) -> Any:
    return ActionRunner(revert_commit).run({"repository": str(repository.bare), "commit": commit, **inputs})


@pytest.fixture
def bad_commit(repository: Any) -> str:
    """A commit that a later one follows."""
    repository.push(app_yaml="replicas: 0 # why\nimage: app:1\n")
    commit = tip(repository)
    repository.push(other_yaml="a: 1\n")
    return commit


def test_a_commit_is_taken_back_by_a_new_one(repository: Any, bad_commit: str) -> None:
    first, second = reverted(repository, bad_commit), reverted(repository, bad_commit)

    assert (first.exit_code, first.status, second.status) == (0, "succeeded", "unchanged"), first.error
    assert first.output == {"commit": tip(repository), "reverted": bad_commit, "files": ["app.yaml"]}
    assert repository.show("app.yaml") == "replicas: 3 # why\nimage: app:1\n"
    assert repository.show("other.yaml") == "a: 1\n"
    message = repository.git("log", "-1", "--format=%B", "main", cwd=repository.bare)
    assert f"This reverts commit {bad_commit}." in message
    assert str(first.record_id) in message


def test_undo_reverts_the_revert(repository: Any, bad_commit: str) -> None:
    ran = reverted(repository, bad_commit)
    undone = ActionRunner(revert_commit).undo({"repository": str(repository.bare), "commit": bad_commit}, ran.change)
    again = reverted(repository, bad_commit)

    assert undone.exit_code == 0, undone.error
    assert again.status == "succeeded"
    assert repository.show("app.yaml") == "replicas: 3 # why\nimage: app:1\n"
    assert repository.commits() == 6


def test_a_conflict_pushes_nothing(repository: Any, bad_commit: str) -> None:
    repository.push(app_yaml="replicas: 1 # why\nimage: app:1\n")
    ran = reverted(repository, bad_commit)

    assert (ran.exit_code, ran.error.reason, ran.changed) == (3, "Conflict", False)
    assert "app.yaml was changed again since" in ran.error.message
    assert repository.commits() == 4


def test_a_conflict_names_each_file_whatever_its_kind_and_name(repository: Any) -> None:
    """git's own messages end otherwise for each kind of conflict, and quote names."""
    names = {"deleted since.yaml": "a: 1\n", "changed ü.yaml": "b: 1\n"}
    repository.push(**names)
    for name in names:
        (repository.work / name).write_text("c: 2\n")
    repository.push()
    commit = tip(repository)
    (repository.work / "deleted since.yaml").unlink()
    (repository.work / "changed ü.yaml").write_text("d: 3\n")
    repository.push()
    ran = reverted(repository, commit)

    assert (ran.exit_code, ran.error.reason, ran.changed) == (3, "Conflict", False)
    assert "changed ü.yaml, deleted since.yaml was changed again since" in ran.error.message


def test_a_merge_needs_the_side_that_stays(repository: Any) -> None:
    git = repository.git
    git("checkout", "--quiet", "-b", "side")
    (repository.work / "side.yaml").write_text("a: 1\n")
    git("add", ".")
    git("commit", "--quiet", "--message=side")
    git("checkout", "--quiet", "main")
    git("merge", "--quiet", "--no-ff", "--message=merge", "side")
    git("push", "--quiet", "origin", "main")
    merge = tip(repository)
    refused, done = reverted(repository, merge), reverted(repository, merge, parent=1)

    assert (refused.exit_code, refused.error.reason) == (3, "MergeCommit")
    assert (done.exit_code, done.output["files"]) == (0, ["side.yaml"])
    assert git("ls-tree", "--name-only", "main", cwd=repository.bare) == "app.yaml\n"


@pytest.mark.parametrize(
    ("commit", "reason", "code"), [("f" * 40, "NotAnAncestor", 3), ("first", "RootCommit", 3), ("HEAD", "", 2)]
)
def test_what_cannot_be_reverted_is_told(repository: Any, commit: str, reason: str, code: int) -> None:
    commit = tip(repository) if commit == "first" else commit
    ran = reverted(repository, commit)

    assert ran.exit_code == code
    assert not reason or ran.error.reason == reason
    assert repository.commits() == 1


def test_a_commit_of_another_branch_is_no_ancestor(repository: Any) -> None:
    repository.git("checkout", "--quiet", "-b", "side")
    repository.git("commit", "--quiet", "--allow-empty", "--message=side")
    repository.git("push", "--quiet", "origin", "side")
    other = repository.git("rev-parse", "side").strip()

    assert reverted(repository, other).error.reason == "NotAnAncestor"


def test_a_large_repository_is_not_fetched_as_a_whole(repository: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """24 MB that do not compress lie beside the one file that is edited; each clone is weighed before it goes."""
    for number in range(3):
        (repository.work / f"blob{number}").write_bytes(os.urandom(8 * 1024 * 1024))
    repository.git("config", "uploadpack.allowFilter", "true", cwd=repository.bare)
    repository.git("config", "core.compression", "0")
    repository.push()
    weights, remove = list[int](), shutil.rmtree

    def weigh(folder: Any, **options: Any) -> None:
        if Path(folder).name.startswith("git-"):
            weights.append(sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()))
        remove(folder, **options)

    monkeypatch.setattr("kubernaut_argocd._git.shutil.rmtree", weigh)
    ran = ActionRunner(update_file).run(
        {"repository": str(repository.bare), "path": "app.yaml", "field": "replicas", "value": 6}
    )

    assert ran.exit_code == 0, ran.error
    assert repository.show("app.yaml") == "replicas: 6 # why\nimage: app:1\n"
    assert len(weights) == 3  # plan, apply, verify
    assert max(weights) < 256 * 1024
