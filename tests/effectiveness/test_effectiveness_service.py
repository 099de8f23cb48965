"""The monitor over a real Data Storage: pages, JSON and metrics."""

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from monitors import following, heartbeats, post, put, record, shown
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from kubernaut_datastorage.http.beside import PagesBeside
from kubernaut_datastorage.http.locality import LocalOnly
from kubernaut_datastorage.server import embedded, hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_effectiveness.demodata import REQUESTER, TRUTHS
from kubernaut_effectiveness.service.embedded import EmbeddedPages
from kubernaut_effectiveness.service.following import Follower
from kubernaut_effectiveness.service.links import LinkTemplates, page_link
from kubernaut_effectiveness.service.reading import StorageReader
from kubernaut_effectiveness.service.visible import visible
from kubernaut_sdk.times import rfc3339

HOSTILE = '<script>alert(1)</script>"\u202e\u001b[31m&'


PAGES = ["/", "/targets", "/signals", "/patterns"]


def test_the_verdicts_on_the_simulated_fleet_are_what_is_true(monitor: tuple[Follower, httpx.Client]) -> None:
    verdicts = {verdict.action_type: verdict for verdict in monitor[0].view.verdicts}

    assert TRUTHS.keys() <= verdicts.keys()
    assert verdicts["kubernetes/raise_memory_limit"].baseline.verdict == "helped"
    assert verdicts["kubernetes/restart_pod"].baseline.verdict != "helped"
    assert (verdicts["kubernetes/restart_pod"].alone.rate or 0) > 0.8
    mark = verdicts["kubernetes/rollback_deployment"].mark
    assert mark is not None
    assert mark.before > 0.8
    assert mark.after < 0.6
    assert len(mark.digests) == 1
    assert verdicts["git/revert_commit"].second_line > 0
    patterns = monitor[0].view.patterns
    assert patterns.flapping[0].name == "QueueBacklog"
    assert {cycle.target for cycle in patterns.cycles} == {"shop/Deployment/pricing"}
    assert any(growth.values == ("64Mi", "128Mi", "256Mi", "512Mi") for growth in patterns.growth)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_its_content_as_json_beside_it(monitor: tuple[Follower, httpx.Client], page: str) -> None:
    html = monitor[1].get(page)
    beside = monitor[1].get("/index.json" if page == "/" else f"{page}.json")

    assert html.status_code == beside.status_code == 200
    assert html.headers["content-security-policy"].startswith("default-src 'none'")
    assert "style=" not in html.text
    assert beside.json()["standing"]["records"] == monitor[0].view.records


@pytest.mark.parametrize(
    "place", ["targets/shop/Deployment/email", "signals/PodOutOfMemory", "actions/kubernetes/rollback_deployment"]
)
def test_the_pages_of_one_thing(monitor: tuple[Follower, httpx.Client], place: str) -> None:
    html, beside = monitor[1].get(f"/{place}"), monitor[1].get(f"/{place}.json")

    assert html.status_code == beside.status_code == 200
    assert place.rpartition("/")[2] in html.text


def test_a_record_is_shown_with_its_proof_verified(monitor: tuple[Follower, httpx.Client]) -> None:
    record_id = monitor[1].get("/index.json").json()["recent"][0]["id"]
    html = monitor[1].get(f"/records/{record_id}")
    document = monitor[1].get(f"/records/{record_id}.json").json()

    assert document["proof_valid"] is True
    assert "its inclusion proof is verified" in html.text


def test_a_record_tells_what_happened_in_order_and_who_said_it(tmp_path: Path) -> None:
    begun = datetime.now(UTC) - timedelta(minutes=5)
    times = [rfc3339(begun + timedelta(seconds=place)) for place in range(3)]
    one = record(intended_at=times[0], started_at=times[1], finished_at=times[2], at=times[2], source="container")
    with embedded(tmp_path) as service:
        put(service.url, one)
        with following(service.url) as (_, client):
            html = client.get(f"/records/{one['id']}").text
            events = client.get(f"/records/{one['id']}.json").json()["events"]

    assert [(event["what"], event["who"]) for event in events] == [
        ("intended", "controller"),
        ("started", "container"),
        ("finished: succeeded", "container"),
        ("recorded", "Data Storage"),
    ]
    assert html.index("intended (said by controller)") < html.index("recorded (said by Data Storage)")


