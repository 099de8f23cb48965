"""The counting: problems, incidents, the first line and its outcome."""

import json
from dataclasses import replace
from typing import Any

import pytest
from histories import Story, at
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_effectiveness import CountingRules, Outcome, WatchSpan, verdicts_of
from kubernaut_effectiveness.counting.changes import OrderedChanges
from kubernaut_effectiveness.counting.problems import ProblemIncident
from kubernaut_effectiveness.verdicts.models import ActionVerdict
from kubernaut_sdk.states import State

CHANGE: dict[str, Any] = {"changes": True}


def only(story: Story) -> ActionVerdict:
    [verdict] = verdicts_of(story.fleet())
    return verdict


def test_what_is_resolved_and_stays_silent_held(story: Story) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 5)

    judged = story.judged()
    assert (judged.outcome, judged.action) == (Outcome.HELD, "kubernetes/restart_pod")
    assert (judged.acted, judged.resolved) == (at(5), at(20))


@pytest.mark.parametrize(
    ("resolved", "fired_again", "expected"),
    [
        (36, None, Outcome.HELD),
        (36.1, None, Outcome.UNRESOLVED),
        (None, None, Outcome.UNRESOLVED),
        (20, 50, Outcome.RECURRED),
        (20, 50.1, Outcome.HELD),
    ],
)
def test_the_times_of_an_outcome(
    story: Story, resolved: float | None, fired_again: float | None, expected: Outcome
) -> None:
    alert = story.fires(0, resolved)
    story.acts_on(alert, 5)
    if fired_again is not None:
        story.fires(fired_again, fired_again + 5)

    assert story.fleet().judged[0].outcome is expected


def test_an_alert_of_another_pod_is_the_same_problem(story: Story) -> None:
    """A restarted pod has a new name, and its alert a new fingerprint."""
    alert = story.fires(0, 6, pod="api-1")
    story.acts_on(alert, 5)
    story.fires(20, 40, pod="api-2")

    assert story.judged().outcome is Outcome.RECURRED


def test_an_alert_of_another_application_is_another_problem(story: Story) -> None:
    alert = story.fires(0, 6)
    story.acts_on(alert, 5)
    story.fires(20, 40, app="web")

    assert story.judged().outcome is Outcome.HELD


def test_two_pods_at_once_fire_until_the_last_is_resolved(story: Story) -> None:
    alert = story.fires(0, 10, pod="api-1")
    story.fires(5, 120, pod="api-2")
    story.acts_on(alert, 7)

    assert story.judged().outcome is Outcome.UNRESOLVED


def test_the_rules_for_makes_the_quiet_time_longer(story: Story) -> None:
    """Under `for: 30m` no alert can fire again within 30 min: silence says nothing."""
    alert = story.fires(0, 20)
    story.acts_on(alert, 5)
    story.fires(70, 80)
    assert story.fleet().judged[0].outcome is Outcome.HELD
    assert not only(story).for_known

    story.settings = CountingRules(pending_for={"Slow": 30 * 60})
    assert story.judged().outcome is Outcome.RECURRED
    assert only(story).for_known


def test_retries_and_escalation_are_no_new_evidence(story: Story) -> None:
    alert = story.fires(0, 90)
    for minute in (5, 15, 25):
        story.acts_on(alert, minute)
    story.acts_on(alert, 40, action="kubernetes/scale_deployment")

    first, second = sorted(verdicts_of(story.fleet()), key=lambda verdict: verdict.action_type)
    assert first.outcomes == {"unresolved": 1}
    assert (second.outcomes, second.second_line, second.alone.incidents) == ({}, 1, 0)


def test_the_changing_steps_of_one_workflow_are_one_first_line(story: Story) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 5, action="kubernetes/cordon_node", workflow="ops/w")
    story.acts_on(alert, 7, action="kubernetes/drain_node", workflow="ops/w", target="Node/n")

    judged = story.judged()
    assert judged.action == "kubernetes/cordon_node + kubernetes/drain_node"
    assert judged.outcome is Outcome.HELD


def test_what_changed_nothing_is_no_first_line(story: Story) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 2, action="kubernetes/check", state=State.UNCHANGED)
    story.acts_on(alert, 3, action="kubernetes/other", state=State.FAILED)
    story.acts_on(alert, 5)

    assert story.judged().action == "kubernetes/restart_pod"


@pytest.mark.parametrize("state", [State.FAILED, State.LOST, State.TIMED_OUT, State.CANCELLED])
def test_what_failed_after_a_change_failed(story: Story, state: State) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 5, state=state, **CHANGE)

    assert story.judged().outcome is Outcome.FAILED


def test_something_else_on_the_target_supersedes(story: Story) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 5)
    story.acts_on(None, 10, action="git/update_file")

    assert story.judged().outcome is Outcome.SUPERSEDED


