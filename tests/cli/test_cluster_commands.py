"""`submit`, `status` and `cancel` without a cluster: a sentence, never a traceback."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Make = Callable[..., Any]


def kubernaut(kubeconfig: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    env = {"KUBECONFIG": str(kubeconfig), "PATH": "/usr/bin:/bin"}
    return subprocess.run([sys.executable, "-m", "kubernaut_cli", *words], env=env, capture_output=True, text=True)


@pytest.fixture
def nowhere(tmp_path: Path, closed_port: str) -> Path:
    """A kubeconfig whose cluster does not answer."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": closed_port}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        "current-context": "x",
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    return path


def test_no_kubeconfig(tmp_path: Path) -> None:
    ended = kubernaut(tmp_path / "none", "status")

    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith("kubernaut: kubeconfig: cannot be used: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("contexts: [", "it is not YAML"),
        ("- a", "it does not have the form of a kubeconfig"),
        ("contexts: 3", "it does not have the form of a kubeconfig"),
        (None, "there is no such file; set KUBECONFIG to yours"),
    ],
)
def test_a_kubeconfig_that_is_none_is_a_sentence(tmp_path: Path, content: str | None, why: str) -> None:
    file = tmp_path / "config"
    if content is not None:
        file.write_text(content)
    ended = kubernaut(file, "status")

    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == f"kubernaut: kubeconfig: cannot be used: {file}: {why}.\n"


def test_a_cluster_that_does_not_answer(nowhere: Path) -> None:
    ended = kubernaut(nowhere, "cancel", "fix")

    assert ended.returncode == 75
    assert ended.stderr.startswith("kubernaut: the cluster: does not answer: ")


def test_a_faulty_workflow_is_refused_before_any_cluster_is_asked(
    nowhere: Path, tmp_path: Path, workflow: Make, step: Make
) -> None:
    file = tmp_path / "wf.json"
    file.write_text(workflow(step("a", image="x:1")))
    ended = kubernaut(nowhere, "submit", str(file))

    assert ended.returncode == 2
    assert 'spec.steps[0] "a".image: x:1 names no digest' in ended.stderr


def test_the_status_of_a_cluster_looks_like_a_local_run(capsys: pytest.CaptureFixture[str]) -> None:
    from kubernaut_cli.commands.status import _show

    rows = [
        {"name": "a", "state": "succeeded", "startedAt": "2026-01-31T09:05:07Z", "finishedAt": "2026-01-31T09:05:09Z"},
        {"name": "b", "state": "skipped", "message": "A step that failed stopped it."},
        {"name": "last", "finally": True, "state": "lost", "message": "Nothing is known."},
    ]
    made = [{"name": name, "actionType": "probe/do_thing"} for name in ("a", "b", "last")]
    document = {
        "metadata": {"name": "fix", "namespace": "shop"},
        "spec": {"steps": made[:2], "finally": made[2:]},
        "status": {"phase": "Failed", "message": "Step last lost: Nothing is known.", "steps": rows},
    }
    _show(document)

    assert capsys.readouterr().out.splitlines() == [
        "fix",
        "✓ a: succeeded in 2.0 s",
        "- b: skipped – A step that failed stopped it.",
        "! last: lost – Nothing is known.",
        "Failed: 1 of 3 steps done",
        "Step last lost: Nothing is known.",
    ]


def test_following_says_that_no_controller_answers_and_waits_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernaut_cli import clusterrun

    class SilentCluster:
        namespace = "shop"
        reads = 0

        def read(self, _name: str) -> dict[str, Any]:
            self.reads += 1
            return document | ({"status": {"phase": "Succeeded", "message": "Done."}} if self.reads == 3 else {})

    monkeypatch.setattr(clusterrun, "_SILENCE", 0.0)
    monkeypatch.setattr(clusterrun, "_POLL", 0.01)
    document: dict[str, Any] = {"metadata": {"name": "fix", "namespace": "shop"}, "spec": {"steps": []}}
    with pytest.raises(SystemExit) as ended:
        clusterrun.follow(SilentCluster(), document, "text")  # type: ignore[arg-type] # as far as it is used
    lines = capsys.readouterr().out.splitlines()

    assert ended.value.code == 0
    assert [line for line in lines if "no controller has answered for 5 s; it waits on." in line] == [lines[1]]
    assert lines[-1] == "Done."
