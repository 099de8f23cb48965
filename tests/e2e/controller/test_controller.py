"""WorkflowExecutions on a real Kubernetes with a real Tekton: from `kubectl create` to status and records."""

import json
import shutil
import subprocess
from typing import Any

import pytest
from realcluster import (
    ControllerProcess,
    Json,
    condition,
    get,
    is_closed,
    kubectl,
    phase_of,
    records,
    rows,
    states,
    step,
    until,
    workflow,
)

from kubernaut_controller.reconciling.outcomes import is_alive
from kubernaut_controller.views import PodView

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

HOSTILE = "".join(
    [
        "$(params.inputs) $(tasks.a.results.output) $(date) `id` $$ $$$$ $(HOME) ${HOME} \\u0024 \\\\ \" ' '' ",
        "\n\r\t\x00\x1b \u00e9\u2028\u2029\U0001f680 {{x}} <&> # : - ~ null y 1e3",
    ]
)
THING = "probe/do_thing"


def scenarios(probe: str, where: str, bare: str) -> dict[str, Json]:
    """The workflows by name; all are created at once and run side by side."""
    wait = {"how": "sleep"}

    def made(name: str, *steps: Json, **spec: Any) -> Json:
        return workflow(name, where, *steps, **spec)

    target = {"kind": "Deployment", "namespace": "shop", "name": "checkout"}
    other = {"kind": "Deployment", "namespace": "shop", "name": "cart"}
    taken = [{"input": "text", "step": "left", "pointer": "/text"}]
    all_made = [
        made(
            "diamond",
            step("top", probe),
            step("left", probe, runAfter=["top"]),
            step("right", probe, runAfter=["top"]),
            step("bottom", probe, inputs={"path": "/tmp/bottom"}, inputsFrom=taken, runAfter=["right"]),
        ),
        made("dry", step("a", probe), dryRun=True, target=target),
        made("hostile", step("a", probe, inputs={"path": "/tmp/x", "text": HOSTILE}), dryRun=True),
        made("transient", step("a", probe, THING, inputs={"how": "Transient", "times": 2}, retries=3)),
        made(
            "permanent",
            step("a", probe, THING, inputs={"how": "Failed"}),
            step("b", probe, runAfter=["a"]),
            **{
                "finally": [
                    step("last", probe),
                    step("badly", probe, when={"step": "a", "state": "failed"}),
                    step("well", probe, when={"step": "a", "state": "succeeded"}),
                    step("never", probe, when={"step": "b", "state": "skipped"}),
                ]
            },
        ),
        made(
            "vanishes",
            step("a", probe, THING, inputs={"how": "vanish"}),
            step("b", probe, THING, inputs=wait, runAfter=["a"]),
            step("c", probe, THING, inputs=wait, runAfter=["b"]),
            **{"finally": [step("last", probe)]},
        ),
        made(
            "go-on",
            step("a", probe, THING, inputs={"how": "Failed"}, onFailure="continue"),
            step("b", probe, runAfter=["a"]),
        ),
        made(
            "cancelled",
            step("a", probe, THING, inputs=wait),
            step("b", probe, runAfter=["a"]),
            **{"finally": [step("last", probe)]},
        ),
        # long enough for its container to run, among all these: of one that was not heard nobody knows
        made("time-over", step("a", probe, THING, inputs=wait, timeout="1m"), timeout="1m"),
        made("step-time-over", step("a", probe, THING, inputs=wait, timeout="1s")),
        made("oom", step("a", probe, resources={"limits": {"memory": "12Mi"}})),
        made("no-image", step("a", probe.partition("@")[0] + "@sha256:" + "0" * 64)),
        made("no-account", step("a", probe, serviceAccountName="nobody")),
        made("run-deleted", step("a", probe, THING, inputs=wait, timeout="4m")),
        made("pod-deleted", step("a", probe, THING, inputs=wait, timeout="4m")),
        made("deleted", step("a", probe, THING, inputs=wait, timeout="4m"), target=other),
        made("first", step("a", probe), target=target),
        made("second", step("a", probe), target=target),
        made("short-lived", step("a", probe), ttlSecondsAfterFinished=0),
        made("circle", step("a", probe, runAfter=["b"]), step("b", probe, runAfter=["a"])),
        workflow("no-task", bare, step("a", probe)),
    ]
    return {document["metadata"]["name"]: document for document in all_made}


