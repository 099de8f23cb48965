"""The time of an action's whole process beside that of the bare tool: `python tests/benchmarks/bench_action.py`.

The action is git/update_file on a local repository, its record delivered to a Data Storage Service on loopback; the
bare tool is the same git commands, one after the other, and the same edit by sed.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import compare, report

from kubernaut_datastorage import embedded

ENV = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
WHO = ["-c", "user.name=T", "-c", "user.email=t@example.com"]
ROUNDS = 20


def git(*words: str, cwd: Path | None = None) -> None:
    """Run git."""
    subprocess.run(["git", *words], cwd=cwd, env=ENV, check=True, capture_output=True)


def repository(folder: Path) -> Path:
    """Make a bare repository with one file."""
    bare, work = folder / "repo.git", folder / "work"
    git("init", "--bare", "--initial-branch=main", str(bare))
    git("init", "--initial-branch=main", str(work))
    (work / "app.yaml").write_text("replicas: 0\n")
    git("add", ".", cwd=work)
    git(*WHO, "commit", "-m", "first", cwd=work)
    git("push", str(bare), "main", cwd=work)
    return bare


def by_hand(bare: Path, value: int) -> None:
    """Run the action's git commands by themselves: a clone to plan, a clone to change, a commit, a push."""
    with tempfile.TemporaryDirectory() as folder:
        clone = ["clone", "--quiet", "--depth=1", "--single-branch", "--branch=main", "--", f"file://{bare}"]
        git(*clone, f"{folder}/plan")
        git(*clone, f"{folder}/apply")
        subprocess.run(["sed", "-i", f"s/replicas: .*/replicas: {value}/", f"{folder}/apply/app.yaml"], check=True)
        git("add", "--", "app.yaml", cwd=Path(folder, "apply"))
        git(*WHO, "commit", "--quiet", "--message=x", cwd=Path(folder, "apply"))
        git("rev-parse", "HEAD", cwd=Path(folder, "apply"))
        git("push", "--quiet", "origin", "HEAD:refs/heads/main", cwd=Path(folder, "apply"))


def by_action(bare: Path, value: int, folder: Path, storage: str | None) -> None:
    """Run the action as a process."""
    inputs = {"repository": str(bare), "path": "app.yaml", "field": "replicas", "value": value}
    env = {**ENV, "ACTION_INPUTS": json.dumps(inputs), "RESULTS_DIR": str(folder / "results"), "HOME": str(folder)}
    if storage:
        env["DATA_STORAGE_URL"] = storage
    argv = [str(Path(sys.executable).parent / "kubernaut-action"), "run", "git/update_file"]
    done = subprocess.run(argv, env=env, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["record"]["status"] == ("stored" if storage else "disabled"), done.stdout


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, embedded(Path(name) / "data") as storage:
        folder = Path(name)
        bare, count = repository(folder), itertools.count(1)
        times = compare(
            ROUNDS,
            **{
                "the bare tool": lambda: by_hand(bare, next(count)),
                "the action, no record": lambda: by_action(bare, next(count), folder, None),
                "the action, record delivered": lambda: by_action(bare, next(count), folder, storage.url),
            },
        )
    report("git/update_file, whole process", times, "the bare tool", "at most 150 ms more, record delivered")
    programs = {
        "python": "pass",
        "… and pydantic with one model": "from pydantic import BaseModel\nclass A(BaseModel): x: int",
        "… and the SDK with its verbs": "import kubernaut_sdk.program.verbs",
        "… and the action's module": "import kubernaut_sdk.program.verbs, kubernaut_argocd",
    }
    starts = compare(
        ROUNDS,
        **{
            label: lambda code=code: subprocess.run([sys.executable, "-c", code], check=True)
            for label, code in programs.items()
        },
    )
    report("Where its time goes before the first line of plan", starts, "python", "(for comparison)")


if __name__ == "__main__":
    main()
