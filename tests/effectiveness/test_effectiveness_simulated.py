"""Verdicts on simulated histories whose truth is known: do 95 % intervals hold it 95 % of the time?"""

import math
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from kubernaut_effectiveness import EffectivenessVerdict, Episode, verdicts
from kubernaut_sdk.records import Record, Signal, State

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ACTION, OTHER = "kubernetes/restart_pod", "kubernetes/scale_deployment"
QUIET = 30.0  # minutes, as all times here
HISTORIES = 400

SUCCEEDS = 0.8
RECURS, ACTS = 1 / 60, 1 / 120  # hazards a minute, of the signal and of another action on the target
RECURRENCE = RECURS / (RECURS + ACTS) * (1 - math.exp(-(RECURS + ACTS) * QUIET))
DURABLE = SUCCEEDS * math.exp(-(RECURS + ACTS) * QUIET)


def history(rng: random.Random, attempts: int = 60) -> tuple[list[Record], list[Episode]]:
    """Attempts of which a third are so young that they cannot be followed to the end."""
    records: list[Record] = []
    episodes: list[Episode] = []

    def act(action_type: str, state: State, end: datetime, target: str) -> None:
        records.append(
            Record(
                id=UUID(int=rng.getrandbits(128)),
                state=state,
                at=end,
                started_at=end,
                finished_at=end,
                action_type=action_type,
                target=target,
                signal=Signal(fingerprint=target),
            )
        )

    for i in range(attempts):
        age = rng.uniform(0, QUIET) if i % 3 == 0 else rng.uniform(QUIET, 80 * 24 * 60)
        end, target = NOW - timedelta(minutes=age), f"arn:{i}"
        act(ACTION, State.SUCCEEDED if rng.random() < SUCCEEDS else State.FAILED, end, target)
        episodes.append(Episode(fingerprint=target, fired_at=end - timedelta(minutes=9), resolved_at=end))
        again = end + timedelta(minutes=rng.expovariate(RECURS))
        other = end + timedelta(minutes=rng.expovariate(ACTS))
        if again <= NOW:
            episodes.append(Episode(fingerprint=target, fired_at=again))
        if other <= NOW:
            act(OTHER, State.SUCCEEDED, other, target)
    return records, episodes


@pytest.fixture(scope="module")
def judged() -> list[EffectivenessVerdict]:
    def simulate() -> Iterator[EffectivenessVerdict]:
        for seed in range(HISTORIES):
            records, episodes = history(random.Random(seed))
            for verdict in verdicts(records, episodes, now=NOW):
                if verdict.action_type == ACTION:
                    yield verdict

    return list(simulate())


def estimates(verdict: EffectivenessVerdict) -> dict[str, tuple[float, float, float]]:
    durable = verdict.durable
    assert durable is not None
    numbers = {
        "rate": (verdict.rate, verdict.lower, verdict.upper),
        "weighted": (verdict.weighted_rate, verdict.weighted_lower, verdict.weighted_upper),
        "durable": (durable.rate, durable.lower, durable.upper),
        "recurrence": (durable.recurrence, durable.recurrence_lower, durable.recurrence_upper),
    }
    return {
        name: (rate, lower, upper)
        for name, (rate, lower, upper) in numbers.items()
        if rate is not None and lower is not None and upper is not None
    }


TRUTH = [("rate", SUCCEEDS), ("weighted", SUCCEEDS), ("durable", DURABLE), ("recurrence", RECURRENCE)]


@pytest.mark.parametrize(("name", "truth"), TRUTH)
def test_estimates_are_right_on_average(judged: list[EffectivenessVerdict], name: str, truth: float) -> None:
    rates = [estimates(verdict)[name][0] for verdict in judged]
    # About four standard errors of the mean of 400 estimates from 40 or more outcomes.
    assert sum(rates) / HISTORIES == pytest.approx(truth, abs=0.016)


@pytest.mark.parametrize(("name", "truth"), TRUTH)
def test_an_interval_holds_the_truth_as_often_as_it_claims(
    judged: list[EffectivenessVerdict], name: str, truth: float
) -> None:
    held = Counter(lower <= truth <= upper for _, lower, upper in (estimates(verdict)[name] for verdict in judged))
    # 95 % ± three standard errors of 400 trials; above it the interval would be too wide to be of use.
    assert 0.917 <= held[True] / HISTORIES <= 0.99


def test_taking_competition_for_censoring_would_have_been_wrong() -> None:
    # So that the simulation would notice: 1 − Kaplan–Meier is off by far more than the tolerance above.
    assert (1 - math.exp(-RECURS * QUIET)) - RECURRENCE > 0.03
