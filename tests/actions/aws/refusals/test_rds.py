"""The refusals of RDS's actions, and ends of theirs that only a stand-in plays."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_answers import NOW, Answers, require, run


def db(status: str = "available", **more: Any) -> Answers:
    return {"DBInstances": [{"DBInstanceIdentifier": "orders", "DBInstanceStatus": status, **more}]}


def event(message: str, age: float = 0) -> Answers:
    when = datetime.now(UTC) - timedelta(seconds=age)
    return {"Events": [{"SourceIdentifier": "orders", "Message": message, "Date": when}]}


@pytest.mark.parametrize(
    ("answers", "inputs", "code", "message"),
    [
        ({"describe_db_instances": db("modifying")}, {}, 3, "orders is modifying, and must be available."),
        (
            {},
            {"failover": True},
            3,
            "orders is not Multi-AZ, so there is no standby to fail over to; reboot it without",
        ),
        (
            {"describe_db_instances": db(DBClusterIdentifier="c")},
            {"failover": True},
            3,
            "no standby to fail over to; use aws/failover_db_cluster.",
        ),
        ({"describe_db_instances": [db(), db("storage-full")]}, {}, 4, "orders was rebooted, and is storage-full."),
        ({"describe_events": {"Events": []}}, {}, 4, "has not told that it is restarted; there is no event since."),
        (
            {"describe_db_instances": db(MultiAZ=True)},
            {"failover": True},
            4,
            "has not told that it is failover completed; its last word is: db instance restarted.",
        ),
    ],
)
def test_a_database_that_is_not_rebooted(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, inputs: Answers, code: int, message: str
) -> None:
    base: Answers = {
        "describe_db_instances": db(),
        "describe_events": event("DB instance restarted"),
        "reboot_db_instance": {},
    }
    require(
        run(monkeypatch, "aws/reboot_db_instance", {**base, **answers}, db_instance="orders", **inputs), code, message
    )


def cluster(writer: str, status: str = "available") -> Answers:
    members = [{"DBInstanceIdentifier": name, "IsClusterWriter": name == writer} for name in ("a", "b", "c")]
    return {"DBClusters": [{"Status": status, "Engine": "aurora-mysql", "DBClusterMembers": members}]}


def lag(milliseconds: float) -> Answers:
    return {"Datapoints": [{"Timestamp": NOW, "Maximum": milliseconds}]}


@pytest.mark.parametrize(
    ("answers", "inputs", "code", "message"),
    [
        ({}, {"instance": "x"}, 3, "x is not in the cluster orders; it has a, b, c."),
        (
            {"describe_db_clusters": cluster("a", "failing-over")},
            {},
            3,
            "orders is failing-over, and must be available.",
        ),
        ({"describe_db_instances": db("rebooting")}, {}, 3, "b is rebooting, and must be available."),
        (
            {"get_metric_statistics": {"Datapoints": []}},
            {},
            3,
            "which is not 0; set max_lag_seconds to null not to ask.",
        ),
        ({"get_metric_statistics": lag(45_000)}, {}, 3, "max_lag_seconds is 30, and b lags 45 s"),
        ({"describe_db_clusters": [cluster("a"), cluster("a"), cluster("c")]}, {}, 4, "by somebody else to writer c."),
        (
            {"describe_db_clusters": [cluster("a"), cluster("a"), cluster("")]},
            {},
            4,
            "is available, and has no writer.",
        ),
        ({"describe_db_clusters": cluster("a")}, {}, 4, "the cluster orders still reads writer a, not writer b."),
    ],
)
def test_a_cluster_that_does_not_fail_over(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, inputs: Answers, code: int, message: str
) -> None:
    base: Answers = {
        "describe_db_clusters": cluster("a"),
        "describe_db_instances": db(),
        "get_metric_statistics": lag(20),
        "failover_db_cluster": {},
    }
    given = {"cluster": "orders", "instance": "b", **inputs}
    require(run(monkeypatch, "aws/failover_db_cluster", {**base, **answers}, **given), code, message)
