"""The rights of an action's own token: what it may say of its record, and which records it may read."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from guarded_service import READ, RECORDS, SHOP, WRITE, Make, outcome


def test_the_token_says_whose_word_it_is(client: Callable[[str], httpx.Client], event: Make) -> None:
    shop = {"workflow": {"namespace": "shop", "name": "w"}}
    sent = event(state="started", **shop)
    relayed = event(state="failed", source="container", **shop)
    by_controller = {**sent, "state": "intended"}
    writer, pod = client(WRITE), client("pod.uid1.shop")
    assert outcome(writer, by_controller)["outcome"] == "stored"
    assert writer.get(f"{RECORDS}/{sent['id']}").json()["source"] == "controller"
    assert outcome(pod, {**sent, "pod": {"name": "liar", "uid": "liar"}})["outcome"] == "merged"
    assert outcome(writer, relayed)["outcome"] == "stored"
    record = writer.get(f"{RECORDS}/{sent['id']}").json()

    assert record["source"] == "container"
    assert record["pod"] == {"name": "uid1-pod", "uid": "uid1"}
    assert writer.get(f"{RECORDS}/{relayed['id']}").json()["source"] == "container"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"source": "controller"}, "source: an action's token cannot speak in the name of the controller."),
        ({"state": "intended"}, "state: intended is not an action's to say; there is applying, cancelled,"),
        ({"state": "lost"}, "state: lost is not an action's to say"),
        (
            {"workflow": {"namespace": "bank", "name": "w"}},
            "workflow.namespace: bank is not the token's",
        ),
    ],
)
@pytest.mark.parametrize("token", ["pod.uid1.shop", SHOP], ids=["pod", "static"])
def test_what_an_action_cannot_say(
    client: Callable[[str], httpx.Client], event: Make, token: str, fields: dict[str, Any], expected: str
) -> None:
    answer = outcome(client(token), event(), event(**fields))

    assert answer["outcome"] == "refused"
    assert answer["reason"].startswith(expected)


def test_an_attempt_belongs_to_the_pod_that_first_wrote_it(either: Callable[[str], httpx.Client], event: Make) -> None:
    client = either
    shop = {"workflow": {"namespace": "shop", "name": "w"}}
    sent = event(state="started", **shop)
    one, other, elsewhere = client("pod.uid1.shop"), client("pod.uid2.shop"), client("pod.uid3.bank")
    assert outcome(client(WRITE), {**sent, "state": "intended"})["outcome"] == "stored"
    assert outcome(one, sent)["outcome"] == "merged"
    again = outcome(other, {**sent, "state": "failed"})
    later = outcome(other, {**sent, "state": "failed", "attempt": 1})
    stranger = outcome(elsewhere, {**event(state="failed"), "id": sent["id"]})
    client(WRITE).post(RECORDS, json=[{**sent, "state": "cancelled"}])

    assert again["reason"] == "attempt: attempt 0 was first written by the pod uid1; another tells of a later attempt."
    assert later["outcome"] == "merged"
    assert stranger["reason"] == "id: this record is not of the token's namespace, bank."
    assert outcome(one, {**sent, "state": "succeeded"})["outcome"] == "merged"


INTENDED = {
    "state": "intended",
    "action_type": "kubernetes/scale_deployment",
    "image": "ghcr.io/kubernaut/actions/kubectl@sha256:aa",
    "workflow": {"namespace": "shop", "name": "w", "uid": "1"},
    "step": "a",
    "requester": "ai",
    "signal": {"fingerprint": "f1", "name": "Latency"},
    "remediation": {"namespace": "shop", "name": "r1"},
    "dry_run": False,
    "target": {"kind": "Deployment", "namespace": "shop", "name": "web"},
}
FORGED = {
    "state": "succeeded",
    "action_type": "kubernetes/cordon_node",
    "image": "ghcr.io/trusted/x@sha256:bb",
    "workflow": {"namespace": "shop", "name": "another"},
    "step": "z",
    "requester": "root",
    "approver": "somebody-else",
    "confidence": 1.0,
    "signal": {"fingerprint": "f2"},
    "remediation": {"namespace": "prod", "name": "r2"},
    "dry_run": True,
    "intended_at": "2020-11-28T10:00:00.000000Z",
    "target": "another",
    "pod_name": "another",
    "output": {"replicas": 6},
    "changed": True,
}


@pytest.mark.parametrize("order", ["after", "before", "between"])
def test_an_action_s_token_says_what_it_did_and_not_why_it_ran(
    either: Callable[[str], httpx.Client], event: Make, order: str
) -> None:
    writer, pod = either(WRITE), either("pod.uid1.shop")
    sent = event(**INTENDED)
    forged = {**event(**FORGED), "id": sent["id"]}
    words = {
        "after": [(writer, sent), (pod, forged)],
        "before": [(pod, forged), (writer, sent)],
        "between": [(writer, sent), (pod, forged), (writer, {**sent, "state": "failed"})],
    }[order]
    for who, word in words:
        assert outcome(who, word)["outcome"] in {"stored", "merged"}
    record = writer.get(f"{RECORDS}/{sent['id']}").json()

    assert {name: record[name] for name in INTENDED if name != "state"} == {
        name: value for name, value in INTENDED.items() if name != "state"
    }
    assert record.keys() & {"approver", "confidence", "intended_at", "pod_name"} == set()
    assert (record["state"], record["output"], record["changed"]) == ("succeeded", {"replicas": 6}, True)
    assert record["pod"] == {"name": "uid1-pod", "uid": "uid1"}


def test_a_stranger_s_words_go_when_the_controller_says_whose_record_it_is(
    either: Callable[[str], httpx.Client], event: Make
) -> None:
    writer, stranger, rightful = either(WRITE), either("pod.uid3.bank"), either("pod.uid1.shop")
    sent = event(**INTENDED)
    forged = {**event(state="succeeded", output={"x": 1}), "id": sent["id"]}
    assert outcome(stranger, forged)["outcome"] == "stored"
    assert outcome(writer, sent)["outcome"] == "merged"
    after = writer.get(f"{RECORDS}/{sent['id']}").json()
    assert outcome(rightful, {**forged, "state": "failed", "output": {"y": 2}})["outcome"] == "merged"
    again = outcome(stranger, {**forged, "attempt": 1})
    record = writer.get(f"{RECORDS}/{sent['id']}").json()

    assert (after["state"], "output" in after, "pod" in after) == ("intended", False, False)
    assert again["reason"] == "id: this record is not of the token's namespace, bank."
    assert (record["state"], record["output"]) == ("failed", {"y": 2})
    assert stranger.get(f"{RECORDS}/{sent['id']}").status_code == 404


def test_where_the_controller_names_the_pod_no_other_can_claim_its_record(
    either: Callable[[str], httpx.Client], event: Make
) -> None:
    writer, rightful, other = either(WRITE), either("pod.uid1.shop"), either("pod.uid2.shop")
    named = event(**INTENDED, pod_name="uid1-pod")
    early = event(**INTENDED, pod_name="uid1-pod")
    claim = {"state": "succeeded", "changed": False}
    assert outcome(writer, named)["outcome"] == "stored"
    refused = outcome(other, {**named, **claim})
    later = outcome(other, {**named, **claim, "attempt": 7})
    assert outcome(rightful, {**named, "state": "failed"})["outcome"] == "merged"
    # and one that came before the controller
    assert outcome(other, {**event(**claim), "id": early["id"]})["outcome"] == "stored"
    assert outcome(writer, early)["outcome"] == "merged"
    assert outcome(rightful, {**early, "state": "failed"})["outcome"] == "merged"

    reason = "id: this record is of the pod uid1-pod, as the controller says, and the token of uid2-pod."
    assert refused["reason"] == later["reason"] == reason
    for record in (named, early):
        known = writer.get(f"{RECORDS}/{record['id']}").json()
        assert (known["state"], known["pod"]["uid"], "changed" in known) == ("failed", "uid1", False)


def test_however_many_attempts_a_pod_writes_few_places_are_kept(
    client: Callable[[str], httpx.Client], event: Make
) -> None:
    one, other, sent = client("pod.uid1.shop"), client("pod.uid2.shop"), event(**INTENDED)
    outcome(client(WRITE), sent)
    for start in range(0, 3_000, 1_000):
        one.post(RECORDS, json=[{**sent, "state": "started", "attempt": start + n} for n in range(1_000)])
    proof = client(READ).get(f"{RECORDS}/{sent['id']}/proof").json()

    assert len(json.loads(proof["provenance"])["pods"]) == 256
    assert outcome(one, {**sent, "state": "applying", "attempt": 10**9})["outcome"] == "merged"
    assert outcome(other, {**sent, "state": "failed", "attempt": 10**9})["outcome"] == "refused"


def test_an_action_reads_the_records_of_its_namespace_only(either: Callable[[str], httpx.Client], event: Make) -> None:
    client = either
    mine, theirs = (
        event(workflow={"namespace": "shop", "name": "w"}),
        event(workflow={"namespace": "bank", "name": "w"}),
    )
    outcome(client(WRITE), mine, theirs)
    pod, bank = client("pod.uid1.shop"), client("pod.uid1.bank")
    bare = event()
    assert outcome(pod, bare)["outcome"] == "stored"  # a PipelineRun rendered by hand has no workflow

    assert {one["id"] for one in pod.get(RECORDS).json()["items"]} == {mine["id"], bare["id"]}
    lines = bank.get(RECORDS, headers={"accept": "application/x-ndjson"}).text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [theirs["id"]]
    assert pod.get(f"{RECORDS}/{theirs['id']}").status_code == 404
    assert pod.get(f"{RECORDS}/{theirs['id']}/proof").status_code == 404
    assert bank.get(f"{RECORDS}/{bare['id']}").status_code == 404
    assert pod.get(f"{RECORDS}/{bare['id']}").status_code == 200
    assert pod.get(f"{RECORDS}/summary").status_code == 403
