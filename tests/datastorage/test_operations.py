"""Running it: the commands of its operator, TLS, logs, metrics."""

import asyncio
import json
import ssl
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from kubernaut_datastorage import embedded
from kubernaut_datastorage.postgresql import PostgresStore
from kubernaut_datastorage.records.months import Month
from kubernaut_datastorage.retention import sweep
from kubernaut_datastorage.server import StoreLocation, open_store
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import Settings, StorageError, Store
from kubernaut_datastorage.tokens import generate_token, hash_token

RECORDS = "/api/v1/action-records"


def serve(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "kubernaut_cli", "serve", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, env={**ENV, **env})


ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}


@contextmanager
def serving(*words: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """`kubernaut serve` on a free port: its address, and what it has logged."""
    argv = [sys.executable, "-m", "kubernaut_cli", "serve", "--port=0", *words]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=ENV)
    assert process.stderr is not None
    lines: list[dict[str, Any]] = []
    while not lines or "Uvicorn running on" not in lines[-1]["message"]:
        lines.append(json.loads(process.stderr.readline()))
    try:
        yield lines[-1]["message"].split()[3], lines
    finally:
        process.terminate()
        lines += [json.loads(line) for line in process.stderr]
        process.wait(30)
        process.stderr.close()


def test_tls_tokens_metrics_and_logs(tmp_path: Path, event: Callable[..., dict[str, Any]]) -> None:
    cert, key, token = tmp_path / "tls.crt", tmp_path / "tls.key", generate_token()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days=1",
         "-subj=/CN=localhost", "-addext=subjectAltName=IP:127.0.0.1", f"-keyout={key}", f"-out={cert}"],
        check=True, capture_output=True,
    )  # fmt: skip
    scraper = generate_token()
    (tmp_path / "access").write_text(f"{hash_token(token)} write,read test\n{hash_token(scraper)} metrics prometheus\n")
    options = [f"--access-file={tmp_path / 'access'}", f"--tls-cert={cert}", f"--tls-key={key}", f"--data={tmp_path}"]
    with serving(*options) as (url, lines):
        trusted = ssl.create_default_context(cafile=str(cert))
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, verify=trusted, trust_env=False, headers=headers) as client:
            assert client.post(RECORDS, json=[event(), event(state="done"), event(at="x")]).status_code == 200
            client.get(RECORDS, headers={"authorization": "Bearer no"})
            client.get("/nowhere/at/all")
            client.headers["authorization"] = f"Bearer {scraper}"
            metrics = client.get("/metrics").text.splitlines()
            assert client.get(RECORDS).status_code == 403

    assert url.startswith("https://127.0.0.1:")
    name = "kubernaut_data_storage"
    for line in (
        f'{name}_events_total{{outcome="stored"}} 1.0',
        f'{name}_events_total{{outcome="refused"}} 2.0',
        f'{name}_refused_total{{reason="state"}} 1.0',
        f'{name}_refused_total{{reason="at"}} 1.0',
        f'{name}_turned_away_total{{reason="unauthorized"}} 1.0',
        f"{name}_batch_events_count 1.0",
        f"{name}_waiting_events 0.0",
        f'{name}_request_seconds_count{{method="POST",route="{RECORDS}",status="200"}} 1.0',
        f'{name}_request_seconds_count{{method="GET",route="other",status="404"}} 1.0',
    ):
        assert line in metrics
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    assert not any(token in json.dumps(line) for line in lines)


def test_a_token_is_printed_once_and_its_line_takes_it() -> None:
    made = serve("token", "grafana", "--role=read", "--role=own-record=shop")
    digest, roles, name = made.stderr.split()

    assert made.returncode == 0
    assert (digest, roles, name) == (hash_token(made.stdout.strip()), "read,own-record=shop", "grafana")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--host=0.0.0.0"], "--host 0.0.0.0 is not of loopback; without tokens the service listens on 127.0.0.1 only"),
        (["--tls-cert=README.md"], "--tls-cert and --tls-key go together"),
        (["--tls-cert=README.md", "--tls-key=README.md"], "the certificate or its key cannot be used"),
        (["--signing-key=README.md"], "the signing key cannot be used: README.md holds no private key in PEM"),
        (["--access-file=README.md"], "README.md, line 3: a line begins with sha256:… of a token"),
        (["hold", "July", "--reason=x"], "July is not a month; write it as 20"),
        (["hold", "2026-07"], "say --reason to hold, or --release."),
    ],
)
def test_what_an_operator_gets_wrong_is_reported(tmp_path: Path, words: list[str], expected: str) -> None:
    place = [f"--data={tmp_path}"]
    done = serve(*words, *place) if words[0] == "hold" else serve("--port=0", *place, *words)

    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_is_not_there_is_reported(tmp_path: Path) -> None:
    done = serve("migrate", DATABASE_URL=f"postgresql://nobody@/x?host={tmp_path}")

    assert done.returncode == 75
    assert "kubernaut: the database: the database does not answer: " in done.stderr
    assert "Traceback" not in done.stderr


