"""`kubernaut records status`: what waits to be sent, and why."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubernaut_datastorage import embedded
from kubernaut_sdk.ids import mint
from kubernaut_sdk.recorder import Recorder, drain
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import StorageClient
from kubernaut_sdk.times import rfc3339, utcnow

Run = Callable[..., Any]


def send(url: str, folder: Path) -> None:
    event = {"id": str(mint()), "attempt": 0, "state": "failed", "at": rfc3339(utcnow()), "action_type": "a/b_c"}
    recorder = Recorder(StorageClient(url), Spool(folder), log_line=lambda _line: None)
    recorder.confirm(event)
    recorder.close()


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}


def test_it_tells_what_waits_for_which_service_since_when_and_why(
    called: Run, tmp_path: Path, closed_port: str, env: dict[str, str]
) -> None:
    send(closed_port, tmp_path / "data" / "spool")
    shown = called("records", "status", f"--data={tmp_path / 'data'}", env=env)
    [waiting] = json.loads(called("records", "status", f"--data={tmp_path / 'data'}", "-o", "json", env=env).stdout)

    assert shown.code == 0
    assert closed_port in shown.stdout
    assert "Connection refused" in shown.stdout
    assert (waiting["waiting"], waiting["refused"], waiting["destination"]) == (1, 0, closed_port)
    assert waiting["last_problem"] == f"{closed_port}: Connection refused"
    assert waiting["since"] <= rfc3339(utcnow())
    assert Path(waiting["folder"]).parent == tmp_path / "data" / "spool"


def test_what_was_sent_waits_no_more_and_what_was_refused_is_counted(
    called: Run, tmp_path: Path, closed_port: str, env: dict[str, str]
) -> None:
    folder = tmp_path / "data" / "spool"
    send(closed_port, folder)
    odd = {"id": str(mint()), "attempt": 0, "state": "odd", "at": rfc3339(utcnow())}
    with embedded(tmp_path / "served") as service:
        Spool(folder).to(closed_port).folder.rename(Spool(folder).to(service.url).folder)
        spool = Spool(folder).to(service.url)
        spool.put(odd)
        client = StorageClient(service.url)
        assert drain(client, spool) == (1, 1)
        client.close()
    [row] = json.loads(called("records", "status", f"--data={tmp_path / 'data'}", "-o", "json", env=env).stdout)

    assert (row["waiting"], row["refused"], row["since"]) == (0, 1, None)


def test_where_nothing_waits_it_says_where_it_looked(called: Run, tmp_path: Path, env: dict[str, str]) -> None:
    shown = called("records", "status", f"--data={tmp_path / 'data'}", env=env)

    assert (shown.code, shown.stdout) == (0, "nothing waits, and nothing was refused\n")
    assert shown.stderr == f"looked in {tmp_path}/home/.kubernaut/spool, {tmp_path}/data/spool\n"
    assert not (tmp_path / "data").exists()
