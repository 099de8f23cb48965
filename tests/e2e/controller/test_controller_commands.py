"""`kubernaut submit`, `status` and `cancel` on a real cluster."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from realcluster import ControllerProcess, get, is_closed, step, until, workflow

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


def kubernaut(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "kubernaut_cli", *words], capture_output=True, text=True, timeout=120)


def test_a_workflow_is_submitted_followed_and_shown(
    controller: ControllerProcess, probe: str, where: str, tmp_path: Path
) -> None:
    failing = step("b", probe, "probe/do_thing", inputs={"how": "Failed"}, runAfter=["a"])
    file = tmp_path / "wf.json"
    file.write_text(json.dumps(workflow("followed", where, step("a", probe), failing)))
    followed = kubernaut("submit", str(file), "--follow")
    shown = kubernaut("status", "followed", f"--namespace={where}")
    listed = kubernaut("status", f"--namespace={where}")
    again = kubernaut("submit", str(file))

    assert followed.returncode == 1, followed.stderr
    signs = [line.split(" in ")[0] for line in followed.stdout.splitlines() if line[:1] in "▸✓✗"]
    assert signs == ["▸ a: probe/write_text", "✓ a: succeeded", "▸ b: probe/do_thing", "✗ b: failed"]
    assert followed.stdout.endswith("Failed: 1 of 2 steps done\nStep b failed: told to: Failed.\n")
    assert "✗ b: failed" in shown.stdout
    assert next(line for line in listed.stdout.splitlines() if " followed " in line).split()[2:4] == ["Failed", "1/2"]
    assert again.returncode == 3
    assert "there is one of this name already; give this one another" in again.stderr


def test_a_workflow_is_cancelled(controller: ControllerProcess, probe: str, where: str, tmp_path: Path) -> None:
    file = tmp_path / "wf.json"
    waiting = step("a", probe, "probe/do_thing", inputs={"how": "sleep"})
    file.write_text(json.dumps(workflow("to-cancel", where, waiting)))
    made = kubernaut("submit", str(file))
    asked = kubernaut("cancel", "to-cancel", f"--namespace={where}")
    ended: Any = until("its end", lambda: is_closed(found := get("wfe", "to-cancel", where)) and found)
    late = kubernaut("cancel", "to-cancel", f"--namespace={where}")
    told = kubernaut("status", "to-cancel", f"--namespace={where}", "-o", "json")

    assert made.stdout == f"{where}/to-cancel created; kubernaut status to-cancel -n {where} --follow\n"
    assert asked.stdout.startswith(f"{where}/to-cancel is being cancelled;")
    assert ended["status"]["phase"] == json.loads(told.stdout)["phase"] == "Cancelled"
    assert late.stdout == f"{where}/to-cancel is over already: Cancelled.\n"


def test_what_is_not_there_is_told(controller: ControllerProcess, where: str) -> None:
    missing = kubernaut("status", "nobody", f"--namespace={where}")

    assert missing.returncode == 3
    assert missing.stderr == (
        f"kubernaut: {where}/nobody: there is no WorkflowExecution of this name; "
        "`kubernaut status` lists those there are.\n"
    )
