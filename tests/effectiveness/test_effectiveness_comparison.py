"""The comparison of actions for one signal: like with like, and what is said of it."""

import random

import pytest
import scipy.stats

from kubernaut_effectiveness.verdicts.comparison import PairComparison, SignalCounts, compare_counts

TARGETS = 8


def compared(*counts: tuple[str, str, int, int]) -> PairComparison:
    """Return the only pair of actions of which so many incidents a target were good: (action, severity, good, all)."""
    signal = SignalCounts(incidents=0)
    for action, severity, good, number in counts:
        for target in range(TARGETS):
            signal.add_first_line(action, severity, f"shop/Deployment/{target}", good, number)
    [pair] = compare_counts("Slow", signal).pairs
    return pair


def test_an_action_that_met_the_easy_cases_is_not_better() -> None:
    """In each severity both are the same; by all their incidents together, the first would win."""
    pair = compared(("a", "warning", 18, 20), ("b", "warning", 2, 2), ("a", "critical", 0, 2), ("b", "critical", 2, 20))

    assert pair.difference == pytest.approx(-0.1, abs=0.01)
    assert pair.better is None
    assert pair.probability is not None
    assert pair.probability < 0.5


def test_the_better_one_in_each_severity_is_better_whatever_it_met() -> None:
    pair = compared(("a", "warning", 4, 20), ("b", "warning", 1, 1), ("a", "critical", 0, 1), ("b", "critical", 12, 20))

    assert abs(pair.difference or 0) == pytest.approx(0.7, abs=0.15)
    assert pair.better == "b"


def test_in_one_stratum_the_probability_is_that_of_two_beta_distributions() -> None:
    pair = compared(("a", "warning", 6, 10), ("b", "warning", 4, 10))
    n = TARGETS * (TARGETS + 2) / 3  # the effective number where targets do not differ; see `count_votes`
    draws = 400_000
    one, other = (
        scipy.stats.beta(1 + share * n, 1 + (1 - share) * n).rvs(draws, random_state=seed)
        for seed, share in enumerate((0.6, 0.4))
    )

    assert pair.probability == pytest.approx((one > other).mean(), abs=0.003)


def test_better_needs_five_targets_and_strata_that_both_met() -> None:
    signal = SignalCounts(incidents=0)
    for target in range(TARGETS):
        signal.add_first_line("a", "warning", f"shop/Deployment/{target}", 20, 20)
        signal.add_first_line("b", "critical", f"shop/Deployment/{target}", 0, 20)
        if target < 4:
            signal.add_first_line("c", "warning", f"shop/Deployment/{target}", 0, 20)
    why = {(pair.one, pair.other): pair.why_not for pair in compare_counts("Slow", signal).pairs}

    assert why["a", "b"] == "they met different severities or kinds of targets"
    assert why["a", "c"] == "fewer than 5 targets on one side"
    assert {pair.better for pair in compare_counts("Slow", signal).pairs} == {None}


def test_of_actions_that_are_the_same_one_is_seldom_called_better() -> None:
    """With each severity's own share, and each action's own mix of them: at most 5 of 100, and some for the draw."""
    chance = random.Random(3)
    wrong = 0
    for _ in range(300):
        signal = SignalCounts(incidents=0)
        for action, mix in (("a", (12, 3)), ("b", (3, 12))):
            for target in range(TARGETS):
                for severity, share, number in zip(("warning", "critical"), (0.8, 0.3), mix, strict=True):
                    good = sum(chance.random() < share for _ in range(number))
                    signal.add_first_line(action, severity, f"shop/Deployment/{target}", good, number)
        wrong += compare_counts("Slow", signal).pairs[0].better is not None

    assert wrong / 300 <= 0.08
