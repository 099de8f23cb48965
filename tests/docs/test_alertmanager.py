"""docs/alertmanager.md as it is written: a real Alertmanager with its configuration sends an alert to Data Storage."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from loopback import free_port

from kubernaut_controller.remediation import read_remediation_request, workflow_of
from kubernaut_controller.validation import faults_of
from kubernaut_controller.workflow import read_workflow_execution
from kubernaut_datastorage.gate import Gate
from kubernaut_datastorage.server import hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.tokens import AccessFile, Tokens, generate_token, hash_token
from kubernaut_sdk.catalog import find

DOC = (Path(__file__).parents[2] / "docs" / "alertmanager.md").read_text()
CONFIGURATION, REQUEST = re.findall(r"^```yaml\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


@contextmanager
def alertmanager(folder: Path, configuration: str) -> Iterator[httpx.Client]:
    if PROGRAM is None:
        pytest.skip("no Alertmanager is installed (Debian: apt-get install prometheus-alertmanager)")
    address = f"127.0.0.1:{free_port()}"
    (folder / "alertmanager.yml").write_text(configuration)
    argv = [PROGRAM, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*argv, f"--web.listen-address={address}", "--cluster.listen-address="], stderr=log, stdout=log
        )
    try:
        with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
            until(lambda: ready(client) or (process.poll() is not None and pytest.fail((folder / "log").read_text())))
            yield client
    finally:
        process.terminate()
        process.wait(30)


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").is_success
    except httpx.TransportError:
        return False


def until(holds: Callable[[], Any], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
    return value


def test_an_alert_reaches_data_storage_when_it_fires_and_when_it_is_resolved(tmp_path: Path) -> None:
    token, reader = generate_token(), generate_token()
    access = tmp_path / "access"
    access.write_text(f"{hash_token(token)}  signals  alertmanager\n{hash_token(reader)}  read  test\n")
    (tmp_path / "token").write_text(token)
    with (
        hosted(
            SqliteStore(open_sqlite(tmp_path / "data")), lambda app: Gate(app, Tokens(AccessFile(access)), 100)
        ) as running,
        httpx.Client(base_url=running.url, trust_env=False, headers={"authorization": f"Bearer {reader}"}) as storage,
    ):
        text = CONFIGURATION.replace("http://kubernaut-data-storage.kubernaut-system.svc:8080", running.url)
        text = text.replace("/etc/alertmanager/secrets/kubernaut/token", str(tmp_path / "token"))
        with alertmanager(tmp_path, text.replace("group_interval: 30s", "group_interval: 1s")) as manager:
            began = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
            alert = {"labels": {"alertname": "CheckoutLatencyHigh", "severity": "critical"}, "startsAt": began}
            assert manager.post("/api/v2/alerts", json=[alert]).is_success
            [fired] = until(lambda: storage.get("/api/v1/signals?since=1h").json()["items"])
            [known] = manager.get("/api/v2/alerts").json()
            ends = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
            assert manager.post("/api/v2/alerts", json=[{**alert, "endsAt": ends}]).is_success
            [ended] = until(
                lambda: [
                    item for item in storage.get("/api/v1/signals?since=1h").json()["items"] if item["resolved_at"]
                ]
            )

    assert fired["resolved_at"] is None
    assert (fired["fingerprint"], fired["name"], fired["severity"]) == (
        known["fingerprint"],
        "CheckoutLatencyHigh",
        "critical",
    )
    assert ended["fired_at"] == fired["fired_at"]


def test_the_request_in_the_page_is_valid() -> None:
    document = yaml.safe_load(REQUEST)
    read_remediation_request(document)
    workflow = read_workflow_execution(workflow_of({**document, "metadata": {**document["metadata"], "uid": "x"}}))

    assert list(faults_of(workflow, find)) == []
    assert workflow.spec.signal is not None
    assert workflow.spec.signal.name == "CheckoutLatencyHigh"
