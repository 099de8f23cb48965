"""An acknowledged event stays: with two processes on one folder, and when one is killed at any moment."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from kubernaut_datastorage import StorageError, embedded, serve
from kubernaut_datastorage.database.schema import metadata
from kubernaut_datastorage.server import hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite

WRITER = """
import json, sys
from pathlib import Path
from kubernaut_datastorage import embedded
from kubernaut_sdk.ids import mint
from kubernaut_sdk.storage import StorageClient
from kubernaut_sdk.times import rfc3339, utcnow

with embedded(Path(sys.argv[1])) as service:
    client = StorageClient(service.url)
    for _ in range(int(sys.argv[2])):
        event = {"id": str(mint()), "state": "succeeded", "at": rfc3339(utcnow())}
        assert client.post([event], within=30)[0]["outcome"] == "stored"
        print(event["id"], flush=True)
    client.close()
"""


def start(folder: Path, count: int) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-c", WRITER, str(folder), str(count)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def kept(folder: Path) -> set[str]:
    with embedded(folder) as service:
        lines = httpx.get(
            f"{service.url}/api/v1/action-records",
            headers={"accept": "application/x-ndjson"},
            params={"fields": "id,seq"},
            trust_env=False,
        ).text
    records = [json.loads(line) for line in lines.splitlines()]
    assert len({record["seq"] for record in records}) == len(records)
    return {record["id"] for record in records}


def test_two_processes_write_one_folder(tmp_path: Path) -> None:
    writers = [start(tmp_path, 50) for _ in range(2)]
    sent = {line for writer in writers for line in writer.communicate(timeout=60)[0].split()}

    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(sent) == 100
    assert kept(tmp_path) == sent


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    writer = start(tmp_path, 100_000)
    assert writer.stdout is not None
    sent = {writer.stdout.readline().strip() for _ in range(acknowledged)}
    os.kill(writer.pid, signal.SIGKILL)
    sent |= set(writer.stdout.read().split())
    writer.stdout.close()
    writer.wait()

    assert sent <= kept(tmp_path)


def test_a_folder_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"the folder cannot be used: .*; choose another with --data\."):
        embedded(tmp_path / "file" / "data").__enter__()


def open_files(folder: Path) -> list[str]:
    """Return the files of a folder that this process has open."""
    opened = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    return [path for path in opened if path.startswith(str(folder))]


def test_a_closed_store_has_no_file_open_though_a_read_was_given_up(tmp_path: Path) -> None:
    """A client went away in the middle of a page."""
    began, may_end = threading.Event(), threading.Event()

    def pause() -> bool:
        began.set()
        return may_end.wait(30)

    engine = open_sqlite(tmp_path)
    engine.dispose()  # the next connection knows the function
    sa.event.listen(engine, "connect", lambda connection, _: connection.create_function("pause", 0, pause))

    async def work() -> None:
        store = SqliteStore(engine)
        reading = asyncio.create_task(store.read(sa.select(sa.func.pause())))
        assert await asyncio.to_thread(began.wait, 30)
        reading.cancel()
        closed = asyncio.create_task(store.close())
        await asyncio.sleep(0)
        may_end.set()
        await closed

    asyncio.run(work())
    assert open_files(tmp_path) == []


def test_a_file_that_is_no_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "records.db").write_bytes(b"certainly no database, at all" * 100)
    with pytest.raises(StorageError, match=r"records\.db cannot be used as a database: file is not a database"):
        embedded(tmp_path).__enter__()
    assert open_files(tmp_path) == []


@pytest.mark.parametrize("name", ["a?b", "a#b", "100%25", "ä b"])
def test_the_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    with embedded(tmp_path / name):
        assert (tmp_path / name / "records.db").exists()


def test_a_database_of_a_newer_version_is_reported(tmp_path: Path) -> None:
    with embedded(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "records.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    with pytest.raises(StorageError, match=r"has schema 9999, and this version knows 0006; use the Kubernaut that"):
        embedded(tmp_path).__enter__()
    assert open_files(tmp_path) == []


def test_a_database_that_fails_is_a_problem_and_may_recover(
    event: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    def rename(table: str, name: str) -> None:
        with closing(sqlite3.connect(tmp_path / "data" / "records.db", timeout=30)) as database:
            database.execute(f"ALTER TABLE {table} RENAME TO {name}")

    records = "/api/v1/action-records"
    store = SqliteStore(open_sqlite(tmp_path / "data"))
    with hosted(store) as running, httpx.Client(base_url=running.url, trust_env=False) as service:
        rename("action_records", "gone")
        answers = [service.get(records), service.get("/readyz"), service.post(records, json=[event()])]
        rename("gone", "action_records")
        recovered = service.post(records, json=[event()])

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert all("no such table: action_records" in answer.json()["detail"] for answer in (answers[0], answers[2]))
    # whoever asks for this shows no token
    assert answers[1].json()["detail"] == "the database does not answer; the service's log says more."
    assert recovered.json()[0]["outcome"] == "stored"


def test_a_port_that_is_taken_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        argv = [sys.executable, "-m", "kubernaut_cli", "serve", "--port", str(other.getsockname()[1])]
        ended = subprocess.run(
            [*argv, "--data", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
        )

    assert ended.returncode == 2
    assert "cannot be listened on, most likely since another program does; choose another --port" in ended.stderr


def test_no_open_port_without_a_token(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"--host 0\.0\.0\.0 is not of loopback"):
        serve("0.0.0.0", 0, tmp_path)


def test_serve_stops_gracefully(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "kubernaut_cli", "serve", "--port", "0", "--data", str(tmp_path)]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "Uvicorn running on" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)

    assert process.wait(20) in {0, -signal.SIGTERM}
    process.stderr.close()


def test_many_stores_can_be_opened_at_once_in_one_process(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        engines = list(pool.map(open_sqlite, [tmp_path / str(number) for number in range(8)]))

    tables = [sorted(sa.inspect(engine).get_table_names()) for engine in engines]
    for engine in engines:
        engine.dispose()
    assert tables == [sorted([*metadata.tables, "alembic_version"])] * 8
