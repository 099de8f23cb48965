"""Every wait for the recorder is bounded, whatever fails: its thread, the spool, the log or the store."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from kubernaut_sdk import recorder
from kubernaut_sdk.ids import mint
from kubernaut_sdk.recorder import NotKept, Recorder
from kubernaut_sdk.records import Event
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import StorageClient, StorageUnavailable
from kubernaut_sdk.times import rfc3339, utcnow
from kubernaut_sdk.wire import fitting_event


def an_event(**fields: Any) -> dict[str, Any]:
    return {"id": str(mint()), "attempt": 0, "state": "applying", "at": rfc3339(utcnow()), **fields}


class ScriptedStore(StorageClient):
    """A store that answers `stored`, hangs, or raises or returns the given value."""

    def __init__(self, how: Any = "stored") -> None:
        super().__init__("memory:")
        self.how = how
        self.over = threading.Event()

    def post(self, events: list[dict[str, Any]], within: float) -> list[dict[str, Any]]:
        if self.how == "hangs":
            self.over.wait(30)
        if isinstance(self.how, BaseException):
            raise self.how
        if isinstance(self.how, list):
            return self.how
        return [{"index": n, "outcome": "stored"} for n, _ in enumerate(events)]

    def read(self, record_id: UUID, within: float) -> dict[str, Any] | None:
        self.post([], within)
        return None


class FullSpool(Spool):
    def put(self, event: dict[str, Any]) -> Path:
        raise OSError(28, "No space left on device")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("_PATIENCE", 0.2), ("_BRIEF", 0.1), ("_SLACK", 0.7)):
        monkeypatch.setattr(recorder, name, seconds)


@pytest.fixture
def hanging() -> Iterator[ScriptedStore]:
    store = ScriptedStore("hangs")
    yield store
    store.over.set()


def parsed_lines(printed: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed]


@pytest.mark.parametrize(
    "how",
    [
        StorageUnavailable("it is away"),
        ValueError("odd"),
        SystemExit(0),
        KeyboardInterrupt(),
        MemoryError(),
        [],
        [{"outcome": "stored"}] * 2,
        [{}],
        [None],
        [{"outcome": "refused", "reason": None}],
    ],
    ids=repr,
)
def test_whatever_the_store_does_an_event_is_spooled_and_marked_and_the_wait_ends(tmp_path: Path, how: Any) -> None:
    printed: list[str] = []
    sender = Recorder(ScriptedStore(how), Spool(tmp_path / "spool"), log_line=printed.append)
    event = an_event()

    assert sender.keep(event, required=True) == "deferred"
    sender.close()
    kept = [path for part in Spool(tmp_path / "spool").parts() for path in part.folder.iterdir()]
    assert [json.loads(path.read_text()) for path in kept if path.suffix in {".json", ".refused"}] == [event]
    assert [line["kubernaut_record"] for line in parsed_lines(printed)] == [event]


def test_a_thread_that_hangs_is_given_up_and_nothing_is_lost(tmp_path: Path, hanging: ScriptedStore) -> None:
    printed: list[str] = []
    sender = Recorder(hanging, Spool(tmp_path / "spool"), log_line=printed.append)
    started = time.monotonic()
    events = [an_event(), an_event(), an_event()]
    sender.send(events[0])

    assert sender.confirm(events[1]) == "deferred"
    assert sender.confirm(events[2]) == "deferred"
    with pytest.raises(StorageUnavailable):
        sender.read(mint(), required=True)
    sender.close()
    assert time.monotonic() - started < 5
    assert [line["kubernaut_record"] for line in parsed_lines(printed)] == events
    assert len(Spool(tmp_path / "spool").to("memory:").paths()) == 3


def test_a_read_that_hangs_ends_as_unavailable(tmp_path: Path, hanging: ScriptedStore) -> None:
    sender = Recorder(hanging, Spool(tmp_path / "spool"))

    with pytest.raises(StorageUnavailable, match="it did not answer in time"):
        sender.read(mint())
    sender.close()


def test_where_no_thread_can_be_started_the_event_is_spooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    printed: list[str] = []
    sender = Recorder(ScriptedStore(), Spool(tmp_path / "spool"), log_line=printed.append)

    assert sender.keep(an_event()) == "deferred"
    sender.close()
    assert parsed_lines(printed)[0]["not_stored"] == "can't start new thread"


@pytest.mark.parametrize("log", ["written", "full"])
def test_what_is_neither_stored_nor_spooled_is_not_kept(tmp_path: Path, log: str) -> None:
    def write(line: str) -> None:
        if log == "full":
            raise OSError(28, "No space left on device")

    sender = Recorder(ScriptedStore(StorageUnavailable("it is away")), FullSpool(tmp_path / "spool"), log_line=write)

    with pytest.raises(NotKept, match=r"it is away; and the spool .* cannot be written: .*No space left on device"):
        sender.keep(an_event())
    assert sender.confirm(an_event()) == "deferred"  # a last word has nowhere else to go
    sender.close()


@pytest.mark.parametrize("how", ["stored", StorageUnavailable("it is away")], ids=repr)
def test_a_lone_surrogate_stops_nobody(tmp_path: Path, how: Any) -> None:
    event = an_event(target="caf\udce9.txt")

    def strict(line: str) -> None:
        line.encode()

    sender = Recorder(ScriptedStore(how), Spool(tmp_path / "spool"), log_line=strict)

    assert sender.keep(event) == ("stored" if how == "stored" else "deferred")
    sender.close()
    assert [known for _, known in Spool(tmp_path / "spool").to("memory:").waiting()] == (
        [] if how == "stored" else [event]
    )


def test_a_file_that_cannot_be_written_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        Spool(tmp_path / "spool").put(an_event(change=object()))

    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize(
    "large",
    [
        {"error": {"code": 1, "reason": "x" * 70_000, "message": "é" * 200_000}},
        {
            "attempts": [
                {"number": n, "error": {"code": 75, "reason": "Transient", "message": "x" * 40_000}} for n in range(101)
            ]
        },
        {"inputs": {"text": "é" * 40_000}},
        {"inputs": {"text": "x" * 30_000}, "output": {"a": "x" * 16_000}, "change": {"before": "x" * 15_900}},
    ],
    ids=["error", "attempts", "inputs", "everything"],
)
def test_a_last_word_is_cut_so_that_the_store_takes_it(large: dict[str, Any], service: Any) -> None:
    event = fitting_event(an_event(state="failed", action_type="a/b_c", changed=True, **large))
    [outcome] = service.post("/api/v1/action-records", json=[event]).json()

    assert outcome["outcome"] == "stored"
    Event.model_validate(event)
    assert (event["state"], event["changed"]) == ("failed", True)
    if "error" in large:
        assert event["error"]["message"].endswith("… (200000 characters)")


def test_what_fits_is_as_it_was() -> None:
    error = {"code": 1, "reason": "Failed", "message": "x" * 4096}
    event = an_event(error=error, attempts=[{"number": 0}], inputs={"a": [1, None]}, output={})

    assert fitting_event(event) == event
