"""Cumulative incidence: known values, and its relation to Kaplan–Meier."""

from fractions import Fraction
from random import Random

import lifelines
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_effectiveness.statistics.survival import (
    SurvivalObservation,
    aalen_johansen,
    incidence_curve,
    numbers_at_risk,
)

TIMES = st.integers(0, 12).map(float)
OBSERVATIONS = st.lists(st.builds(SurvivalObservation, TIMES, st.sampled_from([None, "back", "other"])), max_size=40)
ONE_CAUSE = st.lists(st.builds(SurvivalObservation, TIMES, st.sampled_from([None, "back"])), min_size=1, max_size=40)


def kaplan_meier(observations: list[SurvivalObservation], at: float) -> Fraction:
    """The product-limit estimate as Kaplan and Meier wrote it, exact."""
    free = Fraction(1)
    for time in {one.duration for one in observations if one.cause is not None and one.duration <= at}:
        at_risk = sum(one.duration >= time for one in observations)
        events = sum(one.duration == time and one.cause is not None for one in observations)
        free *= 1 - Fraction(events, at_risk)
    return free


TEN = [
    SurvivalObservation(duration, cause)
    for duration, cause in zip(
        map(float, range(1, 11)),
        ["back", None, "other", "back", None, "back", "other", "back", None, None],
        strict=True,
    )
]


@pytest.mark.parametrize(
    ("at", "back", "other"),
    [
        # lifelines 0.30, AalenJohansenFitter
        (0.5, 0.0, 0.0),
        (1, 0.1, 0.0),
        (3, 0.1, 0.1125),
        (5, 0.2125, 0.1125),
        (7, 0.3475, 0.2475),
        (10, 0.4825, 0.2475),
    ],
)
def test_the_incidence_is_the_published_one(at: float, back: float, other: float) -> None:
    incidence = aalen_johansen(TEN, at)
    assert incidence is not None
    assert (incidence.get("back", 0), incidence.get("other", 0)) == pytest.approx((back, other))


def test_without_censoring_the_incidence_is_the_share() -> None:
    causes = ["back"] * 3 + ["other"] * 2 + [None] * 5
    observations = [SurvivalObservation(float(i) if cause else 30.0, cause) for i, cause in enumerate(causes)]
    assert aalen_johansen(observations, 30) == pytest.approx({"back": 0.3, "other": 0.2})


def test_who_is_censored_at_the_time_of_an_event_was_still_at_risk() -> None:
    assert aalen_johansen(
        [SurvivalObservation(1, None), SurvivalObservation(1, "back"), SurvivalObservation(2, None)], 1
    ) == pytest.approx({"back": 1 / 3})


def test_an_event_at_the_very_end_still_counts() -> None:
    assert aalen_johansen([SurvivalObservation(30, "back"), SurvivalObservation(30, None)], 30) == {"back": 0.5}


@pytest.mark.parametrize(
    "observations",
    [[], [SurvivalObservation(1, "back"), SurvivalObservation(2, None)]],
    ids=["nobody", "all censored before"],
)
def test_beyond_the_last_one_followed_nothing_is_known(observations: list[SurvivalObservation]) -> None:
    assert aalen_johansen(observations, 3) is None


def test_beyond_the_last_one_followed_all_is_known_when_all_had_their_event() -> None:
    assert aalen_johansen([SurvivalObservation(1, "back"), SurvivalObservation(2, "back")], 3) == {"back": 1.0}


@given(ONE_CAUSE, TIMES)
def test_with_one_cause_it_is_what_kaplan_meier_leaves(observations: list[SurvivalObservation], at: float) -> None:
    incidence = aalen_johansen(observations, at)
    if incidence is None:
        assert max(one.duration for one in observations) < at
        assert kaplan_meier(observations, at) > 0
    else:
        assert incidence.get("back", 0) == pytest.approx(1 - float(kaplan_meier(observations, at)), abs=1e-12)


@given(OBSERVATIONS, TIMES)
def test_incidences_and_the_event_free_share_add_up_to_1(observations: list[SurvivalObservation], at: float) -> None:
    incidence = aalen_johansen(observations, at)
    if incidence is not None:
        assert all(0 < value <= 1 for value in incidence.values())
        assert sum(incidence.values()) + float(kaplan_meier(observations, at)) == pytest.approx(1)


@given(OBSERVATIONS, TIMES)
def test_an_incidence_is_never_above_the_one_that_ignores_competition(
    observations: list[SurvivalObservation], at: float
) -> None:
    incidence = aalen_johansen(observations, at)
    alone = [SurvivalObservation(one.duration, one.cause if one.cause == "back" else None) for one in observations]
    if incidence is not None:
        assert incidence.get("back", 0) <= 1 - float(kaplan_meier(alone, at)) + 1e-12


@given(OBSERVATIONS, TIMES, TIMES)
def test_an_incidence_never_falls_with_time(observations: list[SurvivalObservation], at: float, later: float) -> None:
    early, late = (aalen_johansen(observations, time) for time in sorted((at, later)))
    if early is not None and late is not None:
        assert all(value <= late[cause] for cause, value in early.items())


@given(OBSERVATIONS.flatmap(lambda ones: st.tuples(st.just(ones), st.permutations(ones))), TIMES)
def test_the_order_of_observations_does_not_show(
    orders: tuple[list[SurvivalObservation], list[SurvivalObservation]], at: float
) -> None:
    assert aalen_johansen(orders[0], at) == aalen_johansen(orders[1], at)


@given(OBSERVATIONS)
def test_the_curve_ends_at_the_incidence_and_never_falls(observations: list[SurvivalObservation]) -> None:
    points = incidence_curve(observations, "back", 12.0)
    heights = [point.incidence for point in points]

    assert heights == sorted(heights)
    assert points[0] == (0.0, 0.0)
    if (incidence := aalen_johansen(observations, 12.0)) is not None:
        assert heights[-1] == pytest.approx(incidence.get("back", 0.0))


def test_the_curve_is_that_of_lifelines() -> None:
    fitter = lifelines.AalenJohansenFitter(jitter_level=0, calculate_variance=False)
    random = Random(1)
    observations = [
        SurvivalObservation(random.expovariate(1), random.choice(["back", "other", None])) for _ in range(300)
    ]
    codes = {"back": 1, "other": 2, None: 0}
    fitter.fit([one.duration for one in observations], [codes[one.cause] for one in observations], event_of_interest=1)
    theirs = fitter.cumulative_density_.iloc[:, 0]

    for point in incidence_curve(observations, "back", 3.0)[1:]:
        assert point.incidence == pytest.approx(theirs[theirs.index <= point.time + 1e-12].iloc[-1], abs=1e-9)
    at_risk = numbers_at_risk(observations, [0.0, 1.0, 2.0])
    table = fitter.event_table
    assert at_risk == [int(table[table.index >= time]["removed"].sum()) for time in (0.0, 1.0, 2.0)]
