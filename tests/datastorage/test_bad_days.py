"""Bad input and bad days: nothing is acknowledged that is not kept, and nobody's trouble is another's."""

import asyncio
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from crash import CrashCampaign, PostgresCluster

from kubernaut_datastorage.postgresql import PostgresStore
from kubernaut_datastorage.records.documents import decode
from kubernaut_datastorage.server import hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import Query, Settings

Make = Callable[..., dict[str, Any]]
RECORDS = "/api/v1/action-records"


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:
    """A PostgreSQL that may be killed."""
    with PostgresCluster() as made:
        yield made


@pytest.mark.parametrize(("backend", "rounds"), [("sqlite", 2), pytest.param("postgresql", 3, marks=pytest.mark.slow)])
def test_a_short_crash_campaign(backend: str, rounds: int, tmp_path: Path) -> None:
    """The long one is `make crash-campaign`."""
    report = CrashCampaign(backend, tmp_path, seed=1).run(rounds=rounds)

    assert report.lost == report.twice == 0, report
    assert report.faults == []
    assert report.acknowledged > 0
    assert sum(report.kills.values()) == rounds


def test_a_database_that_goes_away_and_comes_back(cluster: PostgresCluster, event: Make) -> None:
    store = PostgresStore(cluster.url, Settings(patience=3))
    with hosted(store) as running, httpx.Client(base_url=running.url, trust_env=False, timeout=60) as service:
        assert service.post(RECORDS, json=[event()]).json()[0]["outcome"] == "stored"
        cluster.kill()
        began = time.monotonic()
        away = service.post(RECORDS, json=[event()])
        read, ready = service.get(RECORDS), service.get("/readyz")
        waited = time.monotonic() - began
        cluster.start()
        deadline = time.monotonic() + 30
        while (back := service.post(RECORDS, json=[event()])).status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.2)
        found = service.get(RECORDS).json()["items"]

    assert [answer.status_code for answer in (away, read, ready)] == [503, 503, 503]
    assert away.headers["retry-after"] == "1"
    assert "the database does not answer" in ready.json()["detail"]
    assert waited < 40
    assert back.json()[0]["outcome"] == "stored"
    assert len(found) == 2


def test_a_short_absence_is_waited_out(cluster: PostgresCluster, event: Make) -> None:
    store = PostgresStore(cluster.url, Settings(patience=60))
    with hosted(store) as running, httpx.Client(base_url=running.url, trust_env=False, timeout=90) as service:
        service.post(RECORDS, json=[event()])
        cluster.kill()
        starting = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"])
        starting.wait()
        cluster.start()
        answer = service.post(RECORDS, json=[event()])

    assert answer.json()[0]["outcome"] == "stored"


def test_a_service_that_starts_before_its_database_waits_for_it(cluster: PostgresCluster, event: Make) -> None:
    cluster.kill()
    store = PostgresStore(cluster.url, Settings(patience=6))
    with hosted(store) as running, httpx.Client(base_url=running.url, trust_env=False, timeout=60) as service:
        before = service.get("/readyz"), service.get("/healthz"), service.post(RECORDS, json=[event()])
        cluster.start()
        deadline = time.monotonic() + 30
        while service.get("/readyz").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.2)
        after = service.post(RECORDS, json=[event()])

    assert [answer.status_code for answer in before] == [503, 200, 503]
    assert after.json()[0]["outcome"] == "stored"


def test_too_many_waiting_events_are_turned_away(tmp_path: Path, event: Make) -> None:
    store = SqliteStore(open_sqlite(tmp_path), Settings(most_waiting=-1))
    with hosted(store) as running, httpx.Client(base_url=running.url, trust_env=False) as service:
        answer = service.post(RECORDS, json=[event()])

    assert answer.status_code == 503
    assert "0 events wait to be written already; send this again later." in answer.json()["detail"]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a full disk needs root, to mount a small one")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_reported_and_reading_goes_on(tmp_path: Path, event: Make) -> None:
    with small_disk(tmp_path / "disk") as disk:
        store = SqliteStore(open_sqlite(disk))
        with hosted(store) as running, httpx.Client(base_url=running.url, trust_env=False, timeout=60) as service:
            stored = 0
            for _ in range(200):
                answer = service.post(RECORDS, json=[event(inputs={"text": "x" * 30_000}) for _ in range(3)])
                if answer.status_code != 200:
                    break
                stored += 3
            found = service.get(RECORDS, params={"limit": "1000", "fields": "id"}).json()["items"]
            small = service.post(RECORDS, json=[event(inputs={"text": "x" * 30_000}) for _ in range(3)])
            ready, alive = service.get("/readyz"), service.get("/healthz")
            subprocess.run(["mount", "-o", "remount,size=30m", str(disk)], check=True)
            again = service.get("/readyz"), service.post(RECORDS, json=[event()]), service.get("/readyz")

    assert answer.status_code == small.status_code == 507
    assert answer.json()["detail"] == (
        "there is no room for more on the disk; make room, and send it again. Reading goes on."
    )
    assert len(found) == stored > 0
    assert (ready.status_code, alive.status_code) == (503, 200)
    assert ready.json()["detail"] == "there is no room for more; the service's log says more."
    assert [answer.status_code for answer in again] == [200, 200, 200]


SQL = "'; DROP TABLE action_records; --"