@pytest.fixture(scope="module")
def created(controller: ControllerProcess, probe: str, where: str, bare: str) -> dict[str, Json]:
    made = scenarios(probe, where, bare)
    kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": list(made.values())})
    return made


@pytest.fixture
def ended(created: dict[str, Json], where: str) -> Any:
    """Wait for a workflow of this name to be closed, and return it."""

    def wait(name: str, seconds: float = 120) -> Json:
        namespace = created[name]["metadata"]["namespace"]
        found: Json = until(
            f"the end of {name}", lambda: is_closed(found := get("wfe", name, namespace)) and found, seconds
        )
        return found

    return wait


def running_pod(where: str, name: str, step_name: str = "a") -> str:
    """Return the pod of a step that runs."""
    selector = f"kubernaut.io/workflow={name},tekton.dev/pipelineTask={step_name}"

    def find() -> str:
        pods = json.loads(kubectl("get", "pods", f"--namespace={where}", f"--selector={selector}", "--output=json"))[
            "items"
        ]
        ready = [
            pod for pod in pods for status in pod["status"].get("containerStatuses", []) if "running" in status["state"]
        ]
        return str(ready[0]["metadata"]["name"]) if ready else ""

    return str(until(f"a running pod of {name}", find))


def test_a_running_workflow_is_cancelled_and_finally_runs(created: Any, ended: Any, where: str, storage: str) -> None:
    running_pod(where, "cancelled")
    kubectl("patch", "wfe", "cancelled", f"--namespace={where}", "--type=merge", "-p", '{"spec": {"cancel": true}}')
    document = ended("cancelled")

    assert phase_of(document) == "Cancelled"
    assert states(document) == {"a": "cancelled", "b": "skipped", "last": "succeeded"}
    assert document["status"]["message"] == "It was cancelled; 1 of 3 steps were done."
    assert {name: record["state"] for name, record in records(storage, "cancelled").items()} == states(document)


def test_a_pipelinerun_deleted_by_hand_is_told_and_never_made_again(created: Any, ended: Any, where: str) -> None:
    running_pod(where, "run-deleted")
    name = get("wfe", "run-deleted", where)["status"]["pipelineRunRef"]["name"]  # type: ignore[index]
    kubectl("delete", "pipelinerun", name, f"--namespace={where}", "--wait=false")
    document = ended("run-deleted")

    assert phase_of(document) == "Failed"
    assert condition(document, "Succeeded")["reason"] == "PipelineRunDeleted"
    assert f"Its PipelineRun {name} was deleted while it ran; it is not made again." in document["status"]["message"]
    assert states(document)["a"] in {"cancelled", "lost"}
    assert get("pipelinerun", name, where) is None


def test_a_pod_deleted_under_a_step_is_told(created: Any, ended: Any, where: str) -> None:
    kubectl("delete", "pod", running_pod(where, "pod-deleted"), f"--namespace={where}", "--wait=false")
    document = ended("pod-deleted")

    assert phase_of(document) == "Failed"
    assert states(document)["a"] in {"cancelled", "lost", "failed"}
    assert rows(document)["a"]["message"]


def test_deleting_a_running_workflow_waits_for_its_pods_and_records(
    created: Any, where: str, storage: str, probe: str
) -> None:
    pod = running_pod(where, "deleted")
    target = created["deleted"]["spec"]["target"]
    kubectl(
        "create", "-f", "-", stdin=workflow("expired", where, step("a", probe), target=target, startingDeadline="1s")
    )
    until("an expired one", lambda: phase_of(get("wfe", "expired", where)) == "Expired")
    kubectl("delete", "wfe", "deleted", f"--namespace={where}", "--timeout=60s")

    assert not is_alive(PodView(get("pod", pod, where) or {"status": {"phase": "Gone"}}))
    assert records(storage, "deleted")["a"]["state"] == "cancelled"


