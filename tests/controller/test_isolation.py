"""No object affects another: whatever one namespace contains, a workflow of another ends normally.

The controller's own process, with kopf, on a small API server; `tests/e2e/controller` asks a real one.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bad_objects import BAD_DOCUMENTS, BAD_PODS, BAD_REQUESTS, BAD_RESULTS, BAD_STATUSES, BAD_TASK_RUNS, deep, documents
from hypothesis import HealthCheck, Phase, given, settings
from realcluster import step, workflow
from smallserver import Json, SmallServer, running_server, stamp

from kubernaut_controller.operator import process, workflows
from kubernaut_controller.operator.settings import ControllerSettings
from kubernaut_controller.reconciling import FINALIZER, Policy, reconcile
from kubernaut_controller.reconciling.lock import acquired_lease
from kubernaut_sdk.records import ObjectRef
from kubernaut_sdk.times import utcnow

IMAGE = "ghcr.io/kubernaut/actions/probe@sha256:" + "0" * 64
GOOD = {
    "status": "succeeded",
    "changed": "true",
    "record-id": "",
    "record-status": "disabled",
    "output": '{"size":1}',
    "error": "",
}


@dataclass
class IsolatedController:
    """A small API server with a controller, and ways to wait for it."""

    server: SmallServer

    async def until(self, find: Callable[[], Any], seconds: float = 30) -> Any:
        """Wait until a condition holds, and return its value."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (found := find()):
            if asyncio.get_running_loop().time() > deadline:
                phases = {one["metadata"]["name"]: one.get("status") for one in self.server.of("workflowexecutions")}
                left = {name: status for name, status in phases.items() if not (status or {}).get("finishedAt")}
                held = [lease["spec"] for lease in self.server.of("leases") if lease["spec"].get("holderIdentity")]
                raise AssertionError(f"it did not come in {seconds} s; not ended are {left}; held are {held}")
            await asyncio.sleep(0.01)
        return found

    def create(self, name: str, where: str, *steps: Json, **spec: Any) -> Json:
        made = workflow(name, where, *(steps or (step("a", IMAGE, inputs={}),)), **spec)
        return self.server.put("workflowexecutions", made)

    async def run_of(self, name: str, where: str) -> Json:
        def find() -> Json | None:
            runs = self.server.of("pipelineruns", where)
            return next((run for run in runs if run["metadata"]["labels"]["kubernaut.io/workflow"] == name), None)

        found: Json = await self.until(find)
        return found

    async def play(self, name: str, where: str, results: Json, **odd: Any) -> None:
        """Act as Tekton: create TaskRuns with these results and their pods, and end the PipelineRun."""
        run = await self.run_of(name, where)
        for task in run["spec"]["pipelineSpec"]["tasks"]:
            one = self.server.put("taskruns", task_run_of(run, task, results, **odd))
            self.server.put("pods", pod_of(one, odd.get("message")))
        children = [{"name": f"{run['metadata']['name']}-a", "pipelineTaskName": "a"}]
        status = {
            "startTime": stamp(),
            "completionTime": stamp(),
            "childReferences": children,
            "conditions": [{"type": "Succeeded", "status": "True", "reason": "Succeeded", "message": ""}],
        }
        self.server.put("pipelineruns", {**run, "status": status}, "MODIFIED")

    def phase(self, name: str, where: str) -> str | None:
        found = self.server.get("workflowexecutions", where, name) or {}
        return (found.get("status") or {}).get("phase")

    def finished(self, name: str, where: str) -> str | None:
        """Return the phase of a workflow that has ended and whose lock is free; else None."""
        phase = self.phase(name, where)
        uid = self.server.objects["workflowexecutions", where, name]["metadata"]["uid"]
        held = any(uid in lease["spec"].get("holderIdentity", "") for lease in self.server.of("leases"))
        return phase if phase not in {None, "Pending", "Running"} and not held else None

    async def wait_for_end(self, name: str, where: str = "bad") -> str:
        """Wait for the end of a workflow, and return its phase."""
        return str(await self.until(lambda: self.finished(name, where)))

    def message(self, name: str, where: str) -> str:
        return str((self.server.objects["workflowexecutions", where, name].get("status") or {}).get("message"))

    def is_decided(self, name: str) -> bool:
        return self.is_gone(name) or self.phase(name, "bad") is not None

    def is_gone(self, name: str) -> bool:
        return self.server.get("workflowexecutions", "bad", name) is None

    def is_refused(self, name: str) -> bool:
        status = self.server.objects["remediationrequests", "bad", name].get("status") or {}
        return bool(status.get("phase") == "Refused")

    async def others_end_as_ever(self, name: str) -> None:
        """Check that a workflow of the other namespace succeeds."""
        self.create(name, "good", target={"kind": "Deployment", "namespace": "good", "name": name})
        await self.play(name, "good", GOOD)
        assert await self.wait_for_end(name, "good") == "Succeeded"


