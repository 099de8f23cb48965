"""No object affects another, on a real API server: whatever one namespace contains, others' workflows end normally."""

import copy
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from bad_objects import BAD_DOCUMENTS, BAD_REQUESTS, BAD_STATUSES, FORGED, documents
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from realcluster import (
    ControllerProcess,
    Json,
    api_client,
    controller_kubeconfig,
    get,
    install,
    kubectl,
    namespace,
    phase_of,
    remove_namespace,
    rows,
    step,
    until,
    workflow,
)

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

KUBERNAUT = "/apis/kubernaut.io/v1alpha1/namespaces"
OVER = {"Succeeded", "Failed", "Refused", "Cancelled", "TimedOut", "Expired"}


@pytest.fixture(scope="module")
def places(probe: str) -> Iterator[tuple[str, str]]:
    """Two namespaces that run workflows: one for bad objects, and another."""
    install()
    names = f"kubernaut-ctl-bad-{os.getpid()}", f"kubernaut-ctl-good-{os.getpid()}"
    for name in names:
        namespace(name)
    yield names
    for name in names:
        remove_namespace(name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("isolation")


@contextmanager
def controller(folder: Path, places: tuple[str, str], *options: str) -> Iterator[ControllerProcess]:
    watched = [f"--watch-namespace={name}" for name in places]
    running = ControllerProcess([*watched, "--cooldown=0", *options], folder / "log", controller_kubeconfig(folder))
    with running:
        yield running


def ends_as_ever(name: str, where: str, probe: str) -> None:
    target = {"kind": "Deployment", "namespace": where, "name": name}
    kubectl("create", "-f", "-", stdin=workflow(name, where, step("a", probe), target=target))
    until(f"the end of {name}", lambda: phase_of(get("wfe", name, where)) == "Succeeded", 120)


def is_of(phase: str, name: str, where: str) -> Json | None:
    """Return the workflow once it has this phase."""
    document = get("wfe", name, where)
    return document if phase_of(document) == phase else None


def has_ended(name: str, where: str) -> bool:
    """Return whether a bad document has ended; by its phase alone, since Python reads no object of such a depth."""
    # the API server writes U+FFFD for a lone surrogate, so such a document is valid; there is no image of its step
    phase = "Failed" if name.startswith("surrogate") else "Refused"
    return kubectl("get", "wfe", name, f"--namespace={where}", "--output=jsonpath={.status.phase}") == phase


def is_later_than(created: str, where: str, probe: str) -> bool:
    """Return True if the API server's clock is past a second."""
    words = ["create", "-f", "-", "--dry-run=server", "-o", "jsonpath={.metadata.creationTimestamp}"]
    return kubectl(*words, stdin=workflow("clock", where, step("a", probe))) > created


def put_all(where: str) -> list[str]:
    """Create the bad documents that the API server accepts, and return their names."""
    taken = []
    with api_client() as api:
        for plural, documents in (("workflowexecutions", BAD_DOCUMENTS), ("remediationrequests", BAD_REQUESTS)):
            for name, (make, raw) in documents.items():
                document = make(name, where)
                text = json.dumps(document if raw is None else {**document, "spec": "RAW"}).replace('"RAW"', raw or "")
                headers = {"content-type": "application/json"}
                answer = api.post(f"{KUBERNAUT}/{where}/{plural}", content=text.encode(), headers=headers)
                if answer.status_code == 201 and plural == "workflowexecutions":
                    taken.append(name)
    return taken


def test_documents_and_statuses_stop_nobody_at_the_start_and_while_it_runs(
    places: tuple[str, str], folder: Path, probe: str
) -> None:
    where, good = places
    taken = put_all(where)
    with api_client() as api:
        for name, status in BAD_STATUSES.items():
            kubectl("create", "-f", "-", stdin=workflow(name, where, step("a", probe)))
            patch = {"status": status}
            headers = {"content-type": "application/merge-patch+json"}
            api.patch(
                f"{KUBERNAUT}/{where}/workflowexecutions/{name}/status", content=json.dumps(patch), headers=headers
            )
    with controller(folder, places):
        ends_as_ever("at-the-start", good, probe)
        for name in taken:
            until(f"the end of {name}", partial(has_ended, name, where))
        kubectl("delete", "wfe,rr", "--all", f"--namespace={where}", "--timeout=90s")
        put_all(where)
        ends_as_ever("while-it-runs", good, probe)
        kubectl("delete", "wfe,rr", "--all", f"--namespace={where}", "--timeout=90s")

    assert {"before-all-time", "deep-1200", "deep-9000", "surrogate", "huge-integer"} <= set(taken) | {"huge-integer"}


def test_documents_of_the_schema_stop_nobody(places: tuple[str, str], folder: Path, probe: str) -> None:
    where, good = places

    @settings(max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(documents(60), st.integers(0, 2**32))
    def test(made: list[Json], number: int) -> None:
        with api_client() as api:
            for index, spec in enumerate(made):
                document = {**workflow(f"odd-{number}-{index}", where), "spec": spec}
                text = json.dumps(document).encode()
                headers = {"content-type": "application/json"}
                api.post(f"{KUBERNAUT}/{where}/workflowexecutions", content=text, headers=headers)
        with controller(folder, places):
            ends_as_ever(f"beside-{number}", good, probe)
            kubectl("delete", "wfe", "--all", f"--namespace={where}", "--timeout=120s")

    test()


def test_forged_taskruns_and_pods_count_for_nothing(places: tuple[str, str], folder: Path, probe: str) -> None:
    where, good = places
    with controller(folder, places):
        target = {"kind": "Deployment", "namespace": where, "name": "x"}
        long = step("a", probe, "probe/do_thing", inputs={"how": "sleep"}, timeout="3s")
        kubectl("create", "-f", "-", stdin=workflow("real", where, long, target=target))
        run = until(
            "its PipelineRun", lambda: (get("wfe", "real", where) or {}).get("status", {}).get("pipelineRunRef")
        )
        one = until("its TaskRun", lambda: get("taskrun", f"{run['name']}-a", where))
        labels = {**one["metadata"]["labels"], "tekton.dev/taskRun": one["metadata"]["name"]}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "foreign", "namespace": where, "labels": labels},
            "spec": {
                "automountServiceAccountToken": False,
                "containers": [
                    {
                        "name": "step-action",
                        "image": probe,
                        "command": ["python3", "-c", "import time; time.sleep(600)"],
                    }
                ],
                "terminationGracePeriodSeconds": 0,
            },
        }
        kubectl("create", "-f", "-", stdin=pod)
        document = until("its end", lambda: phase_of(found := get("wfe", "real", where)) in OVER and found)
        kubectl("create", "-f", "-", stdin=workflow("next", where, step("a", probe), target=target))
        until("the lock, though the foreign pod lives", lambda: phase_of(get("wfe", "next", where)) == "Succeeded")
        kubectl("delete", "pod", "foreign", f"--namespace={where}")
        ends_as_ever("beside-a-foreign-pod", good, probe)

    assert rows(document)["a"]["state"] == "timed_out"


