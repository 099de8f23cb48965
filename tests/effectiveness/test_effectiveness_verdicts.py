"""Verdicts: which records count, what each signal's history means, how verdicts rank and read."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kubernaut_effectiveness
from kubernaut_effectiveness import DurableSuccess, EffectivenessVerdict, Episode, SignalOutcome, verdicts
from kubernaut_effectiveness.rates import wilson_interval
from kubernaut_sdk.records import Change, ObjectRef, Record, Signal, State

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = NOON + timedelta(days=1)
RESTART, SCALE = "kubernetes/restart_pod", "kubernetes/scale_deployment"
WEB = ObjectRef(kind="Deployment", namespace="shop", name="web")

_ids = iter(range(1, 10**9))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def record(state: State = State.SUCCEEDED, action_type: str | None = RESTART, **fields: Any) -> Record:
    """A record whose action ended at noon after one minute, unless said otherwise."""
    end = fields.pop("end", NOON)
    given = {
        "started_at": end - minutes(1),
        "finished_at": end,
        "at": end,
        "target": WEB,
        "signal": Signal(fingerprint="abc"),
        **fields,
    }
    return Record(id=UUID(int=next(_ids)), state=state, action_type=action_type, **given)


def many(state: State, count: int, action_type: str = RESTART, **fields: Any) -> list[Record]:
    return [record(state, action_type, **{"signal": None, "target": None, **fields}) for _ in range(count)]


def episode(fired: float, resolved: float | None = None, fingerprint: str = "abc") -> Episode:
    """An episode, in minutes from noon."""
    return Episode(
        fingerprint=fingerprint,
        fired_at=NOON + minutes(fired),
        resolved_at=None if resolved is None else NOON + minutes(resolved),
    )


def of(judged: list[EffectivenessVerdict], action_type: str = RESTART) -> EffectivenessVerdict:
    return next(verdict for verdict in judged if verdict.action_type == action_type)


def test_the_public_names_are_these() -> None:
    assert kubernaut_effectiveness.__all__ == [
        "DurableSuccess",
        "EffectivenessVerdict",
        "Episode",
        "SignalOutcome",
        "verdicts",
    ]
    assert all(hasattr(kubernaut_effectiveness, name) for name in kubernaut_effectiveness.__all__)


# Which records count


@pytest.mark.parametrize(
    ("state", "dry_run", "n", "successes", "excluded"),
    [
        (State.SUCCEEDED, False, 1, 1, {}),
        (State.SUCCEEDED, None, 1, 1, {}),
        (State.FAILED, False, 1, 0, {}),
        (State.TIMED_OUT, False, 1, 0, {}),
        (State.UNCHANGED, False, 0, 0, {"unchanged": 1}),
        (State.CANCELLED, False, 0, 0, {"cancelled": 1}),
        (State.SKIPPED, False, 0, 0, {"skipped": 1}),
        (State.LOST, False, 0, 0, {"lost": 1}),
        (State.INTENDED, False, 0, 0, {"intended": 1}),
        (State.STARTED, False, 0, 0, {"started": 1}),
        (State.APPLYING, False, 0, 0, {"applying": 1}),
        (State.PLANNED, True, 0, 0, {"dry_run": 1}),
        (State.PLANNED, None, 0, 0, {"dry_run": 1}),
        (State.FAILED, True, 0, 0, {"dry_run": 1}),
    ],
)
def test_only_real_finished_attempts_count(
    state: State, dry_run: bool | None, n: int, successes: int, excluded: dict[str, int]
) -> None:
    (verdict,) = verdicts([record(state, dry_run=dry_run)], [], now=NOW)
    assert (verdict.n, verdict.successes, verdict.excluded) == (n, successes, excluded)


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.UNCHANGED])
def test_an_undo_says_nothing_of_how_often_the_action_succeeds(state: State) -> None:
    records = [record(), record(state, undoes=UUID("019b5e4e-0000-7000-8000-000000000001"))]
    (verdict,) = verdicts(records, [], now=NOW)

    assert (verdict.n, verdict.successes, verdict.excluded) == (1, 1, {"undo": 1})


def test_a_record_without_an_action_type_belongs_to_none() -> None:
    assert verdicts([record(action_type=None)], [], now=NOW) == []


def test_nothing_yields_nothing() -> None:
    assert verdicts([], [], now=NOW) == []


# Rates


def test_fewer_than_5_outcomes_are_refused_a_rate() -> None:
    assert verdicts(many(State.SUCCEEDED, 4) + many(State.SKIPPED, 2), [], now=NOW) == [
        EffectivenessVerdict(
            action_type=RESTART,
            n=4,
            successes=4,
            excluded={"skipped": 2},
            refusal="not enough data: 4 of at least 5 outcomes",
        )
    ]


def test_a_rate_comes_with_its_interval() -> None:
    (verdict,) = verdicts(many(State.SUCCEEDED, 8) + many(State.FAILED, 2), [], now=NOW)
    lower, upper = wilson_interval(0.8, 10)
    assert verdict == EffectivenessVerdict(
        action_type=RESTART,
        n=10,
        successes=8,
        excluded={},
        rate=0.8,
        lower=lower,
        upper=upper,
        effective_n=10.0,
        weighted_rate=0.8,
        weighted_lower=lower,
        weighted_upper=upper,
    )


def test_recent_outcomes_weigh_more() -> None:
    old = many(State.FAILED, 10, end=NOON - timedelta(days=42))
    (verdict,) = verdicts(old + many(State.SUCCEEDED, 10), [], now=NOW)
    assert verdict.rate == 0.5
    assert verdict.weighted_rate == pytest.approx(0.8)
    assert verdict.effective_n == pytest.approx(12.5**2 / 10.625)
    assert (verdict.weighted_lower, verdict.weighted_upper) == pytest.approx(wilson_interval(0.8, 12.5**2 / 10.625))


def test_an_outcome_is_as_old_as_the_end_of_its_action_not_the_last_word_of_it() -> None:
    old = many(State.FAILED, 10, end=NOON - timedelta(days=42), at=NOON)
    (verdict,) = verdicts(old + many(State.SUCCEEDED, 10), [], now=NOW)
    assert verdict.weighted_rate == pytest.approx(0.8)


def test_a_weighted_rate_is_refused_when_few_recent_outcomes_drown_the_rest() -> None:
    old = many(State.FAILED, 10, end=NOON - timedelta(days=420))
    (verdict,) = verdicts(old + many(State.SUCCEEDED, 2), [], now=NOW)
    assert verdict.rate == pytest.approx(2 / 12)
    assert verdict.effective_n == pytest.approx(2, abs=0.001)
    assert (verdict.weighted_rate, verdict.weighted_lower, verdict.weighted_upper) == (None, None, None)


def test_a_record_from_a_clock_that_is_ahead_still_counts() -> None:
    (verdict,) = verdicts(many(State.SUCCEEDED, 5, end=NOW + minutes(2)), [], now=NOW)
    assert (verdict.rate, verdict.effective_n) == (1.0, 5.0)


def test_actions_rank_by_the_lower_bound_and_the_unknown_come_last() -> None:
    records = [
        *many(State.SUCCEEDED, 3, "a/three_of_three"),
        *many(State.SUCCEEDED, 6, "a/six_of_six"),
        *many(State.SUCCEEDED, 190, "a/mostly"),
        *many(State.FAILED, 10, "a/mostly"),
        *many(State.FAILED, 9, "a/never"),
        *many(State.SKIPPED, 1, "a/skipped"),
        *many(State.SUCCEEDED, 3, "a/also_three"),
    ]
    assert [verdict.action_type for verdict in verdicts(records, [], now=NOW)] == [
        "a/mostly",
        "a/six_of_six",
        "a/never",
        "a/also_three",
        "a/three_of_three",
        "a/skipped",
    ]


# What one signal's history means. The action ends at noon; times are minutes from then.

HELD, FAILED, RECURRED = SignalOutcome.HELD, SignalOutcome.FAILED, SignalOutcome.RECURRED
UNRESOLVED, SUPERSEDED, CENSORED = SignalOutcome.UNRESOLVED, SignalOutcome.SUPERSEDED, SignalOutcome.CENSORED


def outcome(records: list[Record], episodes: list[Episode], **options: Any) -> SignalOutcome | None:
    """Return the outcome of the first record's signal."""
    durable = of(verdicts(records, episodes, **{"now": NOW, **options})).durable
    if durable is None:
        return None
    (only,) = durable.outcomes
    return only


