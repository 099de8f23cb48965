"""Crashes after any effect, missed events and a store that is away lead to the same end.

A simulated cluster plays the API server, Tekton and Data Storage. The controller's own decisions act on it, and
hypothesis chooses where they are interrupted.
"""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from objects import (
    CREATED,
    Json,
    observed_state,
    pipeline_run,
    pod,
    results,
    stamp,
    step,
    successful,
    task_run,
    termination,
    workflow,
)

from kubernaut_controller.reconciling import FINALIZER, Policy, effects, is_closed, reconcile
from kubernaut_controller.reconciling.events import event_key
from kubernaut_controller.reconciling.lock import LockState, acquired_lease, read_lock, released_lease
from kubernaut_controller.views import WorkflowView
from kubernaut_controller.workflow import read_workflow_execution
from kubernaut_datastorage.records.merge import Merged, merge
from kubernaut_sdk.records import Event

POLICY = Policy(cooldown=timedelta(0))
TARGET = {"kind": "Deployment", "namespace": "shop", "name": "checkout"}
STEPS = [step("a"), step("b", runAfter=["a"])]


@dataclass
class SimulatedCluster:
    """The state that survives a controller."""

    document: Json
    run: Json | None = None
    runs_made: int = 0
    task_runs: dict[str, Json] = field(default_factory=dict)
    pods: dict[str, Json] = field(default_factory=dict)
    lease: Json | None = None
    store: dict[str, Merged] = field(default_factory=dict)
    store_away: bool = False
    gone: bool = False
    seconds: float = 2
    tekton: int = 0

    @property
    def now(self) -> Any:
        return CREATED + timedelta(seconds=self.seconds)

    def let_tekton_work(self) -> None:
        """Let Tekton do one more thing: the TaskRuns one after the other, then the PipelineRun's end."""
        if self.run is None or self.run["status"]["conditions"][0]["status"] != "Unknown":
            return
        cancelled = bool(self.run["spec"].get("status"))
        self.tekton += 1
        if cancelled:
            self._end_cancelled()
        elif self.tekton == 1:
            self.task_runs["a"], self.pods["run-a"] = task_run("a"), pod()
        elif self.tekton == 2:
            self._end("a", stored="deferred")
        elif self.tekton == 3:
            self.task_runs["b"], self.pods["run-b"] = task_run("b"), pod_of("b")
        elif self.tekton == 4:
            self._end("b", stored="stored")
            self._finish("True", "Succeeded")

    def _end(self, name: str, stored: str) -> None:
        self.task_runs[name] = successful(name, stored=stored)
        self.pods[f"run-{name}"] = pod_of(name, "Succeeded")
        if stored == "stored":
            self.tell(
                {
                    "state": "succeeded",
                    "at": stamp(8),
                    "changed": True,
                    "source": "container",
                    "step": name,
                    **self.id_of(name),
                }
            )

    def _end_cancelled(self) -> None:
        for name, one in self.task_runs.items():
            if one["status"]["conditions"][0]["status"] == "Unknown":
                self.task_runs[name] = task_run(name, "False", "TaskRunCancelled")
                state = termination(results("cancelled", stored="deferred"))
                self.pods[f"run-{name}"] = pod_of(name, "Failed", state)
        self._finish("False", "Cancelled")

    def _finish(self, status: str, reason: str) -> None:
        assert self.run is not None
        children = [{"name": f"run-{name}", "pipelineTaskName": name} for name in self.task_runs]
        self.run["status"] |= {
            "conditions": [{"type": "Succeeded", "status": status, "reason": reason, "message": ""}],
            "completionTime": stamp(20),
            "childReferences": children,
        }
        self.run["metadata"]["resourceVersion"] = "70"

    def id_of(self, name: str) -> Json:
        from kubernaut_controller import record_id_of

        return {"id": record_id_of(read_workflow_execution(self.document), name), "attempt": 0}

    def tell(self, event: Json) -> None:
        """Store an event by Data Storage's own merge."""
        known = Event.model_validate({**event, "action_type": "probe/write_text"}).wire()
        self.store[known["id"]], _ = merge(self.store.get(known["id"]), known)


def pod_of(name: str, *words: Any) -> Json:
    """Return the pod of a step."""
    owner = {"kind": "TaskRun", "uid": f"task-{name}", "controller": True}
    return pod(*words, name=f"run-{name}-pod", ownerReferences=[owner])


