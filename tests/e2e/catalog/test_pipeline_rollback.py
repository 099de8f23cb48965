"""The Pipeline roll-back-bad-release on a real Tekton: a real Deployment, and a real Prometheus that scrapes it."""

import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import free_port

from ..conftest import sh  # noqa: TID252 – tests/ is no package to name it by
from .conftest import CatalogNamespace

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.slow]

PIPELINE = "roll-back-bad-release"
SERVER = """
import http.server, sys
class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b"errors " + sys.argv[2].encode() + b"\\n")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Metrics).serve_forever()
"""


@pytest.fixture
def released(catalog: CatalogNamespace) -> Iterator[Callable[[str, str], int]]:
    """Deploys two releases, whose pods say how many errors there are; the port on which the running one is asked."""
    name = "shop"

    def release(first: str, second: str) -> int:
        port = free_port()
        for errors in (first, second):
            container = {
                "name": name,
                "image": catalog.images["kubectl"],
                "command": ["python3", "-c", SERVER, str(port), errors],
                "readinessProbe": {"httpGet": {"host": "127.0.0.1", "port": port}, "periodSeconds": 1},
            }
            pod = {"containers": [container], "hostNetwork": True, "terminationGracePeriodSeconds": 0}
            spec = {
                "replicas": 1,
                "strategy": {"type": "Recreate"},  # both listen on the same port
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
            }
            catalog.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec})
            sh("kubectl", "rollout", "status", f"deployment/{name}", f"--namespace={catalog.name}", "--timeout=90s")
        return port

    yield release
    catalog.kubectl("delete", "deployment", name, f"--namespace={catalog.name}", "--wait=true")


@pytest.fixture
def scraping(tmp_path: Path) -> Iterator[Callable[[int], str]]:
    """Starts a Prometheus that scrapes a port of this host every second, and returns its address."""
    if (program := shutil.which("prometheus")) is None:
        pytest.skip("prometheus is not on PATH")
    running = []

    def start(port: int) -> str:
        config = (
            "global: {scrape_interval: 1s}\n"
            f"scrape_configs: [{{job_name: shop, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
        )
        (tmp_path / "prometheus.yml").write_text(config)
        url = f"127.0.0.1:{free_port()}"
        options = [f"--config.file={tmp_path / 'prometheus.yml'}", f"--web.listen-address={url}"]
        words = [program, *options, f"--storage.tsdb.path={tmp_path / 'data'}"]
        running.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 60
        while '"shop"' not in answer(f"http://{url}/api/v1/query?query=errors"):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return f"http://{url}"

    yield start
    for process in running:
        process.terminate()
        process.wait()


def answer(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as found:
            return str(found.read().decode())
    except OSError:
        return ""


def roll_back(
    catalog: CatalogNamespace, account: str, prometheus: str, deployment: str = "shop", **more: str
) -> dict[str, str]:
    watched = {"prometheus": prometheus, "query": "errors", "op": "<", "threshold": "1", "hold": "3s"}
    params = {"namespace": catalog.name, "deployment": deployment, **watched, **more}
    catalog.start("pipeline", PIPELINE, params, account=account)
    return catalog.ended(PIPELINE)


def errors_of(catalog: CatalogNamespace) -> str:
    """The number of errors that the deployed release makes."""
    [container] = catalog.get("deployment", "shop")["spec"]["template"]["spec"]["containers"]
    return str(container["command"][-1])


def test_a_release_that_makes_errors_is_rolled_back_until_they_are_gone(
    catalog: CatalogNamespace, granted: Callable[..., str], released: Any, scraping: Any
) -> None:
    prometheus = scraping(released("0", "7"))
    states = roll_back(catalog, granted("pipeline", PIPELINE, shop=catalog.name), prometheus)
    output = catalog.results("task", "prometheus-assert-query")["output"]

    assert states == {"roll-back": "succeeded", "watch": "unchanged"}
    assert catalog.results("pipeline", PIPELINE) == {"roll-back-status": "succeeded", "watch-status": "unchanged"}
    assert errors_of(catalog) == "0"
    assert '"0"' in answer(f"{prometheus}/api/v1/query?query=errors"), output


def test_where_it_does_not_help_the_run_fails_and_the_deployment_stays_rolled_back(
    catalog: CatalogNamespace, granted: Callable[..., str], released: Any, scraping: Any
) -> None:
    prometheus = scraping(released("5", "7"))
    account = granted("pipeline", PIPELINE, shop=catalog.name)
    states = roll_back(catalog, account, prometheus, watch_timeout="15s")
    error = catalog.error("prometheus-assert-query")

    assert states == {"roll-back": "succeeded", "watch": "failed"}
    assert error["code"] == 4
    assert "is 5, not < 1" in error["message"]
    assert errors_of(catalog) == "5"


def test_nothing_is_asked_for_a_deployment_that_has_no_earlier_release(
    catalog: CatalogNamespace, granted: Callable[..., str], deployment: str
) -> None:
    account = granted("pipeline", PIPELINE, shop=catalog.name)
    states = roll_back(catalog, account, "http://127.0.0.1:9", deployment)

    assert states == {"roll-back": "failed"}
    assert catalog.error("kubernetes-rollback-deployment")["code"] == 3
