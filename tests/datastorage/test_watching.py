"""Signals as Alertmanager really sends them, and what is kept of the monitoring itself."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import permutations
from threading import Thread
from typing import Any, ClassVar

import httpx
import pytest

from kubernaut_datastorage.http.alertmanager import parse_webhook
from kubernaut_datastorage.polling import AlertmanagerPoller, marks_of_alerts, require_alertmanager_url
from kubernaut_datastorage.records.months import Month
from kubernaut_datastorage.store import InvalidSetting, SignalFiring, Store, WatchKind, WatchMark
from kubernaut_sdk.times import rfc3339

SIGNALS = "/api/v1/signals"
NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
FIRED = "2026-01-31T08:00:00.000000Z"
Alert = Callable[..., dict[str, Any]]
MakeStore = Callable[..., Store]


def alert(status: str = "firing", **fields: Any) -> dict[str, Any]:
    labels = {"alertname": "Slow", "severity": "critical", "namespace": "shop", "pod": "api-7f9c"}
    known = {
        "status": status,
        "labels": labels,
        "startsAt": FIRED,
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "f",
    }
    return {**known, **fields}


def webhook(*alerts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"version": "4", "receiver": "kubernaut", "truncatedAlerts": 0, "alerts": list(alerts), **fields}


def send(service: httpx.Client, *alerts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = service.post(SIGNALS, json=webhook(*alerts, **fields))
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def stored(service: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = service.get(SIGNALS, params={"since": "2026-01-01T00:00:00Z"}).json()["items"]
    return items


def watched(service: httpx.Client, since: str = "2026-01-01T00:00:00Z") -> list[tuple[str, str]]:
    items = service.get("/api/v1/monitoring", params={"since": since}).json()["items"]
    return [(one["kind"], one["subject"]) for one in items]


def test_a_signal_keeps_its_labels_and_when_it_was_heard(service: httpx.Client) -> None:
    before = rfc3339(datetime.now(UTC))
    send(service, alert())
    [kept] = stored(service)

    assert kept["labels"] == alert()["labels"]
    assert before <= kept["heard_at"] == kept["last_heard_at"] <= rfc3339(datetime.now(UTC))
    assert kept["resolved_heard_at"] is None


def test_a_repeat_changes_only_when_it_was_last_heard(service: httpx.Client) -> None:
    send(service, alert())
    [first] = stored(service)
    send(service, alert())
    [again] = stored(service)

    assert again["last_heard_at"] > first["last_heard_at"]
    assert {**again, "last_heard_at": None} == {**first, "last_heard_at": None}


def test_what_is_resolved_without_having_been_heard_is_kept_and_says_so(service: httpx.Client) -> None:
    send(service, alert("resolved", endsAt="2026-01-31T08:30:00Z"))
    [kept] = stored(service)

    assert (kept["resolved_at"], kept["heard_at"]) == ("2026-01-31T08:30:00.000000Z", None)
    assert kept["resolved_heard_at"] is not None


def test_a_resolution_with_the_year_1_is_of_when_it_was_heard(service: httpx.Client) -> None:
    send(service, alert("resolved"))
    [kept] = stored(service)

    assert kept["resolved_at"] == kept["resolved_heard_at"]


def test_messages_of_two_alertmanagers_make_one_episode_in_any_order(make_store: MakeStore) -> None:
    messages = (
        SignalFiring("f", FIRED, None, "Slow", None, '{"a":"b"}', "t1", None, "t1"),
        SignalFiring("f", FIRED, "r1", "Slow", None, None, None, "t2", "t2"),
        SignalFiring("f", FIRED, "r2", "Slow", "critical", None, None, "t4", "t4"),
        SignalFiring("f", FIRED, None, "Slow", None, '{"a":"b"}', "t3", None, "t3"),
    )

    async def work(order: tuple[SignalFiring, ...]) -> list[dict[str, Any]]:
        store = make_store()
        await store.start()
        try:
            for message in order:
                await store.put_signals([message])
            return await store.find_signals(None, "0", "9")
        finally:
            await store.drop_signals(Month(2026, 1))
            await store.close()

    for order in permutations(messages):
        [kept] = asyncio.run(work(order))
        times = [kept[name] for name in ("resolved_at", "heard_at", "resolved_heard_at", "last_heard_at")]
        assert times == ["r2", "t1", "t2", "t4"]
        assert (kept["labels"], kept["severity"]) == ('{"a":"b"}', "critical")


def test_5000_alerts_in_one_webhook_are_all_kept(service: httpx.Client) -> None:
    many = [alert(fingerprint=f"f{number}", annotations={"text": "x" * 1000}) for number in range(5000)]

    assert send(service, *many) == {"episodes": 5000, "refused": []}
    followed, parameters = [], {"heard_after": "2026-01-01T00:00:00Z"}
    while (page := service.get(SIGNALS, params=parameters).json())["items"]:
        followed += [one["fingerprint"] for one in page["items"]]
        parameters["cursor"] = page["next"]
    assert sorted(followed) == sorted(one["fingerprint"] for one in many)


def test_a_cursor_that_is_none_is_refused(shared: httpx.Client) -> None:
    answer = shared.get(SIGNALS, params={"heard_after": "1d", "cursor": "W10"})

    assert answer.status_code == 400
    assert answer.json()["detail"] == "cursor=W10: take it from `next` of the page before."


def test_a_watchdog_is_a_heartbeat_of_its_cluster_and_no_signal(service: httpx.Client) -> None:
    for cluster in ("", "eu", "eu"):
        labels = {"alertname": "Watchdog", **({"cluster": cluster} if cluster else {})}
        assert send(service, alert(labels=labels)) == {"episodes": 0, "refused": []}
    send(service, alert("resolved", labels={"alertname": "Watchdog", "cluster": "us"}))

    assert watched(service) == [("heartbeat", ""), ("heartbeat", "eu")]
    assert stored(service) == []


def test_a_webhook_that_leaves_alerts_out_says_of_which_group(service: httpx.Client) -> None:
    send(service, alert(), truncatedAlerts=7, groupLabels={"namespace": "shop", "alertname": "Slow"})

    assert watched(service) == [("truncated", '{"alertname":"Slow","namespace":"shop"}')]


@pytest.mark.parametrize("odd", ["\0", "\ud800", ["a"], None, {"a": "b"}])
def test_labels_that_no_database_stores_lose_only_themselves(odd: Any) -> None:
    labels = {"alertname": "Slow", "namespace": "shop", "odd": odd}
    read = parse_webhook(webhook(alert(labels={"alertname": "Watchdog"}), alert(labels=labels)), NOW)

    [kept] = read.alerts
    assert isinstance(kept, SignalFiring)
    assert json.loads(kept.labels or "")["namespace"] == "shop"
    assert read.marks == [WatchMark(WatchKind.HEARTBEAT, "", NOW)]


def test_marks_within_ten_minutes_are_one_span_and_later_ones_another(make_store: MakeStore) -> None:
    minutes = [0, 3, 13, 24, 25, 24]

    async def work() -> list[dict[str, Any]]:
        store = make_store()
        await store.start()
        try:
            for minute in minutes:
                await store.put_watch([WatchMark(WatchKind.HEARTBEAT, "", NOW + timedelta(minutes=minute))])
            await store.put_watch([WatchMark(WatchKind.SILENCED, "f", NOW)])
            assert await store.find_watch(rfc3339(NOW + timedelta(hours=1))) == []
            return await store.find_watch("0")
        finally:
            await store.close()

    found = asyncio.run(work())
    spans = [(one["kind"], one["subject"], one["since"][14:16], one["until"][14:16]) for one in found]
    assert spans == [("heartbeat", "", "00", "13"), ("silenced", "f", "00", "00"), ("heartbeat", "", "24", "25")]


class _Alertmanager(BaseHTTPRequestHandler):
    answer: bytes = b"[]"
    status = 200
    paths: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.paths.append(self.path)
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def alertmanager() -> Iterator[tuple[str, type[_Alertmanager]]]:
    class FakeAlertmanager(_Alertmanager):
        paths: ClassVar[list[str]] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), FakeAlertmanager) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", FakeAlertmanager
        server.shutdown()


def test_an_alertmanager_tells_when_asked_what_it_holds_back(
    alertmanager: tuple[str, type[_Alertmanager]], make_store: MakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    url, handler = alertmanager
    status = {"state": "suppressed", "silencedBy": ["s"], "inhibitedBy": []}
    handler.answer = json.dumps(
        [
            {"fingerprint": "a", "status": status, "labels": {}},
            {"fingerprint": "b", "status": {**status, "silencedBy": [], "inhibitedBy": ["x"]}},
            {"fingerprint": "c", "status": {**status, "silencedBy": [], "mutedBy": ["nights"]}},
        ]
    ).encode()
    counted: list[bool] = []

    async def work() -> list[dict[str, Any]]:
        store = make_store(clock=lambda: NOW)
        await store.start()
        poller = AlertmanagerPoller(store, [f"{url}/"], counted.append)
        try:
            async with httpx.AsyncClient() as client:
                await poller.ask(client, url)
                handler.status = 500
                await poller.ask(client, url)
                await poller.ask(client, url)
                handler.status, handler.answer = 200, b'{"alerts": []}'
                await poller.ask(client, url)
                handler.answer = b"[]"
                await poller.ask(client, url)
            return await store.find_watch("0")
        finally:
            await store.close()

    found = asyncio.run(work())
    assert [(one["kind"], one["subject"]) for one in found] == [
        ("inhibited", "b"),
        ("polled", url),
        ("silenced", "a"),
        ("silenced", "c"),
    ]
    assert counted == [True, False, False, False, True]
    assert handler.paths[0] == "/api/v2/alerts?active=false&silenced=true&inhibited=true&unprocessed=false"
    assert [record.message for record in caplog.records if "Alertmanager" in record.message] == [
        f"Alertmanager {url} cannot be asked: it answered 500",
        f"Alertmanager {url} answers again",
    ]


def test_what_is_held_back_is_told_by_its_labels_too() -> None:
    """No alert of the next pod was ever told: its fingerprint alone says nothing."""
    status = {"state": "suppressed", "silencedBy": ["s"], "inhibitedBy": []}
    alerts = [
        {"fingerprint": "a", "status": status, "labels": {"pod": "p", "alertname": "Slow"}},
        {"fingerprint": "b", "status": status, "labels": {"alertname": "x" * 900, "a": "y" * 900, "b": "z" * 900}},
    ]
    marks = marks_of_alerts(json.dumps(alerts).encode(), "http://x", NOW)

    assert [(mark.kind, mark.subject) for mark in marks[1:]] == [
        (WatchKind.SILENCED, "a"),
        (WatchKind.SILENCED, '{"alertname":"Slow","pod":"p"}'),
        (WatchKind.SILENCED, "b"),  # too long to be kept
    ]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"{}", "the answer: input should be a valid array; it is a dict"),
        (b'[{"fingerprint": "a", "status": {"state": "gone"}}]', "[0].status.state: input should be 'active'"),
        (b"nonsense", "the answer: invalid JSON"),
    ],
)
def test_an_answer_that_is_none_is_a_sentence(answer: bytes, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        marks_of_alerts(answer, "http://x", NOW)


@pytest.mark.parametrize("url", ["alertmanager:9093", "ftp://x", "http://", "http://x/?a=b", "http://[x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidSetting, match="cannot be used; write it as http://alertmanager:9093"):
        require_alertmanager_url(url)


def test_a_deletion_that_is_told_is_kept(service: httpx.Client) -> None:
    now = datetime.now(UTC)
    told = {"deleted": [{"target": "shop/Deployment/api", "at": rfc3339(now - timedelta(hours=2))}]}
    answer = service.post("/api/v1/monitoring", json=told)

    assert (answer.status_code, answer.json()) == (200, {"deleted": 1})
    assert watched(service) == [("deleted", "shop/Deployment/api")]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], 'the body is no {"deleted": […]} with 1 to 1000 items, each a target and at.'),
        ({"deleted": []}, 'the body is no {"deleted": […]} with 1 to 1000 items, each a target and at.'),
        ({"deleted": [{"target": "a"}]}, "deleted[0] has not exactly a target and at."),
        ({"deleted": [{"target": "a\0b", "at": "x"}]}, "deleted[0].target is no text of 1 to 1024 characters"),
        ({"deleted": [{"target": "\ud800", "at": "x"}]}, "deleted[0].target is no text of 1 to 1024 characters"),
        ({"deleted": [{"target": "a", "at": 5}]}, "deleted[0].at=5 is no time with a zone"),
        ({"deleted": [{"target": "a", "at": "2026-01-01T00:00:00"}]}, "is no time with a zone"),
        ({"deleted": [{"target": "a", "at": "2001-01-01T00:00:00Z"}]}, "is not of the last 24 hours"),
        ({"deleted": [{"target": "a", "at": "9001-01-01T00:00:00Z"}]}, "is not of the last 24 hours"),
    ],
)
def test_what_is_no_deletion_is_refused_whole(service: httpx.Client, document: Any, said: str) -> None:
    answer = service.post("/api/v1/monitoring", content=json.dumps(document))

    assert (answer.status_code, answer.json()["title"]) == (422, "Not a deletion")
    assert said in answer.json()["detail"]
    assert watched(service) == []
