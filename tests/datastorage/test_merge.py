"""The merged record does not depend on the order of events, nor on how often each was sent."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_datastorage.records.merge import Merged, merge
from kubernaut_datastorage.records.provenance import pack_provenance, unpack_provenance
from kubernaut_sdk.states import RANK, State

TIMES = [f"2026-01-31T09:05:0{second}.000000Z" for second in range(3)]
VALUES = {
    "action_type": st.sampled_from(["a/b_c", "d/e_f"]),
    "change": st.fixed_dictionaries({"before": st.integers(0, 2), "after": st.integers(0, 2)}),
    # values that Python takes for equal and JSON does not are values apart
    "output": st.dictionaries(st.sampled_from("xy"), st.sampled_from([0, 0.0, -0.0, False, 1, 1.0, True]), max_size=2),
    "error": st.fixed_dictionaries({"code": st.integers(1, 3), "reason": st.just("R"), "message": st.text(max_size=3)}),
    "finished_at": st.sampled_from(TIMES),
    "attempts": st.lists(
        st.fixed_dictionaries(
            {"number": st.integers(0, 2)}, optional={"started": st.sampled_from(TIMES), "ended": st.sampled_from(TIMES)}
        ),
        max_size=2,
        unique_by=lambda attempt: attempt["number"],
    ),
}
EVENT = st.fixed_dictionaries(
    {
        "id": st.just("019b5e4e-0000-7000-8000-000000000000"),
        "state": st.sampled_from([state.value for state in State]),
        "at": st.sampled_from(TIMES),
        "attempt": st.integers(0, 2),
    },
    optional={"source": st.sampled_from(["container", "controller"]), **VALUES},
)


def fold(events: list[dict[str, Any]]) -> Merged:
    merged: Merged | None = None
    for event in events:
        merged, _ = merge(merged, event)
    assert merged is not None
    return merged


def text(merged: Merged) -> str:
    return json.dumps([merged.document(), merged.keys], sort_keys=True)


def event(state: str, at: int = 0, **fields: Any) -> dict[str, Any]:
    return {"id": "019b5e4e-0000-7000-8000-000000000000", "attempt": 0, "state": state, "at": TIMES[at], **fields}


@settings(max_examples=500)
@given(st.lists(EVENT, min_size=1, max_size=6), st.data())
def test_any_order_and_any_repetition_make_the_same_record(events: list[dict[str, Any]], data: Any) -> None:
    sent = data.draw(st.permutations([*events, *data.draw(st.lists(st.sampled_from(events), max_size=4))]))

    assert text(fold(sent)) == text(fold(events))


@given(st.lists(EVENT, min_size=1, max_size=6))
def test_the_same_event_again_changes_nothing(events: list[dict[str, Any]]) -> None:
    merged = fold(events)

    assert {merge(merged, event)[1] for event in events} == {"duplicate"}


@given(st.lists(EVENT, min_size=2, max_size=6))
def test_no_field_goes_back_to_empty(events: list[dict[str, Any]]) -> None:
    known: set[str] = set()
    for count in range(1, len(events) + 1):
        now = set(fold(events[:count]).values)
        assert known <= now
        known = now


@given(st.lists(EVENT, min_size=1, max_size=6))
def test_the_state_is_of_the_highest_rank_that_was_sent(events: list[dict[str, Any]]) -> None:
    best = max(RANK[State(event["state"])] for event in events)

    assert RANK[State(fold(events).values["state"])] == best


@pytest.mark.parametrize(
    ("first", "second", "field", "winner"),
    [
        (event("succeeded", 0, changed=True), event("started", 2, changed=False), "changed", True),
        (event("failed", 0), event("lost", 2), "state", "failed"),
        (event("failed", 0), event("cancelled", 1, source="controller"), "state", "failed"),
        (event("failed", 0), event("succeeded", 1), "state", "succeeded"),
        (event("started", 0, step="a"), event("started", 1, step="b"), "step", "b"),
        (event("started", 0, step="a"), event("started", 0, step="b"), "step", "b"),
        (event("started", 1, step="a"), event("started", 0, requester="r"), "step", "a"),
        (event("applying", 1, attempt=1), event("started", 2), "attempt", 1),
    ],
    ids=[
        "rank",
        "terminal beats lost",
        "container beats controller",
        "later",
        "later field",
        "bytes",
        "apart",
        "attempt",
    ],
)
def test_which_of_two_wins(first: dict[str, Any], second: dict[str, Any], field: str, winner: Any) -> None:
    assert fold([first, second]).document()[field] == winner
    assert fold([second, first]).document()[field] == winner


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ([1], [True])])
def test_values_that_only_python_takes_for_equal_do_not_depend_on_order(one: Any, other: Any) -> None:
    first, second = event("started", output={"x": one}), event("started", output={"x": other})

    assert text(fold([first, second])) == text(fold([second, first]))


def test_attempts_are_merged_by_number() -> None:
    begun = event("applying", 0, attempts=[{"number": 0, "started": TIMES[0]}])
    ended = event(
        "succeeded", 2, attempt=1, attempts=[{"number": 0, "ended": TIMES[1]}, {"number": 1, "started": TIMES[1]}]
    )

    assert fold([ended, begun]).document()["attempts"] == [
        {"number": 0, "started": TIMES[0], "ended": TIMES[1]},
        {"number": 1, "started": TIMES[1]},
    ]


def test_outcomes() -> None:
    merged, outcome = merge(None, event("started"))
    assert outcome == "stored"
    assert merge(merged, event("started"))[1] == "duplicate"
    assert merge(merged, event("succeeded"))[1] == "merged"


CONTROLLERS = {
    "image": "ghcr.io/kubernaut/actions/kubectl@sha256:aa",
    "workflow": {"namespace": "shop", "name": "w"},
    "step": "a",
    "requester": "r",
    "approver": "alice",
    "confidence": 0.3,
    "signal": {"fingerprint": "f"},
    "remediation": {"name": "r1"},
    "intended_at": TIMES[0],
    "pod_name": "w-a-pod",
}
FIRST = {"action_type": "a/b_c", "target": "t", "dry_run": False, "undoes": "019b5e4e-0000-7000-8000-000000000001"}


@pytest.mark.parametrize("field", [*CONTROLLERS, *FIRST])
@pytest.mark.parametrize("at", [0, 1])
def test_a_container_does_not_change_what_the_controller_said_whatever_its_rank(field: str, at: int) -> None:
    value = {**CONTROLLERS, **FIRST}[field]
    word = event("intended", at, source="controller", **{field: value})
    forged = event("succeeded", 2, source="container", **{field: "forged"})
    later = event("failed", 0, source="controller", **{field: value})

    for events in ([word, forged], [forged, word], [word, forged, later], [forged, later, word]):
        assert fold(events).document()[field] == value


@pytest.mark.parametrize("field", CONTROLLERS)
def test_what_the_controller_left_out_is_not_a_container_s_to_fill(field: str) -> None:
    word = event("intended", 0, source="controller")
    forged = event("succeeded", 2, source="container", changed=True, **{field: CONTROLLERS[field]})

    for events in ([word, forged], [forged, word]):
        document = fold(events).document()
        assert field not in document
        assert (document["state"], document["changed"]) == ("succeeded", True)
    assert fold([forged]).document()[field] == CONTROLLERS[field]  # where no controller speaks, it is all there is


WORDS: Any = st.fixed_dictionaries(
    {
        "id": st.just("x"),
        "state": st.sampled_from([state.value for state in State]),
        "at": st.sampled_from(TIMES),
        "attempt": st.just(0),
        "source": st.sampled_from(["container", "controller"]),  # as the server sets it, always
    },
    optional={
        **{
            field: st.sampled_from(["a", "b"])
            for field in ("approver", "image", "step", "target", "action_type", "output")
        },
    },
)


@settings(max_examples=500)
@given(st.lists(WORDS, min_size=1, max_size=6), st.data())
def test_any_order_makes_the_same_record_also_of_what_is_the_controller_s(
    events: list[dict[str, Any]], data: Any
) -> None:
    sent = data.draw(st.permutations([*events, *data.draw(st.lists(st.sampled_from(events), max_size=3))]))
    merged = fold(sent)

    assert text(merged) == text(fold(events))
    assert unpack_provenance(merged.document(), pack_provenance(merged, {})) == (merged, {})
