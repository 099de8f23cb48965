"""The arithmetic beside scipy's and statsmodels', and the error rates that it claims."""

import math
from collections.abc import Callable
from functools import reduce
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import fftconvolve
from statsmodels.stats.multitest import multipletests

from kubernaut_effectiveness.statistics.association import Table, find_association
from kubernaut_effectiveness.statistics.changepoint import _scan, find_change
from kubernaut_effectiveness.statistics.cusum import LIMIT, cusum_weights, run_cusum
from kubernaut_effectiveness.statistics.multiplicity import q_values
from kubernaut_effectiveness.statistics.proportions import newcombe_interval
from kubernaut_effectiveness.statistics.strata import Stratum, pooled_difference
from kubernaut_effectiveness.statistics.superiority import probability_better
from kubernaut_effectiveness.statistics.votes import Tally, count_votes

TALLIES = st.lists(
    st.integers(1, 30).flatmap(lambda m: st.builds(Tally, st.integers(0, m), st.just(m))), min_size=1, max_size=40
)


def test_each_target_has_one_vote() -> None:
    votes = count_votes({"a": Tally(90, 100), "b": Tally(0, 1), "c": Tally(1, 1)})

    assert votes is not None
    assert votes.rate == pytest.approx((0.9 + 0 + 1) / 3)
    assert (votes.targets, votes.incidents, votes.good) == (3, 102, 91)
    assert votes.largest == pytest.approx(100 / 102)


@given(TALLIES)
def test_the_effective_number_lies_between_targets_and_incidents(tallies: list[Tally]) -> None:
    votes = count_votes(tallies)

    assert votes is not None
    assert votes.targets - 1e-9 <= votes.effective_n <= votes.incidents + 1e-9
    lower, upper = votes.interval()
    assert 0 <= lower <= votes.rate <= upper <= 1


def test_no_incident_has_no_share() -> None:
    assert count_votes([Tally(0, 0)]) is None


def simulate_shares(random: Random, sizes: list[int], p: float, rho: float) -> list[Tally]:
    """Draw targets whose own shares are Beta with mean p and correlation rho within a target."""
    tallies = []
    for size in sizes:
        share = p if rho == 0 else random.betavariate(p * (1 - rho) / rho, (1 - p) * (1 - rho) / rho)
        tallies.append(Tally(sum(random.random() < share for _ in range(size)), size))
    return tallies


def coverage(sizes: list[int], p: float, rho: float, rounds: int) -> float:
    random = Random(f"{sizes}{p}{rho}")
    covered = 0
    for _ in range(rounds):
        votes = count_votes(simulate_shares(random, sizes, p, rho))
        assert votes is not None
        lower, upper = votes.interval()
        covered += lower <= p <= upper
    return covered / rounds


DOMINATED = {5: [1, 1, 1, 1, 16], 10: [1] * 9 + [36], 30: [1] * 29 + [116]}
"""One target gives 80 % of the incidents."""
SCENARIOS = [
    (sizes, p, rho)
    for targets in (5, 10, 30)
    for sizes in ([4] * targets, DOMINATED[targets])
    for p in (0.1, 0.3, 0.5, 0.8, 0.95)
    for rho in (0.0, 0.2, 0.5)
]


@pytest.mark.slow
def test_every_interval_covers_and_on_average_as_much_as_it_says() -> None:
    found = {(tuple(sizes), p, rho): coverage(sizes, p, rho, 1500) for sizes, p, rho in SCENARIOS}

    worst = min(found, key=lambda scenario: found[scenario])
    assert found[worst] >= 0.90 - 0.015, (worst, found[worst])
    assert sum(found.values()) / len(found) >= 0.94


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_an_interval_covers_where_one_target_gives_most_incidents(rho: float) -> None:
    assert coverage(DOMINATED[10], 0.7, rho, 600) >= 0.92


def test_one_stratum_has_newcombes_interval() -> None:
    assert pooled_difference([Stratum(0.8, 40, 0.5, 30)])[1:] == pytest.approx(newcombe_interval(0.8, 40, 0.5, 30))


def test_equal_strata_have_the_difference_that_each_has() -> None:
    pooled = pooled_difference([Stratum(0.8, 40, 0.5, 30)] * 3)

    assert pooled.difference == pytest.approx(0.3)
    # Sato's variance of k equal strata is that of one over k; close to the textbook's for large n
    textbook = math.sqrt((0.8 * 0.2 / 40 + 0.5 * 0.5 / 30) / 3) * 1.959964
    assert pooled.upper - pooled.difference == pytest.approx(textbook, rel=0.05)


