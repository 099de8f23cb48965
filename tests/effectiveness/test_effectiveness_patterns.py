"""Patterns: each found where it is, and not where it is not."""

from typing import Any

import pytest
from histories import Story, at
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_effectiveness import Firing
from kubernaut_effectiveness.counting.problems import targets_of_labels
from kubernaut_effectiveness.patterns.flapping import find_flapping, flapping_of
from kubernaut_effectiveness.patterns.incidents import find_follow_ups, find_side_effects
from kubernaut_effectiveness.patterns.targets import changes_by_target, find_crowds, find_cycles, find_growth
from kubernaut_sdk.states import State


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ([0, 1, 2, 3], []),
        ([0, 1, 2, 3, 6.1], []),
        ([0, 1, 2, 3, 6], [(0, 9, 5)]),
        ([0, 1, 2, 3, 4, 8.9, 9.9], [(0, 14.9, 7)]),
        ([0, 1, 2, 3, 4, 9.1], [(0, 9, 5)]),
        ([0, 1, 2, 3, 4, 40, 41, 42, 43, 44, 45], [(0, 9, 5), (40, 50, 6)]),
        ([0, 1, 2, 3, 95, 96, 97, 98, 99], [(95, None, 5)]),
    ],
)
def test_flapping_begins_at_5_in_6_hours_and_ends_at_1(
    hours: list[float], expected: list[tuple[float, float | None, int]]
) -> None:
    found = flapping_of([hour * 3600 for hour in hours], now=100 * 3600)
    in_hours = [(since / 3600, None if until is None else until / 3600, number) for since, until, number in found]
    assert in_hours == [(since, None if until is None else pytest.approx(until), n) for since, until, n in expected]


def test_a_problem_flaps_whatever_its_pods_are_called(story: Story) -> None:
    for number in range(6):
        story.fires(number * 50, number * 50 + 5, pod=f"api-{number}")
    story.fires(0, 5, app="web")

    [found] = find_flapping(story.fleet().problems.values(), story.fleet().now)
    assert (found.name, found.firings) == ("Slow", 6)


def change(story: Story, minute: float, action: str, before: object, after: object, target: str = "t") -> None:
    story.acts_on(None, minute, action=action, target=target, changes=True, before=before, after=after)


def test_a_circle_is_read_from_the_values(story: Story) -> None:
    change(story, 0, "kubernetes/scale", {"replicas": 2}, {"replicas": 5})
    change(story, 60, "git/sync", {"replicas": 5}, {"replicas": 2})
    change(story, 120, "kubernetes/scale", {"replicas": 2}, {"replicas": 5})
    change(story, 180, "git/sync", {"replicas": 5}, {"replicas": 2})
    change(story, 240, "kubernetes/scale", {"replicas": 2}, {"replicas": 5})

    first, second = find_cycles(changes_by_target(story.acts))
    assert (first.first, first.back, first.times) == ("kubernetes/scale", "git/sync", 2)
    assert (second.first, second.back, second.times) == ("git/sync", "kubernetes/scale", 1)


def test_a_circle_is_one_whatever_else_changes_the_target_meanwhile(story: Story) -> None:
    change(story, 0, "kubernetes/scale", {"replicas": 2}, {"replicas": 5})
    change(story, 30, "kubernetes/restart", {"restartedAt": "8:00"}, {"restartedAt": "9:00"})
    change(story, 60, "git/sync", {"replicas": 5}, {"replicas": 2})
    change(story, 90, "kubernetes/restart", {"restartedAt": "9:00"}, {"restartedAt": "10:00"})
    change(story, 120, "kubernetes/scale", {"replicas": 2}, {"replicas": 5})

    [found] = find_cycles(changes_by_target(story.acts))
    assert (found.first, found.back, found.times) == ("kubernetes/scale", "git/sync", 1)


@pytest.mark.parametrize(
    ("minutes", "back_to"),
    [((0, 60, 24 * 60 + 1), 2), ((0, 60, 120), 3)],
)
def test_what_is_late_or_put_elsewhere_is_no_circle(
    story: Story, minutes: tuple[float, float, float], back_to: int
) -> None:
    change(story, minutes[0], "a/up", 2, 5)
    change(story, minutes[1], "a/down", 5, back_to)
    change(story, minutes[2], "a/up", back_to, 5)

    assert find_cycles(changes_by_target(story.acts)) == []


def test_growth_is_a_field_raised_again_by_what_it_was_raised_to(story: Story) -> None:
    for minute, (before, after) in enumerate([("64Mi", "128Mi"), ("128Mi", "256Mi"), ("256Mi", "0.5Gi")]):
        one, other = ({"limits": {"memory": size, "cpu": "1"}} for size in (before, after))
        change(story, minute * 1000, "kubernetes/raise_memory", one, other)
    change(story, 9000, "kubernetes/scale", 2, 4)
    change(story, 9100, "kubernetes/scale", 3, 6)

    [growth] = find_growth(changes_by_target(story.acts))
    assert (growth.path, growth.values) == ("limits.memory", ("64Mi", "128Mi", "256Mi", "0.5Gi"))