@pytest.mark.parametrize(
    ("episodes", "expected"),
    [
        pytest.param([(-10, 5)], HELD, id="resolved within the window"),
        pytest.param([(-10, -0.5)], HELD, id="resolved while the action ran"),
        pytest.param([(-10, -5)], HELD, id="resolved before the action began"),
        pytest.param([(-10, 30)], HELD, id="resolved at the window's end"),
        pytest.param([(-10, 31)], UNRESOLVED, id="resolved after the window"),
        pytest.param([(-10, None)], UNRESOLVED, id="never resolved"),
        pytest.param([(-0.5, None)], UNRESOLVED, id="fired while the action ran, never resolved"),
        pytest.param([(-10, 5), (10, None)], RECURRED, id="fires anew"),
        pytest.param([(-10, 5), (10, 11)], RECURRED, id="fires anew and goes"),
        pytest.param([(-10, -2), (1, 2)], RECURRED, id="fires anew after it had gone by itself"),
        pytest.param([(-10, 5), (30, None)], RECURRED, id="fires anew at the window's end"),
        pytest.param([(-10, 5), (30.1, None)], HELD, id="fires anew after the window"),
        pytest.param([(-10, None), (10, None)], RECURRED, id="fires anew though nobody called it resolved"),
        pytest.param([(-90, None), (-10, 5)], HELD, id="an older episode that nobody called resolved"),
        pytest.param([(-10, None), (-10, 5)], HELD, id="one episode told twice"),
        pytest.param([(-10, 5), (-10, None)], HELD, id="one episode told twice, the other way around"),
        pytest.param([], None, id="no episode at all"),
        pytest.param([(10, None)], None, id="only episodes that began after the action"),
    ],
)
def test_a_signal_after_a_success(episodes: list[tuple[float, float | None]], expected: SignalOutcome | None) -> None:
    assert outcome([record()], [episode(*times) for times in episodes]) is expected