def test_a_taskrun_made_in_a_steps_name_is_seen_to_be_another(
    places: tuple[str, str], folder: Path, probe: str
) -> None:
    """Tekton adopts a TaskRun of the right name and owner; the controller compares its specification."""
    where, good = places
    target = {"kind": "Deployment", "namespace": where, "name": "y"}
    with controller(folder, places):
        first = step("a", probe, "probe/do_thing", inputs={"how": "sleep"}, timeout="5s", onFailure="continue")
        made = workflow("forged", where, first, step("b", probe, runAfter=["a"]), target=target)
        kubectl("create", "-f", "-", stdin=made)
        run = until(
            "its PipelineRun", lambda: (get("wfe", "forged", where) or {}).get("status", {}).get("pipelineRunRef")
        )
        real: Json = until("its TaskRun", lambda: get("taskrun", f"{run['name']}-a", where))
        forged = copy.deepcopy(real)
        whole: Json = get("pipelinerun", run["name"], where) or {}
        forged["metadata"] = {
            "name": f"{run['name']}-b",
            "namespace": where,
            "labels": {**real["metadata"]["labels"], "tekton.dev/pipelineTask": "b"},
            "ownerReferences": real["metadata"]["ownerReferences"],
        }
        forged["spec"]["params"] = whole["spec"]["pipelineSpec"]["tasks"][1]["params"]
        FORGED["another param inputs"](forged)
        forged.pop("status", None)
        kubectl("create", "-f", "-", stdin=forged)
        document = until("its end", lambda: phase_of(found := get("wfe", "forged", where)) in OVER and found, 120)
        ends_as_ever("beside-a-forged-taskrun", good, probe)

    assert phase_of(document) == "Failed"
    assert rows(document)["b"]["error"]["reason"] == "ForeignTaskRun"


