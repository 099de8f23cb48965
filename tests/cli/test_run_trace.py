"""`kubernaut run`: one run is one trace, from the command through every step to the records."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from kubernaut_datastorage import embedded
from kubernaut_sdk import DataStorage

PROBES = str(Path(__file__).parents[1] / "probe_actions.py")
CALLER_TRACE, CALLER_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
IMAGE = "example.com/probe@sha256:" + "0" * 64
WORKFLOW = f"""
apiVersion: kubernaut.io/v1alpha1
kind: WorkflowExecution
metadata: {{name: fix}}
spec:
  steps:
    - {{name: a, actionType: probe/do_thing, image: "{IMAGE}"}}
    - {{name: b, actionType: probe/do_thing, image: "{IMAGE}", runAfter: [a]}}
"""


def run(folder: Path, **env: str) -> dict[str, Any]:
    """Run the workflow, and return its report."""
    (folder / "wf.yaml").write_text(WORKFLOW)
    base = {name: text for name, text in os.environ.items() if not name.startswith(("ACTION_", "DATA_STORAGE_"))}
    done = subprocess.run(
        [sys.executable, "-m", "kubernaut_cli", "run", folder / "wf.yaml", "-o", "json", f"--data={folder / 'data'}"],
        env={**base, "ACTION_MODULES": PROBES, **env},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_the_spans_of_command_steps_and_containers_are_one_trace(tmp_path: Path, collector: Any) -> None:
    caller = f"00-{CALLER_TRACE}-{CALLER_SPAN}-01"
    report = run(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, TRACEPARENT=caller)

    assert {span.trace_id.hex() for span in collector.spans} == {CALLER_TRACE} == {report["traceId"]}
    assert collector.services == {"kubernaut", "kubernaut-action"}
    names = {span.span_id: span.name for span in collector.spans}
    edges = {(span.name, names.get(span.parent_span_id, span.parent_span_id.hex())) for span in collector.spans}
    root = f"workflow {report['pipelineRun']}"
    assert {
        (root, CALLER_SPAN),
        ("step a", root),
        ("step b", root),
        ("probe/do_thing", "step a"),
        ("probe/do_thing", "step b"),
        ("plan", "probe/do_thing"),
    } <= edges


def test_without_opentelemetry_the_records_of_a_run_still_share_a_trace_id(tmp_path: Path) -> None:
    report = run(tmp_path)
    with embedded(tmp_path / "data") as service, closing(DataStorage(service.url)) as storage:
        records = list(storage.get_action_history())

    assert len(report["traceId"]) == 32
    assert [record.trace_id for record in records] == [report["traceId"]] * 2