def test_strata_without_any_failure_have_no_point_as_interval() -> None:
    pooled = pooled_difference([Stratum(1.0, 8, 1.0, 8), Stratum(1.0, 9, 1.0, 9)])

    assert pooled.difference == 0
    assert pooled.lower < -0.05 < 0.05 < pooled.upper


@pytest.mark.parametrize("rounds", [400, pytest.param(4000, marks=pytest.mark.slow)])
def test_a_pooled_difference_covers_over_strata_of_different_severity(rounds: int) -> None:
    random, covered = Random(2), 0
    shares = [(0.9, 0.7), (0.6, 0.4), (0.3, 0.1)]
    for _ in range(rounds):
        strata = []
        for one, other in shares:
            n, m = random.randint(10, 40), random.randint(6, 25)
            hits = [sum(random.random() < p for _ in range(size)) / size for p, size in ((one, n), (other, m))]
            strata.append(Stratum(hits[0], n, hits[1], m))
        pooled = pooled_difference(strata)
        covered += pooled.lower <= 0.2 <= pooled.upper
    assert covered / rounds >= 0.93


def test_a_difference_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a difference needs at least one stratum$"):
        pooled_difference([])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_are_those_of_statsmodels(p_values: list[float]) -> None:
    assert q_values(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1])


@pytest.mark.parametrize(
    ("rate", "n", "other", "other_n"),
    [
        *((0.8, 20, 0.5, 20), (1.0, 5, 0.0, 5), (0.5, 3, 0.5, 300), (0.95, 400, 0.93, 90)),
        *((0.999, 3e4, 0.9993, 3e4), (0.5, 1e6, 0.5005, 1e6), (0.99, 1e6, 0.991, 1e4), (0.0, 5, 0.0, 1e6)),
    ],
)
def test_the_probability_of_better_is_scipys(rate: float, n: float, other: float, other_n: float) -> None:
    one, two = (stats.beta(1 + p * size, 1 + (1 - p) * size) for p, size in ((rate, n), (other, other_n)))
    expected = two.cdf(one.ppf((np.arange(200_000) + 0.5) / 200_000)).mean()

    assert probability_better(rate, n, other, other_n) == pytest.approx(expected, abs=2e-4)


@given(st.integers(1, 40), st.data())
@settings(max_examples=60)
def test_one_stratum_has_fishers_p_value(total: int, data: st.DataObject) -> None:
    first, second = data.draw(st.integers(1, total)), data.draw(st.integers(1, total))
    both = data.draw(st.integers(max(0, first + second - total), min(first, second)))
    found = find_association([Table(both, first, second, total)])
    table = [[both, first - both], [second - both, total - first - second + both]]

    assert found is not None
    assert found.p_value == pytest.approx(stats.fisher_exact(table, alternative="greater")[1], abs=1e-9)


def test_strata_are_added_exactly() -> None:
    tables = [Table(3, 4, 5, 12), Table(2, 3, 3, 9)]
    chances = [stats.hypergeom(t.total, t.first, t.second).pmf(np.arange(t.total + 1)) for t in tables]
    found = find_association(tables)

    assert found is not None
    assert found.p_value == pytest.approx(np.convolve(*chances)[5:].sum())
    assert found.cases == 5
    assert found.expected == pytest.approx(4 * 5 / 12 + 1)
    exact = stats.chi2.ppf(0.025, 10) / 2, stats.chi2.ppf(0.975, 12) / 2
    assert found.interval == pytest.approx([bound / found.expected for bound in exact], rel=0.02)


@pytest.mark.parametrize("both", [78, 81, 84])
def test_many_cases_have_nearly_the_exact_p_value_at_once(both: int) -> None:
    """Over 20 signals of 2,000 cases each; the exact one by scipy's convolution, in seconds where it was minutes."""
    tables = [Table(both, 400, 400, 2_000)] * 20
    whole = reduce(fftconvolve, [stats.hypergeom(2_000, 400, 400).pmf(np.arange(401))] * 20)
    found = find_association(tables)

    assert found is not None
    assert found.p_value == pytest.approx(whole[20 * both :].sum(), rel=0.05)


def test_a_p_value_of_many_cases_is_never_nothing() -> None:
    found = find_association([Table(500, 500, 500, 10_000)] * 20)

    assert found is not None
    assert 0 < found.p_value < 1e-50


def test_without_anything_expected_there_is_no_association() -> None:
    assert find_association([Table(0, 0, 3, 9), Table(0, 0, 0, 0)]) is None