def test_migrate_and_hold(database: str) -> None:
    migrated = serve("migrate", DATABASE_URL=database)
    held = serve("hold", "2026-07", "--reason", "case 4711", DATABASE_URL=database)

    async def look() -> dict[Month, str]:
        store = PostgresStore(database)
        found = await store.holds()
        await store.close()
        return found

    assert migrated.stdout == "the schema is the newest.\n"
    assert held.stdout == "2026-07 is held.\n"
    assert asyncio.run(look()) == {Month(2026, 7): "case 4711"}


def test_a_service_that_may_not_migrate_says_what_to_do(postgres: str, database: str) -> None:
    async def work() -> None:
        store = PostgresStore(database, migrates=False)
        async with store._engine.begin() as connection:
            await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        with pytest.raises(Exception, match=r"has schema 0001, and this version wants 0006; run: kubernaut"):
            await store.prepare()
        await store.close()

    asyncio.run(work())


def test_of_two_replicas_one_sweeps(make_store: Callable[..., Store]) -> None:
    async def work() -> None:
        stores = [make_store(), make_store()]
        for store in stores:
            await store.start()
        await asyncio.gather(*(sweep(store) for store in stores))
        async with stores[0].sweep_lock() as one, stores[1].sweep_lock() as other:
            assert one
            assert other is isinstance(stores[1], SqliteStore)
        for store in stores:
            await store.close()

    asyncio.run(work())


def test_a_commit_is_observed(tmp_path: Path) -> None:
    seen: list[tuple[int, float]] = []

    async def work() -> None:
        store = SqliteStore(open_sqlite(tmp_path), Settings(observe=lambda events, took: seen.append((events, took))))
        await store.start()
        await store.set_hold(Month(2026, 1), "x")
        await store.close()

    asyncio.run(work())
    assert [events for events, _ in seen] == [0]
    assert all(took >= 0 for _, took in seen)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://u:secret@host/db", "it begins with mysql://, and the service stores in PostgreSQL"),
        ("sqlite:///records.db", "it begins with sqlite://, and the service stores in PostgreSQL"),
        ("host=secret dbname=x", "it does not begin with postgresql://"),
        ("postgresql://u:se@cret@host/db", "a sign of its user or password has a meaning of its own in an address"),
        ("postgresql://u:se/cret@host/db", "a sign of its user or password has a meaning of its own in an address"),
        ("postgresql://u:se?cret@host/db", "a sign of its user or password has a meaning of its own in an address"),
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_at_the_start_and_not_repeated(url: str, expected: str) -> None:
    with pytest.raises(StorageError) as caught:
        open_store(StoreLocation(data=Path("unused"), database_url=url))

    assert expected in str(caught.value)
    assert "write postgresql://user@host/database, with the password in PGPASSWORD or PGPASSFILE" in str(caught.value)
    for part in ("secret", "cret@"):
        assert part not in str(caught.value)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("text/*", "text/csv"),
        ("text/csv;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("text/csv;q=nan, application/json;q=0.1", "application/json"),
        ("TEXT/CSV", "text/csv"),
    ],
)
def test_what_a_client_likes_best_is_answered(tmp_path: Path, accept: str, kind: str) -> None:
    with embedded(tmp_path) as running:
        answer = httpx.get(f"{running.url}/api/v1/action-records", headers={"accept": accept}, trust_env=False)

    assert answer.headers["content-type"].partition(";")[0] == kind


def test_nothing_of_a_client_s_headers_is_kept(tmp_path: Path) -> None:
    """They once became regular expressions, each kept for later: 114 MB after 500 requests."""
    with embedded(tmp_path) as running, httpx.Client(base_url=running.url, trust_env=False) as client:
        client.get("/api/v1/action-records")
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(60):
            accept = f"{number}" + "*?[a-z]" * 2_000
            assert client.get("/api/v1/action-records", headers={"accept": accept}).status_code == 406
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()

    assert grown < 2_000_000


def test_the_service_has_a_program_of_its_own_that_loads_nothing_of_others(tmp_path: Path) -> None:
    """The image holds what it needs: neither the command nor a Kubernetes client."""
    names = "kubernaut_cli kubernaut_controller kubernaut_effectiveness kubernetes docker kopf aiohttp boto3"
    program = (
        "import sys\n"
        "from kubernaut_datastorage.command import serve\n"
        "from kubernaut_datastorage import gate, tokenreview, tokens, server, postgresql\n"
        "from kubernaut_datastorage.http import api, protocol\n"
        "from kubernaut_datastorage.log import verification\n"
        f"serve(['migrate', '--data', {str(tmp_path)!r}], standalone_mode=False)\n"
        f"sys.exit(' '.join(name for name in {names.split()!r} if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "the schema is the newest.\n"), done.stderr


def test_a_month_is_dropped_by_name_where_there_is_a_store(tmp_path: Path) -> None:
    def storage(*words: str) -> "subprocess.CompletedProcess[str]":
        argv = [sys.executable, "-m", "kubernaut_datastorage", *words, f"--data={tmp_path}"]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    nowhere = storage("drop-month", "2020-01")
    assert (nowhere.returncode, list(tmp_path.iterdir())) == (3, [])
    assert nowhere.stderr == f"kubernaut: {tmp_path}: there is no records.db; name the folder with --data.\n"

    assert storage("migrate").returncode == 0
    done = storage("drop-month", "2020-01")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"kubernaut: {tmp_path}: there is nothing of 2020-01; there is no month at all\n"