def task_run_of(run: Json, task: Json, results: Json, *, reason: str = "Succeeded", **_: Any) -> Json:
    name = f"{run['metadata']['name']}-{task['name']}"
    labels = {"tekton.dev/pipelineRun": run["metadata"]["name"], "tekton.dev/pipelineTask": task["name"]}
    owner = {"kind": "PipelineRun", "name": "x", "uid": run["metadata"]["uid"], "controller": True}
    where = run["metadata"]["namespace"]
    return {
        "metadata": {
            "name": name,
            "namespace": where,
            "labels": {**run["metadata"]["labels"], **labels},
            "ownerReferences": [owner],
        },
        "spec": {"taskRef": task["taskRef"], "params": task["params"], "serviceAccountName": "default"},
        "status": {
            "podName": f"{name}-pod",
            "startTime": stamp(),
            "completionTime": stamp(),
            "conditions": [{"type": "Succeeded", "status": "True", "reason": reason, "message": ""}],
            "results": [{"name": key, "type": "string", "value": value} for key, value in results.items()],
            "steps": [{"name": "action", "terminated": {"exitCode": 0, "startedAt": stamp()}}],
        },
    }


def pod_of(task_run: Json, message: str | None = None) -> Json:
    metadata = task_run["metadata"]
    owner = {"kind": "TaskRun", "name": metadata["name"], "uid": metadata["uid"], "controller": True}
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": stamp(), "finishedAt": stamp()}
    state = {"terminated": ended | ({"message": message} if message else {})}
    return {
        "metadata": {
            "name": f"{metadata['name']}-pod",
            "namespace": metadata["namespace"],
            "labels": {**metadata["labels"], "tekton.dev/taskRun": metadata["name"]},
            "ownerReferences": [owner],
        },
        "spec": {},
        "status": {"phase": "Succeeded", "containerStatuses": [{"name": "step-action", "state": state}]},
    }


@asynccontextmanager
async def running(**policy: Any) -> AsyncIterator[None]:
    """Run the controller, without a server for health and metrics."""
    options = ControllerSettings(policy=Policy(records=False, **policy), port=0)
    task = asyncio.create_task(process.run(options))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=15)


def run_before_and_after(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *tests: Callable[[IsolatedController], Coroutine[Any, Any, None]],
    **policy: Any,
) -> None:
    """Run the first part before there is a controller, and the others while there is one."""
    monkeypatch.setattr(process, "_collect_seldom", lambda: None)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    async def all_() -> None:
        async with running_server(tmp_path) as (server, kubeconfig):
            monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
            world = IsolatedController(server)
            await tests[0](world)
            async with running(**policy):
                for test in tests[1:]:
                    await test(world)

    asyncio.run(all_())


async def create_nothing(_: IsolatedController) -> None:
    """Create nothing."""


