"""One bad item of a request changes no other item's outcome; on both databases."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from conftest import run_sql
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_datastorage.postgresql import PostgresStore
from kubernaut_datastorage.postgresql.connection import database_message
from kubernaut_datastorage.records.ingest import ReceivedEvent, parse_events
from kubernaut_datastorage.server import hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import RETENTION, Query, Settings, SignalFiring, StorageError, Store
from kubernaut_sdk.ids import mint
from kubernaut_sdk.records import Event
from kubernaut_sdk.times import rfc3339, utcnow

RECORDS = "/api/v1/action-records"
SIGNALS = "/api/v1/signals"
BEFORE = "is before 1970; a clock seems to be wrong."
FIRED = "2026-01-31T09:00:00.000000Z"
HALF = "has half a character, which no database stores."
CJK = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(2048))

TEXT = st.one_of(
    st.text(max_size=50), st.sampled_from(["\0", "\ud800", CJK, "x" * 3000, "a\0b", "\U0001f600" * 1000, "", "%s $1 '"])
)
VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=5,
)
FIELDS = [*Event.model_fields, "unknown"]
SHAPED = {
    "target": st.one_of(TEXT, st.fixed_dictionaries({"kind": TEXT, "name": TEXT}, optional={"namespace": TEXT})),
    "workflow": st.fixed_dictionaries({"name": TEXT}, optional={"namespace": TEXT, "uid": TEXT}),
    "remediation": st.fixed_dictionaries({"name": TEXT}),
    "signal": st.fixed_dictionaries({"fingerprint": TEXT}, optional={"name": TEXT, "firedAt": TEXT}),
    "action_type": TEXT,
    "error": st.fixed_dictionaries({"code": st.integers(), "reason": TEXT, "message": TEXT}),
    "attempt": st.integers(),
    "at": st.sampled_from(["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "now", "2026-01-31T09:05:07+25:00"]),
}


@st.composite
def odd_event(draw: st.DrawFn) -> Any:
    """An event with something odd, or something that is no event at all."""
    if draw(st.integers(0, 5)) == 0:
        return draw(VALUE)
    event: dict[str, Any] = {"id": str(mint()), "state": "failed", "at": rfc3339(utcnow())}
    for name in draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3, unique=True)):
        event[name] = draw(SHAPED.get(name, VALUE) if draw(st.booleans()) else VALUE)
    return event


def good_event() -> dict[str, Any]:
    return {"id": str(mint()), "state": "succeeded", "at": rfc3339(utcnow()), "step": "s", "changed": True}


@settings(max_examples=25)
@given(odd=st.lists(odd_event(), min_size=1, max_size=4), places=st.lists(st.integers(0, 4), min_size=4, max_size=4))
def test_an_odd_event_is_its_own_trouble_alone(shared: httpx.Client, odd: list[Any], places: list[int]) -> None:
    good = [good_event() for _ in range(4)]
    batch: list[Any] = list(good)
    for item, place in zip(odd, places, strict=False):
        batch.insert(place, item)
    answer = shared.post(RECORDS, content=json.dumps(batch), headers={"content-type": "application/json"})

    assert answer.status_code == 200, answer.text
    outcomes = dict(zip(map(id, batch), answer.json(), strict=True))
    for event in good:
        assert outcomes[id(event)]["outcome"] == "stored", outcomes[id(event)]
        assert shared.get(f"{RECORDS}/{event['id']}").json()["step"] == "s"
    for item in odd:
        refused = outcomes[id(item)]["outcome"] == "refused"
        assert refused == (outcomes[id(item)]["reason"] is not None)


@st.composite
def odd_alert(draw: st.DrawFn) -> Any:
    if draw(st.integers(0, 4)) == 0:
        return draw(VALUE)
    alert: dict[str, Any] = {
        "status": "firing", "labels": {"alertname": "A"}, "startsAt": rfc3339(utcnow()), "fingerprint": str(mint())
    }  # fmt: skip
    for name in draw(st.lists(st.sampled_from(list(alert)), min_size=1, max_size=2, unique=True)):
        alert[name] = draw(VALUE)
    if draw(st.booleans()):
        alert["labels"] = {"alertname": draw(TEXT), "severity": draw(TEXT)}
    return alert


@settings(max_examples=15)
@given(odd=st.lists(odd_alert(), min_size=1, max_size=3))
def test_an_odd_alert_loses_only_itself(shared: httpx.Client, odd: list[Any]) -> None:
    good = [
        {"status": "firing", "labels": {"alertname": "G"}, "startsAt": rfc3339(utcnow()), "fingerprint": str(mint())}
        for _ in range(3)
    ]
    webhook: dict[str, Any] = {"version": "4", "alerts": [good[0], *odd, *good[1:]]}
    answer = shared.post(SIGNALS, content=json.dumps(webhook), headers={"content-type": "application/json"})

    assert answer.status_code == 200, answer.text
    sent = answer.json()
    assert sent["episodes"] + len(sent["refused"]) == len(webhook["alerts"])
    assert {one["index"] for one in sent["refused"]} <= set(range(1, 1 + len(odd)))
    for alert in good:
        [found] = shared.get(SIGNALS, params={"fingerprint": str(alert["fingerprint"])}).json()["items"]
        assert found["name"] == "G"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("startsAt", "0001-01-01T00:00:00Z", f"startsAt: 0001-01-01T00:00:00+00:00 {BEFORE}"),
        ("fingerprint", "a\0b", "fingerprint: 'a\\x00b' has a NUL, which no database stores."),
        ("labels", {"alertname": "\ud800"}, f"labels.alertname: '\\ud800' {HALF}"),
        ("status", "gone", "status: input should be 'firing' or 'resolved'; it is 'gone'."),
    ],
)  # fmt: skip
def test_why_an_alert_is_refused_is_answered_and_logged(
    shared: httpx.Client, caplog: pytest.LogCaptureFixture, field: str, value: Any, reason: str
) -> None:
    alert = {"status": "firing", "labels": {}, "startsAt": rfc3339(utcnow()), "fingerprint": "f", field: value}
    answer = shared.post(SIGNALS, content=json.dumps({"version": "4", "alerts": [alert]}))

    assert answer.status_code == 200
    assert [one["reason"] for one in answer.json()["refused"]] == [reason]
    assert reason in caplog.text


@pytest.mark.parametrize(
    "body", [[], {}, {"version": "4"}, {"version": "4", "alerts": {}}, {"version": "9", "alerts": []}]
)
def test_what_is_no_webhook_is_refused_as_a_whole(shared: httpx.Client, body: Any) -> None:
    assert shared.post(SIGNALS, json=body).status_code == 422


@pytest.fixture(params=["sqlite", "postgresql"])
def choosy(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store whose database itself does not take what is called odd: an error that nobody looked for beforehand."""
    if request.param == "sqlite":
        store = SqliteStore(open_sqlite(tmp_path))
        with closing(sqlite3.connect(tmp_path / "records.db")) as database:
            for table, column in (("action_records", "action_type"), ("signals", "name")):
                database.execute(
                    f"CREATE TRIGGER odd_{table} BEFORE INSERT ON {table} WHEN NEW.{column} = 'odd'"
                    " BEGIN SELECT RAISE(ABORT, 'it is odd'); END"
                )
        return store
    url: str = request.getfixturevalue("database")
    function = (
        "CREATE FUNCTION odd() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'it is odd' USING ERRCODE = '%s'; END $$"
    )
    run_sql(
        url,
        f"{function % '22000'} LANGUAGE plpgsql",
        "CREATE TRIGGER odd BEFORE INSERT ON action_records FOR EACH ROW WHEN (NEW.action_type = 'odd')"
        " EXECUTE FUNCTION odd()",
        "CREATE TRIGGER odd BEFORE INSERT ON signals FOR EACH ROW WHEN (NEW.name = 'odd') EXECUTE FUNCTION odd()",
    )
    return PostgresStore(url, Settings(patience=5))