def test_a_record_leads_to_its_trace_and_its_workflow(tmp_path: Path) -> None:
    links = LinkTemplates(
        trace="https://jaeger.example/{trace_id}", workflow="https://tekton.example/{namespace}/{name}"
    )
    one = record(trace_id="4bf92f3577b34da6a3ce929d0e0e4736", workflow={"namespace": "shop", "name": "fix", "uid": "u"})
    with embedded(tmp_path) as service:
        put(service.url, one)
        with following(service.url, links=links) as (_, client):
            html = client.get(f"/records/{one['id']}").text
        with following(service.url) as (_, client):
            bare = client.get(f"/records/{one['id']}").text

    assert '<a href="https://jaeger.example/4bf92f3577b34da6a3ce929d0e0e4736" rel="noreferrer">its trace</a>' in html
    assert '<a href="https://tekton.example/shop/fix" rel="noreferrer">its workflow</a>' in html
    assert "See also" not in bare


UNKNOWN = "01a22557-b15d-7243-937e-cf0425334b45"


@pytest.mark.parametrize(
    "place", ["/targets/none", "/signals/none", "/actions/no/ne", f"/records/{UNKNOWN}", "/records/x"]
)
def test_what_is_not_known_is_said(monitor: tuple[Follower, httpx.Client], place: str) -> None:
    answer = monitor[1].get(place)

    assert answer.status_code == 404
    assert "Nothing is known of" in answer.text
    assert monitor[1].get(f"{place}.json").json()["problem"].startswith("Nothing is known of")


def parse_metrics(text: str) -> dict[str, Any]:
    found: Any = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return {family.name: family for family in found}


def test_metrics_are_openmetrics_with_bounded_labels(monitor: tuple[Follower, httpx.Client]) -> None:
    answer = monitor[1].get("/metrics")
    families = parse_metrics(answer.text)

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    labels = {name for family in families.values() for sample in family.samples for name in sample.labels}
    assert labels <= {"action_type", "outcome", "state", "bound", "cluster"}
    held = {sample.labels["action_type"]: sample.value for sample in families["kubernaut_window_incidents"].samples}
    assert held["kubernetes/raise_memory_limit"] > 0
    assert families["kubernaut_monitor_records"].samples[0].value == monitor[0].view.records


def test_counters_count_what_is_new_since_the_start(tmp_path: Path) -> None:
    def total(client: httpx.Client) -> float:
        samples = parse_metrics(client.get("/metrics").text)["kubernaut_actions"].samples
        return sum(float(sample.value) for sample in samples if sample.name.endswith("_total"))

    with embedded(tmp_path) as service:
        put(service.url, record())
        with following(service.url) as (follower, client):
            before = total(client)
            put(service.url, record())
            follower.step()
            assert (before, total(client)) == (0, 1)


def test_more_than_200_action_types_have_no_labels_of_their_own(tmp_path: Path) -> None:
    def named(client: httpx.Client, metric: str) -> dict[str, float]:
        samples = parse_metrics(client.get("/metrics").text)[metric].samples
        return {one.labels["action_type"]: one.value for one in samples if not one.name.endswith("_created")}

    with embedded(tmp_path) as service, following(service.url) as (follower, client):
        put(service.url, *(record(action_type=f"a/{number:03}") for number in range(205)))
        follower.step()

        ended = named(client, "kubernaut_actions")
        assert (len(ended), ended["a/000"], ended["other"]) == (201, 1, 5)
        assert len(named(client, "kubernaut_window_targets")) == 200
        assert named(client, "kubernaut_actions") == ended


def test_ages_are_those_of_now_and_the_last_day_is_24_hours(tmp_path: Path) -> None:
    """Outcomes are known until 10 minutes ago; records are until now."""
    now = datetime.now(UTC)
    times = {"intended_at": rfc3339(now - timedelta(hours=2)), "started_at": rfc3339(now - timedelta(hours=2))}
    before = rfc3339(now - timedelta(hours=24, minutes=5))
    with embedded(tmp_path) as service:
        put(service.url, record(state="started", **times), record(started_at=before, intended_at=before))
        with following(service.url) as (_, client):
            families = parse_metrics(client.get("/metrics").text)
            front = client.get("/index.json").json()

    [oldest] = families["kubernaut_actions_pending_oldest_seconds"].samples
    assert 7200 <= oldest.value < 7260
    assert front["last_day"] == {"started": 1}


def test_hostile_text_is_shown_as_text(tmp_path: Path) -> None:
    hostile = record(
        action_type=f"a/{HOSTILE}"[:250],
        target={"kind": "Pod", "namespace": "x", "name": HOSTILE},
        requester=HOSTILE,
        change={"before": HOSTILE, "after": HOSTILE * 400},
        error={"code": 1, "reason": HOSTILE, "message": HOSTILE},
        state="failed",
    )
    with embedded(tmp_path) as service:
        put(service.url, hostile)
        with following(service.url) as (_, client):
            target = f"/targets/{quote(f'x/Pod/{HOSTILE}')}"
            texts = [client.get(page).text for page in (*PAGES, target, f"/records/{hostile['id']}")]
    for text in texts:
        assert "<script>alert" not in text
        assert "\u202e" not in text
        assert "\u001b" not in text
    assert "\\u202e" in texts[-1]


