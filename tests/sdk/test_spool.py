"""A spool's events belong to the Data Storage Service that they were meant for."""

import os
from pathlib import Path
from typing import Any

import pytest

from kubernaut_sdk.ids import mint
from kubernaut_sdk.recorder import Recorder, drain
from kubernaut_sdk.spool import Spool, normalised
from kubernaut_sdk.storage import StorageClient, StorageUnavailable
from kubernaut_sdk.times import rfc3339, utcnow


def an_event() -> dict[str, Any]:
    return {"id": str(mint()), "attempt": 0, "state": "applying", "at": rfc3339(utcnow())}


class AddressedStore(StorageClient):
    """A service at an address of its own, away or not."""

    def __init__(self, url: str, *, away: bool = False) -> None:
        super().__init__(url)
        self.away = away
        self.stored: list[dict[str, Any]] = []

    def post(self, events: list[dict[str, Any]], within: float) -> list[dict[str, Any]]:
        if self.away:
            raise StorageUnavailable("it is away")
        self.stored += events
        return [{"index": n, "outcome": "stored"} for n, _ in enumerate(events)]


def defer_event(folder: Path, url: str) -> dict[str, Any]:
    recorder = Recorder(AddressedStore(url, away=True), Spool(folder), log_line=lambda _: None)
    event = an_event()
    assert recorder.confirm(event) == "deferred"
    recorder.close()
    return event


def test_what_waits_for_one_service_is_never_sent_to_another(tmp_path: Path) -> None:
    one, other = (defer_event(tmp_path, url) for url in ("http://one:8080", "https://other"))
    store = AddressedStore("https://other")
    recorder = Recorder(store, Spool(tmp_path), log_line=lambda _: None)
    own = an_event()
    assert recorder.confirm(own) == "stored"
    recorder.close()

    assert store.stored == [own, other]
    assert drain(store, Spool(tmp_path)) == (0, 0)
    assert drain(client := AddressedStore("http://one:8080/"), Spool(tmp_path)) == (1, 0)
    assert client.stored == [one]


def test_events_without_a_destination_are_sent_only_where_their_folder_is_named(tmp_path: Path) -> None:
    event = an_event()
    Spool(tmp_path).put(event)
    store = AddressedStore("http://one")
    recorder = Recorder(store, Spool(tmp_path), log_line=lambda _: None)
    own = an_event()
    assert recorder.confirm(own) == "stored"
    recorder.close()

    assert store.stored == [own]
    assert drain(store, Spool(tmp_path).to("http://one")) == (0, 0)
    assert drain(store, Spool(tmp_path)) == (1, 0)
    assert store.stored == [own, event]


def test_a_spool_says_where_its_events_go_and_never_with_a_password(tmp_path: Path) -> None:
    defer_event(tmp_path, "http://shop:s3cr3t@one:80/storage/")
    (part,) = Spool(tmp_path).parts()

    assert part.destination == "http://one/storage"
    assert (part.folder / "destination").read_text() == "http://one/storage\n"
    assert part.folder.stat().st_mode & 0o777 == 0o700 & ~os.umask(os.umask(0o077)) | 0o700


def test_a_store_without_a_lasting_address_has_a_spool_with_its_name(tmp_path: Path) -> None:
    Spool(tmp_path / "embedded", "the embedded store of /data").prepare()
    event = defer_event(tmp_path / "embedded", "http://127.0.0.1:40001")
    store = AddressedStore("http://127.0.0.1:40002")

    assert drain(store, Spool(tmp_path / "embedded")) == (1, 0)
    assert store.stored == [event]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://one", "http://one/"),
        ("http://one", "http://ONE:80"),
        ("https://one:443/a/", "https://one/a"),
        ("http://me:pw@one", "http://one"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_one_service_is_known_by_each_spelling_of_its_address(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize("other", ["https://one", "http://one:81", "http://one/a", "http://two", "http://[x"])
def test_another_scheme_port_path_or_host_is_another_service(other: str) -> None:
    assert normalised("http://one") != normalised(other)
