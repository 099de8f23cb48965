"""Simulated histories whose truth is known: what does not help is not said to help."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest
from histories import at

from kubernaut_effectiveness import Act, Firing, Fleet, Watch, WatchSpan, judge_fleet, verdicts_of
from kubernaut_effectiveness.verdicts.baseline import compare_with_baseline
from kubernaut_sdk.states import State

ALWAYS = [WatchSpan("heartbeat", "", at(-1e6), at(1e7))]


@dataclass(frozen=True)
class Truth:
    """A fleet of one alert and one action.

    Attributes:
        length: Draws an alert's length in minutes, without the action.
        helps: The probability that the action ends the alert one minute after it.
        withheld: The share of incidents in which a freeze kept it from running.
        targets: The number of targets.
        largest: The share of incidents that one target has.
        incidents: The number of incidents.
    """

    length: Callable[[Random], float]
    helps: float = 0.0
    withheld: float = 0.5
    targets: int = 20
    largest: float = 0.0
    incidents: int = 160


def simulate(truth: Truth, seed: int) -> Fleet:
    """Return the fleet, judged after its last incident."""
    random = Random(seed)
    acts, firings = [], []
    free_at: dict[int, float] = {}
    for number in range(truth.incidents):
        target = 0 if random.random() < truth.largest else random.randrange(truth.targets)
        fired = free_at.get(target, 0.0) + 120 + random.expovariate(1 / 60)
        length = truth.length(random)
        decided = fired + 1
        withheld = random.random() < truth.withheld
        if not withheld and random.random() < truth.helps:
            length = min(length, 3.0)
        if length <= 1:
            continue  # resolved before anybody decided
        free_at[target] = fired + length
        fingerprint = f"f{target}-{number}"  # a new pod each time
        labels = {"alertname": "Slow", "app": f"a{target}", "pod": f"{number}"}
        firings.append(
            Firing(
                fingerprint=fingerprint,
                fired=at(fired),
                resolved=at(fired + length),
                name="Slow",
                severity="critical",
                labels=labels,
            )
        )
        acts.append(
            Act(
                id=f"{number:08}",
                action_type="kubernetes/restart_pod",
                state=State.SKIPPED if withheld else State.SUCCEEDED,
                reason="Frozen" if withheld else None,
                target=f"t{target}",
                decided=at(decided),
                began=at(decided),
                ended=at(decided + 1),
                fingerprint=fingerprint,
                fired=at(fired),
            )
        )
    now = max(free_at.values()) + 1000
    return judge_fleet(acts, firings, Watch(ALWAYS), now=at(now))


def exponential(mean: float) -> Callable[[Random], float]:
    return lambda random: random.expovariate(1 / mean)


def share_said_to_help(truth: Truth, rounds: int) -> float:
    return (
        sum(compare_with_baseline(simulate(truth, seed).judged).verdict == "helped" for seed in range(rounds)) / rounds
    )


@pytest.mark.parametrize("mean", [5.0, 20.0, 60.0])
@pytest.mark.parametrize("largest", [0.0, 0.5])
@pytest.mark.parametrize(("rounds", "most"), [(40, 0.13), pytest.param(600, 0.05, marks=pytest.mark.slow)])
def test_a_placebo_on_alerts_that_end_by_themselves_does_not_help(
    mean: float, largest: float, rounds: int, most: float
) -> None:
    """Its own share is 83 to 28 % by the alerts' length alone; only the comparison says whether it helped."""
    assert share_said_to_help(Truth(exponential(mean), largest=largest), rounds) <= most


def test_what_helps_is_said_to_help() -> None:
    truth = Truth(exponential(60.0), helps=0.8)

    assert share_said_to_help(truth, 20) >= 0.9


def test_without_a_baseline_nothing_is_said_to_help() -> None:
    [verdict] = verdicts_of(simulate(Truth(exponential(20.0), withheld=0.0), 1))

    assert verdict.baseline.verdict == "no baseline"
    assert verdict.alone.rate is not None


def test_a_dead_webhook_raises_no_number() -> None:
    """Heartbeats come by the same way as alerts: without them, silence says nothing."""
    acts, firings = [], []
    for number in range(20):
        fired = 300.0 * number
        firings.append(
            Firing(fingerprint=f"f{number}", fired=at(fired), resolved=at(fired + 10), labels={"app": f"{number}"})
        )
        acts.append(
            Act(
                id=str(number),
                action_type="a/b",
                state=State.SUCCEEDED,
                target=f"t{number}",
                decided=at(fired + 1),
                began=at(fired + 1),
                ended=at(fired + 2),
                fingerprint=f"f{number}",
            )
        )
    now = at(300 * 20)
    dead = Watch([WatchSpan("heartbeat", "", at(-1e6), at(5))])
    [verdict] = verdicts_of(judge_fleet(acts, firings, dead, now=now))

    assert verdict.alone.incidents == 0
    assert verdict.outcomes == {"unwatched": 20}


def test_the_same_history_has_the_same_verdict() -> None:
    truth = Truth(exponential(20.0), helps=0.3)

    assert verdicts_of(simulate(truth, 7)) == verdicts_of(simulate(truth, 7))
