"""Waiting for the goal: its time, valid answers of `verify`, without a change, and after another pod."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from kubernaut_sdk import Action, Change, Context, Failed, Inputs, NotFound, Result, Transient, VerifyFailed
from kubernaut_sdk.ids import mint
from kubernaut_sdk.testing import ActionRunner

FIRST, SECOND = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


class ReplicasInput(Inputs):
    replicas: int


class ReplicasResult(Result):
    replicas: int


class FakeDeployment:
    """A deployment with scripted answers of `verify`, and the number of its calls."""

    def __init__(self, answers: Callable[[int], Any] = lambda look: True) -> None:
        self.replicas = 1
        self.calls = 0
        self.answers = answers
        self.crash: BaseException | None = None


def scaling(deployment: FakeDeployment, *, idempotent: bool = True, **times: Any) -> Action:
    action = Action("shop/scale_it", idempotent=idempotent)

    @action.plan
    def plan(ctx: Context, inputs: ReplicasInput) -> Change:
        return Change({"replicas": deployment.replicas}, {"replicas": inputs.replicas})

    @action.apply
    def apply(ctx: Context, inputs: ReplicasInput, change: Change) -> ReplicasResult:
        deployment.replicas = inputs.replicas
        if deployment.crash is not None:
            raise deployment.crash
        return ReplicasResult(replicas=inputs.replicas)

    @action.verify(**times)
    def verify(ctx: Context, inputs: ReplicasInput, change: Change) -> Any:
        deployment.calls += 1
        answer = deployment.answers(deployment.calls)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return action


def never(look: int) -> str:
    return f"look {look}: pods are missing"


def test_what_was_there_already_is_unchanged_only_if_the_goal_is_reached() -> None:
    deployment = FakeDeployment(lambda look: look >= 3 or "pods are missing")
    ran = ActionRunner(scaling(deployment)).run({"replicas": 1})

    assert (ran.status, ran.changed, ran.exit_code, deployment.calls) == ("unchanged", False, 0, 3)
    assert ran.states == ["started", "unchanged"]


def test_what_was_there_already_and_never_gets_ready_fails() -> None:
    ran = ActionRunner(scaling(FakeDeployment(never), within=timedelta(seconds=30))).run({"replicas": 1})

    assert (ran.status, ran.changed, ran.exit_code) == ("failed", False, 4)
    assert ran.error is not None
    assert ran.error.message.startswith("there was nothing to apply, but after 30 s: look ")
    assert ran.results["changed"] == "false"


@pytest.mark.parametrize("replicas", [1, 6])
def test_a_dry_run_looks_at_no_goal(replicas: int) -> None:
    deployment = FakeDeployment(never)
    ran = ActionRunner(scaling(deployment)).dry_run({"replicas": replicas})

    assert (ran.exit_code, deployment.calls) == (0, 0)


@pytest.mark.parametrize(("timeout", "waited"), [(timedelta(minutes=10), 598), (timedelta(hours=2), 7198)])
def test_it_waits_as_long_as_the_step_may_take_less_a_margin(timeout: timedelta, waited: int) -> None:
    ran = ActionRunner(scaling(FakeDeployment(never)), timeout=timeout).run({"replicas": 6})

    assert (ran.exit_code, ran.changed) == (4, True)
    assert ran.error is not None
    assert ran.error.message.startswith(f"applied, but after {waited} s: look ")


def test_an_authors_limit_is_an_upper_bound() -> None:
    ran = ActionRunner(scaling(FakeDeployment(never), within=timedelta(minutes=3)), timeout=timedelta(minutes=1)).run(
        {"replicas": 6}
    )

    assert ran.error is not None
    assert ran.error.message.startswith("applied, but after 58 s: ")


def test_never_ends_the_wait_at_once() -> None:
    deployment = FakeDeployment(lambda look: VerifyFailed("the rollout was given up.") if look == 2 else False)
    ran = ActionRunner(scaling(deployment)).run({"replicas": 6})

    assert (ran.exit_code, ran.changed, deployment.calls) == (4, True, 2)
    assert ran.error is not None
    assert ran.error.message == "the rollout was given up."


@pytest.mark.parametrize("answer", [False, None, "", "pods are missing", Transient("busy")])
def test_not_yet_may_be_said_in_several_ways(answer: Any) -> None:
    deployment = FakeDeployment(lambda look: look >= 2 or answer)

    assert ActionRunner(scaling(deployment)).run({"replicas": 6}).status == "succeeded"
    assert deployment.calls == 2


@pytest.mark.parametrize("answer", [1, ["missing"], {"ready": True}])
def test_what_is_no_answer_is_an_authors_mistake_and_not_waited_for(answer: Any) -> None:
    deployment = FakeDeployment(lambda look: answer)
    ran = ActionRunner(scaling(deployment)).run({"replicas": 6})

    assert (ran.exit_code, ran.changed, deployment.calls) == (1, True, 1)
    assert ran.error is not None
    kind = type(answer).__name__
    assert ran.error.message == f"verify of shop/scale_it must return True, False or a text, not {kind}."


def test_a_goal_that_must_settle_must_hold_without_a_break() -> None:
    """It flaps at the fifth look, and the time begins anew."""
    deployment = FakeDeployment(lambda look: look != 5)
    ran = ActionRunner(scaling(deployment, settle=timedelta(seconds=60))).run({"replicas": 6})

    assert (ran.exit_code, ran.changed) == (0, True)
    assert deployment.calls > 30  # at most two seconds apart


def test_a_goal_that_does_not_settle_in_time_is_not_reached() -> None:
    deployment = FakeDeployment(lambda look: look % 3 != 0)
    ran = ActionRunner(scaling(deployment, settle=timedelta(seconds=60)), timeout=timedelta(minutes=3)).run(
        {"replicas": 6}
    )

    assert ran.exit_code == 4


def test_a_goal_that_is_reached_too_late_to_settle_says_so() -> None:
    action = scaling(FakeDeployment(), within=timedelta(seconds=30), settle=timedelta(seconds=30))
    ran = ActionRunner(action, timeout=timedelta(seconds=20)).run({"replicas": 6})

    assert ran.error is not None
    assert ran.error.message == "applied, but after 18 s: the goal is reached, and has not yet held for 30 s"


@pytest.mark.parametrize("raised", [NotFound("it is gone."), Failed("it broke.")])
def test_after_an_apply_no_code_says_that_nothing_changed(raised: Exception) -> None:
    ran = ActionRunner(scaling(FakeDeployment(lambda look: raised))).run({"replicas": 6})

    assert (ran.exit_code, ran.changed) == (1, True)


def interrupted(runner: ActionRunner, deployment: FakeDeployment, record_id: Any) -> None:
    """A first pod that is killed within apply: its record stays `applying`, as of a process that could say no more."""
    deployment.crash = Failed("killed")
    runner.run({"replicas": 6}, record_id=record_id, pod_uid=FIRST)
    runner._store.events[:] = [event for event in runner._store.events if event["state"] != "failed"]
    deployment.crash = None


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_second_pod_looks_at_the_goal_and_tells_the_change_of_the_first(*, idempotent: bool) -> None:
    deployment, record_id = FakeDeployment(lambda look: look >= 3), mint()
    runner = ActionRunner(scaling(deployment, idempotent=idempotent))
    interrupted(runner, deployment, record_id)
    ran = runner.run({"replicas": 6}, record_id=record_id, pod_uid=SECOND)

    assert (ran.status, ran.changed, ran.exit_code, deployment.calls) == ("succeeded", True, 0, 3)
    assert ran.change == Change({"replicas": 1}, {"replicas": 6})
    assert ran.events[-1]["attempt"] == 1
    assert ran.output == {"replicas": 6}


def test_a_second_pod_that_finds_the_goal_missed_says_so_of_the_same_change() -> None:
    deployment, record_id = FakeDeployment(never), mint()
    runner = ActionRunner(scaling(deployment))
    interrupted(runner, deployment, record_id)
    ran = runner.run({"replicas": 6}, record_id=record_id, pod_uid=SECOND)

    assert (ran.status, ran.changed, ran.exit_code) == ("failed", True, 4)
    assert ran.events[-1]["change"] == {"before": {"replicas": 1}, "after": {"replicas": 6}}


def test_where_the_first_pod_meant_another_state_it_is_not_known_what_it_changed() -> None:
    deployment, record_id = FakeDeployment(), mint()
    runner = ActionRunner(scaling(deployment))
    interrupted(runner, deployment, record_id)
    deployment.replicas = 4
    ran = runner.run({"replicas": 4}, record_id=record_id, pod_uid=SECOND)

    assert (ran.status, ran.changed) == ("succeeded", None)


def test_a_second_pod_of_an_action_that_is_not_idempotent_says_nothing_of_what_the_first_changed() -> None:
    deployment, record_id = FakeDeployment(), mint()
    runner = ActionRunner(scaling(deployment, idempotent=False))
    interrupted(runner, deployment, record_id)
    deployment.replicas = 3  # neither before nor after
    ran = runner.run({"replicas": 6}, record_id=record_id, pod_uid=SECOND)

    assert (ran.exit_code, deployment.replicas) == (3, 3)
    assert "changed" not in ran.events[-1]
    assert "change" not in ran.events[-1]


def test_a_first_pod_that_surely_changed_nothing_is_none() -> None:
    deployment, record_id = FakeDeployment(), mint()
    runner = ActionRunner(scaling(deployment, idempotent=False))
    runner.run({"replicas": 1}, record_id=record_id, pod_uid=FIRST)
    ran = runner.run({"replicas": 6}, record_id=record_id, pod_uid=SECOND)

    assert (ran.status, ran.exit_code, ran.events[-1]["attempt"]) == ("succeeded", 0, 1)


def test_with_storage_away_what_was_there_is_unchanged_and_the_log_says_what_is_not_known() -> None:
    ran = ActionRunner(scaling(FakeDeployment()), storage="away").run({"replicas": 1})

    assert (ran.status, ran.exit_code) == ("unchanged", 0)
    assert "whether another pod of this step had begun is not known" in ran.log


def test_what_is_missing_is_logged_whenever_it_changes() -> None:
    missing = ["1 of 2 replicas are ready.", "1 of 2 replicas are ready.", "2 of 2 replicas are ready, 1 is old", True]
    ran = ActionRunner(scaling(FakeDeployment(lambda look: missing[look - 1]))).run({"replicas": 2})
    waits = [line for line in ran.log.splitlines() if "waiting: " in line]

    assert ran.exit_code == 0
    assert [line.split("waiting: ")[1].split('"')[0] for line in waits] == [
        "1 of 2 replicas are ready",
        "2 of 2 replicas are ready, 1 is old",
    ]
