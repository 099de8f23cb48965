"""The scheduling of tasks by Tekton's rules, and properties that hold for any graph."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_cli.engine.pipelinerun import PipelineTask
from kubernaut_cli.engine.schedule import NextTasks, StopReason, TaskState, next_tasks


def task(name: str, *after: str, may_fail: bool = False) -> PipelineTask:
    return PipelineTask.model_validate(
        {
            "name": name,
            "taskRef": {"name": "kubernaut-action"},
            "runAfter": after,
            "onError": "continue" if may_fail else "stopAndFail",
        }
    )


def names(due: NextTasks) -> tuple[list[str], list[str]]:
    return [item.name for item in due.start], [item.name for item, _ in due.skip]


DIAMOND = [task("a"), task("b", "a"), task("c", "a"), task("d", "b", "c")]
LAST = [task("z")]
R, S, F, X = TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SKIPPED


def test_independent_steps_start_together() -> None:
    assert names(next_tasks(DIAMOND, LAST, {}, None)) == (["a"], [])
    assert names(next_tasks(DIAMOND, LAST, {"a": S}, None)) == (["b", "c"], [])


def test_a_step_waits_for_all_before_it() -> None:
    assert names(next_tasks(DIAMOND, LAST, {"a": S, "b": S, "c": R}, None)) == ([], [])


def test_a_failure_stops_what_has_not_started_and_leaves_what_runs() -> None:
    assert names(next_tasks(DIAMOND, LAST, {"a": S, "b": F, "c": R}, None)) == ([], ["d"])


def test_finally_waits_for_what_runs_after_a_failure() -> None:
    assert names(next_tasks(DIAMOND, LAST, {"a": S, "b": F, "c": R, "d": X}, None)) == ([], [])
    assert names(next_tasks(DIAMOND, LAST, {"a": S, "b": F, "c": S, "d": X}, None)) == (["z"], [])


def test_a_failure_that_may_be_does_not_stop() -> None:
    graph = [task("a", may_fail=True), task("b", "a")]

    assert names(next_tasks(graph, [], {"a": F}, None)) == (["b"], [])


def test_a_skipped_step_takes_those_after_it_along() -> None:
    graph = [task("a"), task("b", "a"), task("c", "b")]

    assert names(next_tasks(graph, [], {"a": X}, None)) == ([], ["b"])


def test_a_cancel_starts_nothing_but_finally() -> None:
    assert names(next_tasks(DIAMOND, LAST, {"a": R}, StopReason.CANCELLED)) == ([], ["b", "c", "d"])
    assert names(next_tasks(DIAMOND, LAST, {"a": F, "b": X, "c": X, "d": X}, StopReason.CANCELLED)) == (["z"], [])


def final(name: str, status: str, operator: str = "in") -> PipelineTask:
    expression = {"input": "$(tasks.a.status)", "operator": operator, "values": [status]}
    return PipelineTask.model_validate({"name": name, "taskRef": {"name": "kubernaut-action"}, "when": [expression]})


@pytest.mark.parametrize(
    ("state", "status", "started"),
    [(S, "Succeeded", "well"), (F, "Failed", "badly"), (X, "None", "never")],
)
def test_a_step_of_finally_runs_only_if_the_step_of_its_when_ended_so(
    state: TaskState, status: str, started: str
) -> None:
    last = [final("well", "Succeeded"), final("badly", "Failed"), final("never", "None"), *LAST]
    due = next_tasks([task("a")], last, {"a": state}, None, {"a": status})

    assert names(due)[0] == [started, "z"]
    assert {reason for _, reason in due.skip} == {"The step that its when names did not end so."}


def test_a_when_may_name_what_must_not_be() -> None:
    assert names(next_tasks([task("a")], [final("f", "Failed", "notin")], {"a": F}, None, {"a": "Failed"}))[0] == []


@given(st.data())
def test_any_graph_ends_with_every_step_started_once_or_skipped(data: Any) -> None:
    size = data.draw(st.integers(1, 12))
    graph = [
        task(
            str(number),
            *sorted(data.draw(st.sets(st.sampled_from([str(before) for before in range(number)]), max_size=3)))
            if number
            else (),
            may_fail=data.draw(st.booleans()),
        )
        for number in range(size)
    ]
    states: dict[str, TaskState] = {}
    started: list[str] = []
    while True:
        due = next_tasks(graph, LAST, states, None)
        for item in due.start:
            assert item.name == "z" or all(states[name] in {S, F} for name in item.dependencies)
            started.append(item.name)
            states[item.name] = R
        for item, reason in due.skip:
            assert reason
            states[item.name] = X
        running = [name for name, state in states.items() if state is R]
        if running:
            states[data.draw(st.sampled_from(running))] = data.draw(st.sampled_from([S, F]))
        elif not due.start and not due.skip:
            break
    assert set(states) == {item.name for item in [*graph, *LAST]}
    assert len(started) == len(set(started))
