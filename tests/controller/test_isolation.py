"""No object affects another: whatever one namespace contains, a workflow of another ends normally.

The controller's own process, with kopf, on a small API server; `tests/e2e/controller` asks a real one.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bad_objects import BAD_DOCUMENTS, BAD_PODS, BAD_REQUESTS, BAD_RESULTS, BAD_STATUSES, BAD_TASK_RUNS, deep, documents
from hypothesis import HealthCheck, Phase, given, settings
from isolatedcontroller import (
    GOOD,
    IMAGE,
    IsolatedController,
    create_nothing,
    pod_of,
    run_before_and_after,
    task_run_of,
)
from realcluster import step, workflow
from smallserver import Json, stamp

from kubernaut_controller.operator import workflows
from kubernaut_controller.reconciling import FINALIZER, reconcile


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