@pytest.mark.parametrize("state", [State.FAILED, State.TIMED_OUT])
def test_an_action_that_failed_did_not_help_whatever_its_signal_did(state: State) -> None:
    assert outcome([record(state)], [episode(-10, 5)]) is FAILED


def test_a_record_without_a_signal_is_unknown() -> None:
    assert outcome([record(signal=None)], [episode(-10, 5)]) is None


def test_another_signal_is_no_recurrence() -> None:
    assert outcome([record()], [episode(-10, 5), episode(10, None, "other")]) is HELD


def test_a_signal_without_episodes_is_unknown_beside_known_ones() -> None:
    records = [record(), record(signal=Signal(fingerprint="unheard")), record(signal=None)]
    durable = of(verdicts(records, [episode(-10, 5)], now=NOW)).durable
    assert durable is not None
    assert (durable.n, durable.unknown, durable.outcomes) == (1, 2, {HELD: 1})


@pytest.mark.parametrize(
    ("episodes", "now", "known_until", "expected"),
    [
        pytest.param([(-10, 5)], 20, None, CENSORED, id="quiet so far"),
        pytest.param([(-10, None)], 20, None, CENSORED, id="firing so far"),
        pytest.param([(-10, 5), (10, None)], 20, None, RECURRED, id="already recurred"),
        pytest.param([(-10, 5), (25, None)], 20, None, CENSORED, id="recurs only after now"),
        pytest.param([(-10, 5)], 30, None, HELD, id="the window ends now"),
        pytest.param([(-10, 5)], 600, 20, CENSORED, id="nobody listened to the end"),
        pytest.param([(-10, 5), (25, None)], 600, 20, CENSORED, id="what fires past the end of knowledge is not known"),
        pytest.param([(-10, 5)], 20, 600, CENSORED, id="knowledge does not reach past now"),
        pytest.param([(-10, 5)], -1, None, CENSORED, id="a clock that is ahead"),
        pytest.param([(-1, None)], -5, None, None, id="fires only after now"),
    ],
)
def test_knowledge_ends(
    episodes: list[tuple[float, float | None]], now: float, known_until: float | None, expected: SignalOutcome | None
) -> None:
    until = None if known_until is None else NOON + minutes(known_until)
    told = [episode(*times) for times in episodes]
    assert outcome([record()], told, now=NOON + minutes(now), known_until=until) is expected