def test_the_oldest_that_waits_goes_first(places: tuple[str, str], folder: Path, probe: str) -> None:
    where, _ = places
    target = {"kind": "Deployment", "namespace": where, "name": "queue"}
    names = [f"queue-{number}" for number in range(5)]
    with controller(folder, places, "--cooldown=1s"):
        for name in names:
            kubectl("create", "-f", "-", stdin=workflow(name, where, step("a", probe), target=target))
            created = (get("wfe", name, where) or {})["metadata"]["creationTimestamp"]
            until("another second", partial(is_later_than, created, where, probe))  # ages are kept in seconds
        ended = [until(f"the end of {name}", partial(is_of, "Succeeded", name, where), 120) for name in names]
    started = [document["status"]["startedAt"] for document in ended]

    assert started == sorted(started)
    assert all(one["status"]["finishedAt"] <= other["status"]["startedAt"] for one, other in pairwise(ended))


def test_a_target_of_another_namespace_is_locked_for_all_only_by_a_grant(
    places: tuple[str, str], folder: Path, probe: str
) -> None:
    where, good = places
    target = {"kind": "Deployment", "namespace": good, "name": "wanted"}
    slow = step("a", probe, "probe/do_thing", inputs={"how": "sleep"}, timeout="20s")
    with controller(folder, places):
        kubectl("create", "-f", "-", stdin=workflow("stranger", where, slow, target=target))
        until("the stranger's start", lambda: (get("wfe", "stranger", where) or {}).get("status", {}).get("startedAt"))
        kubectl(
            "create",
            "-f",
            "-",
            stdin=workflow("owner", good, step("a", probe), target={**target, "kind": "deployments.apps"}),
        )
        until("the owner's end", lambda: phase_of(get("wfe", "owner", good)) == "Succeeded")
        note = (get("wfe", "stranger", where) or {})["status"]["conditions"]
        stranger_over = phase_of(get("wfe", "stranger", where)) in OVER
        for words in (
            ["role", "lock-targets", "--verb=lock", "--resource=workflowexecutions.kubernaut.io"],
            ["rolebinding", "lock-targets", "--role=lock-targets", f"--group=system:serviceaccounts:{where}"],
        ):
            kubectl("create", *words, f"--namespace={good}")
        rule = [{"op": "replace", "path": "/rules/0/resources", "value": ["targets"]}]
        kubectl("patch", "role", "lock-targets", f"--namespace={good}", "--type=json", "-p", json.dumps(rule))
        kubectl("create", "-f", "-", stdin=workflow("granted", where, slow, target={**target, "name": "other"}))
        until(
            "the granted one's start", lambda: (get("wfe", "granted", where) or {}).get("status", {}).get("startedAt")
        )
        kubectl(
            "create", "-f", "-", stdin=workflow("waits", good, step("a", probe), target={**target, "name": "other"})
        )
        message = until("its waiting", lambda: (get("wfe", "waits", good) or {}).get("status", {}).get("message"))
        until("its end", lambda: phase_of(get("wfe", "waits", good)) == "Succeeded")

    assert not stranger_over
    assert "Its target is not of its namespace" in next(item["message"] for item in note if item["type"] == "Accepted")
    assert message.startswith(f"Waits for {where}/granted, which acts on Deployment {good}/other")