def received_events(*types: str) -> list[ReceivedEvent]:
    events = [{**good_event(), "action_type": kind} for kind in types]
    return [
        one for one in parse_events(json.dumps(events).encode(), retention=RETENTION) if isinstance(one, ReceivedEvent)
    ]


def test_what_only_the_database_finds_odd_is_refused_alone_and_at_once(choosy: Store) -> None:
    async def work() -> None:
        await choosy.start()
        await choosy.put(received_events("good"))  # the schema is up to date by now
        began = time.monotonic()
        # requests that wait together are committed together
        answers = await asyncio.gather(
            choosy.put(received_events("good", "odd", "good", "good", "odd")),
            choosy.put(received_events("odd")),
            *(choosy.put(received_events("good")) for _ in range(20)),
            choosy.put_signals([SignalFiring(kind, FIRED, None, kind, None) for kind in ("a", "odd", "b")]),
        )  # fmt: skip
        took = time.monotonic() - began
        found = await choosy.find(Query(limit=100))
        signals = await choosy.find_signals(None, "0", "9")
        head = await choosy.head()
        await choosy.close()

        assert took < 5
        mixed, odd, *rest, episodes = cast("list[Any]", answers)
        assert [outcome for outcome, _ in mixed] == ["stored", "refused", "stored", "stored", "refused"]
        assert odd == [("refused", "the database cannot store it: it is odd.")]
        assert all(one == [("stored", None)] for one in rest)
        assert episodes == [None, "the database cannot store it: it is odd.", None]
        assert len(found) == 24
        assert {one["name"] for one in signals} == {"a", "b"}
        assert head is not None
        assert head.next_seq == 25

    asyncio.run(work())