class SimulatedController:
    """A controller's cache, and an executor of its effects on the simulated cluster, like `operator.executor`."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self.cluster = cluster
        held = FINALIZER in cluster.document["metadata"]["finalizers"]
        self.children_known = not held
        self.absent_at_version: str | None = None
        self.run: Json | None = None
        self.task_runs: dict[str, Json] = {}
        self.pods: dict[str, Json] = {}
        self.lock = LockState()
        self.answers: dict[tuple[str, str], str | None] = {}
        self.records: dict[str, Json | None] = {}

    def run_effects(self) -> Iterator[None]:
        """Decide and carry out effects, and yield after each one that changed something."""
        cluster = self.cluster
        for _ in range(60):
            if cluster.gone:
                return
            if self.children_known and self.run is not None:
                self.look()
            known = observed_state(
                copy.deepcopy(cluster.document),
                policy=POLICY,
                children_known=self.children_known,
                pipeline_run_absent=self.absent_at_version == json.dumps(cluster.document),
                children_read_at=self.run["metadata"]["resourceVersion"] if self.run else None,
                pipeline_run=self.run,
                task_runs=tuple(self.task_runs.values()),
                pods=self.pods,
                lock=self.lock,
                answers=dict(self.answers),
                records=dict(self.records),
            )
            decision = reconcile(known, POLICY, cluster.now)
            changed = False
            for effect in decision.effects:
                if self.do(effect):
                    changed = True
                    yield
            if not changed:
                return
        raise AssertionError(f"it does not come to rest: {decision.effects}")

    def look(self) -> None:
        cluster = self.cluster
        self.run = copy.deepcopy(cluster.run)
        self.absent_at_version = json.dumps(cluster.document) if cluster.run is None else None
        self.task_runs = copy.deepcopy(cluster.task_runs)
        self.pods = copy.deepcopy(cluster.pods)

    def do(self, effect: effects.Effect) -> bool:  # noqa: C901, PLR0912
        cluster = self.cluster
        made = read_workflow_execution(cluster.document)
        me = f"shop/fix/{made.metadata.uid}"
        match effect:
            case effects.AddFinalizer():
                cluster.document["metadata"]["finalizers"] = [FINALIZER]
            case effects.RemoveFinalizer():
                cluster.document["metadata"]["finalizers"] = []
                cluster.gone = bool(cluster.document["metadata"].get("deletionTimestamp"))
            case effects.AcquireLock():
                before = read_lock(cluster.lease, me, cluster.now)
                if before.state == "free":
                    assert made.spec.target is not None
                    lease = None if cluster.lease is None else {**cluster.lease, "metadata": {"resourceVersion": "1"}}
                    cluster.lease = acquired_lease(lease, made.spec.target, me, cluster.now)
                self.lock = read_lock(cluster.lease, me, cluster.now)
            case effects.ReleaseLock():
                if cluster.lease is not None and cluster.lease["spec"]["holderIdentity"] == me:
                    cluster.lease = released_lease(cluster.lease, cluster.now, timedelta(seconds=1))
                self.lock = LockState("released")
            case effects.RefreshChildren():
                self.look()
                self.children_known = True
            case effects.CreatePipelineRun(document):
                if cluster.run is None:
                    cluster.runs_made += 1
                    cluster.run = pipeline_run(cluster.document)
                    assert {**cluster.run["spec"], **document["spec"]} == cluster.run["spec"]
                self.look()
                self.children_known = True
            case effects.CancelPipelineRun(_, status):
                assert cluster.run is not None
                cluster.run["spec"]["status"] = status
            case effects.SendEvents(events):
                if cluster.store_away:
                    return False
                fresh = [event for event in events if (event["step"], event_key(event)) not in self.answers]
                for event in fresh:
                    cluster.tell(event)
                    self.answers[event["step"], event_key(event)] = None
                return bool(fresh)
            case effects.ReadRecord(name, record_id):
                if cluster.store_away or name in self.records:
                    return False
                known = cluster.store.get(record_id)
                self.records[name] = known.document() if known else None
            case effects.UpdateStatus(status):
                cluster.document["status"] = status
            case effects.DeleteWorkflow():
                cluster.document["metadata"]["deletionTimestamp"] = stamp(cluster.seconds)
            case _:
                return False
        return True


MOVES = st.sampled_from(["act", "act", "act", "crash", "tekton", "tekton", "store away", "store back", "second"])


def play(moves: list[str], *, cancel_at: int | None = None, delete_at: int | None = None) -> SimulatedCluster:
    """Play moves, then let everything come to rest."""
    cluster = SimulatedCluster(workflow(*STEPS, held=False, target=TARGET))
    controllers = [RunningController(cluster)]
    for number, move in enumerate(moves):
        if number == cancel_at:
            cluster.document["spec"]["cancel"] = True
        if number == delete_at and not cluster.gone and FINALIZER in cluster.document["metadata"]["finalizers"]:
            cluster.document["metadata"]["deletionTimestamp"] = stamp(cluster.seconds)
        make(move, cluster, controllers)
        cluster.seconds += 0.1
    cluster.store_away = False
    for _ in range(12):
        for running in controllers:
            running.rest()
        cluster.let_tekton_work()
    return cluster


def make(move: str, cluster: SimulatedCluster, controllers: "list[RunningController]") -> None:
    match move:
        case "act":
            for running in controllers:
                running.effect()
        case "crash":
            controllers[0] = RunningController(cluster)
        case "second" if len(controllers) == 1:
            controllers.append(RunningController(cluster))
        case "tekton":
            cluster.let_tekton_work()
        case "store away" | "store back":
            cluster.store_away = move == "store away"


class RunningController:
    """A controller's process that stops after each effect."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self.controller = SimulatedController(cluster)
        self.effects = self.controller.run_effects()

    def effect(self) -> None:
        if next(self.effects, "rest") == "rest":
            self.effects = self.controller.run_effects()

    def rest(self) -> None:
        for _ in self.effects:
            pass
        self.effects = self.controller.run_effects()