def test_sql_in_every_field_and_every_parameter_is_text(service: httpx.Client, event: Make) -> None:
    sent = event(
        action_type=SQL, action_version=SQL, image=SQL, inputs={SQL: SQL}, change={"before": SQL, "after": SQL},
        output={SQL: [SQL]}, error={"code": 1, "reason": SQL, "message": SQL}, step=SQL, requester=SQL, approver=SQL,
        workflow={"namespace": SQL, "name": SQL, "uid": SQL}, remediation={"namespace": SQL, "name": SQL},
        target={"kind": SQL, "name": SQL}, signal={"fingerprint": SQL, "name": SQL}, pod={"name": SQL, "uid": SQL},
        trace_id=SQL,
    )  # fmt: skip
    assert service.post(RECORDS, json=[sent]).json()[0]["outcome"] == "stored"
    service.post(
        "/api/v1/signals",
        json={"version": "4", "alerts": [{"status": "firing", "startsAt": "2026-01-31T09:00:00Z", "fingerprint": SQL}]},
    )
    for name in ("action_type", "remediation", "signal"):
        [found] = service.get(RECORDS, params={name: SQL}).json()["items"]
        assert found["step"] == SQL
    for name in ("state", "limit", "cursor", "fields", "after_seq", "since", "until", "dry_run", "sort", SQL):
        assert service.get(RECORDS, params={name: SQL}).status_code == 400
    assert service.get(RECORDS, params={"workflow": SQL}).json()["items"][0]["step"] == SQL
    assert service.get(f"{RECORDS}/summary", params={"action_type": SQL}).json()["items"][0]["records"] == 1
    assert service.get("/api/v1/signals", params={"fingerprint": SQL}).json()["items"][0]["fingerprint"] == SQL
    assert service.get(f"{RECORDS}/{SQL}").status_code in {400, 404}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int, int]]:
    """`kubernaut serve` as a process: host, port, pid."""
    folder = tmp_path_factory.mktemp("serving")
    argv = [sys.executable, "-m", "kubernaut_cli", "serve", "--port=0", f"--data={folder}"]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    url = ""
    while not url:
        message = json.loads(process.stderr.readline())["message"]
        url = message.split()[3] if "Uvicorn running on" in message else ""
    yield "127.0.0.1", int(url.rsplit(":", 1)[1]), process.pid
    process.terminate()
    process.wait(30)
    process.stderr.close()


def raw(address: tuple[str, int, int], *parts: bytes, pause: float = 0.0, within: float = 30) -> bytes:
    """Return the response to these bytes."""
    with socket.create_connection(address[:2], within) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        answer = b""
        try:
            while chunk := connection.recv(65536):
                answer += chunk
                if b"\r\n\r\n" in answer and b"connection: close" not in answer.lower():
                    break
        except OSError:
            pass
        return answer


@pytest.mark.parametrize(
    ("request_bytes", "answered"),
    [
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"POST /api/v1/action-records HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", b""),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", b""),
        (b"POST /api/v1/action-records HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n[\x00\xff\xfe]", b"400"),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", b"200"),
    ],
    ids=["garbage", "version", "length", "header", "url", "binary", "websocket"],
)
def test_malformed_http(serving: tuple[str, int, int], request_bytes: bytes, answered: bytes) -> None:
    assert raw(serving, request_bytes)[9:12] == answered
    assert raw(serving, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")[9:12] == b"200"


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_idle_connections_stop_nobody(serving: tuple[str, int, int], count: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < count + 500:
        pytest.skip(f"a process may have {most} open files here, and this takes {count}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    idle = [socket.create_connection(serving[:2], 30) for _ in range(count)]
    began = time.monotonic()
    answer = raw(serving, b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
    took = time.monotonic() - began
    for connection in idle[:-1]:
        connection.close()
    idle[-1].settimeout(30)
    left = idle[-1].recv(1)  # whoever says nothing for ten seconds is left
    idle[-1].close()

    assert answer[9:12] == b"200"
    assert took < 10
    assert left == b""


def test_a_client_that_takes_for_ever_is_left(serving: tuple[str, int, int]) -> None:
    began = time.monotonic()
    head = b"POST /api/v1/action-records HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n"
    answer = raw(serving, head[:20], pause=0.1, within=40)

    assert answer == b""
    assert time.monotonic() - began < 35


def test_sigterm_cuts_no_request_and_loses_nothing(tmp_path: Path, event: Make) -> None:
    argv = [sys.executable, "-m", "kubernaut_cli", "serve", "--port=0", f"--data={tmp_path}"]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    url = ""
    while not url:
        message = json.loads(process.stderr.readline())["message"]
        url = message.split()[3] if "Uvicorn running on" in message else ""
    acknowledged: set[str] = set()
    cut: list[str] = []

    async def work() -> None:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:

            async def write() -> None:
                while True:
                    one = event()
                    try:
                        answer = await client.post(RECORDS, json=[one])
                    except httpx.ConnectError:
                        return  # it takes no new connections
                    except httpx.HTTPError as error:
                        # a kept connection may be closed between two requests, never within one
                        if not isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
                            cut.append(repr(error))
                        continue
                    if answer.status_code == 200:
                        acknowledged.add(one["id"])

            writers = [asyncio.create_task(write()) for _ in range(8)]
            await asyncio.sleep(1)
            process.send_signal(signal.SIGTERM)
            await asyncio.wait(writers, timeout=30)

    asyncio.run(work())
    code = process.wait(30)
    process.stderr.close()

    async def kept() -> set[str]:
        store = SqliteStore(open_sqlite(tmp_path))
        await store.start()
        found = [one async for chunk in store.stream(Query()) for one in chunk]
        await store.close()
        assert all(decode(one.document)["state"] == "succeeded" for one in found)
        return {one.id for one in found}

    assert code in {0, -signal.SIGTERM}
    assert acknowledged
    assert acknowledged <= asyncio.run(kept())
    assert cut == []
