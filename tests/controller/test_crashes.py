"""Whatever comes between – a crash after any act, news that is missed, a store that is away – the end is the same.

A small world plays the API server, Tekton and Data Storage; the controller's own decisions act on it, and are stopped
wherever hypothesis likes.
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
from objects import CREATED, Json, pipeline_run, pod, results, seen, stamp, step, task_run, termination, well, workflow

from kubernaut_controller.reconciling import FINALIZER, Policy, is_closed, reconcile
from kubernaut_controller.reconciling import acts as does
from kubernaut_controller.reconciling.lock import Lock, freed, read_lock, taken
from kubernaut_controller.workflow import read_workflow_execution
from kubernaut_datastorage.records.merge import Merged, merge
from kubernaut_sdk.records import Event

POLICY = Policy(cooldown=timedelta(0))
TARGET = {"kind": "Deployment", "namespace": "shop", "name": "checkout"}
STEPS = [step("a"), step("b", runAfter=["a"])]


@dataclass
class World:
    """What outlives a controller."""

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
        """One more thing that Tekton does: the TaskRuns one after the other, then the PipelineRun's end."""
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
        self.task_runs[name] = well(name, stored=stored)
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
        """What Data Storage does with an event, by its own merge."""
        known = Event.model_validate({**event, "action_type": "probe/write_text"}).wire()
        self.store[known["id"]], _ = merge(self.store.get(known["id"]), known)


def pod_of(name: str, *words: Any) -> Json:
    """The pod of a step."""
    owner = {"kind": "TaskRun", "uid": f"task-{name}", "controller": True}
    return pod(*words, name=f"run-{name}-pod", ownerReferences=[owner])


class Controller:
    """What a controller's process remembers, and how it acts: as `operator.hands` does, on this world."""

    def __init__(self, world: World) -> None:
        self.world = world
        held = FINALIZER in world.document["metadata"]["finalizers"]
        self.looked_up = not held
        self.absent_for: str | None = None
        self.run: Json | None = None
        self.task_runs: dict[str, Json] = {}
        self.pods: dict[str, Json] = {}
        self.lock = Lock()
        self.told: dict[tuple[str, str], str | None] = {}
        self.records: dict[str, Json | None] = {}

    def acts(self) -> Iterator[None]:
        """Decides and acts for ever, and stops after each act that changed something."""
        world = self.world
        for _ in range(60):
            if world.gone:
                return
            if self.looked_up and self.run is not None:
                self.look()
            known = seen(
                copy.deepcopy(world.document),
                policy=POLICY,
                looked_up=self.looked_up,
                absent=self.absent_for == json.dumps(world.document),
                looked_at=self.run["metadata"]["resourceVersion"] if self.run else None,
                pipeline_run=self.run,
                task_runs=tuple(self.task_runs.values()),
                pods=self.pods,
                lock=self.lock,
                told=dict(self.told),
                records=dict(self.records),
            )
            decision = reconcile(known, POLICY, world.now)
            changed = False
            for act in decision.acts:
                if self.do(act):
                    changed = True
                    yield
            if not changed:
                return
        raise AssertionError(f"it does not come to rest: {decision.acts}")

    def look(self) -> None:
        world = self.world
        self.run = copy.deepcopy(world.run)
        self.absent_for = json.dumps(world.document) if world.run is None else None
        self.task_runs = copy.deepcopy(world.task_runs)
        self.pods = copy.deepcopy(world.pods)

    def do(self, act: does.Act) -> bool:  # noqa: C901, PLR0912
        world = self.world
        made = read_workflow_execution(world.document)
        me = f"shop/fix/{made.metadata.uid}"
        match act:
            case does.Hold():
                world.document["metadata"]["finalizers"] = [FINALIZER]
            case does.LetGo():
                world.document["metadata"]["finalizers"] = []
                world.gone = bool(world.document["metadata"].get("deletionTimestamp"))
            case does.TakeLock():
                before = read_lock(world.lease, me, world.now)
                if before.state == "free":
                    assert made.spec.target is not None
                    lease = None if world.lease is None else {**world.lease, "metadata": {"resourceVersion": "1"}}
                    world.lease = taken(lease, made.spec.target, me, world.now)
                self.lock = read_lock(world.lease, me, world.now)
            case does.FreeLock():
                if world.lease is not None and world.lease["spec"]["holderIdentity"] == me:
                    world.lease = freed(world.lease, world.now, timedelta(seconds=1))
                self.lock = Lock("released")
            case does.LookUp():
                self.look()
                self.looked_up = True
            case does.CreateRun(document):
                if world.run is None:
                    world.runs_made += 1
                    world.run = pipeline_run(world.document)
                    assert {**world.run["spec"], **document["spec"]} == world.run["spec"]
                self.look()
                self.looked_up = True
            case does.CancelRun(_, status):
                assert world.run is not None
                world.run["spec"]["status"] = status
            case does.Tell(events):
                if world.store_away:
                    return False
                fresh = [event for event in events if (event["step"], event["state"]) not in self.told]
                for event in fresh:
                    world.tell(event)
                    self.told[event["step"], event["state"]] = None
                return bool(fresh)
            case does.Ask(name, record_id):
                if world.store_away or name in self.records:
                    return False
                known = world.store.get(record_id)
                self.records[name] = known.document() if known else None
            case does.SetStatus(status):
                world.document["status"] = status
            case does.Delete():
                world.document["metadata"]["deletionTimestamp"] = stamp(world.seconds)
            case _:
                return False
        return True


