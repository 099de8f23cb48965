"""The custom resources are upgraded while a workflow runs, one waits and one has ended, as docs/operations.md says."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from realcluster import (
    ROOT,
    ControllerProcess,
    controller_kubeconfig,
    get,
    install,
    is_closed,
    kubectl,
    namespace,
    phase_of,
    remove_namespace,
    states,
    step,
    until,
    workflow,
)

pytestmark = [pytest.mark.slow, pytest.mark.cluster]
EARLIER = ROOT / "tests" / "data" / "crds-2026-11-26.json"
"""The custom resources of an earlier revision, without their descriptions."""


@pytest.fixture
def where(storage: str) -> Iterator[str]:
    """A namespace on a cluster with the custom resources as they were."""
    name = f"kubernaut-ctl-upgrade-{os.getpid()}"
    install()
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(EARLIER))
    namespace(name, storage=storage)
    yield name
    install()
    remove_namespace(name)


def test_workflows_go_on_over_an_upgrade_of_the_custom_resources(
    probe: str, where: str, storage: str, tmp_path: Path
) -> None:
    options = [f"--watch-namespace={where}", "--cooldown=0", f"--data-storage-url={storage}"]
    controller = ControllerProcess(options, tmp_path / "log", controller_kubeconfig(tmp_path))
    target = {"kind": "Deployment", "name": "checkout", "namespace": where}

    def phase(name: str) -> str:
        return phase_of(get("wfe", name, where))

    with controller:
        kubectl("create", "-f", "-", stdin=workflow("ended", where, step("a", probe)))
        until("the end of the first", lambda: is_closed(get("wfe", "ended", where)))
        for name in ("runs", "waits"):
            steps = [step("a", probe), step("b", probe, runAfter=["a"])]
            kubectl("create", "-f", "-", stdin=workflow(name, where, *steps, target=target))
            until("a state", lambda name=name: phase(name))  # type: ignore[misc]
        until("the second to run", lambda: phase("runs") == "Running")
        assert phase("waits") == "Pending"
        controller.stop()
        ended = get("wfe", "ended", where)
        kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "controller/deploy/base/crds"))
        controller.start()
        for name in ("runs", "waits"):
            until(f"the end of {name}", lambda name=name: is_closed(get("wfe", name, where)), 150)  # type: ignore[misc]

        known = json.loads(kubectl("get", "wfe", f"--namespace={where}", "--output=json"))["items"]
        assert {one["metadata"]["name"]: phase_of(one) for one in known} == {
            "ended": "Succeeded",
            "runs": "Succeeded",
            "waits": "Succeeded",
        }
        assert {name: set(states(get("wfe", name, where) or {}).values()) for name in ("runs", "waits")} == {
            "runs": {"succeeded"},
            "waits": {"succeeded"},
        }
        assert (get("wfe", "ended", where) or {})["status"] == (ended or {})["status"]
        kubectl("label", "wfe", "ended", "seen=yes", f"--namespace={where}")  # an object of before may be changed still
        kubectl("delete", "wfe", "--all", f"--namespace={where}", "--timeout=60s")