def test_how_long_quiet_is_can_be_said() -> None:
    episodes = [episode(-10, 5), episode(20, None)]
    assert outcome([record()], episodes, quiet=minutes(15)) is HELD
    assert outcome([record()], episodes, quiet=minutes(20)) is RECURRED


CHANGE = Change(before={"replicas": 1}, after={"replicas": 2})


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param({"end": 10}, SUPERSEDED, id="a different action in between"),
        pytest.param({"end": 31, "started": 30}, SUPERSEDED, id="begun at the window's end"),
        pytest.param({"end": 32, "started": 31}, HELD, id="begun after the window"),
        pytest.param({"end": -0.5}, HELD, id="ended before"),
        pytest.param({"end": 2, "started": -5}, SUPERSEDED, id="begun before and ended after"),
        pytest.param({"end": 0, "started": -5}, HELD, id="ended at the same moment"),
        pytest.param({"end": 10, "action_type": RESTART}, HELD, id="the same action again"),
        pytest.param({"end": 10, "target": ObjectRef(kind="Deployment", name="db")}, HELD, id="another target"),
        pytest.param({"end": 10, "target": None}, HELD, id="no known target"),
        pytest.param({"end": 10, "dry_run": True}, HELD, id="a dry run"),
        pytest.param({"end": 10, "state": State.PLANNED}, HELD, id="a plan"),
        pytest.param({"end": 10, "state": State.UNCHANGED}, HELD, id="found all in place"),
        pytest.param({"end": 10, "state": State.SKIPPED}, HELD, id="skipped"),
        pytest.param({"end": 10, "state": State.FAILED}, HELD, id="failed before it applied anything"),
        pytest.param({"end": 10, "state": State.FAILED, "change": Change()}, HELD, id="failed with nothing to change"),
        pytest.param({"end": 10, "state": State.FAILED, "change": CHANGE}, SUPERSEDED, id="failed half-way"),
        pytest.param({"end": 10, "state": State.CANCELLED, "change": CHANGE}, SUPERSEDED, id="cancelled half-way"),
        pytest.param({"end": 10, "state": State.LOST, "change": CHANGE}, SUPERSEDED, id="lost half-way"),
        pytest.param({"end": 10, "state": State.APPLYING, "change": CHANGE}, SUPERSEDED, id="still applying"),
    ],
)
def test_another_action_after_a_success(other: dict[str, Any], expected: SignalOutcome) -> None:
    fields = {"action_type": SCALE, "signal": None, **other}
    if "started" in fields:
        fields["started_at"] = NOON + minutes(fields.pop("started"))
    records = [record(), record(**{**fields, "end": NOON + minutes(fields["end"])})]
    assert outcome(records, [episode(-10, 5)]) is expected


@pytest.mark.parametrize(
    ("fires", "acts", "expected"),
    [(10, 20, RECURRED), (20, 10, SUPERSEDED), (10, 10, RECURRED)],
)
def test_of_a_recurrence_and_another_action_the_first_counts(
    fires: float, acts: float, expected: SignalOutcome
) -> None:
    other = record(action_type=SCALE, started_at=NOON + minutes(acts), end=NOON + minutes(acts + 1))
    assert outcome([record(), other], [episode(-10, 5), episode(fires)]) is expected