ODD_NAMES = [
    "shop/ConfigMap/settings",
    "shop/ConfigMap/settings.json",
    "shop/ConfigMap/settings.json.json",
    "https://git.example/shop/config.git?ref=main#top",
    "arn:aws:ec2:eu-west-1:1:instance/i-1",
    "a/../../login",
    "./a//b/",
    "100%/a%2Fb",
    'x" onclick="y<z>&amp;',
    "ü/名/🦉 with space",
    "a\\b;c=d,e+f",
    " two\nlines\n",
]


def test_a_target_of_any_name_has_a_page_that_leads_to_its_content(tmp_path: Path) -> None:
    with embedded(tmp_path) as service:
        put(service.url, *(record(target=name) for name in ODD_NAMES))
        with following(service.url) as (_, client):
            front = client.get("/").text
            for name in ODD_NAMES:
                links = {unescape(link) for link in re.findall('href="(/targets/[^"]*)"', front)}
                [link] = links & {f"/targets/{page_link(name)}"}
                page = client.get(httpx.URL(client.base_url).join(link))
                [json_link] = re.findall('<a href="([^"]*)">This page as JSON', page.text)
                content = client.get(httpx.URL(client.base_url).join(unescape(json_link)))

                assert page.headers["content-type"].startswith("text/html")
                assert content.json()["target"] == name
            assert client.get("/targets/shop/ConfigMap/settings.json").json()["target"] == "shop/ConfigMap/settings"


