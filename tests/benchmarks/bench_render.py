"""Rendering a large workflow: `python tests/benchmarks/bench_render.py`."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import compare, report

from kubernaut_cli.catalog import find_action
from kubernaut_controller import dump_yaml, parse_workflow, render, require_valid

STEPS = 1_000


def workflow() -> str:
    """A workflow of many steps, each after the two before it."""
    steps = [
        {
            "name": f"step-{number:04}",
            "actionType": "kubernetes/scale_deployment",
            "image": f"ghcr.io/kubernaut/actions/kubectl@sha256:{'0' * 64}",
            "inputs": {"namespace": "shop", "deployment": f"app-{number}", "replicas": 3},
            "runAfter": [f"step-{before:04}" for before in range(max(0, number - 2), number)],
        }
        for number in range(STEPS)
    ]
    document = {"apiVersion": "kubernaut.io/v1alpha1", "kind": "WorkflowExecution"}
    return json.dumps({**document, "metadata": {"name": "large"}, "spec": {"steps": steps}})


def main() -> None:
    """Measures and prints."""
    text = workflow()
    parsed = parse_workflow(text)
    rendered = render(parsed)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        command = [str(Path(sys.executable).parent / "kubernaut"), "render", file.name]
        times = compare(
            7,
            **{
                "json.loads and json.dumps of it": lambda: (json.loads(text), json.dumps(rendered)),
                "parse": lambda: parse_workflow(text),
                "validate": lambda: require_valid(parsed, find_action),
                "render": lambda: render(parsed),
                "print as YAML": lambda: dump_yaml(rendered),
                "kubernaut render, whole process": lambda: subprocess.run(command, check=True, capture_output=True),
            },
        )
    report(f"A DAG of {STEPS:,} steps", times, "json.loads and json.dumps of it", "whole process at most 1 s")


if __name__ == "__main__":
    main()