def outcome(cluster: SimulatedCluster) -> Any:
    """Return the part of the result that must not depend on interruptions."""
    status = copy.deepcopy(cluster.document["status"])
    for condition in status["conditions"]:
        condition.pop("lastTransitionTime")
    records = {merged.document()["step"]: merged.document() for merged in cluster.store.values()}
    return status, records


UNDISTURBED = play([])


def test_the_undisturbed_run_ends_well() -> None:
    status, records = outcome(UNDISTURBED)

    assert (status["phase"], status["progress"], UNDISTURBED.runs_made) == ("Succeeded", "2/2", 1)
    assert {name: (record["state"], record["intended_at"] is not None) for name, record in records.items()} == {
        "a": ("succeeded", True),
        "b": ("succeeded", True),
    }
    assert is_closed(WorkflowView(UNDISTURBED.document))


@settings(max_examples=30)
@given(st.lists(MOVES, max_size=25))
def test_crashes_anywhere_end_as_if_there_were_none(moves: list[str]) -> None:
    cluster = play(moves)

    assert cluster.runs_made == 1
    assert outcome(cluster) == outcome(UNDISTURBED)
    assert cluster.lease is not None
    assert cluster.lease["spec"]["holderIdentity"] == ""


def test_who_last_read_that_the_target_was_anothers_releases_the_lock_that_a_second_controller_took() -> None:
    cluster = SimulatedCluster(workflow(*STEPS, held=False, target=TARGET))
    first, second = RunningController(cluster), RunningController(cluster)
    second.controller.lock = LockState("busy", by="shop/other")
    first.rest()
    for _ in range(12):
        cluster.let_tekton_work()
        second.rest()

    assert outcome(cluster) == outcome(UNDISTURBED)
    assert cluster.lease is not None
    assert cluster.lease["spec"]["holderIdentity"] == ""


@settings(max_examples=20)
@given(st.lists(MOVES, max_size=25), st.integers(0, 25))
def test_a_cancel_at_any_time_is_carried_out_once(moves: list[str], at: int) -> None:
    cluster = play(moves, cancel_at=at)
    status, records = outcome(cluster)
    states = {row["name"]: row["state"] for row in status["steps"]}

    assert cluster.runs_made <= 1
    assert is_closed(WorkflowView(cluster.document))
    assert status["phase"] in {"Cancelled", "Succeeded"}
    if cluster.runs_made:
        assert {name: record["state"] for name, record in records.items()} == states
    else:
        assert records == {}
    assert cluster.lease is None or cluster.lease["spec"]["holderIdentity"] == ""


@settings(max_examples=20)
@given(st.lists(MOVES, max_size=25), st.integers(0, 25))
def test_a_deletion_at_any_time_leaves_nothing_behind_but_records(moves: list[str], at: int) -> None:
    cluster = play(moves, delete_at=at)

    assert cluster.runs_made <= 1
    assert cluster.gone or not cluster.document["metadata"].get("deletionTimestamp")
    assert all(merged.document()["state"] in {"succeeded", "cancelled", "skipped"} for merged in cluster.store.values())
    assert len(cluster.store) in {0, 2}
    assert cluster.lease is None or cluster.lease["spec"]["holderIdentity"] == ""


@pytest.mark.parametrize("crash_after", range(14))
def test_a_crash_after_each_act_in_turn(crash_after: int) -> None:
    assert outcome(play(["act"] * crash_after + ["crash", "tekton"] * 2)) == outcome(UNDISTURBED)