def test_the_page_of_a_name_that_ends_with_json_is_found_without_its_link(tmp_path: Path) -> None:
    with embedded(tmp_path) as service:
        put(service.url, record(target="shop/ConfigMap/a.json"))
        with following(service.url) as (_, client):
            answers = [client.get(f"/targets/shop/ConfigMap/{name}") for name in ("a.json", "a.json.json", "b.json")]

    assert [answer.status_code for answer in answers] == [200, 200, 404]
    assert answers[0].headers["content-type"].startswith("text/html")
    assert answers[1].json()["target"] == "shop/ConfigMap/a.json"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"action_type": None}, "not told yet"),
        ({"signal": {"fingerprint": "f1"}}, "fingerprint f1"),
        ({"signal": {"fingerprint": "f1", "name": "Slow"}}, '<a href="/signals/Slow">'),
        ({"change": {"after": {"x": 1}}}, "null"),
        ({"target": None}, "succeeded"),
    ],
)
def test_a_record_of_which_little_was_told_is_shown(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    told = {name: value for name, value in record(**fields).items() if value is not None}
    with embedded(tmp_path) as service:
        put(service.url, told)
        with following(service.url) as (_, client):
            answer = client.get(f"/records/{told['id']}")

    assert answer.status_code == 200
    assert said in answer.text


def test_a_simulation_is_said_to_be_one_among_real_records_too(tmp_path: Path) -> None:
    with embedded(tmp_path) as service:
        put(service.url, record())
        with following(service.url) as (follower, client):
            assert "Simulated:" not in client.get("/").text
            put(service.url, record(requester=REQUESTER), record(requester="alice"))
            follower.step()
            assert "Simulated:</strong> records of the requester “simulation”" in client.get("/").text


def test_an_action_says_how_long_it_takes_also_where_two_clocks_differ(tmp_path: Path) -> None:
    """The begin is the controller's word, the end the container's."""
    now = datetime.now(UTC)
    times = [(now, now + timedelta(seconds=seconds)) for seconds in (-5, *range(2, 21))]
    with embedded(tmp_path) as service:
        put(service.url, *(record(started_at=rfc3339(one), finished_at=rfc3339(other)) for one, other in times))
        with following(service.url) as (_, client):
            found = client.get("/actions/a/b.json").json()

    assert (found["seconds_p50"], found["seconds_p95"]) == (pytest.approx(10), pytest.approx(19))


def test_what_is_too_long_is_cut_visibly() -> None:
    assert visible("x" * 70_000, 100) == "x" * 100 + "… (70,000 characters)"


def test_what_was_kept_from_running_is_shown_by_its_reason_and_given_up_targets_apart(tmp_path: Path) -> None:
    reasons = ("Halted", "Frozen", "RateLimited", "GivenUp", "Rejected")
    kept = [
        record(state="skipped", target=f"t-{reason}", error={"code": 1, "reason": reason, "message": "no"})
        for reason in reasons
    ]
    with embedded(tmp_path) as service:
        put(service.url, record(), record(state="skipped"), *kept)
        with following(service.url) as (_, client):
            document = client.get("/index.json").json()
            gauges = parse_metrics(client.get("/metrics").text)
    [verdict] = document["actions"]

    assert {reason: verdict["not_counted"][reason] for reason in (*reasons, "skipped")} == dict.fromkeys(
        (*reasons, "skipped"), 1
    )
    assert (verdict["records"], verdict["ran"], verdict["errors"]) == (7, 1, 0)
    assert [one["target"] for one in document["given_up"]] == ["t-GivenUp"]
    assert gauges["kubernaut_targets_given_up"].samples[0].value == 1
    assert gauges["kubernaut_actions_pending"].samples[0].value == 0


def test_a_deletion_that_is_told_late_changes_what_was_judged_and_is_shown(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ago = {hours: rfc3339(now - timedelta(hours=hours)) for hours in (3.0, 2.9, 2.8)}
    labels = {"alertname": "Slow", "app": "api"}
    firing = {"status": "resolved", "labels": labels, "startsAt": ago[3.0], "endsAt": ago[2.8], "fingerprint": "f"}
    signal = {"fingerprint": "f", "firedAt": ago[3.0]}
    one = record(signal=signal, intended_at=ago[2.9], started_at=ago[2.9], finished_at=ago[2.9])
    heartbeats(tmp_path, now)
    with embedded(tmp_path) as service:
        post(service.url, "signals", {"version": "4", "alerts": [firing]})
        put(service.url, one)
        with following(service.url) as (follower, client):
            before = client.get("/targets/t.json").json()
            told = rfc3339(now - timedelta(hours=2.7))
            post(service.url, "monitoring", {"deleted": [{"target": "t", "at": told}]})
            follower.step()
            after = client.get("/targets/t.json").json()
            html = client.get("/targets/t").text

    assert [one["outcome"] for one in before["incidents"]] == ["held"]
    assert [(one["outcome"], one["why"]) for one in after["incidents"]] == [("unwatched", "the target was deleted")]
    assert (before["deleted"], len(after["deleted"])) == ([], 1)
    assert f"It was deleted at {shown(after['deleted'][0])}: silence after that does not count." in html
    assert "the target was deleted" in html


def test_a_record_that_deleted_its_target_is_shown_and_its_silence_is_not_counted(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ago = {hours: rfc3339(now - timedelta(hours=hours)) for hours in (3.0, 2.9, 2.85, 2.8)}
    labels = {"alertname": "NodeDown", "node": "w1"}
    firing = {"status": "resolved", "labels": labels, "startsAt": ago[3.0], "endsAt": ago[2.8], "fingerprint": "f"}
    deleted = record(
        action_type="kubernetes/delete_node",
        target={"kind": "Node", "name": "w1"},
        change={"before": {"node": "w1", "uid": "u"}, "after": {"node": "w1", "uid": None}},
        signal={"fingerprint": "f", "firedAt": ago[3.0]},
        intended_at=ago[2.9],
        started_at=ago[2.9],
        finished_at=ago[2.85],
        at=ago[2.85],
    )
    heartbeats(tmp_path, now)
    with embedded(tmp_path) as service:
        post(service.url, "signals", {"version": "4", "alerts": [firing]})
        put(service.url, record(target="t"))
        with following(service.url) as (follower, client):
            put(service.url, deleted)  # while it is followed
            follower.step()
            page, html = client.get("/targets/Node/w1.json").json(), client.get("/targets/Node/w1").text
            read_at_once = Follower(StorageReader(service.url))
            read_at_once.step()
            assert read_at_once.view.verdicts == follower.view.verdicts
            read_at_once.stop()

    assert [(one["outcome"], one["why"]) for one in page["incidents"]] == [("unwatched", "the target was deleted")]
    assert page["deleted"] == [ago[2.85].partition(".")[0].rstrip("Z") + "Z"]
    assert f"It was deleted at {shown(page['deleted'][0])}: silence after that does not count." in html
    assert 'class="m-deleted"' in html


def test_json_has_no_number_that_is_none(monitor: tuple[Follower, httpx.Client]) -> None:
    for page in ("index", "patterns", "targets", "signals"):
        json.loads(monitor[1].get(f"/{page}.json").text, parse_constant=pytest.fail)


def test_the_pages_are_beside_the_service_on_one_machine(tmp_path: Path) -> None:
    [entry] = entry_points(group="kubernaut.pages")
    pages = entry.load()()
    assert isinstance(pages, EmbeddedPages)
    store = SqliteStore(open_sqlite(tmp_path))
    with hosted(store, lambda app: LocalOnly(PagesBeside(app, pages))) as service:
        try:
            put(service.url, record())
            assert "Is it helping?" in httpx.get(service.url, trust_env=False).text
            assert httpx.get(f"{service.url}/healthz", trust_env=False).json() == {"status": "ok"}
            assert len(httpx.get(f"{service.url}/api/v1/action-records", trust_env=False).json()["items"]) == 1
            assert httpx.get(service.url, headers={"host": "evil.example"}, trust_env=False).status_code == 403
        finally:
            pages.close()