@pytest.mark.parametrize("state", [State.UNCHANGED, State.PLANNED, State.SKIPPED, State.FAILED])
def test_what_changed_nothing_supersedes_nothing(story: Story, state: State) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 5)
    story.acts_on(None, 10, action="git/update_file", state=state)

    assert story.judged().outcome is Outcome.HELD


def test_an_undo_is_no_success_and_what_it_undid_did_not_act_alone(story: Story) -> None:
    alert = story.fires(0, 20)
    done = story.acts_on(alert, 5)
    story.acts_on(alert, 12, undoes=done.id)

    verdict = only(story)
    assert verdict.outcomes == {"superseded": 1}
    assert (verdict.undone, verdict.ran, verdict.not_counted) == (1, 1, {"undo": 1})


def test_a_record_is_undone_once_however_often_it_was_tried(story: Story) -> None:
    alert = story.fires(0, 20)
    done, other = story.acts_on(alert, 5), story.acts_on(alert, 6)
    story.acts_on(alert, 12, undoes=done.id)
    for place, state in enumerate([State.SUCCEEDED, State.UNCHANGED, State.FAILED, State.SKIPPED]):
        story.acts_on(alert, 13 + place, undoes=done.id, state=state)
    story.acts_on(alert, 18, undoes=other.id, state=State.FAILED)

    assert only(story).undone == 1


def test_what_was_resolved_before_the_action_is_gone(story: Story) -> None:
    alert = story.fires(0, 4)
    story.acts_on(alert, 5, fired=0)

    verdict = only(story)
    assert verdict.outcomes == {"gone": 1}
    assert verdict.alone.incidents == 0


def test_the_record_names_the_episode_that_it_answers(story: Story) -> None:
    alert = story.fires(0, 4)
    story.fires(10, 12)
    story.acts_on(alert, 11, fired=0)

    assert story.judged().outcome is Outcome.GONE


@pytest.mark.parametrize("earlier", [True, False])
def test_a_record_may_name_its_episode_without_the_fraction_of_a_second(story: Story, earlier: bool) -> None:
    """Alertmanager says 12:00:00.8, a custom resource says 12:00:00."""
    if earlier:
        story.fires(-500, -480)
    alert = story.fires(0.8 / 60, 20)
    story.acts_on(alert, 5, fired=0)

    judged = story.judged()
    assert (judged.outcome, judged.began) == (Outcome.HELD, at(0.8 / 60))


def test_an_episode_of_which_nobody_told_is_not_the_one_before(story: Story) -> None:
    """Its webhook was lost; that the earlier one was resolved in time says nothing of it."""
    alert = story.fires(0, 20)
    story.acts_on(alert, 500, fired=498)

    assert story.fleet().judged == []


def test_a_window_that_is_not_over_does_not_count(story: Story) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 5)
    story.now = 5 + 1 + 30 + 30 + 9.9
    assert story.judged().outcome is Outcome.PENDING

    story.now += 0.2
    assert story.judged().outcome is Outcome.HELD


def test_an_end_that_nobody_told_is_none_before_the_next_firing(story: Story) -> None:
    alert = story.fires(0, None)
    story.acts_on(alert, 5)
    story.fires(200, 210)

    assert story.judged().outcome is Outcome.UNRESOLVED


@pytest.mark.parametrize(
    ("watched", "expected"),
    [
        ([], Outcome.UNWATCHED),
        ([(-10, 50)], Outcome.HELD),
        ([(-10, 49)], Outcome.UNWATCHED),
        ([(6, 500)], Outcome.UNWATCHED),
        ([(-10, 15), (26, 500)], Outcome.UNWATCHED),
        ([(-10, 15), (15, 500)], Outcome.HELD),
    ],
)
def test_silence_counts_only_while_heartbeats_came(
    story: Story, watched: list[tuple[float, float]], expected: Outcome
) -> None:
    """A dead webhook is silent, too."""
    alert = story.fires(0, 20)
    story.acts_on(alert, 5)
    story.watched = watched

    assert story.judged().outcome is expected


