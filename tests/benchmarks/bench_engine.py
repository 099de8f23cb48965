"""The local engine's overhead a step: `python tests/benchmarks/bench_engine.py`.

A chain of steps through the engine, beside the very same processes started by hand, one after the other, with the same
arguments and environment. Both deliver their records to the same service.
"""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import compare, report

from kubernaut_cli.engine.pipelinerun import read_pipeline_run
from kubernaut_cli.engine.pod import make_local_pod
from kubernaut_cli.engine.process import ProcessExecutor
from kubernaut_cli.engine.run import LocalRun
from kubernaut_cli.engine.task import generic_task
from kubernaut_cli.workflowfile import as_created
from kubernaut_controller import parse_workflow, render
from kubernaut_datastorage import Embedded, embedded
from kubernaut_sdk.recorder import Recorder
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import StorageClient

STEPS, ROUNDS = 10, 5
os.environ["ACTION_MODULES"] = str(Path(__file__).parents[1] / "probe_actions.py")


def local_run(folder: Path, storage: Embedded, recorder: Recorder) -> LocalRun:
    """A chain of steps that write a small file each."""
    steps = [
        {
            "name": f"s{number}",
            "actionType": "probe/write_text",
            "image": f"probe@sha256:{'0' * 64}",
            "inputs": {"path": str(folder / f"{number}"), "text": folder.name},
            "runAfter": [f"s{number - 1}"] if number else [],
        }
        for number in range(STEPS)
    ]
    document = {"apiVersion": "kubernaut.io/v1alpha1", "kind": "WorkflowExecution", "metadata": {"name": "chain"}}
    workflow = as_created(parse_workflow(json.dumps({**document, "spec": {"steps": steps}})))
    return LocalRun(
        run=read_pipeline_run(render(workflow), generic_task()),
        task=generic_task(),
        executor=ProcessExecutor(folder / "spool"),
        recorder=recorder,
        config_maps={"kubernaut-data-storage": {"url": storage.url}},
        secrets={},
        folder=folder,
    )


def by_engine(run: LocalRun) -> None:
    """The chain, through the engine."""
    assert asyncio.run(run.execute()).phase == "Succeeded"


def by_hand(run: LocalRun) -> None:
    """Run the processes of the workflow without the engine."""
    executor = ProcessExecutor(run.folder / "spool")
    for task in run.run.tasks:
        pod = make_local_pod(
            run.run, run.task, task, {}, config_maps=run.config_maps, folder=run.folder / task.name, secret=None
        )
        for path in (pod.results, pod.scratch):
            path.mkdir(parents=True)
        with pod.output.open("wb") as output, pod.log.open("wb") as log:
            argv = [sys.executable, "-m", "kubernaut_sdk", *pod.args]
            subprocess.run(argv, env=executor.environment(pod), stdout=output, stderr=log, check=True)


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as name, embedded(Path(name) / "data") as storage:
        recorder = Recorder(StorageClient(storage.url), Spool(Path(name) / "spool"))
        count = itertools.count()

        def made() -> LocalRun:
            folder = Path(name) / f"run-{next(count)}"
            folder.mkdir()
            return local_run(folder, storage, recorder)

        times = compare(ROUNDS, **{"by hand": lambda: by_hand(made()), "by the engine": lambda: by_engine(made())})
        recorder.close()
    report(f"A chain of {STEPS} steps", times, "by hand", "at most 1.2 ×")


if __name__ == "__main__":
    main()
