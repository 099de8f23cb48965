"""What was acknowledged stays: with two processes on one folder, and when one is killed at any moment."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from kubernaut_datastorage import StorageError, embedded, serve

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
    writers = [start(tmp_path, 100) for _ in range(2)]
    told = {line for writer in writers for line in writer.communicate(timeout=60)[0].split()}

    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(told) == 200
    assert kept(tmp_path) == told


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    writer = start(tmp_path, 100_000)
    assert writer.stdout is not None
    told = {writer.stdout.readline().strip() for _ in range(acknowledged)}
    os.kill(writer.pid, signal.SIGKILL)
    told |= set(writer.stdout.read().split())
    writer.stdout.close()
    writer.wait()

    assert told <= kept(tmp_path)


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"the folder cannot be used: .*; choose another with --data\."):
        embedded(tmp_path / "file" / "data").__enter__()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "records.db").write_bytes(b"certainly no database, at all" * 100)
    with pytest.raises(StorageError, match=r"records\.db cannot be used as a database: file is not a database"):
        embedded(tmp_path).__enter__()


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
