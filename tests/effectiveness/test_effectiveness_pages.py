"""Each page shows what is promised of it: the words and pictures, from a history that is known."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import serving

from kubernaut_datastorage.server import embedded
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import WatchKind, WatchMark
from kubernaut_effectiveness import Watch, WatchSpan
from kubernaut_effectiveness.counting.acts import ActKind, act_of_record
from kubernaut_effectiveness.service.following import Follower
from kubernaut_effectiveness.service.pages import create_pages
from kubernaut_effectiveness.service.reading import StorageReader
from kubernaut_effectiveness.verdicts.words import silence_words
from kubernaut_sdk import DataStorage
from kubernaut_sdk.ids import mint
from kubernaut_sdk.times import rfc3339, utcnow

NOW = datetime.now(UTC).replace(microsecond=0)
TARGET = {"kind": "Deployment", "namespace": "shop", "name": "api"}


def hours_ago(hours: float) -> str:
    return rfc3339(NOW - timedelta(hours=hours)).replace(".000000", "")


def record(began: float, *, minutes: float = 1, **fields: Any) -> dict[str, Any]:
    ended = began - minutes / 60
    return {
        "id": str(mint()),
        "state": "succeeded",
        "action_type": "kubernetes/scale_deployment",
        "target": TARGET,
        "requester": "alice",
        "intended_at": hours_ago(began),
        "started_at": hours_ago(began),
        "finished_at": hours_ago(ended),
        "at": hours_ago(ended),
        **fields,
    }


@dataclass
class Shown:
    """A monitor over a known history."""

    client: httpx.Client
    ids: dict[str, str]

    def html(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("storage")
    asyncio.run(_hear(folder))
    acted = record(
        40,
        minutes=25,
        signal={"fingerprint": "f", "name": "Slow", "firedAt": hours_ago(40.1)},
        change={"before": {"replicas": 2}, "after": {"replicas": 4}},
    )
    planned = record(
        20, state="planned", dry_run=True, signal={"fingerprint": "f", "name": "Slow", "firedAt": hours_ago(20.1)}
    )
    given_up = record(2, state="skipped", error={"code": 1, "reason": "GivenUp", "message": "5 attempts were in vain"})
    spans = ((40.1, 39.5), (39.3, 39.2), (20.1, 19.9))
    with embedded(folder) as service:
        for fired, resolved in spans:
            alert = {
                "status": "resolved",
                "labels": {"alertname": "Slow", "app": "api", "severity": "critical"},
                "startsAt": hours_ago(fired),
                "endsAt": hours_ago(resolved),
                "fingerprint": "f",
            }
            httpx.post(f"{service.url}/api/v1/signals", json={"version": "4", "alerts": [alert]}, trust_env=False)
        events = [acted, planned, given_up]
        httpx.post(f"{service.url}/api/v1/action-records", json=events, trust_env=False).raise_for_status()
        follower = Follower(StorageReader(service.url))
        follower.step()
        with serving(create_pages(follower)) as url, httpx.Client(base_url=url, trust_env=False) as client:
            yield Shown(client, {"acted": acted["id"], "planned": planned["id"]})
        follower.stop()


async def _hear(folder: Path) -> None:
    """Keep that the monitoring was heard."""
    store = SqliteStore(open_sqlite(folder))
    await store.start()
    beats = [NOW - timedelta(minutes=minutes) for minutes in range(0, 50 * 60, 5)]
    await store.put_watch([WatchMark(WatchKind.HEARTBEAT, "", time) for time in beats])
    await store.close()


def test_the_front_page_says_what_was_given_up_and_how_much_one_target_weighs(shown: Shown) -> None:
    html = shown.html("/")

    assert '<a href="/targets/shop/Deployment/api">' in html.partition("Given up")[2].partition("</section>")[0]
    assert "1 incident on 1 target, the largest has 100 %" in html
    assert "of 60 of them some three miss" in html
    assert "Of some alerts the rule's <code>for</code> is not known" in html
    assert "resolved, and it fired again within the quiet time" in html  # what the words mean


def test_a_target_s_recurrence_is_a_line_and_its_actions_say_who_and_how_long(shown: Shown) -> None:
    html = shown.html("/targets/shop/Deployment/api")

    assert html.count('class="s-firing"') == 3 + 1  # and the legend
    assert html.count(f"<title>fired again {hours_ago(39.3)}</title>") == 1
    assert f"kubernetes/scale_deployment succeeded {hours_ago(40)}, took 25 min, by alice" in html
    assert '<td class="when">25 min</td><td><bdi>alice</bdi></td>' in html


def test_a_target_shows_what_was_changed_as_a_diff(shown: Shown) -> None:
    html = shown.html("/targets/shop/Deployment/api")

    removed = '<code class="removed">− &#34;replicas&#34;: 2</code>'
    assert f'{removed}<code class="added">+ &#34;replicas&#34;: 4</code>' in html


def test_an_incident_in_which_nothing_was_changed_is_shown_with_its_end(shown: Shown) -> None:
    [kept, acted] = reversed(shown.client.get("/targets/shop/Deployment/api.json").json()["incidents"])
    html = shown.html("/targets/shop/Deployment/api")

    assert (kept["resolved"], kept["withheld"], kept["outcome"]) == (hours_ago(19.9), True, None)
    assert (acted["resolved"], acted["withheld"], acted["outcome"]) == (hours_ago(39.5), False, "recurred")
    assert "nothing was changed (kept from running)" in html
    assert "still fires" not in html


def test_a_record_leads_to_its_target_and_its_signal(shown: Shown) -> None:
    html = shown.html(f"/records/{shown.ids['acted']}")

    assert '<a href="/targets/shop/Deployment/api">' in html
    assert '<a href="/signals/Slow">' in html
    assert "(said by " in html


def test_a_signal_s_page_says_how_much_one_target_weighs(shown: Shown) -> None:
    html = shown.html("/signals/Slow")

    assert html.count("of 1 on 1 target; the largest target has 100 % of the incidents") == 2
    assert "resolved within 30 min: 1 of 1 on 1 target; the largest target has 100 % of the incidents" in html


def test_an_action_s_page_says_each_number_by_its_name(shown: Shown) -> None:
    html = shown.html("/actions/kubernetes/scale_deployment")

    assert "Alone was enough: 0 of 1 on 1 target" in html
    assert "25 min (half take longer), 25 min (1 of 20 takes longer)" in html
    assert "<dt>Came back in 30 min, 24 h</dt>" in html


def test_before_data_storage_answers_no_page_says_that_there_is_nothing() -> None:
    follower = Follower(StorageReader("http://127.0.0.1:9"))
    follower.step()
    with serving(create_pages(follower)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        for path in ("/", "/targets", "/signals", "/patterns"):
            html = client.get(path).text
            assert "Data Storage (http://127.0.0.1:9) cannot be read: Connection refused." in html
            assert "<h1>Nothing is known yet</h1>" in html
            assert "Nothing was" not in html
            assert "heartbeat" not in html
        one, beside = client.get("/targets/t"), client.get("/targets/t.json")
        assert (one.status_code, beside.status_code) == (503, 503)
        assert beside.json()["problem"].startswith("Nothing is known yet: Data Storage has not answered")
    follower.stop()


def test_the_record_of_a_freeze_that_the_readme_writes_is_a_baseline(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "effectiveness" / "README.md").read_text()
    [code] = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "Frozen" in block]
    fired = rfc3339(NOW - timedelta(minutes=5))
    with embedded(tmp_path) as service:
        storage = DataStorage(service.url)
        names = {"storage": storage, "mint": mint, "rfc3339": rfc3339, "utcnow": utcnow}
        exec(code.replace("2026-12-24T18:00:00Z", fired), names)
        [kept] = storage.get_action_history("kubernetes/restart_deployment")
        storage.close()
    act = act_of_record(kept)

    assert act is not None
    assert (act.kind, act.fired) == (ActKind.WITHHELD, datetime.fromisoformat(fired).timestamp())


DAY = 86_400.0


@pytest.mark.parametrize(
    ("polled", "said"),
    [
        ([], "Silences are not known: kubernaut serve --alertmanager-url asks for them."),
        ([(0, 90)], None),
        ([(0.5, 40), (40, 90)], None),
        ([(80, 90)], "from 1970-03-22 00:00 to 1970-04-01 00:00 only: else, what was silenced counts as silent."),
        ([(0, 89)], "from 1970-01-01 00:00 to 1970-03-31 00:00 only: else, what was silenced counts as silent."),
        ([(0, 40), (41, 90)], "to 1970-04-01 00:00 only, with 1 gap: else, what was silenced counts as silent."),
    ],
)
def test_of_which_time_silences_are_known_is_said(polled: list[tuple[float, float]], said: str | None) -> None:
    """That an Alertmanager was asked once says nothing of the days before, nor of those since."""
    spans = [("heartbeat", "", 0.0, 90.0), *(("polled", "http://a", *times) for times in polled)]
    watch = Watch(WatchSpan(kind, subject, since * DAY, until * DAY) for kind, subject, since, until in spans)
    found = silence_words(watch, 0.0, 90 * DAY)

    assert found == said or (said is not None and found is not None and found.endswith(said))
    assert silence_words(Watch([WatchSpan("polled", "http://a", 80 * DAY, 90 * DAY)]), 0, 90 * DAY) is None
