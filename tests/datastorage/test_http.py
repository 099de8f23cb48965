"""The HTTP interface, over a real service on loopback."""

import csv
import gzip
import io
import json
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from kubernaut_sdk.ids import mint

Make = Callable[..., dict[str, Any]]
RECORDS = "/api/v1/action-records"
HOSTILE = "' OR 1=1; DROP TABLE action_records; -- é 🚀 \" \n $(x) \u0000"


def post(service: httpx.Client, *events: Any) -> list[dict[str, Any]]:
    answer = service.post(RECORDS, content=json.dumps(events))
    assert answer.status_code == 200, answer.text
    outcomes: list[dict[str, Any]] = answer.json()
    return outcomes


def old_id(age: timedelta) -> str:
    milliseconds = int((datetime.now(UTC) - age).timestamp() * 1000)
    return str(UUID(int=milliseconds << 80 | 0x7 << 76 | 0b10 << 62))


def test_stored_merged_duplicate_refused(service: httpx.Client, event: Make) -> None:
    started = event(state="started")
    ended = {**started, "state": "failed", "error": {"code": 1, "reason": "Failed", "message": "no"}}
    outcomes = [post(service, item)[0]["outcome"] for item in (started, ended, started)]
    mixed = post(service, event(), {"id": "x"}, event())

    assert outcomes == ["stored", "merged", "duplicate"]
    assert [outcome["outcome"] for outcome in mixed] == ["stored", "refused", "stored"]
    assert mixed[1]["index"] == 1
    assert mixed[1]["reason"].startswith("id: ")


def test_a_record_reads_as_it_was_told(service: httpx.Client, event: Make) -> None:
    sent = event(
        inputs={"text": HOSTILE, "big": 2**63 - 1},
        change={"before": None, "after": [1, {"a": HOSTILE}]},
        target={"kind": "Node", "name": "n1"},
        workflow={"namespace": "shop", "name": "w"},
        at="2026-01-31T10:05:07+01:00",
    )
    post(service, sent)
    record = service.get(f"{RECORDS}/{sent['id']}").json()

    assert record["at"] == "2026-01-31T09:05:07.000000Z"
    assert record["source"] == "container"
    assert {name: record[name] for name in ("inputs", "change", "target", "workflow")} == {
        name: sent[name] for name in ("inputs", "change", "target", "workflow")
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"state": "done"}, "state: input should be"),
        ({"at": "yesterday"}, "at: "),
        ({"at": "2026-01-31T09:05:07"}, "at: a time needs its zone"),
        ({"colour": "red"}, "colour: unknown field"),
        ({"confidence": 2}, "confidence: input should be less than or equal to 1"),
        ({"attempt": -1}, "attempt: "),
        ({"inputs": {"x": 2**64}}, "inputs.x: 18446744073709551616 does not fit in 64 bits"),
        ({"inputs": {"x": "\ud800"}}, "inputs.x: '\\ud800' is not Unicode text"),
        ({"inputs": {"x": "y" * 66_000}}, "at most 65536 (64 KiB)"),
        ({"id": "7"}, "id: "),
        ({"id": "1b4e28ba-2fa1-41d2-883f-0016d3cca427"}, "is no UUID of version 7"),
        ({"id": old_id(timedelta(days=91))}, "older than the 90 days that are kept"),
        ({"id": old_id(timedelta(days=-2))}, "more than a day ahead"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at: a time must lie within the years 1 and 9999 of UTC"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "at: a time must lie within the years 1 and 9999 of UTC"),
        ({"at": "0005-01-01T00:00:00Z"}, "at: 0005-01-01T00:00:00+00:00 is before 1970"),
        ({"signal": {"fingerprint": "f", "firedAt": "0005-01-01T00:00:00Z"}}, "signal.firedAt: 0005"),
        ({"attempts": [{"number": 0, "ended": "0005-01-01T00:00:00Z"}]}, "attempts[0].ended: 0005"),
    ],
)
def test_a_bad_event_is_refused_with_the_reason(
    shared: httpx.Client, event: Make, fields: dict[str, Any], expected: str
) -> None:
    [bad, good] = post(shared, event(**fields), event())

    assert bad["outcome"] == "refused"
    assert expected in bad["reason"]
    assert good["outcome"] == "stored"


