"""Deletions that records tell of: silence of what is gone is no sign that it was mended."""

from datetime import UTC, datetime
from typing import Any

import pytest
from histories import Story, at

from kubernaut_aws.autoscaling.removal import _TERMINATED
from kubernaut_effectiveness import Outcome, read_fleet
from kubernaut_effectiveness.counting.deletions import deleted_by_change, deletions_of_acts, is_named_by
from kubernaut_effectiveness.targets import history_of_target
from kubernaut_sdk.records import Record
from kubernaut_sdk.states import State

UID = "0c6f0c1e-7e0e-4b3c-9b1a-2b0a4e3a7f11"


@pytest.mark.parametrize(
    ("target", "before", "after", "gone"),
    [
        ("shop/Pod/api-1", {"pod": "api-1", "uid": UID}, {"pod": "api-1", "uid": None}, ["shop/Pod/api-1"]),
        ("Node/w1", {"node": "w1", "uid": UID}, {"node": "w1", "uid": None}, ["Node/w1"]),
        ("shop/Job/report", {"job": "report", "uid": UID}, {"job": "report", "uid": None}, ["shop/Job/report"]),
        ("autoscaling:r:g:i-1", {"state": "InService"}, {"state": _TERMINATED}, ["autoscaling:r:g:i-1"]),
        ("autoscaling:r:g:i-1", {"state": "InService"}, {"state": "detached"}, []),
        (
            "Node/w1",
            {"unschedulable": False, "pods": ["shop/api-1", "shop/db-0", "and 3 more"]},
            {"unschedulable": True, "pods": []},
            ["shop/Pod/api-1", "shop/Pod/db-0"],
        ),
        ("Node/w1", {"pods": ["shop/api-1", "shop/db-0"]}, {"pods": ["shop/db-0"]}, ["shop/Pod/api-1"]),
        ("east:Node/w1", {"pods": ["shop/api-1"]}, {"pods": []}, ["east:shop/Pod/api-1"]),
        ("Namespace/shop", {"pods": {"old-1": UID}}, {"pods": {}}, ["shop/Pod/old-1"]),
        ("shop/Deployment/api", {"pods": 3}, {"pods": 0}, []),
        ("shop/Deployment/api", {"uid": None}, {"uid": None}, []),
        ("shop/Deployment/api", {"uid": UID, "replicas": 2}, {"replicas": 3}, []),
        ("shop/Deployment/api", {"replicas": 2}, {"replicas": 3}, []),
        ("shop/Deployment/api", None, {"uid": None}, []),
        ("t", "x", ["y"], []),
    ],
)
def test_a_change_tells_what_it_deleted(target: str, before: Any, after: Any, gone: list[str]) -> None:
    assert deleted_by_change(target, before, after) == gone


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, 1),
        ({"state": State.FAILED}, 0),  # it may be there still, or again
        ({"state": State.LOST}, 0),
        ({"dry_run": True}, 0),
        ({"target": None}, 0),
    ],
)
def test_only_what_succeeded_has_deleted(story: Story, fields: dict[str, Any], told: int) -> None:
    change = {"changes": True, "before": {"uid": UID}, "after": {"uid": None}}
    act = story.acts_on(None, 5, **{"target": "Node/w1", **change, **fields})

    assert [(one.kind, one.subject, one.since) for one in deletions_of_acts([act])] == [
        ("deleted", "Node/w1", act.ended)
    ] * told


@pytest.mark.parametrize(
    ("target", "labels", "named"),
    [
        ("Node/w1", {"node": "w1"}, True),
        ("east:Node/w1", {"node": "w1", "cluster": "east"}, True),
        ("Node/w1", {"node": "w2"}, False),
        ("shop/Job/report", {"job_name": "report"}, True),
        ("shop/Deployment/api", {"deployment": "api"}, True),
        ("shop/Deployment/api", {"app": "api"}, False),
        ("shop/Pod/api-1", {"namespace": "shop"}, False),
        ("i-0abc", {"node": "i-0abc"}, False),
        (None, {}, False),
    ],
)
def test_an_alert_names_an_object_by_the_label_of_its_kind(
    target: str | None, labels: dict[str, str], named: bool
) -> None:
    assert is_named_by(target, labels) is named


def read(story: Story, *, labels: dict[str, str], record: dict[str, Any]) -> Any:
    """Read a fleet of one alert, which is silent from minute 20 on, and of one record."""
    moment = {minutes: datetime.fromtimestamp(at(minutes), UTC) for minutes in (0, 5, 6, 20)}
    times = {"intended_at": moment[5], "started_at": moment[5], "finished_at": moment[6], "at": moment[6]}
    known = {
        "id": "01a22557-b15d-7243-937e-cf0425334b45",
        "state": "succeeded",
        "signal": {"fingerprint": "f"},
        **times,
        **record,
    }
    firing = {
        "fingerprint": "f",
        "name": "Bad",
        "labels": {"alertname": "Bad", **labels},
        "fired_at": moment[0].isoformat(),
        "resolved_at": moment[20].isoformat(),
    }
    beat = {"kind": "heartbeat", "subject": ""} | {
        name: datetime.fromtimestamp(at(minutes), UTC).isoformat()
        for name, minutes in (("since", -60), ("until", 2000))
    }
    return read_fleet([Record.model_validate(known)], [firing], [beat], now=datetime.fromtimestamp(at(2000), UTC))


@pytest.mark.parametrize(
    ("kind", "name", "labels", "outcome"),
    [
        ("Node", "w1", {"node": "w1"}, Outcome.UNWATCHED),  # its alert cannot fire again
        ("Pod", "api-1", {"pod": "api-1", "namespace": "shop"}, Outcome.HELD),  # its successor's would
        ("Job", "report", {"job_name": "report", "namespace": "shop"}, Outcome.UNWATCHED),
    ],
)
def test_an_action_that_deletes_the_thing_itself_is_not_credited_with_its_silence(
    story: Story, kind: str, name: str, labels: dict[str, str], outcome: Outcome
) -> None:
    target = {"kind": kind, "name": name, **({} if kind == "Node" else {"namespace": "shop"})}
    change = {"before": {"uid": UID}, "after": {"uid": None}}
    fleet = read(story, labels=labels, record={"action_type": "a/delete", "target": target, "change": change})

    [judged] = fleet.judged
    assert (judged.outcome, judged.why) == (outcome, "the target was deleted" if outcome is Outcome.UNWATCHED else None)
    assert (judged.decision is None) is (outcome is Outcome.UNWATCHED)  # compared with no baseline either
    history = history_of_target(fleet, judged.target)
    assert history is not None
    assert history.deleted == (at(6),)


def test_a_pod_that_a_drain_evicted_is_gone(story: Story) -> None:
    alert = story.fires(0, 20)
    story.acts_on(alert, 5, target="shop/Pod/api-1")
    drained = story.acts_on(
        None, 8, target="Node/w1", changes=True, before={"pods": ["shop/api-1"]}, after={"pods": []}
    )
    story.spans = deletions_of_acts([drained])

    assert story.judged().outcome is Outcome.UNWATCHED


def test_what_a_record_and_a_person_tell_within_ten_minutes_is_one_deletion(story: Story) -> None:
    from kubernaut_effectiveness import Watch, WatchSpan

    watch = Watch(WatchSpan("deleted", "t", at(minute), at(minute)) for minute in (9, 0, 18, 40))

    assert watch.deletions_of("t") == [at(0), at(40)]