def test_a_database_that_may_not_be_written_refuses_nothing_for_good(database: str) -> None:
    """It became a replica: that lies in no event, so they are sent again."""
    name = database.partition("?")[0].rpartition("/")[2]

    async def work() -> None:
        store = PostgresStore(database, Settings(patience=1))
        await store.start()
        await store.put(received_events("good"))
        run = asyncio.to_thread
        await run(run_sql, database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        assert store._writer._connection is not None
        await store._writer._connection.execute("SET default_transaction_read_only = on")
        with pytest.raises(StorageError, match=r"the database does not answer: .* in a read-only transaction"):
            await store.put(received_events("good"))
        with pytest.raises(StorageError, match="the database does not answer"):
            await store.require_ready()
        # only a connection that says so may undo it
        await run(run_sql, database, "SET default_transaction_read_only = off", f"ALTER DATABASE {name} RESET ALL")
        stored = await store.put(received_events("good"))
        await store.require_ready()
        await store.close()
        assert stored == [("stored", None)]

    asyncio.run(work())


def test_long_texts_are_found_by_all_of_them(shared: httpx.Client) -> None:
    events = [{**good_event(), "target": CJK[:2000] + tail} for tail in "ab"]
    named = {**good_event(), "target": {"kind": "Deployment", "namespace": "shop", "name": CJK[:500]}}
    outcomes = shared.post(RECORDS, json=[*events, named]).json()
    found = [shared.get(RECORDS, params={"target": event["target"]}).json()["items"] for event in events]
    by_name = shared.get(RECORDS, params={"target": f"shop/Deployment/{CJK[:500]}"}).json()["items"]

    assert [one["outcome"] for one in outcomes] == ["stored"] * 3
    assert [[one["id"] for one in items] for items in found] == [[event["id"]] for event in events]
    assert [one["id"] for one in by_name] == [named["id"]]


def test_a_damaged_record_is_refused_alone(make_store: Callable[..., Store], tmp_path: Path) -> None:
    damaged, other = received_events("good", "good")

    async def work() -> None:
        store = make_store()
        await store.start()
        await store.put([damaged])
        if isinstance(store, SqliteStore):
            with closing(sqlite3.connect(tmp_path / "data" / "records.db")) as database:
                database.execute("UPDATE action_records SET document = '{'")
                database.commit()
        else:
            assert isinstance(store, PostgresStore)
            await asyncio.to_thread(run_sql, store._url, "UPDATE action_records SET document = 'damaged'")
        outcomes = await store.put([damaged, other])
        await store.close()
        assert outcomes == [
            ("refused", "id: what is stored of this record cannot be read; `kubernaut records verify` says more."),
            ("stored", None),
        ]

    asyncio.run(work())


def test_an_event_that_fails_in_a_way_that_nobody_foresaw_is_refused_alone(
    shared: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(event: dict[str, Any], _document: str) -> None:
        if event.get("step") == "odd":
            raise ZeroDivisionError

    monkeypatch.setattr("kubernaut_datastorage.records.ingest.trim_event", fails)
    outcomes = shared.post(RECORDS, json=[good_event(), {**good_event(), "step": "odd"}]).json()

    assert [one["outcome"] for one in outcomes] == ["stored", "refused"]


def test_errors_of_the_address_say_nothing_of_it() -> None:
    for error in (OSError("no host se@cret"), ValueError("invalid port 'secret'"), TimeoutError("secret")):
        assert "secret" not in database_message(error)


def test_readyz_does_not_show_the_address(caplog: pytest.LogCaptureFixture) -> None:
    store = PostgresStore("postgresql://user:pa@ss:w@localhost:1/db", Settings(patience=0.5))
    with hosted(store) as running:
        answer = httpx.get(f"{running.url}/readyz", trust_env=False)

    assert answer.status_code == 503
    assert answer.json()["detail"] == "the database does not answer; the service's log says more."
    assert "pa@ss" not in caplog.text
    assert "ss:w" not in caplog.text
