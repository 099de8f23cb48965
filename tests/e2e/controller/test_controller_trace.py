"""On a cluster, one workflow is one trace: annotation, steps, records and the spans that the controller exports."""

import os
from pathlib import Path
from typing import Any

import pytest
from realcluster import (
    ControllerProcess,
    controller_kubeconfig,
    get,
    install,
    is_closed,
    kubectl,
    namespace,
    records,
    remove_namespace,
    step,
    until,
    workflow,
)

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


def test_a_workflow_is_one_trace(probe: str, storage: str, tmp_path: Path, collector: Any) -> None:
    where = f"kubernaut-ctl-trace-{os.getpid()}"
    install()
    namespace(where, storage=storage)
    options = [f"--watch-namespace={where}", "--cooldown=0", f"--data-storage-url={storage}"]
    kubeconfig = controller_kubeconfig(tmp_path)
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with ControllerProcess(options, tmp_path / "log", kubeconfig, env=env) as controller:
        steps = [step("a", probe), step("b", probe, runAfter=["a"])]
        kubectl("create", "-f", "-", stdin=workflow("traced", where, *steps))
        document: Any = until("its end", lambda: is_closed(found := get("wfe", "traced", where)) and found, 240)
        run = get("pipelinerun", document["status"]["pipelineRunRef"]["name"], where) or {}
        assert controller.stop() == 0
    remove_namespace(where)

    trace_id = document["metadata"]["annotations"]["kubernaut.io/trace-id"]
    assert trace_id in run["metadata"]["annotations"]["tekton.dev/pipelinerunSpanContext"]
    assert {record["trace_id"] for record in records(storage, "traced").values()} == {trace_id}
    assert {span.trace_id.hex() for span in collector.spans} == {trace_id}
    assert collector.parents() == {
        "workflow traced": None,
        "step a": "workflow traced",
        "step b": "workflow traced",
    }
