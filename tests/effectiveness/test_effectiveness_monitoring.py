"""Rules and dashboard with the real Prometheus and Alertmanager (Debian: prometheus, prometheus-alertmanager)."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any

import httpx
import pytest
from loopback import free_port
from serving import serving
from simulated import fill

from kubernaut_datastorage.polling import AlertmanagerPoller
from kubernaut_datastorage.server import hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_effectiveness.service.alertrules import read_pending_for
from kubernaut_effectiveness.service.following import Follower
from kubernaut_effectiveness.service.pages import create_pages
from kubernaut_effectiveness.service.reading import StorageReader

FOLDER = Path(__file__).parents[2] / "effectiveness" / "monitoring"
PROGRAMS = ("prometheus", "promtool", "prometheus-alertmanager")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {', '.join(MISSING)} (Debian: apt-get install prometheus prometheus-alertmanager)"
)
PATIENCE = timedelta(seconds=60)
WATCHDOG = """
groups:
  - name: watchdog
    rules: [{alert: Watchdog, expr: vector(1)}, {alert: Slow, expr: vector(1), labels: {severity: critical}}]
"""


def eventually(found: Callable[[], Any]) -> Any:
    """Return the first answer that is true; ask again while it is not, or nobody answers."""
    deadline = datetime.now(UTC) + PATIENCE
    while datetime.now(UTC) < deadline:
        try:
            if answer := found():
                return answer
        except (httpx.HTTPError, json.JSONDecodeError):
            pass
        sleep(0.1)
    pytest.fail("it did not come to be so in a minute")


@contextmanager
def program(*argv: str) -> Iterator[None]:
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def get(url: str, **parameters: str) -> Any:
    return httpx.get(url, params=parameters, trust_env=False).json()


def test_every_rule_fires_when_it_should_and_not_before() -> None:
    for verb in (["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]):
        done = subprocess.run(["promtool", *verb], cwd=FOLDER, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_no_number_of_the_dashboard_is_green_by_itself() -> None:
    """Grafana's own thresholds make everything below 80 green: targets that were given up, incidents not solved."""
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    colours = {
        panel["title"]: panel["fieldConfig"]["defaults"].get("color", {}).get("mode", "thresholds")
        for panel in panels
        if panel["type"] != "timeseries"  # a colour a series
    }

    assert colours
    assert "thresholds" not in colours.values()


@pytest.mark.slow
def test_a_real_prometheus_and_alertmanager(tmp_path: Path) -> None:
    """The monitor is scraped, the dashboard's queries answer; Watchdog is a heartbeat; a silence is known."""
    fill(tmp_path / "fleet", datetime.now(UTC))
    ports = {name: free_port() for name in ("prometheus", "alertmanager")}
    prometheus, alertmanager = (f"http://127.0.0.1:{ports[name]}" for name in ("prometheus", "alertmanager"))
    with ExitStack() as stack:
        storage = stack.enter_context(hosted(SqliteStore(open_sqlite(tmp_path / "fleet")))).url
        follower = Follower(StorageReader(storage))
        stack.callback(follower.stop)
        follower.step()
        monitor = stack.enter_context(serving(create_pages(follower)))
        write(tmp_path, monitor.removeprefix("http://"), storage, ports["alertmanager"])
        listen = f"127.0.0.1:{ports['alertmanager']}"
        stack.enter_context(
            program(
                "prometheus-alertmanager",
                f"--config.file={tmp_path}/alertmanager.yaml",
                f"--storage.path={tmp_path}/alerts",
                f"--web.listen-address={listen}",
                "--cluster.listen-address=",
            )
        )
        stack.enter_context(
            program(
                "prometheus",
                f"--config.file={tmp_path}/prometheus.yaml",
                f"--storage.tsdb.path={tmp_path}/tsdb",
                f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
            )
        )
        eventually(lambda: query(prometheus, "kubernaut_monitor_records"))
        for expression in dashboard_queries():
            assert query(prometheus, expression), expression
        rules = get(f"{prometheus}/api/v1/rules")["data"]["groups"]
        assert {rule["health"] for group in rules for rule in group["rules"]} <= {"ok", "unknown"}
        written = {rule["name"]: rule["duration"] for group in rules for rule in group["rules"] if "duration" in rule}
        assert read_pending_for(prometheus) == written
        assert len(written) > 1

        since = datetime.now(UTC).isoformat()
        eventually(lambda: heard(storage, "heartbeat", since))
        [slow] = eventually(
            lambda: [one for one in get(f"{storage}/api/v1/signals", since="1h")["items"] if one["name"] == "Slow"]
        )
        assert slow["labels"]["severity"] == "critical"
        silence(alertmanager)
        eventually(lambda: slow["fingerprint"] in {one["subject"] for one in asked(alertmanager, tmp_path / "polled")})


def write(folder: Path, monitor: str, storage: str, port: int) -> None:
    (folder / "watchdog.yaml").write_text(WATCHDOG)
    webhook = [{"url": f"{storage}/api/v1/signals", "send_resolved": True}]
    route = {"receiver": "kubernaut", "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1m"}
    config: dict[str, Any] = {"route": route, "receivers": [{"name": "kubernaut", "webhook_configs": webhook}]}
    (folder / "alertmanager.yaml").write_text(json.dumps(config))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(FOLDER / "rules.yaml"), str(folder / "watchdog.yaml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]},
        "scrape_configs": [{"job_name": "kubernaut", "static_configs": [{"targets": [monitor]}]}],
    }
    (folder / "prometheus.yaml").write_text(json.dumps(config))


def query(prometheus: str, expression: str) -> list[Any]:
    answer = get(f"{prometheus}/api/v1/query", query=expression)
    assert answer["status"] == "success", answer
    found: list[Any] = answer["data"]["result"]
    # counters that begin with the process have no increase yet
    return found or ([answer] if "_total" in expression else [])


def dashboard_queries() -> list[str]:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def heard(storage: str, kind: str, since: str) -> list[Any]:
    items = get(f"{storage}/api/v1/monitoring", since=since)["items"]
    return [one for one in items if one["kind"] == kind and one["until"] >= since[:19]]


def silence(alertmanager: str) -> None:
    now = datetime.now(UTC)
    body = {
        "matchers": [{"name": "alertname", "value": "Slow", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "test",
        "comment": "test",
    }
    httpx.post(f"{alertmanager}/api/v2/silences", json=body, trust_env=False).raise_for_status()


def asked(alertmanager: str, folder: Path) -> list[dict[str, Any]]:
    """Ask Alertmanager as the service does, and return what it holds back."""

    async def work() -> list[dict[str, Any]]:
        store = SqliteStore(open_sqlite(folder))
        await store.start()
        async with httpx.AsyncClient(trust_env=False) as client:
            assert await AlertmanagerPoller(store, [alertmanager]).ask(client, alertmanager)
        found = await store.find_watch("0")
        await store.close()
        return [one for one in found if one["kind"] == "silenced"]

    return asyncio.run(work())
