"""The monitor over a real Data Storage: pages, JSON, metrics, and bad days."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from click.testing import CliRunner
from histories import BEGINNING, Story, at
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from serving import serving
from simulated import fill

from kubernaut_datastorage.http.beside import PagesBeside
from kubernaut_datastorage.http.locality import LocalOnly
from kubernaut_datastorage.server import embedded, hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import WatchKind, WatchMark
from kubernaut_effectiveness import CountingRules, Watch, judge_fleet, verdicts_of
from kubernaut_effectiveness.demodata import TRUTHS
from kubernaut_effectiveness.patterns.report import find_patterns
from kubernaut_effectiveness.service.command import main
from kubernaut_effectiveness.service.embedded import EmbeddedPages
from kubernaut_effectiveness.service.following import Follower
from kubernaut_effectiveness.service.ledger.ledger import Ledger
from kubernaut_effectiveness.service.ledger.questions import LedgerQuestions
from kubernaut_effectiveness.service.links import LinkTemplates
from kubernaut_effectiveness.service.pages import create_pages
from kubernaut_effectiveness.service.reading import NarrowRecord, StorageFault, StorageReader
from kubernaut_effectiveness.service.visible import visible
from kubernaut_effectiveness.verdicts.comparison import compare_actions, compare_counts
from kubernaut_sdk.ids import mint
from kubernaut_sdk.states import State
from kubernaut_sdk.times import rfc3339

HOSTILE = '<script>alert(1)</script>"\u202e\u001b[31m&'
PAGES = ["/", "/targets", "/signals", "/patterns"]


@pytest.fixture(scope="module")
def fleet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    fill(folder, datetime.now(UTC))
    return folder


@contextmanager
def following(url: str, **options: Any) -> Iterator[tuple[Follower, httpx.Client]]:
    follower = Follower(StorageReader(url))
    try:
        follower.step()
        while follower.behind:
            follower.step()
        with (
            serving(create_pages(follower, **options)) as address,
            httpx.Client(base_url=address, trust_env=False, follow_redirects=False, timeout=30) as client,
        ):
            yield follower, client
    finally:
        follower.stop()


@pytest.fixture(scope="module")
def monitor(fleet_folder: Path) -> Iterator[tuple[Follower, httpx.Client]]:
    with embedded(fleet_folder) as service, following(service.url) as made:
        yield made


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


class AskedReader(StorageReader):
    """A reader that remembers from which seq on it was asked."""

    asked: int | None = None

    def records(self, after_seq: int) -> Iterator[NarrowRecord]:
        self.asked = after_seq
        return super().records(after_seq)


def test_a_kept_ledger_is_read_on_from_and_one_of_other_settings_is_built_anew(tmp_path: Path) -> None:
    state = tmp_path / "state"

    def follow(url: str, settings: CountingRules | None = None) -> tuple[int | None, int]:
        reader = AskedReader(url)
        follower = Follower(reader, settings, state=state)
        try:
            follower.step()
            return reader.asked, follower.view.records
        finally:
            follower.stop()

    with embedded(tmp_path / "storage") as service:
        put(service.url, record(), record())
        first = follow(service.url)
        put(service.url, record())
        again = follow(service.url)
        other = follow(service.url, CountingRules(quiet=60))

    assert (first, again, other) == ((0, 2), (2, 3), (0, 3))


UNKNOWN = "01a22557-b15d-7243-937e-cf0425334b45"
"""The id of no record; said once, since each worker of pytest must collect the same tests."""


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


def record(**fields: Any) -> dict[str, Any]:
    now = rfc3339(datetime.now(UTC))
    return {"id": str(mint()), "state": "succeeded", "at": now, "action_type": "a/b", "target": "t", **fields}


def shown(time: str) -> str:
    """Return a time as pages show it."""
    return f'<time datetime="{time}">{time[:10]} {time[11:19]}</time>'


def put(url: str, *events: dict[str, Any]) -> None:
    answer = httpx.post(f"{url}/api/v1/action-records", json=list(events), trust_env=False)
    assert {one["outcome"] for one in answer.json()} <= {"stored", "merged"}, answer.text


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


class BreakingReader(StorageReader):
    """A reader whose Data Storage goes away within its first answer."""

    broken = False

    def records(self, after_seq: int) -> Iterator[NarrowRecord]:
        for place, one in enumerate(super().records(after_seq)):
            if place == 2 and not self.broken:
                self.broken = True
                raise StorageFault("Data Storage went away")
            yield one


def test_a_data_storage_that_goes_away_within_an_answer_loses_no_record(tmp_path: Path) -> None:
    with embedded(tmp_path) as service:
        put(service.url, *(record(target=f"t{number}") for number in range(5)))
        follower = Follower(BreakingReader(service.url))
        follower.step()
        fault = follower.view.fault
        follower.step()
        assert (fault, follower.view.fault, follower.view.records) == ("Data Storage went away", None, 5)
        follower.stop()


def heartbeats(folder: Path, now: datetime) -> None:
    """Keep that the monitoring was heard over the last hours."""

    async def work() -> None:
        store = SqliteStore(open_sqlite(folder))
        await store.start()
        times = [now - timedelta(minutes=minutes) for minutes in range(0, 300, 5)]
        await store.put_watch([WatchMark(WatchKind.HEARTBEAT, "", time) for time in times])
        await store.close()

    asyncio.run(work())


def post(url: str, path: str, document: Any) -> None:
    httpx.post(f"{url}/api/v1/{path}", json=document, trust_env=False).raise_for_status()


def test_a_data_storage_that_is_away_leaves_what_is_known_with_its_age(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with embedded(tmp_path) as service:
            put(service.url, record())
            follower, client = stack.enter_context(following(service.url))
        follower.step()
        page = client.get("/")
        document = client.get("/index.json").json()

        assert len(document["recent"]) == 1
        assert "cannot be read" in document["standing"]["fault"]
        assert f"What is shown is of {shown(document['standing']['as_of'])}." in page.text
        assert client.get("/records/01a22557-b15d-7243-937e-cf0425334b45").status_code == 503


def test_before_the_first_answer_nothing_is_said_to_be_known() -> None:
    with following("http://127.0.0.1:9") as (_, client):
        assert "Nothing is known yet" in client.get("/").text


def test_a_record_that_merges_later_is_shown_anew_and_a_restored_store_is_read_anew(tmp_path: Path) -> None:
    begun = record(state="started")
    with embedded(tmp_path / "one") as service:
        put(service.url, begun, record())
        with following(service.url) as (follower, client):
            put(service.url, {**begun, "state": "failed", "at": rfc3339(datetime.now(UTC))})
            follower.step()
            states = {one["id"]: one["state"] for one in client.get("/index.json").json()["recent"]}
            assert states[begun["id"]] == "failed"
            with hosted(SqliteStore(open_sqlite(tmp_path / "two"))) as other:
                put(other.url, record(action_type="c/d"))
                follower.reader.close()
                follower._reader = StorageReader(other.url)
                follower.step()
                assert [one["action_type"] for one in client.get("/index.json").json()["actions"]] == ["c/d"]


def test_following_says_the_same_as_reading_all_at_once(story: Story) -> None:
    """Judged change by change, in another order, and with states that come later."""
    index = Ledger()
    for number in range(30):
        alert = story.fires(number * 90, number * 90 + 20 + number % 50, app=f"a{number % 4}", pod=f"p{number}")
        act = story.acts_on(alert, number * 90 + 5, target=f"t{number % 4}")
        index.put_act(replace(act, state=State.STARTED))
        if number % 5 == 0:
            story.acts_on(alert, number * 90 + 7, target=f"t{number % 4}", action="kubernetes/scale_deployment")
        if number % 7 == 0:
            story.acts_on(alert, number * 90 + 4, state=State.SKIPPED, reason="Frozen", target=f"t{number % 4}")
        if number % 3 == 0:
            index.refresh(at(number * 90 + 30))
    for act in reversed(story.acts):
        index.put_act(act)
    for firing in reversed(story.firings):
        index.put_firing(firing)
        index.put_firing(replace(firing, resolved=firing.resolved))
    spans = [replace(span) for span in story.spans]
    index.put_spans([*spans, *_beats(story)])
    expected = judge_fleet(story.acts, story.firings, Watch([*spans, *_beats(story)]), now=at(3000))

    verdicts = index.refresh(at(3000))
    questions = LedgerQuestions(index.path, index.settings)
    found = questions.fleet(expected.now, index.watch)
    assert found.judged == expected.judged
    assert list(verdicts) == verdicts_of(found) == verdicts_of(expected)
    assert questions.patterns() == find_patterns(expected)
    counts = questions.signal("Slow")
    assert counts is not None
    incidents = sum(len(problem.incidents) for problem in expected.problems.values())
    assert compare_counts("Slow", counts) == compare_actions("Slow", expected.judged, incidents)
    assert found.acts[0].decided >= BEGINNING
    questions.close()
    index.close()


def _beats(story: Story) -> list[Any]:
    from kubernaut_effectiveness import WatchSpan

    return [WatchSpan("heartbeat", "", at(first), at(last)) for first, last in story.watched]


@pytest.fixture(scope="module")
def guarded(fleet_folder: Path) -> Iterator[httpx.Client]:
    with embedded(fleet_folder) as service, following(service.url, token="s3cret", hosts=("monitor.example",)) as made:
        yield made[1]


def test_a_browser_logs_in_once_for_a_strict_cookie(guarded: httpx.Client) -> None:
    html = {"accept": "text/html"}
    turned = guarded.get("/patterns", headers=html)
    wrong = guarded.post("/login", data={"token": "wrong", "next": "/patterns"})
    right = guarded.post("/login", data={"token": "s3cret", "next": "/patterns"})

    assert (turned.status_code, turned.headers["location"]) == (303, "/login?next=/patterns")
    assert wrong.status_code == 401
    assert "This is not the monitor&#39;s token." in wrong.text
    assert (right.status_code, right.headers["location"]) == (303, "/patterns")
    cookie = right.headers["set-cookie"].lower()
    assert "samesite=strict" in cookie
    assert "httponly" in cookie
    assert "s3cret" not in cookie
    assert guarded.get("/patterns", headers=html).status_code == 200
    guarded.cookies.clear()


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_a_login_never_leads_elsewhere(guarded: httpx.Client, place: str) -> None:
    answer = guarded.post("/login", data={"token": "s3cret", "next": place})
    guarded.cookies.clear()

    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer s3cret"}, 200),
        ({"authorization": "Bearer s3cret", "host": "10.0.0.7:8090"}, 200),
        ({"authorization": "Bearer wrong"}, 401),
        ({}, 401),
        ({"cookie": "kubernaut_monitor=x"}, 401),
        ({"host": "evil.example"}, 403),
        ({"host": "monitor.example"}, 401),
    ],
)
def test_who_has_no_token_sees_nothing(guarded: httpx.Client, headers: dict[str, str], status: int) -> None:
    assert guarded.get("/metrics", headers=headers).status_code == status


def test_a_form_of_another_site_is_refused(guarded: httpx.Client) -> None:
    answer = guarded.post("/login", data={"token": "s3cret"}, headers={"origin": "http://evil.example"})

    assert answer.status_code == 403
    assert guarded.get("/healthz", headers={"host": "10.0.0.7"}).status_code == 200


def test_without_a_token_only_this_machine_s_names_are_served(monitor: tuple[Follower, httpx.Client]) -> None:
    assert monitor[1].get("/", headers={"host": "evil.example"}).status_code == 403
    assert monitor[1].get("/", headers={"host": "[::1]:8090"}).status_code == 200


def test_a_new_record_is_visible_within_5_seconds(tmp_path: Path) -> None:
    with embedded(tmp_path) as service:
        follower = Follower(StorageReader(service.url))
        follower.start()
        try:
            put(service.url, record())
            deadline = datetime.now(UTC) + timedelta(seconds=5)

            while not follower.view.records and datetime.now(UTC) < deadline:
                sleep(0.05)
            assert follower.view.records == 1
        finally:
            follower.stop()


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


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--host=0.0.0.0"], "--host 0.0.0.0 is not of loopback; without --token-file it listens on 127.0.0.1 only."),
        (["--token-file={empty}"], "--token-file {empty} is empty."),
    ],
)
def test_beyond_loopback_the_monitor_needs_a_token(tmp_path: Path, options: list[str], sentence: str) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    argv = ["--data-storage=http://127.0.0.1:9", *(option.format(empty=empty) for option in options)]
    ended = CliRunner().invoke(main, argv)

    assert ended.exit_code == 2
    assert sentence.format(empty=empty) in ended.output


def test_a_data_storage_that_does_not_answer_in_time_leaves_the_pages_as_they_are(tmp_path: Path) -> None:
    with embedded(tmp_path) as service, socket.socket() as silent:
        put(service.url, record())
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with following(service.url) as (follower, client):
            good = follower._reader
            slow = follower._reader = StorageReader(f"http://127.0.0.1:{silent.getsockname()[1]}")
            slow._client.timeout = httpx.Timeout(0.2)
            follower.step()
            away = client.get("/")
            follower._reader = good
            put(service.url, record(target="later"))
            follower.step()
            again = client.get("/")
            slow.close()

    assert "cannot be read: timed out." in away.text
    assert "1 record, read" not in away.text
    assert "/targets/t" in away.text
    assert "cannot be read" not in again.text
    assert "/targets/later" in again.text
