"""The controller's own process, with kopf, on a small API server, and a player of Tekton's part."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from realcluster import step, workflow
from smallserver import Json, SmallServer, running_server, stamp

from kubernaut_controller.operator import process
from kubernaut_controller.operator.settings import ControllerSettings
from kubernaut_controller.reconciling import Policy

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
