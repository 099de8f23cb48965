"""The floor of the controller's figures: a minimal kopf operator that makes a PipelineRun of a workflow, and no more.

No lock, no finalizer, no records, no status; the PipelineRun is the controller's own, since Tekton's webhook takes a
third longer for it than for one with two parameters. `minimal_operator.py NAMESPACE`.
"""

import asyncio
import sys
from typing import Any

import aiohttp
import kopf

from kubernaut_controller import render
from kubernaut_controller.reconciling.admission import admit
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.workflow import API_VERSION

SESSION: dict[str, Any] = {}


async def post(path: str, document: dict[str, Any]) -> None:
    for _ in range(10):  # a webhook that is busy answers 500, and kopf does not call a handler of events again
        async with SESSION["session"].post(f"{SESSION['server']}{path}", json=document) as response:
            if response.status < 500:
                return


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False
    settings.scanning.disabled = True
    found = kopf.login_with_kubeconfig(settings=settings)
    assert found is not None
    SESSION["server"] = found.server
    connector = aiohttp.TCPConnector(ssl=found.as_ssl_context(), limit=64)
    SESSION["session"] = aiohttp.ClientSession(connector=connector, headers=found.as_http_headers())


@kopf.on.event("kubernaut.io", "v1alpha1", "workflowexecutions")
async def made(event: Any, **_: Any) -> None:
    """Makes the PipelineRun."""
    document = event["object"]
    if event["type"] not in {"ADDED", None}:  # None: it was there when the operator came
        return
    workflow, faults = admit({"apiVersion": API_VERSION, "kind": "WorkflowExecution", **document}, Policy())
    assert workflow is not None, faults
    run = render(workflow)
    run["spec"]["status"] = "PipelineRunPending"
    metadata = document["metadata"]
    await post(f"/apis/tekton.dev/v1/namespaces/{metadata['namespace']}/pipelineruns", run)


@kopf.on.event("", "v1", "configmaps", labels={"kubernaut.io/intermediate": kopf.PRESENT})
async def intermediate(event: Any, **_: Any) -> None:
    """Write the status of the resource between a workflow and its TaskRun, as its controller would."""
    document = event["object"]
    if event["type"] != "ADDED":
        return
    metadata = document["metadata"]
    url = f"{SESSION['server']}/api/v1/namespaces/{metadata['namespace']}/configmaps/{metadata['name']}"
    headers = {"content-type": "application/merge-patch+json"}
    async with SESSION["session"].patch(url, json={"data": {"phase": "Succeeded"}}, headers=headers) as response:
        response.raise_for_status()


if __name__ == "__main__":
    asyncio.run(kopf.operator(standalone=True, namespaces=[sys.argv[1]]))
