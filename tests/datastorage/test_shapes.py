"""An event that is checked while it is parsed comes out the same as through the SDK's model."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_datastorage.records.ingest import (
    ReceivedEvent,
    RefusedEvent,
    _parse_as_it_stands,
    _parse_by_model,
    parse_events,
)
from kubernaut_sdk.ids import mint
from kubernaut_sdk.records import Event
from kubernaut_sdk.states import State

TIME = st.sampled_from(
    [
        "2026-01-31T09:05:07.000120Z",
        "2026-01-31T09:05:07Z",
        "2026-01-31T10:05:07+01:00",
        "2026-02-30T00:00:00.000000Z",
        7,
    ]
)
TEXT = st.text(max_size=8) | st.sampled_from(["", "x" * 2000, "\0", "🚀", "$(x)"])
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
NAMED = st.fixed_dictionaries({"name": TEXT}, optional={"namespace": st.none() | TEXT, "uid": st.none() | TEXT})
EVENT = st.fixed_dictionaries(
    {"id": st.builds(lambda: str(mint())), "state": st.sampled_from([*State, "done"]), "at": TIME},
    optional={
        "attempt": st.integers(-1, 3) | st.just("1"),
        "action_type": st.none() | TEXT,
        "target": st.none() | TEXT | st.fixed_dictionaries({"kind": TEXT, "name": TEXT}, optional={"cluster": TEXT}),
        "inputs": st.none() | VALUE,
        "change": st.none() | st.dictionaries(st.sampled_from(["before", "after", "x"]), VALUE, max_size=2),
        "changed": st.none() | st.booleans() | st.just("true"),
        "error": st.none() | st.fixed_dictionaries({"code": st.integers(0, 9), "reason": TEXT, "message": TEXT}),
        "attempts": st.lists(
            st.fixed_dictionaries({"number": st.integers(0, 3)}, optional={"started": TIME, "ended": st.none() | TIME}),
            max_size=2,
        ),
        "workflow": NAMED,
        "confidence": st.integers(0, 1) | st.floats(0, 2),
        "signal": st.fixed_dictionaries({"fingerprint": TEXT}, optional={"firedAt": TIME, "name": TEXT}),
        "source": st.sampled_from(["container", "controller", "nobody"]),
        "started_at": st.none() | TIME,
        "colour": TEXT,
    },
)


@settings(max_examples=600)
@given(EVENT)
def test_both_ways_make_the_same_event(event: dict[str, Any]) -> None:
    text = json.dumps(event).encode()
    plain = _parse_as_it_stands(text)
    if plain is not None:
        assert json.dumps(plain, sort_keys=True) == json.dumps(_parse_by_model(json.loads(text)), sort_keys=True)


def test_what_senders_of_ours_write_needs_no_mending() -> None:
    now = "2026-01-31T09:05:07.000120Z"
    event = {
        "id": str(mint()),
        "attempt": 0,
        "state": "succeeded",
        "at": now,
        "action_type": "a/b_c",
        "target": {"kind": "Deployment", "namespace": "shop", "name": "web"},
        "inputs": {"replicas": 6, "on": True, "ratio": 0.5, "none": None},
        "change": {"before": None, "after": {"replicas": 6}},
        "attempts": [{"number": 0, "started": now, "ended": now}],
        "confidence": 1.0,
        "finished_at": now,
    }

    assert _parse_as_it_stands(json.dumps(event).encode()) == Event.model_validate(event).wire()


@pytest.mark.parametrize("step", [" ", "\n", "\t"])
def test_how_an_event_is_spelt_does_not_matter(step: str) -> None:
    event = {"id": str(mint()), "state": "failed", "at": "2026-01-31T09:05:07.000000Z", "inputs": {"b": 1, "a": 2}}
    spelt = [json.dumps([event], indent=step), json.dumps([dict(reversed(event.items()))])]
    sent = [parse_events(text.encode(), retention=timedelta(days=90))[0] for text in spelt]

    assert all(isinstance(one, ReceivedEvent) for one in sent)
    assert sent[0] == sent[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"id": "\\ud800"}', "is not Unicode text"),
        ('{"inputs": {"n": 12345678901234567890123}}', "does not fit in 64 bits"),
        ('{"inputs": ' + "[" * 70 + "]" * 70 + "}", "nested more than 64 deep"),
        ('{"action_type": "a\\u0000b", "ID"}', "action_type: it has a NUL"),
        ("1e999", "an event is a JSON object"),
        ('"x"', "an event is a JSON object"),
        ("null", "an event is a JSON object"),
    ],
)
def test_one_bad_event_harms_no_other(text: str, expected: str) -> None:
    good = json.dumps({"id": str(mint()), "state": "failed", "at": "2026-01-31T09:05:07.000000Z"})
    text = text.replace('"ID"', f'"id": "{mint()}", "state": "failed", "at": "2026-01-31T09:05:07.000000Z"')
    one, other = parse_events(f"[{text}, {good}]".encode(), retention=timedelta(days=90))

    assert isinstance(one, RefusedEvent)
    assert expected in one.reason
    assert isinstance(other, ReceivedEvent)
