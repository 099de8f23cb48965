"""The queue for Data Storage: each record in order, no record waits for another, bad events are dropped."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_controller.operator import recordsclient
from kubernaut_controller.operator.recordsclient import RecordsClient

Json = dict[str, Any]
Answer = tuple[int, Any]


@contextmanager
def store(answer: Callable[[list[Json]], Answer]) -> Iterator[tuple[str, list[Json]]]:
    """Serve these answers, and yield the address and the events that were accepted, in order."""
    taken: list[Json] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            events = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, body = answer(events)
            if status == 200:
                taken.extend(events)
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def stored(events: list[Json]) -> Answer:
    return 200, [{"index": index, "outcome": "stored", "reason": None} for index, _ in enumerate(events)]


def answers_to(url: str, events: list[Json], wanted: int | None = None) -> dict[int, str | None]:
    """Return the answers to events, by their index, once so many (or all) have been answered."""
    ends: dict[int, str | None] = {}

    async def work() -> None:
        records = RecordsClient(url)
        done = asyncio.Event()

        def taker(place: int) -> Callable[[str | None], None]:
            def taken(refused: str | None) -> None:
                ends[place] = refused
                if len(ends) == (len(events) if wanted is None else wanted):
                    done.set()

            return taken

        for place, event in enumerate(events):
            records.send(event, taker(place))
        task = asyncio.create_task(records.run())
        await asyncio.wait_for(done.wait(), 30)
        task.cancel()
        await records.close()

    asyncio.run(work())
    return ends


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordsclient, "_PAUSE", 0.001)
    monkeypatch.setattr(recordsclient, "_LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(recordsclient, "_LONGEST_RECORD_PAUSE", 0.01)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_event_that_is_refused_as_a_request_is_dropped_alone(status: int) -> None:
    def answer(events: list[Json]) -> Answer:
        return (status, {"detail": "odd"}) if any(one.get("odd") for one in events) else stored(events)

    events = [{"id": f"{n % 7}", "n": n, "odd": n == 5} for n in range(40)]
    with store(answer) as (url, taken):
        ends = answers_to(url, events)

    assert ends.pop(5) == f"it cannot be stored: it answered {status}: {{'detail': 'odd'}}"
    assert set(ends.values()) == {None}
    for record in range(7):  # each record's events came in their order
        numbers = [one["n"] for one in taken if one["id"] == f"{record}"]
        assert numbers == sorted(set(numbers)) == [n for n in range(40) if n % 7 == record and n != 5]


@pytest.mark.parametrize("status", [500, 503])
def test_nobody_waits_behind_an_event_for_which_the_service_says_to_come_again(status: int) -> None:
    def answer(events: list[Json]) -> Answer:
        return (status, {"detail": "away"}) if any(one.get("odd") for one in events) else stored(events)

    events = [{"id": f"{n}", "odd": n == 0} for n in range(30)]
    with store(answer) as (url, _):
        ends = answers_to(url, events, wanted=29)

    assert set(ends) == set(range(1, 30))


def test_it_is_given_up_when_others_were_stored_between_its_failures_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recordsclient, "_FAILURES", 2)
    monkeypatch.setattr(recordsclient, "_MOST", 1)  # so that there are others between two failures

    def answer(events: list[Json]) -> Answer:
        return (503, {"detail": "away"}) if any(one.get("odd") for one in events) else stored(events)

    events: list[Json] = [
        {"id": "odd", "odd": True},
        {"id": "odd", "odd": False},
        *({"id": f"{n}"} for n in range(200)),
    ]
    with store(answer) as (url, taken):
        ends = answers_to(url, events)

    assert ends[0] == "it cannot be stored: it answered 503: {'detail': 'away'}"
    assert set(ends.values()) == {ends[0], None}
    assert {"id": "odd", "odd": False} in taken


def test_what_is_no_json_is_dropped_at_once() -> None:
    with store(stored) as (url, taken):
        ends = answers_to(url, [{"id": "a", "at": object()}, {"id": "b"}])

    assert ends == {0: "it is not JSON: Object of type object is not JSON serializable", 1: None}
    assert taken == [{"id": "b"}]


@pytest.mark.parametrize("body", [{}, [], [{"outcome": "kept"}], ["stored"], None, "text"])
def test_an_answer_that_nobody_understands_is_no_outcome(body: Any) -> None:
    answers = iter([(200, body), (200, body)])

    def answer(events: list[Json]) -> Answer:
        return next(answers, None) or stored(events)

    with store(answer) as (url, _):
        assert answers_to(url, [{"id": "a"}]) == {0: None}


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["good", "refused", "odd"])), min_size=1, max_size=15))
def test_whatever_one_event_is_the_outcome_of_others_is_as_without_it(kinds: list[tuple[int, str]]) -> None:
    def answer(events: list[Json]) -> Answer:
        if any(one["kind"] == "odd" for one in events):
            return 422, {"detail": "odd"}
        outcomes = ["refused" if one["kind"] == "refused" else "stored" for one in events]
        return 200, [{"outcome": outcome, "reason": outcome} for outcome in outcomes]

    events = [{"id": f"{record}", "kind": kind, "n": n} for n, (record, kind) in enumerate(kinds)]
    with store(answer) as (url, taken):
        ends = answers_to(url, events)

    assert [ends[n] is None for n in range(len(kinds))] == [kind == "good" for _, kind in kinds]
    for record in range(5):
        numbers = [one["n"] for one in taken if one["id"] == f"{record}"]
        assert numbers == sorted(numbers)
