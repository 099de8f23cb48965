"""Waiting for the goal: for how long, what counts as an answer, where nothing was to apply, and after another pod."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from kubernaut_sdk import Action, Change, Context, Failed, Inputs, NotFound, Result, Transient, VerifyFailed
from kubernaut_sdk.ids import mint
from kubernaut_sdk.testing import ActionRunner

FIRST, SECOND = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


class Size(Inputs):
    replicas: int


class Sized(Result):
    replicas: int


class World:
    """What is asked for, what is ready, and how often somebody looked."""

    def __init__(self, answers: Callable[[int], Any] = lambda look: True) -> None:
        self.replicas = 1
        self.looks = 0
        self.answers = answers
        self.crash: BaseException | None = None


def scaling(world: World, *, idempotent: bool = True, **times: Any) -> Action:
    action = Action("shop/scale_it", idempotent=idempotent)

    @action.plan
    def plan(ctx: Context, inputs: Size) -> Change:
        return Change({"replicas": world.replicas}, {"replicas": inputs.replicas})

    @action.apply
    def apply(ctx: Context, inputs: Size, change: Change) -> Sized:
        world.replicas = inputs.replicas
        if world.crash is not None:
            raise world.crash
        return Sized(replicas=inputs.replicas)

    @action.verify(**times)
    def verify(ctx: Context, inputs: Size, change: Change) -> Any:
        world.looks += 1
        answer = world.answers(world.looks)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return action


def never(look: int) -> str:
    return f"look {look}: pods are missing"


def test_what_was_there_already_is_unchanged_only_if_the_goal_is_reached() -> None:
    world = World(lambda look: look >= 3 or "pods are missing")
    ran = ActionRunner(scaling(world)).run({"replicas": 1})

    assert (ran.status, ran.changed, ran.exit_code, world.looks) == ("unchanged", False, 0, 3)
    assert ran.states == ["started", "unchanged"]


def test_what_was_there_already_and_never_gets_ready_fails() -> None:
    ran = ActionRunner(scaling(World(never), within=timedelta(seconds=30))).run({"replicas": 1})

    assert (ran.status, ran.changed, ran.exit_code) == ("failed", False, 4)
    assert ran.error is not None
    assert ran.error.message.startswith("there was nothing to apply, but after 30 s: look ")
    assert ran.results["changed"] == "false"


@pytest.mark.parametrize("replicas", [1, 6])
def test_a_dry_run_looks_at_no_goal(replicas: int) -> None:
    world = World(never)
    ran = ActionRunner(scaling(world)).dry_run({"replicas": replicas})

    assert (ran.exit_code, world.looks) == (0, 0)


@pytest.mark.parametrize(("timeout", "waited"), [(timedelta(minutes=10), 598), (timedelta(hours=2), 7198)])
def test_it_waits_as_long_as_the_step_may_take_less_a_margin(timeout: timedelta, waited: int) -> None:
    ran = ActionRunner(scaling(World(never)), timeout=timeout).run({"replicas": 6})

    assert (ran.exit_code, ran.changed) == (4, True)
    assert ran.error is not None
    assert ran.error.message.startswith(f"applied, but after {waited} s: look ")


def test_an_authors_limit_is_an_upper_bound() -> None:
    ran = ActionRunner(scaling(World(never), within=timedelta(minutes=3)), timeout=timedelta(minutes=1)).run(
        {"replicas": 6}
    )

    assert ran.error is not None
    assert ran.error.message.startswith("applied, but after 58 s: ")


def test_never_ends_the_wait_at_once() -> None:
    world = World(lambda look: VerifyFailed("the rollout was given up.") if look == 2 else False)
    ran = ActionRunner(scaling(world)).run({"replicas": 6})

    assert (ran.exit_code, ran.changed, world.looks) == (4, True, 2)
    assert ran.error is not None
    assert ran.error.message == "the rollout was given up."


@pytest.mark.parametrize("answer", [False, None, "", "pods are missing", Transient("busy")])
def test_not_yet_may_be_said_in_several_ways(answer: Any) -> None:
    world = World(lambda look: look >= 2 or answer)

    assert ActionRunner(scaling(world)).run({"replicas": 6}).status == "succeeded"
    assert world.looks == 2


@pytest.mark.parametrize("answer", [1, ["missing"], {"ready": True}])
def test_what_is_no_answer_is_an_authors_mistake_and_not_waited_for(answer: Any) -> None:
    world = World(lambda look: answer)
    ran = ActionRunner(scaling(world)).run({"replicas": 6})

    assert (ran.exit_code, ran.changed, world.looks) == (1, True, 1)
    assert ran.error is not None
    kind = type(answer).__name__
    assert ran.error.message == f"verify of shop/scale_it must return True, False or a text, not {kind}."


def test_a_goal_that_must_settle_must_hold_without_a_break() -> None:
    """It flaps at the fifth look, and the time begins anew."""
    world = World(lambda look: look != 5)
    ran = ActionRunner(scaling(world, settle=timedelta(seconds=60))).run({"replicas": 6})

    assert (ran.exit_code, ran.changed) == (0, True)
    assert world.looks > 30  # at most two seconds apart


def test_a_goal_that_does_not_settle_in_time_is_not_reached() -> None:
    world = World(lambda look: look % 3 != 0)
    ran = ActionRunner(scaling(world, settle=timedelta(seconds=60)), timeout=timedelta(minutes=3)).run({"replicas": 6})

    assert ran.exit_code == 4


def test_a_goal_that_is_reached_too_late_to_settle_says_so() -> None:
    action = scaling(World(), within=timedelta(seconds=30), settle=timedelta(seconds=30))
    ran = ActionRunner(action, timeout=timedelta(seconds=20)).run({"replicas": 6})

    assert ran.error is not None
    assert ran.error.message == "applied, but after 18 s: the goal is reached, and has not yet held for 30 s"


@pytest.mark.parametrize("raised", [NotFound("it is gone."), Failed("it broke.")])
def test_after_an_apply_no_code_says_that_nothing_changed(raised: Exception) -> None:
    ran = ActionRunner(scaling(World(lambda look: raised))).run({"replicas": 6})

    assert (ran.exit_code, ran.changed) == (1, True)


def interrupted(runner: ActionRunner, world: World, record_id: Any) -> None:
    """A first pod that is killed within apply: its record stays `applying`, as of a process that could say no more."""
    world.crash = Failed("killed")
    runner.run({"replicas": 6}, record_id=record_id, pod_uid=FIRST)
    runner._store.events[:] = [event for event in runner._store.events if event["state"] != "failed"]
    world.crash = None


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_second_pod_looks_at_the_goal_and_tells_the_change_of_the_first(*, idempotent: bool) -> None:
    world, record_id = World(lambda look: look >= 3), mint()
    runner = ActionRunner(scaling(world, idempotent=idempotent))
    interrupted(runner, world, record_id)
    ran = runner.run({"replicas": 6}, record_id=record_id, pod_uid=SECOND)

    assert (ran.status, ran.changed, ran.exit_code, world.looks) == ("succeeded", True, 0, 3)
    assert ran.change == Change({"replicas": 1}, {"replicas": 6})
    assert ran.events[-1]["attempt"] == 1
    assert ran.output == {"replicas": 6}


def test_a_second_pod_that_finds_the_goal_missed_says_so_of_the_same_change() -> None:
    world, record_id = World(never), mint()
    runner = ActionRunner(scaling(world))
    interrupted(runner, world, record_id)
    ran = runner.run({"replicas": 6}, record_id=record_id, pod_uid=SECOND)

    assert (ran.status, ran.changed, ran.exit_code) == ("failed", True, 4)
    assert ran.events[-1]["change"] == {"before": {"replicas": 1}, "after": {"replicas": 6}}


def test_where_the_first_pod_meant_another_state_it_is_not_known_what_it_changed() -> None:
    world, record_id = World(), mint()
    runner = ActionRunner(scaling(world))
    interrupted(runner, world, record_id)
    world.replicas = 4
    ran = runner.run({"replicas": 4}, record_id=record_id, pod_uid=SECOND)

    assert (ran.status, ran.changed) == ("succeeded", None)


def test_a_second_pod_of_an_action_that_is_not_idempotent_says_nothing_of_what_the_first_changed() -> None:
    world, record_id = World(), mint()
    runner = ActionRunner(scaling(world, idempotent=False))
    interrupted(runner, world, record_id)
    world.replicas = 3  # neither before nor after
    ran = runner.run({"replicas": 6}, record_id=record_id, pod_uid=SECOND)

    assert (ran.exit_code, world.replicas) == (3, 3)
    assert "changed" not in ran.events[-1]
    assert "change" not in ran.events[-1]


def test_a_first_pod_that_surely_changed_nothing_is_none() -> None:
    world, record_id = World(), mint()
    runner = ActionRunner(scaling(world, idempotent=False))
    runner.run({"replicas": 1}, record_id=record_id, pod_uid=FIRST)
    ran = runner.run({"replicas": 6}, record_id=record_id, pod_uid=SECOND)

    assert (ran.status, ran.exit_code, ran.events[-1]["attempt"]) == ("succeeded", 0, 1)


def test_with_storage_away_what_was_there_is_unchanged_and_the_log_says_what_is_not_known() -> None:
    ran = ActionRunner(scaling(World()), storage="away").run({"replicas": 1})

    assert (ran.status, ran.exit_code) == ("unchanged", 0)
    assert "whether another pod of this step had begun is not known" in ran.log