def test_what_is_there_at_the_start_stops_nobody(  # noqa: C901 – one loop a kind of object
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def before(world: IsolatedController) -> None:
        for name, (document, raw) in BAD_DOCUMENTS.items():
            world.server.put("workflowexecutions", document(name, "bad"), raw=raw)
        for name, (document, raw) in BAD_REQUESTS.items():
            world.server.put("remediationrequests", document(name, "bad"), raw=raw)
        for name, status in BAD_STATUSES.items():
            made = workflow(name, "bad", step("a", IMAGE, inputs={}))
            made["metadata"]["finalizers"] = [FINALIZER]
            world.server.put("workflowexecutions", {**made, "status": status})

    async def others(world: IsolatedController) -> None:
        await world.others_end_as_ever("one")
        for name in BAD_DOCUMENTS:
            assert await world.wait_for_end(name) == "Refused", name
            assert world.server.objects["workflowexecutions", "bad", name]["status"]["message"], name
        for name in BAD_STATUSES:
            if name == "odd-conditions":  # which does it no harm
                await world.play(name, "bad", GOOD)
            kept = world.server.get("workflowexecutions", "bad", name)
            if kept is not None:  # one that was over may be deleted already
                ending = {**kept["metadata"], "deletionTimestamp": stamp()}
                world.server.put("workflowexecutions", {**kept, "metadata": ending}, "MODIFIED")
            await world.until(partial(world.is_gone, name))
        for name in BAD_REQUESTS:
            await world.until(partial(world.is_refused, name))

    run_before_and_after(tmp_path, monkeypatch, before, others)


def test_what_comes_while_it_runs_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def others(world: IsolatedController) -> None:
        for name, (document, raw) in BAD_DOCUMENTS.items():
            world.server.put("workflowexecutions", document(name, "bad"), raw=raw)
            await world.wait_for_end(name)
        await world.others_end_as_ever("one")

    run_before_and_after(tmp_path, monkeypatch, create_nothing, others)


def test_whatever_results_a_pod_gives_its_workflow_ends_and_others_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def others(world: IsolatedController) -> None:
        target = {"kind": "Deployment", "namespace": "bad", "name": "x"}
        for name, results in BAD_RESULTS.items():
            world.create(name, "bad", target={**target, "name": name})
            await world.play(name, "bad", results)
        for name in BAD_RESULTS:
            assert await world.wait_for_end(name) in {"Succeeded", "Failed"}, name
        await world.others_end_as_ever("one")
        assert world.server.refused == []

    run_before_and_after(tmp_path, monkeypatch, create_nothing, others)


def test_whatever_a_pod_or_a_taskrun_is_its_workflow_ends_and_others_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def others(world: IsolatedController) -> None:
        made = []
        for kind, bad in (("pods", BAD_PODS), ("taskruns", BAD_TASK_RUNS)):
            for number, change in enumerate(bad):
                name = f"{kind}-{number}"
                made.append(name)
                world.create(name, "bad", target={"kind": "Deployment", "namespace": "bad", "name": name})
                run = await world.run_of(name, "bad")
                task = run["spec"]["pipelineSpec"]["tasks"][0]
                one = task_run_of(run, task, GOOD)
                one["metadata"]["name"] += "-x"
                document = pod_of({**one, "metadata": {**one["metadata"], "uid": "?"}}) if kind == "pods" else one
                change(document)
                world.server.put(kind, document)
                await world.play(name, "bad", GOOD)
        for name in made:
            assert await world.wait_for_end(name) in {"Succeeded", "Failed"}, name
        await world.others_end_as_ever("one")

    run_before_and_after(tmp_path, monkeypatch, create_nothing, others)


def test_a_status_that_the_api_server_refuses_is_said_in_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def others(world: IsolatedController) -> None:
        rows = world.server._schemas["workflowexecutions"]["status"]["properties"]["steps"]["items"]
        rows["properties"]["state"] = {**rows["properties"]["state"], "enum": ["intended", "started"]}
        world.create("short", "bad", target={"kind": "Deployment", "namespace": "bad", "name": "x"})
        await world.play("short", "bad", GOOD)
        assert await world.wait_for_end("short") == "Succeeded"
        status = world.server.objects["workflowexecutions", "bad", "short"]["status"]
        assert "steps" not in status
        assert status["message"].startswith("The whole of its status was refused (status.steps[0].state")
        kept = world.server.objects["workflowexecutions", "bad", "short"]
        world.server.put(
            "workflowexecutions",
            {**kept, "metadata": {**kept["metadata"], "deletionTimestamp": stamp()}},
            "MODIFIED",
        )
        await world.until(partial(world.is_gone, "short"))

    run_before_and_after(tmp_path, monkeypatch, create_nothing, others)


@pytest.mark.parametrize(
    "raised", [RuntimeError("no"), RecursionError("deep"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no")]
)
def test_whatever_a_decision_raises_ends_that_workflow_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    decide = reconcile

    def odd(observed: Any, *words: Any) -> Any:
        if observed.document.namespace == "bad" and observed.pipeline_run is not None:
            raise raised
        return decide(observed, *words)

    monkeypatch.setattr("kubernaut_controller.operator.workflows.reconcile", odd)

    async def others(world: IsolatedController) -> None:
        world.create("odd", "bad", target={"kind": "Deployment", "namespace": "bad", "name": "x"})
        run = await world.run_of("odd", "bad")
        await world.others_end_as_ever("one")
        name = run["metadata"]["name"]
        stopped = await world.until(lambda: world.server.objects["pipelineruns", "bad", name]["spec"].get("status"))
        assert stopped == "CancelledRunFinally"
        await world.play("odd", "bad", GOOD)
        assert await world.wait_for_end("odd") == "Failed"
        message = world.server.objects["workflowexecutions", "bad", "odd"]["status"]["message"]
        assert message.startswith(f"The controller cannot go on with it ({type(raised).__name__}: ")

    run_before_and_after(tmp_path, monkeypatch, create_nothing, others)


@pytest.mark.parametrize(("count", "examples"), [(5, 1), pytest.param(40, 3, marks=pytest.mark.slow)])
def test_documents_of_the_schema_stop_nobody(
    tmp_path_factory: pytest.TempPathFactory, count: int, examples: int
) -> None:
    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(documents(count))
    def test(made: list[Json]) -> None:
        async def before(world: IsolatedController) -> None:
            for number, spec in enumerate(made):
                document = workflow(f"odd-{number}", "bad") | {"spec": spec}
                world.server.put("workflowexecutions", document)

        async def others(world: IsolatedController) -> None:
            await world.others_end_as_ever("one")
            for number in range(len(made)):
                await world.until(partial(world.is_decided, f"odd-{number}"))

        with pytest.MonkeyPatch.context() as monkeypatch:
            run_before_and_after(tmp_path_factory.mktemp("odd"), monkeypatch, before, others)

    test()


def test_a_list_of_an_object_that_is_too_deep_holds_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = json.dumps({"steps": [step("a", IMAGE, inputs={"a": "DEEP"})]}).replace('"DEEP"', deep(9_000))

    async def before(world: IsolatedController) -> None:
        world.server.put("workflowexecutions", workflow("deep", "bad", step("a", IMAGE)), raw=raw)

    async def others(world: IsolatedController) -> None:
        await world.others_end_as_ever("one")
        assert await world.wait_for_end("deep") == "Refused"
        message = world.server.objects["workflowexecutions", "bad", "deep"]["status"]["message"]
        assert "nested more than 64 deep" in message

    run_before_and_after(tmp_path, monkeypatch, before, others)


def test_a_namespace_whose_lists_hang_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"hangs-{number}" for number in range(100)]

    async def before(world: IsolatedController) -> None:
        world.server.hanging.add("bad")
        for name in names:
            made = workflow(name, "bad", step("a", IMAGE, inputs={}))
            made["metadata"]["finalizers"] = [FINALIZER]
            run = {"name": f"{name}-run", "uid": name}
            world.server.put("workflowexecutions", {**made, "status": {"phase": "Running", "pipelineRunRef": run}})

    async def others(world: IsolatedController) -> None:
        await world.others_end_as_ever("one")
        assert {world.phase(name, "bad") for name in names} == {"Running"}

    run_before_and_after(tmp_path, monkeypatch, before, others)


def test_a_closed_workflow_is_let_go_without_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflows, "_REFRESH_ENDED", 0.0)

    async def before(world: IsolatedController) -> None:
        world.server.hanging.add("bad")
        made = workflow("closed", "bad", step("a", IMAGE, inputs={}))
        made["metadata"] |= {"finalizers": [FINALIZER], "deletionTimestamp": stamp()}
        stored = {"type": "RecordsStored", "status": "True", "reason": "Stored", "lastTransitionTime": stamp()}
        status = {"phase": "Succeeded", "finishedAt": stamp(), "conditions": [{**stored, "message": ""}]}
        world.server.put("workflowexecutions", {**made, "status": status})

    async def others(world: IsolatedController) -> None:
        await world.until(partial(world.is_gone, "closed"))

    run_before_and_after(tmp_path, monkeypatch, before, others)


def test_a_closed_workflow_holds_no_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two controllers took its lock and died, the other closed it."""
    target = {"kind": "Deployment", "namespace": "good", "name": "one"}

    async def before(world: IsolatedController) -> None:
        ghost = workflow("ghost", "good", step("a", IMAGE, inputs={}), target=target)
        stored = {
            "type": "RecordsStored",
            "status": "True",
            "reason": "Stored",
            "message": "",
            "lastTransitionTime": stamp(),
        }
        stored["lastTransitionTime"] = stamp()
        ghost["status"] = {"phase": "Succeeded", "finishedAt": stamp(), "conditions": [stored]}
        ghost["metadata"]["uid"] = "u1"
        world.server.put("workflowexecutions", ghost)
        lease = acquired_lease(None, ObjectRef(**target), "good/ghost/u1", utcnow())
        lease["metadata"]["namespace"] = "kubernaut-system"
        world.server.put("leases", lease)

    async def others(world: IsolatedController) -> None:
        await world.others_end_as_ever("one")

    run_before_and_after(tmp_path, monkeypatch, before, others)


def test_the_oldest_that_waits_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order depends neither on who releases the lock nor on who reads it first."""
    target = {"kind": "Deployment", "namespace": "bad", "name": "queue"}
    names = ["z-oldest", "m-younger", "b-younger", "a-younger", "c-youngest"]

    async def before(world: IsolatedController) -> None:
        ghost = workflow("ghost", "bad", step("a", IMAGE, inputs={}))
        ghost["metadata"]["uid"] = "u1"
        world.server.put("workflowexecutions", ghost)
        lease = acquired_lease(None, ObjectRef(**target), "bad/ghost/u1", utcnow())
        lease["metadata"]["namespace"] = "kubernaut-system"
        world.server.put("leases", lease)
        for number, name in reversed(list(enumerate(names))):
            made = workflow(name, "bad", step("a", IMAGE, inputs={}), target=target, startingDeadline="87600h")
            made["metadata"]["creationTimestamp"] = f"2026-01-01T00:00:0{number}Z"
            world.server.put("workflowexecutions", made)

    async def others(world: IsolatedController) -> None:
        for name in names:
            await world.until(lambda name=name: world.message(name, "bad").startswith("Waits for bad/ghost"))  # type: ignore[misc]
        world.server.put("leases", world.server.of("leases")[0], "DELETED")  # as another controller would
        for name in names:
            await world.run_of(name, "bad")
            started = {run["metadata"]["labels"]["kubernaut.io/workflow"] for run in world.server.of("pipelineruns")}
            assert started == {"ghost", *names[: names.index(name) + 1]}
            await world.play(name, "bad", GOOD)
            assert await world.wait_for_end(name) == "Succeeded"

    monkeypatch.setattr("kubernaut_controller.operator.workflows._LOCK_STALE", -1)  # all look at once
    monkeypatch.setattr("kubernaut_controller.reconciling.starting._POLL", timedelta(seconds=0.05))
    run_before_and_after(tmp_path, monkeypatch, before, others, cooldown=timedelta(0))


def test_a_target_of_another_namespace_is_locked_for_all_only_by_a_grant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = {"kind": "Deployment", "namespace": "good", "name": "wanted"}

    async def others(world: IsolatedController) -> None:
        world.create("stranger", "bad", target=target)
        await world.run_of("stranger", "bad")
        world.create("another-stranger", "bad", target={**target, "kind": "deploy"})
        world.create("owner", "good", target={**target, "kind": "deployments.apps", "cluster": "local"})
        await world.play("owner", "good", GOOD)
        assert await world.wait_for_end("owner", "good") == "Succeeded"
        assert world.message("another-stranger", "bad").startswith("Waits for bad/stranger, which acts on")

        world.create("held", "good", target={**target, "name": "third"})
        await world.run_of("held", "good")
        world.create("waiting-stranger", "bad", target={**target, "name": "third"})
        waits = "Waits for good/held, which acts on"
        await world.until(lambda: world.message("waiting-stranger", "bad").startswith(waits))
        await world.play("held", "good", GOOD)
        await world.play("waiting-stranger", "bad", GOOD)
        assert await world.wait_for_end("waiting-stranger", "bad") == "Succeeded"

        world.server.grants.add(("system:serviceaccounts:bad", "good"))
        world.create("granted", "bad", target={**target, "name": "other"})
        run = await world.run_of("granted", "bad")
        world.create("waits", "good", target={**target, "name": "other"})
        await world.until(lambda: world.message("waits", "good").startswith("Waits for bad/granted, which acts on"))
        await world.play("granted", "bad", GOOD)
        await world.play("waits", "good", GOOD)
        assert await world.wait_for_end("waits", "good") == "Succeeded"
        assert run["metadata"]["namespace"] == "bad"

    run_before_and_after(tmp_path, monkeypatch, create_nothing, others, cooldown=timedelta(0))