def test_a_long_action_competes_though_a_short_one_began_after_it() -> None:
    long = record(action_type=SCALE, started_at=NOON - minutes(9), end=NOON + minutes(9))
    short = record(action_type=SCALE, started_at=NOON - minutes(8), end=NOON - minutes(7))
    assert outcome([record(), long, short], [episode(-10, 5)]) is SUPERSEDED


def test_a_target_of_nobody_knows_what_competes_with_nothing() -> None:
    assert outcome([record(target=None), record(action_type=SCALE, target=None)], [episode(-10, 5)]) is HELD


# Durable success


def histories(
    *counts: tuple[int, Callable[[str], tuple[Record, list[Episode]]]],
) -> tuple[list[Record], list[Episode]]:
    """Return so many attempts of each kind of history, each with a signal of its own."""
    pairs = [make(f"{kind}-{i}") for kind, (count, make) in enumerate(counts) for i in range(count)]
    return [made for made, _ in pairs], [one for _, episodes in pairs for one in episodes]


def held(fingerprint: str) -> tuple[Record, list[Episode]]:
    return record(target=fingerprint, signal=Signal(fingerprint=fingerprint)), [episode(-10, 5, fingerprint)]


def recurred(fingerprint: str) -> tuple[Record, list[Episode]]:
    made, episodes = held(fingerprint)
    return made, [*episodes, episode(20, None, fingerprint)]


def unresolved(fingerprint: str) -> tuple[Record, list[Episode]]:
    return held(fingerprint)[0], [episode(-10, None, fingerprint)]


def failed(fingerprint: str) -> tuple[Record, list[Episode]]:
    made, episodes = held(fingerprint)
    return made.model_copy(update={"state": State.FAILED}), episodes


def young(fingerprint: str) -> tuple[Record, list[Episode]]:
    end = NOW - minutes(10)
    made = record(target=fingerprint, signal=Signal(fingerprint=fingerprint), end=end)
    return made, [Episode(fingerprint=fingerprint, fired_at=end - minutes(5), resolved_at=end)]


def test_followed_to_the_end_the_rate_of_durable_success_is_the_share() -> None:
    records, episodes = histories((10, held), (4, recurred), (2, unresolved), (4, failed))
    (verdict,) = verdicts(records, episodes, now=NOW)
    durable = verdict.durable
    assert durable is not None
    assert verdict.rate == 0.8
    assert (durable.quiet_seconds, durable.n, durable.unknown, durable.refusal) == (1800.0, 20, 0, None)
    assert durable.outcomes == {HELD: 10, FAILED: 4, RECURRED: 4, UNRESOLVED: 2}
    assert (durable.rate, durable.lower, durable.upper) == pytest.approx((0.5, *wilson_interval(0.5, 20)))
    assert (durable.recurrence, durable.recurrence_lower, durable.recurrence_upper) == pytest.approx(
        (0.25, *wilson_interval(0.25, 16))
    )


def test_who_was_not_followed_to_the_end_counts_for_as_long_as_they_were() -> None:
    # 10 recur at 20 min out of 20; the 20 young ones left at 10 min and say nothing of what comes then.
    records, episodes = histories((10, held), (10, recurred), (20, young))
    durable = verdicts(records, episodes, now=NOW)[0].durable
    assert durable is not None
    assert (durable.n, durable.outcomes[CENSORED]) == (40, 20)
    assert (durable.rate, durable.recurrence) == pytest.approx((0.5, 0.5))
    assert (durable.lower, durable.upper) == pytest.approx(wilson_interval(0.5, 20))


def test_durable_success_is_refused_when_fewer_than_5_were_followed_to_the_end() -> None:
    records, episodes = histories((4, held), (20, young))
    assert verdicts(records, episodes, now=NOW)[0].durable == DurableSuccess(
        quiet_seconds=1800.0,
        n=24,
        unknown=0,
        outcomes={HELD: 4, CENSORED: 20},
        refusal="not enough data: 4 of at least 5 attempts followed to the end",
    )


def test_durable_success_is_absent_when_no_signal_could_be_followed() -> None:
    assert verdicts(many(State.SUCCEEDED, 9), [], now=NOW)[0].durable is None