@pytest.mark.parametrize("kind", ["silenced", "inhibited"])
def test_what_alertmanager_held_back_was_not_watched(story: Story, kind: str) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 5)
    story.spans = [WatchSpan(kind, alert, at(30), at(35))]

    verdict = only(story)
    assert verdict.outcomes == {"unwatched": 1}
    assert verdict.unwatched == {kind: 1}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"alertname": "Slow", "app": "api", "pod": "p-of-another-name"}, Outcome.UNWATCHED),
        ({"alertname": "Slow", "app": "web", "pod": "p"}, Outcome.HELD),
        ({"alertname": "Slow", "pod": "p"}, Outcome.HELD),
        ({"alertname": "Slow", "app": "api", "node": "n"}, Outcome.HELD),
        ({"alertname": "Cold", "app": "api"}, Outcome.HELD),
    ],
)
def test_an_alert_of_the_next_pod_that_is_silenced_is_known_by_its_labels(
    story: Story, labels: dict[str, str], expected: Outcome
) -> None:
    """No alert of that pod was ever told: its fingerprint says nothing."""
    alert = story.fires(0, 20)
    story.acts_on(alert, 5)
    story.spans = [WatchSpan("silenced", subject, at(30), at(35)) for subject in ("unheard", json.dumps(labels))]

    assert story.judged().outcome is expected


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({"app": "api"}, Outcome.UNWATCHED),
        ({"app": "api", "pod": "of-another-firing"}, Outcome.UNWATCHED),
        ({}, Outcome.UNWATCHED),
        ({"app": "web"}, Outcome.HELD),
        ({"node": "n"}, Outcome.HELD),
    ],
)
def test_alerts_left_out_of_a_webhook_were_not_watched_in_their_group(
    story: Story, group: dict[str, str], expected: Outcome
) -> None:
    """A group by pod too: an alert of the problem's next pod may be among those that were left out."""
    alert = story.fires(0, 20)
    story.acts_on(alert, 5)
    story.spans = [WatchSpan("truncated", json.dumps(group), at(30), at(30))]

    assert story.judged().outcome is expected


@pytest.mark.parametrize(
    ("deleted", "outcome", "compared", "followed"),
    [
        (5.5, Outcome.HELD, True, 24 * 60),  # while the action ran: it did that
        (10, Outcome.UNWATCHED, False, None),  # before it was resolved: it is silent because it is gone
        (30, Outcome.UNWATCHED, True, 10),
        (60, Outcome.HELD, True, 40),
    ],
)
def test_silence_after_the_deletion_of_the_target_is_no_evidence(
    story: Story, deleted: float, outcome: Outcome, compared: bool, followed: float | None
) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 5)
    story.spans = [WatchSpan("deleted", "shop/Deployment/api", at(deleted), at(deleted))]

    judged = story.judged()
    assert (judged.outcome, judged.why) == (outcome, "the target was deleted" if outcome is Outcome.UNWATCHED else None)
    assert (judged.decision is not None) is compared
    assert (None if judged.returned is None else judged.returned.duration / 60) == followed


def test_a_problem_that_fired_again_before_its_target_was_deleted_recurred(story: Story) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 5)
    story.fires(25, 28)
    story.spans = [WatchSpan("deleted", "shop/Deployment/api", at(30), at(30))]

    assert story.judged().outcome is Outcome.RECURRED


def test_the_deletion_of_another_target_says_nothing(story: Story) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 5)
    story.spans = [WatchSpan("deleted", "shop/Deployment/web", at(10), at(10))]

    assert story.judged().outcome is Outcome.HELD


def test_an_unknown_signal_is_said_to_be(story: Story) -> None:
    story.acts_on("never heard", 5)

    assert only(story).not_counted == {"signal not known": 1}


@pytest.mark.parametrize(
    ("state", "reason", "withheld"),
    [
        (State.PLANNED, None, True),
        (State.SKIPPED, "Halted", True),
        (State.SKIPPED, "Frozen", True),
        (State.SKIPPED, "RateLimited", None),
        (State.SKIPPED, "GivenUp", None),
        (State.SKIPPED, "Rejected", None),
        (State.SKIPPED, "SomethingElse", None),
        (State.SUCCEEDED, None, False),
    ],
)
def test_the_baseline_is_what_kept_an_action_from_running_whatever_the_incident(
    story: Story, state: State, reason: str | None, withheld: bool | None
) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 5, state=state, reason=reason)

    decision = story.judged().decision
    assert (None if decision is None else decision.withheld) is withheld
    assert decision is None or decision.resolved


@pytest.mark.parametrize(
    ("state", "waited", "compared"),
    [
        (State.SUCCEEDED, 2, True),
        (State.SUCCEEDED, 29, True),
        (State.SUCCEEDED, 31, False),
        (State.STARTED, 2, True),
        (State.INTENDED, 0, False),
    ],
)
def test_an_action_that_is_queued_for_all_of_the_window_is_on_neither_side(
    story: Story, state: State, waited: float, compared: bool
) -> None:
    alert = story.fires(0, 60)
    act = story.acts_on(alert, 5 + waited, state=state)
    story.acts[-1] = replace(act, decided=at(5))

    decision = story.judged().decision
    assert (decision is not None) is compared
    assert decision is None or not decision.withheld


def test_what_was_held_back_first_and_ran_later_stays_on_the_side_of_its_first_decision(story: Story) -> None:
    alert = story.fires(0, 45)
    story.acts_on(alert, 5, state=State.SKIPPED, reason="Frozen")
    story.acts_on(alert, 20)

    judged = story.judged()
    assert judged.outcome is Outcome.HELD
    assert judged.decision is not None
    assert (judged.decision.withheld, judged.decision.resolved) == (True, False)


