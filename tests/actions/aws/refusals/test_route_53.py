"""The refusals of Route 53's actions, and ends of theirs that only a stand-in plays."""

from typing import Any

import pytest
from aws_answers import NOW, Answers, require, run
from aws_standin import AwsStandIn

from kubernaut_sdk.catalog import find
from kubernaut_sdk.testing import ActionRunner


def records(blue: int, green: int, **more: Any) -> Answers:
    known = {"Name": "api.example.com.", "Type": "A", "TTL": 30, "ResourceRecords": [{"Value": "192.0.2.1"}], **more}
    weights = (("blue", blue), ("green", green))
    found = [{**known, "SetIdentifier": name, "Weight": weight} for name, weight in weights]
    return {"ResourceRecordSets": found, "IsTruncated": False, "MaxItems": "300"}


def checked(text: str) -> Answers:
    return {"HealthCheckObservations": [{"StatusReport": {"Status": text}} for _ in range(8)]}


INFO = {"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING", "SubmittedAt": NOW}}
SIMPLE = {
    **records(1, 1),
    "ResourceRecordSets": [{"Name": "api.example.com.", "Type": "A", "SetIdentifier": "blue", "Region": "eu-west-1"}],
}


@pytest.mark.parametrize(
    ("answers", "inputs", "code", "message"),
    [
        (
            {"list_resource_record_sets": records(100, 0)},
            {},
            3,
            "would be 0, which Route 53 answers as if all were equal",
        ),
        ({}, {"set_identifier": "red"}, 3, "with the set identifier red; there is blue, green."),
        ({"list_resource_record_sets": SIMPLE}, {}, 3, "the record api.example.com blue is not weighted"),
        (
            {
                "list_resource_record_sets": records(100, 100, HealthCheckId="h"),
                "get_health_check_status": checked("Failure: timeout"),
            },
            {},
            3,
            "the health checks of all records that would have a weight fail (green)",
        ),
        ({"get_change": INFO}, {}, 4, "the change C1 is PENDING."),
        ({"list_resource_record_sets": [records(100, 100), records(7, 100)]}, {}, 4, "by somebody else to weight 7."),
    ],
)
def test_a_weight_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, inputs: Answers, code: int, message: str
) -> None:
    base: Answers = {
        "list_resource_record_sets": records(100, 100),
        "change_resource_record_sets": INFO,
        "get_change": {"ChangeInfo": {**INFO["ChangeInfo"], "Status": "INSYNC"}},
    }
    given = {"hosted_zone_id": "Z1", "name": "api.example.com", "type": "A", "set_identifier": "blue", "weight": 0}
    require(run(monkeypatch, "aws/set_dns_weight", {**base, **answers}, **{**given, **inputs}), code, message)


def test_an_alias_record_stays_one_and_its_whole_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    target = {"HostedZoneId": "Z2", "DNSName": "lb.example.", "EvaluateTargetHealth": True}
    blue = {"Name": "api.example.com.", "Type": "A", "SetIdentifier": "blue", "Weight": 100, "AliasTarget": target}
    green = {**blue, "SetIdentifier": "green"}
    sent: list[dict[str, Any]] = []

    def change(params: dict[str, Any]) -> dict[str, Any]:
        sent.append(params)
        blue["Weight"] = 0
        return INFO

    AwsStandIn(
        list_resource_record_sets=lambda _: {
            "ResourceRecordSets": [dict(blue), green],
            "IsTruncated": False,
            "MaxItems": "9",
        },
        change_resource_record_sets=change,
        get_change=lambda _: {"ChangeInfo": {**INFO["ChangeInfo"], "Status": "INSYNC"}},
    ).stand_in(monkeypatch)
    given = {"hosted_zone_id": "Z1", "name": "api.example.com", "type": "A", "set_identifier": "blue", "weight": 0}
    ran = ActionRunner(find("aws/set_dns_weight")).run(given)
    [deleted, made] = sent[0]["ChangeBatch"]["Changes"]

    assert ran.exit_code == 0, ran.error
    assert (deleted["Action"], deleted["ResourceRecordSet"]) == ("DELETE", {**blue, "Weight": 100})
    assert (made["Action"], made["ResourceRecordSet"]) == ("UPSERT", {**blue, "Weight": 0})