def test_recurrence_is_refused_where_too_few_succeeded() -> None:
    records, episodes = histories((4, held), (6, failed))
    durable = verdicts(records, episodes, now=NOW)[0].durable
    assert durable is not None
    assert durable.rate == pytest.approx(0.4)
    assert (durable.recurrence, durable.recurrence_lower, durable.recurrence_upper) == (None, None, None)


# As a whole


def test_a_verdict_is_json() -> None:
    records, episodes = histories((10, held), (4, recurred), (1, failed))
    (verdict,) = verdicts([*records, record(State.UNCHANGED)], episodes, now=NOW, quiet=minutes(45))
    told = json.loads(verdict.model_dump_json())
    assert told["excluded"] == {"unchanged": 1}
    assert told["durable"]["quiet_seconds"] == 2700.0
    assert told["durable"]["outcomes"] == {"held": 10, "failed": 1, "recurred": 4}
    assert EffectivenessVerdict.model_validate(told) == verdict


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"now": datetime(2026, 3, 1)}, "a time needs its zone, .*; 2026-03-01T00:00:00 has none"),  # noqa: DTZ001
        ({"now": NOW, "known_until": datetime(2026, 2, 1)}, "a time needs its zone, .*; 2026-02-01T.* has none"),  # noqa: DTZ001
        ({"now": NOW, "quiet": timedelta(0)}, "a quiet time is positive, not 0:00:00"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        verdicts([], [], **options)


INSTANTS = st.integers(-40, 40)
RECORDS = st.lists(
    st.builds(
        lambda state, action_type, end, took, target, fingerprint, dry_run: record(
            state,
            action_type,
            end=NOON + minutes(end),
            started_at=NOON + minutes(end - took),
            target=target,
            signal=fingerprint and Signal(fingerprint=fingerprint),
            dry_run=dry_run,
        ),
        st.sampled_from([*State, *[State.SUCCEEDED] * 20, *[State.FAILED] * 5]),
        st.sampled_from([RESTART, SCALE]),
        INSTANTS,
        st.integers(0, 5),
        st.sampled_from([None, "arn:a", WEB]),
        st.sampled_from([None, "abc", "def"]),
        st.sampled_from([None, False, False, True]),
    ),
    max_size=40,
)
EPISODES = st.lists(
    st.builds(
        lambda fired, lasted, fingerprint: episode(fired, None if lasted is None else fired + lasted, fingerprint),
        st.integers(-60, 60),
        st.none() | st.integers(0, 60),
        st.sampled_from(["abc", "def"]),
    ),
    max_size=12,
)


@given(RECORDS, EPISODES, INSTANTS, st.integers(0, 2**32))
def test_whatever_the_history(records: list[Record], episodes: list[Episode], now: int, seed: int) -> None:
    at = NOON + minutes(now)
    judged = verdicts(records, episodes, now=at, quiet=minutes(15))

    shuffled, told = records[:], episodes[:]
    random.Random(seed).shuffle(shuffled)
    random.Random(seed).shuffle(told)
    assert verdicts(shuffled, told, now=at, quiet=minutes(15)) == judged, "the order shows"

    assert sum(verdict.n + sum(verdict.excluded.values()) for verdict in judged) == len(records)
    for verdict in judged:
        assert EffectivenessVerdict.model_validate_json(verdict.model_dump_json()) == verdict, (
            "a rate outside [0, 1], or NaN"
        )
        assert (verdict.rate is None) == (verdict.refusal is not None) == (verdict.n < 5)
        if verdict.rate is not None:
            assert verdict.lower is not None
            assert verdict.upper is not None
            assert verdict.lower <= verdict.rate <= verdict.upper
        if durable := verdict.durable:
            assert sum(durable.outcomes.values()) == durable.n == verdict.n - durable.unknown
            assert (durable.rate is None) == (durable.refusal is not None)
            if durable.rate is not None:
                assert durable.lower is not None
                assert durable.upper is not None
                assert durable.lower <= durable.rate <= durable.upper
                assert durable.rate <= 1 - durable.outcomes.get(FAILED, 0) / durable.n + 1e-9