def test_few_targets_have_counts_and_no_rate(story: Story) -> None:
    for number in range(4):
        alert = story.fires(number * 200, number * 200 + 20, app=f"a{number}")
        story.acts_on(alert, number * 200 + 5, target=f"t{number % 2}")

    share = only(story).alone
    assert share.refusal == "4 of 4 on 2 targets"
    assert share.rate is None


def test_one_target_has_one_vote(story: Story) -> None:
    """A target that flaps has 40 incidents, of which none held; nine others held once each."""
    for number in range(40):
        alert = story.fires(number * 200, number * 200 + 90, app="flapping")
        story.acts_on(alert, number * 200 + 5, target="flapping")
    for number in range(9):
        alert = story.fires(0, 20, app=f"a{number}")
        story.acts_on(alert, 5, target=f"t{number}")
    story.now = 10_000

    share = only(story).alone
    assert share.rate == pytest.approx(0.9)
    assert share.largest_target == pytest.approx(40 / 49)


def test_what_came_back_within_a_day_is_followed(story: Story) -> None:
    for number in range(6):
        alert = story.fires(0, 20, app=f"a{number}")
        story.acts_on(alert, 5, target=f"t{number}")
        if number < 3:
            story.fires(20 + 60 * (number + 1), 400, app=f"a{number}")

    half_hour, day = only(story).came_back
    assert (half_hour.share, half_hour.followed) == (0.0, 6)
    assert day.share == pytest.approx(0.5)


def test_what_the_rules_for_makes_impossible_is_not_said_to_be_0_percent(story: Story) -> None:
    for number in range(6):
        story.acts_on(story.fires(0, 20, app=f"a{number}"), 5, target=f"t{number}")
    assert [one.share for one in only(story).came_back] == [0.0, 0.0]

    story.settings = CountingRules(pending_for={"Slow": 30 * 60})
    assert [one.share for one in only(story).came_back] == [None, 0.0]


@pytest.mark.parametrize(
    ("kind", "subject"), [("silenced", "Slow/api/p"), ("inhibited", "Slow/api/p"), ("truncated", '{"app": "api"}')]
)
def test_whether_it_came_back_is_not_known_once_nobody_would_tell(story: Story, kind: str, subject: str) -> None:
    """Alertmanager sends no webhook of a silenced alert: that none came is no silence of the problem."""
    story.acts_on(story.fires(0, 20), 5)
    story.spans = [WatchSpan(kind, subject, at(200), at(400))]

    judged = story.judged()
    assert judged.outcome is Outcome.HELD
    assert judged.returned == ((200 - 20) * 60, None)


def test_the_bounds_are_those_if_none_or_all_unwatched_had_held(story: Story) -> None:
    for number in range(10):
        alert = story.fires(0, 20, app=f"a{number}")
        story.acts_on(alert, 5, target=f"t{number}")
        if number < 4:
            story.spans.append(WatchSpan("silenced", alert, at(30), at(31)))

    verdict = only(story)
    assert verdict.alone.incidents == 6
    assert verdict.if_unwatched_not == pytest.approx(0.6)
    assert verdict.if_unwatched_held == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("minute", "requester", "expected"), [(50, "ann", 1), (67, "ann", 0), (50, None, 0), (4, "ann", 0)]
)
def test_who_acts_without_a_signal_within_an_hour_is_a_person(
    story: Story, minute: float, requester: str | None, expected: int
) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 5)
    story.acts_on(None, minute, action="manual/fix", requester=requester)

    verdict = next(one for one in verdicts_of(story.fleet()) if one.action_type == "kubernetes/restart_pod")
    assert verdict.touched_by_people == expected


TIMES = st.integers(0, 30).map(float)


@given(st.lists(st.tuples(TIMES, TIMES), max_size=12), TIMES, TIMES)
def test_changes_of_a_target_are_found_by_time_as_if_all_were_looked_at(
    spans: list[tuple[float, float]], since: float, until: float
) -> None:
    story = Story()
    acts = [story.acts_on(None, began, began + length) for began, length in spans]
    expected = [act for act in acts if act.began <= at(until) and act.ended >= at(since)]

    found = OrderedChanges(acts).between(at(since), at(until))
    assert found == sorted(expected, key=lambda act: act.began)


@given(st.sets(TIMES, min_size=1, max_size=10), TIMES)
def test_the_firing_of_a_time_is_the_last_one_before_it(beginnings: set[float], time: float) -> None:
    spans = tuple((began, began + 0.5) for began in sorted(beginnings))
    before = [place for place, (began, _) in enumerate(spans) if began <= time]

    assert ProblemIncident(spans).span_at(time) == (before[-1] if before else None)
