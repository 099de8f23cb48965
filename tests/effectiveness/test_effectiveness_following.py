"""The monitor follows a real Data Storage: away, slow, restored, late, and read on from a kept file."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any

import httpx
from histories import BEGINNING, Story, at
from monitors import following, put, record, shown

from kubernaut_datastorage.server import embedded, hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_effectiveness import CountingRules, Watch, judge_fleet, verdicts_of
from kubernaut_effectiveness.patterns.report import find_patterns
from kubernaut_effectiveness.service.following import Follower
from kubernaut_effectiveness.service.ledger.ledger import Ledger
from kubernaut_effectiveness.service.ledger.questions import LedgerQuestions
from kubernaut_effectiveness.service.reading import NarrowRecord, StorageFault, StorageReader
from kubernaut_effectiveness.verdicts.comparison import compare_actions, compare_counts
from kubernaut_sdk.states import State
from kubernaut_sdk.times import rfc3339


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