def test_a_diamond_runs_in_parallel_and_passes_results(ended: Any, storage: str) -> None:
    document = ended("diamond")
    by_name = rows(document)

    assert (phase_of(document), document["status"]["progress"]) == ("Succeeded", "4/4")
    assert set(states(document).values()) == {"succeeded"}
    assert by_name["bottom"]["output"]["text"] == "left"
    assert by_name["left"]["startedAt"] < by_name["right"]["finishedAt"]
    assert by_name["right"]["startedAt"] < by_name["left"]["finishedAt"]
    kept = records(storage, "diamond")
    assert {name: record["id"] for name, record in kept.items()} == {
        name: row["recordId"] for name, row in by_name.items()
    }
    assert all(record["source"] == "container" and record["intended_at"] for record in kept.values())
    assert document["metadata"]["finalizers"] == ["kubernaut.io/controller"]


def test_a_dry_run_plans_and_locks_nothing(ended: Any) -> None:
    assert states(ended("dry")) == {"a": "planned"}


def test_hostile_inputs_arrive_to_the_byte(ended: Any, storage: str) -> None:
    assert states(ended("hostile")) == {"a": "planned"}
    assert records(storage, "hostile")["a"]["inputs"]["text"] == HOSTILE


def test_a_transient_failure_is_retried_within_the_step(ended: Any, storage: str) -> None:
    assert phase_of(ended("transient")) == "Succeeded"
    assert records(storage, "transient")["a"]["attempt"] == 2


def test_a_permanent_failure_stops_skips_and_runs_finally(ended: Any, storage: str) -> None:
    document = ended("permanent")

    assert phase_of(document) == "Failed"
    assert document["status"]["message"] == "Step a failed: told to: Failed."
    assert states(document) == {
        "a": "failed",
        "b": "skipped",
        "last": "succeeded",
        "badly": "succeeded",
        "well": "skipped",
        "never": "succeeded",
    }
    assert rows(document)["well"]["message"] == "The step that its when names did not end so."
    assert records(storage, "permanent")["b"]["state"] == "skipped"


def test_exit_code_0_with_results_that_say_otherwise_stops_what_tekton_would_go_on_with(ended: Any) -> None:
    document = ended("vanishes")
    told = states(document)

    assert (phase_of(document), told["a"], told["c"], told["last"]) == ("Failed", "failed", "skipped", "succeeded")
    assert told["b"] in {"skipped", "cancelled", "lost"}  # Tekton may have started it by then
    assert rows(document)["a"]["error"]["reason"] == "Contradiction"
    assert document["status"]["message"].startswith("Step a failed: ")


def test_a_failure_that_may_be_is_seen_behind_success(ended: Any) -> None:
    document = ended("go-on")

    assert (phase_of(document), states(document)) == ("Succeeded", {"a": "failed", "b": "succeeded"})
    assert "a failed and did not stop it (onFailure: continue)" in document["status"]["message"]


def test_the_time_of_the_whole_and_of_a_step(ended: Any) -> None:
    whole, one = ended("time-over"), ended("step-time-over")

    assert (phase_of(whole), states(whole)) == ("TimedOut", {"a": "timed_out"})
    assert (phase_of(one), states(one)) == ("Failed", {"a": "timed_out"})


def test_killed_for_memory(ended: Any) -> None:
    document = ended("oom")

    assert phase_of(document) == "Failed"
    assert rows(document)["a"]["message"] == (
        "It was killed for using more memory than its limit of 12Mi; raise resources.limits.memory."
    )


def test_an_image_that_cannot_be_pulled(ended: Any) -> None:
    document = ended("no-image")

    assert (phase_of(document), states(document)) == ("Failed", {"a": "failed"})
    assert "cannot be pulled" in document["status"]["message"]
    assert rows(document)["a"]["changed"] is False


def test_a_service_account_that_is_not_there(ended: Any, where: str) -> None:
    message = ended("no-account")["status"]["message"]

    assert f"There is no ServiceAccount {where}/nobody; create it" in message


def test_a_task_that_is_not_there(ended: Any, bare: str) -> None:
    document = ended("no-task")

    assert (phase_of(document), states(document)) == ("Failed", {"a": "skipped"})
    assert (
        f"The namespace {bare} has no Task kubernaut-action; install it: kubectl apply" in document["status"]["message"]
    )