MOVES = st.sampled_from(["act", "act", "act", "crash", "tekton", "tekton", "store away", "store back", "second"])


def play(moves: list[str], *, cancel_at: int | None = None, delete_at: int | None = None) -> World:
    """Plays moves, then lets everything come to rest."""
    world = World(workflow(*STEPS, held=False, target=TARGET))
    controllers = [Running(world)]
    for number, move in enumerate(moves):
        if number == cancel_at:
            world.document["spec"]["cancel"] = True
        if number == delete_at and not world.gone and FINALIZER in world.document["metadata"]["finalizers"]:
            world.document["metadata"]["deletionTimestamp"] = stamp(world.seconds)
        make(move, world, controllers)
        world.seconds += 0.1
    world.store_away = False
    for _ in range(12):
        for running in controllers:
            running.rest()
        world.let_tekton_work()
    return world


def make(move: str, world: World, controllers: "list[Running]") -> None:
    match move:
        case "act":
            for running in controllers:
                running.act()
        case "crash":
            controllers[0] = Running(world)
        case "second" if len(controllers) == 1:
            controllers.append(Running(world))
        case "tekton":
            world.let_tekton_work()
        case "store away" | "store back":
            world.store_away = move == "store away"


class Running:
    """A controller's process, stopped after each act."""

    def __init__(self, world: World) -> None:
        self.controller = Controller(world)
        self.acts = self.controller.acts()

    def act(self) -> None:
        if next(self.acts, "rest") == "rest":
            self.acts = self.controller.acts()

    def rest(self) -> None:
        for _ in self.acts:
            pass
        self.acts = self.controller.acts()


def outcome(world: World) -> Any:
    """What must not depend on what came between."""
    status = copy.deepcopy(world.document["status"])
    for condition in status["conditions"]:
        condition.pop("lastTransitionTime")
    records = {merged.document()["step"]: merged.document() for merged in world.store.values()}
    return status, records


UNDISTURBED = play([])


def test_the_undisturbed_run_ends_well() -> None:
    status, records = outcome(UNDISTURBED)

    assert (status["phase"], status["progress"], UNDISTURBED.runs_made) == ("Succeeded", "2/2", 1)
    assert {name: (record["state"], record["intended_at"] is not None) for name, record in records.items()} == {
        "a": ("succeeded", True),
        "b": ("succeeded", True),
    }
    assert is_closed(UNDISTURBED.document)


@settings(deadline=None, max_examples=30)
@given(st.lists(MOVES, max_size=25))
def test_crashes_anywhere_end_as_if_there_were_none(moves: list[str]) -> None:
    world = play(moves)

    assert world.runs_made == 1
    assert outcome(world) == outcome(UNDISTURBED)
    assert world.lease is not None
    assert world.lease["spec"]["holderIdentity"] == ""


@settings(deadline=None, max_examples=20)
@given(st.lists(MOVES, max_size=25), st.integers(0, 25))
def test_a_cancel_at_any_time_is_carried_out_once(moves: list[str], at: int) -> None:
    world = play(moves, cancel_at=at)
    status, records = outcome(world)
    states = {row["name"]: row["state"] for row in status["steps"]}

    assert world.runs_made <= 1
    assert is_closed(world.document)
    assert status["phase"] in {"Cancelled", "Succeeded"}
    if world.runs_made:
        assert {name: record["state"] for name, record in records.items()} == states
    else:
        assert records == {}
    assert world.lease is None or world.lease["spec"]["holderIdentity"] == ""


@settings(deadline=None, max_examples=20)
@given(st.lists(MOVES, max_size=25), st.integers(0, 25))
def test_a_deletion_at_any_time_leaves_nothing_behind_but_records(moves: list[str], at: int) -> None:
    world = play(moves, delete_at=at)

    assert world.runs_made <= 1
    assert world.gone or not world.document["metadata"].get("deletionTimestamp")
    assert all(merged.document()["state"] in {"succeeded", "cancelled", "skipped"} for merged in world.store.values())
    assert len(world.store) in {0, 2}
    assert world.lease is None or world.lease["spec"]["holderIdentity"] == ""


@pytest.mark.parametrize("crash_after", range(14))
def test_a_crash_after_each_act_in_turn(crash_after: int) -> None:
    assert outcome(play(["act"] * crash_after + ["crash", "tekton"] * 2)) == outcome(UNDISTURBED)