def test_three_actions_on_a_target_within_two_hours_are_a_crowd(story: Story) -> None:
    for minute in (0, 50, 110):
        story.acts_on(None, minute, target="busy")
    for minute in (0, 100, 300):
        story.acts_on(None, minute, target="calm")

    [crowd] = find_crowds(changes_by_target(story.acts))
    assert (crowd.target, crowd.acts) == ("busy", 3)


def test_an_action_that_follows_another_more_than_by_chance_is_found(story: Story) -> None:
    for number in range(30):
        first, then = ("a/one", "b/one") if number % 3 else ("a/two", "b/two")
        alert = story.fires(0, 200, app=f"a{number}")
        story.acts_on(alert, 5, action=first, target=f"t{number}")
        story.acts_on(alert, 60, action=then, target=f"t{number}")
    story.acts_on(alert, 70, action="c/late", target="t29")

    found = find_follow_ups(story.fleet().judged)
    assert [(one.first, one.following, one.cases) for one in found] == [("a/one", "b/one", 20), ("a/two", "b/two", 10)]
    assert all(one.lower < one.lift < one.upper and one.q_value < 0.001 for one in found)


def test_steps_of_one_workflow_follow_nothing(story: Story) -> None:
    for number in range(20):
        alert = story.fires(0, 200, app=f"a{number}")
        for minute, action in ((5, "a/one"), (60, "b/one")):
            story.acts_on(alert, minute, action=action, target=f"t{number}", workflow=f"ops/w{number}")

    assert find_follow_ups(story.fleet().judged) == []


@pytest.mark.parametrize("withheld", [True, False])
def test_a_side_effect_is_shown_only_against_a_baseline(story: Story, withheld: bool) -> None:
    """Restarting makes another alert fire on the target; a freeze does not."""
    for number in range(30):
        alert = story.fires(0, 40, app=f"a{number}")
        frozen = withheld and number % 2 == 0
        more: dict[str, Any] = {"state": State.SKIPPED, "reason": "Frozen"} if frozen else {}
        story.acts_on(alert, 5, target=f"t{number}", **more)
        if not frozen:
            story.fires(12, 20, name="Cold", app=f"a{number}")
        cold = f"Cold/a{number}/p"
        story.fires(-900, -800, name="Cold", app=f"a{number}")
        story.acts_on(cold, -895, action="cache/warm", target=f"t{number}")

    fleet = story.fleet()
    restart = next(one for one in find_side_effects(fleet.judged, fleet.problems) if one.action_type.endswith("pod"))
    assert (restart.alert, restart.cases, restart.otherwise_cases) == ("Cold", 15 if withheld else 30, 0)
    assert restart.shown is withheld


def test_a_side_effect_that_nobody_acted_for_is_on_the_target_that_its_labels_name(story: Story) -> None:
    for number in range(6):
        story.acts_on(story.fires(0, 40, app=f"a{number}"), 5, target=f"shop/Deployment/a{number}")
        labels = {"alertname": "Replicas", "namespace": "shop", "deployment": f"a{number}"}
        story.firings.append(Firing(f"replicas/{number}", at(12), at(20), "Replicas", "warning", labels))

    fleet = story.fleet()
    [found] = find_side_effects(fleet.judged, fleet.problems)
    assert (found.alert, found.cases, found.acted) == ("Replicas", 6, 6)


@pytest.mark.parametrize(
    ("labels", "targets"),
    [
        ({"namespace": "shop", "deployment": "api"}, ["shop/Deployment/api"]),
        ({"namespace": "shop", "node": "n1"}, ["Node/n1"]),
        ({"cluster": "eu", "node": "n1"}, ["Node/n1", "eu:Node/n1"]),
        ({"deployment": "", "pod": "p"}, []),
    ],
)
def test_labels_name_targets_as_records_write_them(labels: dict[str, str], targets: list[str]) -> None:
    assert targets_of_labels(labels) == targets


@given(st.lists(st.integers(0, 900), min_size=1, max_size=12))
def test_any_three_actions_within_two_hours_are_in_one_crowd(minutes: list[int]) -> None:
    story = Story()
    for minute in minutes:
        change(story, minute, "a/b", 1, 2)
    times = sorted(at(minute) for minute in minutes)

    crowds = find_crowds(changes_by_target(story.acts))
    for first, third in zip(times, times[2:], strict=False):
        if third - first <= 2 * 3600:
            assert any(one.since <= first and third <= one.until for one in crowds)
    for one in crowds:
        assert one.acts == sum(one.since <= time <= one.until for time in times) >= 3
        assert any(
            third - first <= 2 * 3600
            for first, third in zip(times, times[2:], strict=False)
            if one.since <= first and third <= one.until
        )