def false_alarms(expected: float, actual: float, incidents: int) -> float:
    """Return the probability of an alarm within so many incidents: Brook and Evans' Markov chain.

    D. Brook, D. A. Evans (1972), "An approach to the probability distribution of cusum run length", Biometrika 59,
    539–549. The sum moves on a grid so fine that rounding changes nothing that is asserted.
    """
    failed, succeeded = cusum_weights(expected)
    cells = 3000
    step = LIMIT / cells
    up, down = round(failed / step), round(succeeded / step)
    chances = np.zeros(cells)
    chances[0] = 1.0
    raised = 0.0
    for _ in range(incidents):
        following = np.zeros(cells)
        moved = chances * actual
        following[up:] += moved[: cells - up]
        raised += moved[cells - up :].sum()
        moved = chances * (1 - actual)
        following[: cells + down] += moved[-down:]
        following[0] += moved[:-down].sum()
        chances = following
    return float(raised)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2, 0.4, 0.6])
def test_an_alarm_is_false_in_at_most_6_of_100_runs_of_200_incidents(share: float) -> None:
    """The usual share is drawn from 50 earlier incidents, as in use, and averaged over."""
    chances = 0.0
    for failures in range(51):
        likely = stats.binom(50, share).pmf(failures)
        if likely > 1e-4:
            state = run_cusum(failures, 50, [])
            assert state is not None
            chances += likely * false_alarms(state.expected, share, 200)
    assert chances <= 0.06


def test_an_alarm_is_raised_soon_after_failures_are_many() -> None:
    state = run_cusum(5, 50, [False] * 30 + [True] * 12)

    assert state is not None
    assert state.raised_at is not None
    assert 30 < state.raised_at <= 37


def test_an_alarm_needs_50_incidents_before() -> None:
    assert run_cusum(5, 49, [True] * 50) is None


def test_a_change_is_found_where_it_was() -> None:
    change = find_change([True] * 40 + [False, True] * 10 + [False] * 10, permutations=199)

    assert change is not None
    assert 35 <= change.place <= 45
    assert change.before > 0.9 > change.after
    assert change.p_value == pytest.approx(1 / 200)


@pytest.mark.parametrize("good", [[True] * 40, [False] * 40])
def test_what_never_varies_has_no_change(good: list[bool]) -> None:
    change = find_change(good)
    assert change is not None
    assert change.p_value == 1


def test_a_series_that_is_too_short_has_no_change() -> None:
    assert find_change([True] * 19) is None


def test_the_scan_is_the_likelihood_ratio() -> None:
    random = Random(5)
    good = [random.random() < (0.8 if place < 30 else 0.4) for place in range(60)]

    def likelihood(part: list[bool]) -> float:
        p = sum(part) / len(part)
        return float(stats.binom.logpmf(sum(part), len(part), p) - math.log(math.comb(len(part), sum(part))))

    best = max(range(10, 51), key=lambda place: likelihood(good[:place]) + likelihood(good[place:]))
    change = find_change(good, permutations=1)
    assert change is not None
    assert change.place == best


def rejections(draw: Callable[[Random], list[bool]], rounds: int, permutations: int) -> float:
    found = 0
    for round_number in range(rounds):
        change = find_change(draw(Random(round_number)), permutations=permutations, seed=round_number)
        assert change is not None
        found += change.p_value <= 0.05
    return found / rounds


@pytest.mark.parametrize(("rounds", "tolerance"), [(200, 0.04), pytest.param(2000, 0.012, marks=pytest.mark.slow)])
def test_5_percent_false_changes_are_5_percent(rounds: int, tolerance: float) -> None:
    share = rejections(lambda random: [random.random() < 0.7 for _ in range(60)], rounds, 99)
    assert share == pytest.approx(0.05, abs=tolerance)


@given(series=st.lists(st.booleans(), min_size=20, max_size=90), seed=st.integers(0, 5))
def test_a_change_s_p_value_is_that_of_looking_at_every_place_of_each_permutation(
    series: list[bool], seed: int
) -> None:
    found = find_change(series, permutations=40, seed=seed)

    assert found is not None
    n, total = len(series), sum(series)
    if not 0 < total < n:
        assert found.p_value == 1.0
        return
    rarer, chance = total <= n - total, Random(seed)
    as_large = 0
    for _ in range(40):
        drawn = set(chance.sample(range(n), min(total, n - total)))
        as_large += _largest_ratio([(place in drawn) is rarer for place in range(n)]) >= _largest_ratio(series) - 1e-12
    assert found.p_value == (1 + as_large) / 41


def _largest_ratio(series: list[bool]) -> float:
    """Return the largest ratio over all places with ten on each side, from the counts before each."""
    n, places = len(series), range(10, len(series) - 9)
    logs = [0.0] + [k * math.log(k) for k in range(1, n + 1)]
    return max(_scan([sum(series[:place]) for place in places], places, sum(series), n, logs))