def test_one_at_a_time_on_a_target(ended: Any, where: str) -> None:
    first, second = ended("first"), ended("second")
    expired = get("wfe", "expired", where) or {}
    done = sorted([first, second], key=lambda document: document["status"]["startedAt"])

    assert {phase_of(first), phase_of(second)} == {"Succeeded"}
    assert done[0]["status"]["finishedAt"] <= done[1]["status"]["startedAt"]
    assert phase_of(expired) == "Expired"
    assert "It had not started within 1s (spec.startingDeadline). Waits" in expired["status"]["message"]
    assert states(expired) == {"a": "skipped"}
    events = json.loads(kubectl("get", "events", f"--namespace={where}", "--output=json"))["items"]
    told = {(event["involvedObject"]["name"], event["reason"]) for event in events}
    assert {("first", "WaitsForTarget"), ("second", "WaitsForTarget")} & told
    assert {("first", "Succeeded"), ("second", "Succeeded"), ("expired", "Expired")} <= told


def test_a_refused_one_makes_no_pipelinerun(ended: Any, where: str) -> None:
    document = ended("circle")

    assert phase_of(document) == "Refused"
    assert condition(document, "Accepted")["message"].startswith(
        "spec.steps: they wait for each other in a circle: a → b → a"
    )
    assert kubectl("get", "pipelineruns", f"--namespace={where}", "--selector=kubernaut.io/workflow=circle") == ""


def test_a_finished_one_goes_when_its_time_is_over(created: Any, where: str, storage: str) -> None:
    until("the end of short-lived", lambda: get("wfe", "short-lived", where) is None, 90)

    assert records(storage, "short-lived")["a"]["state"] == "succeeded"


def test_kubectl_get_prints_what_a_person_looks_for(ended: Any, where: str) -> None:
    ended("first")
    lines = kubectl("get", "wfe", "first", f"--namespace={where}").splitlines()

    assert lines[0].split() == ["NAME", "PHASE", "STEPS", "TARGET", "AGE"]
    assert lines[1].split()[:4] == ["first", "Succeeded", "1/1", "Deployment/checkout"]


def test_tkn_describes_and_shows_logs(ended: Any, where: str) -> None:
    tkn = shutil.which("tkn")
    if tkn is None:
        pytest.skip("no tkn is on PATH")
    name = ended("diamond")["status"]["pipelineRunRef"]["name"]
    described = subprocess.run([tkn, "pipelinerun", "describe", name, "-n", where], capture_output=True, text=True)
    logged = subprocess.run([tkn, "pipelinerun", "logs", name, "-n", where], capture_output=True, text=True)

    assert described.returncode == 0
    assert "kubernaut.io/workflow=diamond" in described.stdout
    assert logged.returncode == 0
    assert "[bottom : action]" in logged.stdout


def test_a_remediation_request_gets_its_workflow_and_its_outcome(
    controller: ControllerProcess, probe: str, where: str
) -> None:
    request = {
        "apiVersion": "kubernaut.io/v1alpha1",
        "kind": "RemediationRequest",
        "metadata": {"name": "latency", "namespace": where},
        "spec": {
            "signal": {"fingerprint": "f1", "name": "HighLatency", "severity": "critical"},
            "target": {"kind": "Deployment", "namespace": "shop", "name": "basket"},
            "confidence": 0.9,
            "rationale": "worked 40 of 41 times",
            "workflow": {"steps": [step("a", probe)]},
        },
    }
    kubectl("create", "-f", "-", stdin=request)
    document = until("the outcome", lambda: phase_of(found := get("rr", "latency", where)) == "Succeeded" and found)
    made = get("wfe", "latency", where)

    assert document["status"]["outcome"] == "1 of 1 steps done."
    assert document["status"]["workflowExecutionRef"]["name"] == "latency"
    assert made is not None
    assert made["spec"]["signal"]["fingerprint"] == "f1"
    assert made["metadata"]["ownerReferences"][0]["kind"] == "RemediationRequest"
