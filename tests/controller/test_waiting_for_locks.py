"""The locks on targets while the controller's process runs: who waits for whom, and who goes first."""

from datetime import timedelta
from pathlib import Path

import pytest
from isolatedcontroller import GOOD, IMAGE, IsolatedController, create_nothing, run_before_and_after
from realcluster import step, workflow
from smallserver import stamp

from kubernaut_controller.reconciling.lock import acquired_lease
from kubernaut_sdk.records import ObjectRef
from kubernaut_sdk.times import utcnow


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