@pytest.mark.parametrize(
    ("body", "headers", "status", "expected"),
    [
        (b"", {}, 400, "not JSON"),
        (b"{", {}, 400, "not JSON"),
        (b"\xff\xfe", {}, 400, "not JSON"),
        (b"[" * 100_000, {}, 400, "not JSON"),
        (b"{}", {}, 422, "send a JSON array of 1 to 1000 events; this is dict."),
        (b"[]", {}, 422, "this is 0 items."),
        (b"[" + b"1," * 1000 + b"1]", {}, 422, "this is 1001 items."),
        (b'["' + b"x" * (4 << 20) + b'"]', {}, 413, "4 MiB"),
        (gzip.compress(b" " * (64 << 20)), {"content-encoding": "gzip"}, 413, "4 MiB"),
        (b"not gzip", {"content-encoding": "gzip"}, 400, "not gzip"),
        (gzip.compress(b"[1]")[:-4], {"content-encoding": "gzip"}, 400, "ends too early"),
        (gzip.compress(b"[") + gzip.compress(b"]"), {"content-encoding": "gzip"}, 400, "send one gzip member"),
        (zlib.compress(b"[]"), {"content-encoding": "br"}, 415, "send it plain, or gzip"),
    ],
    ids=[
        "empty",
        "half",
        "binary",
        "deep",
        "object",
        "none",
        "many",
        "large",
        "bomb",
        "no gzip",
        "cut",
        "two",
        "encoding",
    ],
)
def test_a_bad_request_is_a_problem(
    shared: httpx.Client, body: bytes, headers: dict[str, str], status: int, expected: str
) -> None:
    answer = shared.post(RECORDS, content=body, headers=headers)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert expected in answer.json()["detail"]


def test_gzip_is_taken(service: httpx.Client, event: Make) -> None:
    body = gzip.compress(json.dumps([event()]).encode())
    answer = service.post(RECORDS, content=body, headers={"content-encoding": "gzip"})

    assert answer.json()[0]["outcome"] == "stored"


def test_filters(service: httpx.Client, event: Make) -> None:
    post(
        service,
        event(action_type="x/y_z", dry_run=False, target={"kind": "Node", "name": "n1"}),
        event(state="failed", dry_run=True, target="arn:x"),
        event(workflow={"namespace": "shop", "name": "w"}, remediation={"name": "r"}, signal={"fingerprint": "f"}),
        event(requester=HOSTILE, target=HOSTILE.replace("\0", "")),
        event(requester="alice", image="ghcr.io/k/a@sha256:00"),
        event(
            target={"kind": "Deployment", "namespace": "shop", "name": "checkout"},
            undoes=str(mint()),
        ),
    )

    def count(**parameters: str) -> int:
        answer = service.get(RECORDS, params=parameters)
        assert answer.status_code == 200, answer.text
        return len(answer.json()["items"])

    assert count() == 6
    assert count(action_type="x/y_z") == 1
    assert count(state="failed") == 1
    assert count(dry_run="true") == 1
    assert count(dry_run="false") == 5
    assert count(target="Node/n1") == 1
    assert count(target="arn:x") == 1
    assert count(workflow="shop/w") == count(workflow="w") == count(remediation="r") == count(signal="f") == 1
    assert count(workflow="other/w") == 0
    assert count(requester="alice") == count(image="ghcr.io/k/a@sha256:00") == 1
    assert count(requester="alice", image="other") == 0
    assert count(about="checkout") == count(about="Deployment/checkout") == count(about="shop/Deployment/checkout") == 1
    assert count(about="eckout") == count(about="Checkout") == count(about="shop") == 0
    assert count(about="n1") == count(about="arn:x") == 1
    assert count(undoes="any") == 1
    assert count(since="1h") == 6
    assert count(until="1h") == 0
    assert count(target=HOSTILE.replace("\0", "")) == 1
    assert count(action_type="' OR 1=1 --") == 0


