"""A container's log line counts only for its own step's record, with the source `container`."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_controller.reconciling.events import event_key
from kubernaut_controller.reconciling.loglines import marked_events
from kubernaut_sdk.ids import mint

OWN, OTHER = str(mint()), str(mint())
SAID = {"id": OWN, "state": "succeeded", "at": "2026-01-31T09:05:15Z", "changed": True}


def line(event: Any) -> str:
    return json.dumps({"kubernaut_record": event, "not_stored": "it is away"}, ensure_ascii=False)


def read(*lines: str) -> tuple[dict[str, Any], ...]:
    return marked_events("\n".join(lines), "a", OWN)


def test_a_step_s_own_event_is_passed_on_as_the_containers_word() -> None:
    [event] = read("{}", line(SAID), "done")

    assert event == {
        "id": OWN,
        "attempt": 0,
        "state": "succeeded",
        "at": "2026-01-31T09:05:15.000000Z",
        "changed": True,
        "step": "a",
        "source": "container",
    }
    assert event_key(event) == "log succeeded 2026-01-31T09:05:15.000000Z"


@pytest.mark.parametrize(
    "fields",
    [
        {"source": "controller"},
        {"approver": "somebody-else"},
        {"requester": "root"},
        {"action_type": "kubernetes/delete_namespace"},
        {"image": "evil"},
        {"workflow": {"namespace": "prod", "name": "payroll"}},
        {"step": "b"},
        {"signal": {"fingerprint": "f"}},
        {"remediation": {"name": "r"}},
        {"intended_at": "2020-01-01T00:00:00Z"},
        {"target": "arn:aws:iam::1:root"},
        {"dry_run": True},
        {"confidence": 1.0},
    ],
)
def test_what_only_the_controller_knows_is_not_taken_from_a_line(fields: dict[str, Any]) -> None:
    assert read(line({**SAID, **fields})) == read(line(SAID))


@pytest.mark.parametrize(
    "event",
    [
        None,
        5,
        [],
        "x",
        {},
        {**SAID, "id": OTHER},
        {**SAID, "id": [OWN]},
        {**SAID, "at": 5, "state": "no"},
        {**SAID, "at": "0001-01-01T00:00:00+01:00"},
        {**SAID, "state": "lost"},
        {**SAID, "state": "intended"},
        {**SAID, "state": "skipped"},
        {**SAID, "output": {"a": "\ud800"}},
        {**SAID, "output": []},
        {**SAID, "error": "no"},
        {**SAID, "attempt": -1},
    ],
)
def test_each_line_s_fault_is_its_own(event: Any) -> None:
    bad = json.dumps({"kubernaut_record": event})

    assert read(bad, line(SAID), bad) == read(line(SAID))


@pytest.mark.parametrize(
    "bad", ['{"kubernaut_record": ' + "[" * 50_000, '{"kubernaut_record"', '{"kubernaut_record": {']
)
def test_a_line_that_is_no_json_is_passed_over(bad: str) -> None:
    assert read(bad, line(SAID)) == read(line(SAID))


@given(
    st.text(),
    st.dictionaries(
        st.sampled_from(sorted({*SAID, "output", "error", "attempts"})),
        st.from_type(type(None)) | st.text() | st.integers(),
    ),
)
def test_whatever_is_in_a_log_nothing_is_raised(text: str, fields: dict[str, Any]) -> None:
    events = read(text, line({**SAID, **fields}))

    assert all(event["id"] == OWN and event["source"] == "container" for event in events)


def test_separators_that_json_allows_within_a_text_do_not_break_a_line() -> None:
    [event] = read(line({**SAID, "output": {"text": "a\u2028b\u0085c"}}))

    assert event["output"] == {"text": "a\u2028b\u0085c"}
