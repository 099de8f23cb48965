"""Some faults of the fault campaign (`make fault-campaign` runs all), and Data Storage away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from loopback import free_port
from realcluster import (
    ROOT,
    ControllerProcess,
    condition,
    controller_kubeconfig,
    get,
    install,
    is_closed,
    kubectl,
    namespace,
    phase_of,
    records,
    remove_namespace,
    rows,
    step,
    until,
    workflow,
)

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


def test_whatever_happens_the_end_is_the_same(probe: str) -> None:
    some = r"after write (2|6|10)$|cut|410|409|429|token"
    argv = [sys.executable, str(ROOT / "tests" / "cluster" / "campaign.py"), probe, f"--only={some}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=900, check=False)
    results = [line[43:].split("s", 1)[1].strip() for line in done.stdout.splitlines()]

    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert results == ["same end"] * 8


def test_while_data_storage_is_away_workflows_run_on_and_records_catch_up(probe: str, tmp_path: Path) -> None:
    port = free_port()
    where, url = f"kubernaut-ctl-away-{os.getpid()}", f"http://127.0.0.1:{port}"
    install()
    namespace(where, storage=url)
    options = [f"--watch-namespace={where}", "--cooldown=0", f"--data-storage-url={url}"]
    serve = [sys.executable, "-m", "kubernaut_cli", "serve", f"--port={port}", f"--data={tmp_path / 'data'}"]
    with ControllerProcess(options, tmp_path / "log", controller_kubeconfig(tmp_path)):
        steps = [step("a", probe), step("b", probe, runAfter=["a"])]
        kubectl("create", "-f", "-", stdin=workflow("away", where, *steps))
        until("its end", lambda: phase_of(get("wfe", "away", where)) == "Succeeded", 120)
        before = until("its word on records", lambda: condition(get("wfe", "away", where) or {}, "RecordsStored"))
        with subprocess.Popen(serve, stderr=subprocess.DEVNULL) as store:
            document = until("its records", lambda: is_closed(found := get("wfe", "away", where)) and found)
            kept = records(url, "away")
            store.terminate()
        kubectl("delete", "wfe", "away", f"--namespace={where}", "--timeout=60s")
    remove_namespace(where)

    assert before["status"] == "False"
    assert {name: (record["state"], record["source"]) for name, record in kept.items()} == {
        "a": ("succeeded", "controller"),
        "b": ("succeeded", "controller"),
    }
    assert all(record["intended_at"] and record["started_at"] and record["finished_at"] for record in kept.values())
    assert {name: record["output"] for name, record in kept.items()} == {
        name: row["output"] for name, row in rows(document).items()
    }