def test_a_part_of_an_id_finds_the_records_that_begin_or_end_with_it(service: httpx.Client, event: Make) -> None:
    time = str(mint())[:13]
    one, other = f"{time}-7000-8000-00005b2d4680", f"{time}-7000-8000-00000c11f3aa"
    post(service, event(id=one), event(id=other))

    def found(part: str) -> set[str]:
        return {item["id"] for item in service.get(RECORDS, params={"id": part, "fields": "id"}).json()["items"]}

    assert found("5b2d4680") == found("5B2D4680") == found(one) == found(one.replace("-", "")) == {one}
    assert found("00000c11f3aa") == {other}
    assert found(time[:8]) == found(time) == {one, other}
    assert found("7000") == set()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"type": "a"}, "there is no parameter type; there is about, action_type, after_seq,"),
        ({"limit": "0"}, "limit=0: it must be a whole number from 1 to 1000."),
        ({"limit": "1001"}, "limit=1001"),
        ({"limit": "٣"}, "it must be a whole number"),
        ({"since": "soon"}, "since=soon: write a time such as"),
        ({"state": "done"}, "state=done: there is intended,"),
        ({"dry_run": "yes"}, "dry_run=yes: it must be true or false."),
        ({"cursor": "!!"}, "cursor=!!: take it from `next` of the page before."),
        ({"fields": "id,colour"}, "fields=colour: there is"),
        ({"after_seq": "-1"}, "after_seq=-1"),
        ({"action_type": "a\0b"}, "without NUL"),
        ({"cursor": "AAAAAAAAAAAAAAAAAAAAAA", "after_seq": "1"}, "it does not go with after_seq"),
        ({"state": ["failed", "lost"]}, "state=lost: it is given twice; give it once."),
        ({"about": "/"}, "about=/: write a target"),
        ({"id": "abc"}, "id=abc: write 4 to 32 hexadecimal digits"),
        ({"id": "wxyz"}, "id=wxyz: write 4 to 32"),
        ({"undoes": "all"}, "undoes=all: it must be a record's id (a UUID), or any."),
        ({"workflow": ""}, "workflow=: write a name, or namespace/name."),
        ({"workflow": "a/b/c"}, "workflow=a/b/c: write a name"),
    ],
)
def test_a_bad_parameter_is_named(shared: httpx.Client, parameters: dict[str, Any], expected: str) -> None:
    answer = shared.get(RECORDS, params=parameters)

    assert answer.status_code == 400
    assert expected in answer.json()["detail"]


def test_pages_are_whole_and_newest_first(service: httpx.Client, event: Make) -> None:
    ids = [outcome["id"] for outcome in post(service, *(event() for _ in range(25)))]
    seen: list[str] = []
    parameters = {"limit": "10", "fields": "id"}
    while True:
        page = service.get(RECORDS, params=parameters).json()
        seen += [record["id"] for record in page["items"]]
        if page["next"] is None:
            break
        parameters["cursor"] = page["next"]

    assert seen == sorted(ids, reverse=True)


def test_following_sees_each_change(service: httpx.Client, event: Make) -> None:
    first = event(state="started")
    post(service, first, event())
    seq = max(record["seq"] for record in service.get(RECORDS).json()["items"])
    post(service, {**first, "state": "succeeded"})
    news = service.get(RECORDS, params={"after_seq": str(seq)}).json()["items"]

    assert [(record["id"], record["state"]) for record in news] == [(first["id"], "succeeded")]


def test_streams_hold_everything(service: httpx.Client, event: Make) -> None:
    for _ in range(3):
        post(service, *(event(step="=cmd|' /C calc'!A0") for _ in range(700)))
    lines = service.get(RECORDS, headers={"accept": "application/x-ndjson"}, params={"fields": "id,step"}).text
    rows = list(csv.DictReader(io.StringIO(service.get(RECORDS, headers={"accept": "text/csv"}).text)))

    assert len({json.loads(line)["id"] for line in lines.splitlines()}) == 2100
    assert len({row["id"] for row in rows}) == 2100
    assert rows[0]["step"] == "'=cmd|' /C calc'!A0"


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("*/*", "application/json"),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", "application/json"),
        ("text/csv; charset=utf-8", "text/csv; charset=utf-8"),
        ("application/json;q=0.1, application/x-ndjson", "application/x-ndjson"),
        ("image/png", "application/problem+json"),
    ],
)
def test_the_client_says_which_form_it_likes(shared: httpx.Client, accept: str, answered: str) -> None:
    assert shared.get(RECORDS, headers={"accept": accept}).headers["content-type"] == answered


def test_a_stream_keeps_all_its_filters_on_every_page(service: httpx.Client, event: Make) -> None:
    post(service, *(event() for _ in range(1000)))
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    late = str(UUID(int=int((datetime.now(UTC) + timedelta(hours=2)).timestamp() * 1000) << 80 | 0x7 << 76 | 2 << 62))
    post(service, event(id=late))
    parameters = {"after_seq": "0", "until": until, "fields": "id"}
    lines = service.get(RECORDS, headers={"accept": "application/x-ndjson"}, params=parameters).text

    assert len(lines.splitlines()) == 1000


def test_signals_are_kept_once_and_resolved_later(service: httpx.Client) -> None:
    fired, resolved = "2026-01-31T09:00:00Z", "2026-01-31T09:30:00Z"
    alert = {
        "status": "firing",
        "labels": {"alertname": "Slow", "severity": "critical"},
        "startsAt": fired,
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "f1",
    }
    done = {**alert, "status": "resolved", "endsAt": resolved}
    for sent in (alert, alert, done, alert):
        answer = service.post("/api/v1/signals", json={"version": "4", "alerts": [sent], "receiver": "x"})
        assert answer.json() == {"episodes": 1, "refused": []}

    expected = {
        "fingerprint": "f1",
        "fired_at": "2026-01-31T09:00:00.000000Z",
        "resolved_at": "2026-01-31T09:30:00.000000Z",
        "name": "Slow",
        "severity": "critical",
    }
    assert service.get("/api/v1/signals", params={"since": "2026-01-01T00:00:00Z"}).json()["items"] == [expected]
    assert service.get("/api/v1/signals", params={"since": "2026-02-01T00:00:00Z"}).json()["items"] == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": "burning"}, "status: input should be 'firing' or 'resolved'"),
        ({"startsAt": "0005-01-01T00:00:00Z"}, "startsAt: 0005-01-01T00:00:00+00:00 is before 1970"),
        ({"startsAt": "0001-01-01T00:00:00+14:00"}, "startsAt: "),
        ({"startsAt": "9999-12-31T23:59:59-14:00"}, "startsAt: "),
    ],
)
def test_an_alert_that_is_none_is_reported_and_loses_only_itself(
    shared: httpx.Client, fields: dict[str, str], expected: str
) -> None:
    alert = {"status": "firing", "startsAt": "2026-01-31T09:00:00Z", "fingerprint": "f", **fields}
    answer = shared.post("/api/v1/signals", json={"version": "4", "alerts": [alert]})

    assert answer.status_code == 200
    [refused] = answer.json()["refused"]
    assert (refused["index"], refused["fingerprint"]) == (0, "f")
    assert refused["reason"].startswith(expected)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{RECORDS}/x", 400),
        ("GET", f"{RECORDS}/019b5e4e-0000-7000-8000-000000000000?x=1", 400),
        ("GET", f"{RECORDS}/019b5e4e-0000-7000-8000-000000000000", 404),
        ("GET", "/nowhere", 404),
        ("DELETE", RECORDS, 405),
    ],
)
def test_what_is_not_there_is_a_problem_too(shared: httpx.Client, method: str, path: str, status: int) -> None:
    answer = shared.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_health(service: httpx.Client) -> None:
    assert service.get("/healthz").status_code == 200
    deadline = time.monotonic() + 30
    while (ready := service.get("/readyz")).status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.05)  # a database is prepared while the service already listens
    assert ready.json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:8080"}, 200),
        ({"host": "[::1]:8080"}, 200),
        ({"origin": "http://127.0.0.1:3000"}, 200),
        ({"host": "attacker.example"}, 403),
        ({"host": "127.0.0.1.attacker.example"}, 403),
        ({"origin": "https://attacker.example"}, 403),
        ({"origin": "null"}, 403),
    ],
)
def test_a_web_page_is_not_of_this_machine(shared: httpx.Client, headers: dict[str, str], status: int) -> None:
    answer = shared.get(RECORDS, headers=headers)

    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("fields", ["id", "id,state,seq", "dry_run,action_type,id,id", "seq,step"])
def test_narrow_streams_say_what_whole_ones_do(service: httpx.Client, event: Make, fields: str) -> None:
    post(service, *(event(dry_run=number % 3 == 0, action_type=f'a/b_{number % 2} "é\\') for number in range(60)))
    post(service, {**event(), "action_type": None})
    names = fields.split(",")
    for query in ({}, {"action_type": 'a/b_1 "é\\'}, {"after_seq": "7"}, {"dry_run": "true"}):
        headers = {"accept": "application/x-ndjson"}
        whole = [json.loads(line) for line in service.get(RECORDS, headers=headers, params=query).text.splitlines()]
        lines = service.get(RECORDS, headers=headers, params={**query, "fields": fields}).text.splitlines()
        assert [json.loads(line) for line in lines] == [
            {name: record[name] for name in names if name in record} for record in whole
        ]
        assert lines
