"""The guide for whoever is on call: its five questions, asked in a shop with a real git repository.

Every command of docs/on-call.md is run in order. Its output must be that of the guide, but for times and ids.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from kubernaut_datastorage import embedded
from kubernaut_sdk.times import rfc3339, utcnow
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "examples/demo"))

GUIDE = ROOT / "docs/on-call.md"
SHOP = "/srv/shop.git"
"""The repository as the guide spells it."""
PLACEHOLDERS = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "UUID"),
    (r"\b[0-9a-f]{40}\b", "COMMIT"),
    (r"\b[0-9a-f]{32}\b", "TRACE"),
    (r"(?<=checkout-)[0-9a-f]{10}\b", "RUN"),
    (r"\b[0-9a-f]{8}\b", "ID"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "TIME"),
    (r"\b\d\d-\d\d \d\d:\d\d\b", "TIME"),
    (r"\b\d+(\.\d+)? (s|min|h)\b", "SPAN"),
    (r"\b\d+\.\d+\.\d+\b", "VERSION"),
    (r" +", " "),
    (r" +$", ""),
)


def workflow(repository: Path) -> dict[str, Any]:
    """Return the remediation of last night: more replicas, and a longer wait before the alert."""
    image = f"ghcr.io/kubernaut/actions/argocd@sha256:{'0' * 64}"
    fields = {
        "replicas": ("checkout.yaml", "spec.replicas", 6),
        "alert": ("alerts.yaml", "groups[0].rules[0].for", "10m"),
    }
    steps = [
        {
            "name": name,
            "actionType": "git/update_file",
            "image": image,
            "inputs": {"repository": str(repository), "path": path, "field": field, "value": value},
            **({"runAfter": ["replicas"]} if name == "alert" else {}),
        }
        for name, (path, field, value) in fields.items()
    ]
    return {
        "apiVersion": "kubernaut.io/v1alpha1",
        "kind": "WorkflowExecution",
        "metadata": {"name": "scale-out-checkout", "namespace": "shop"},
        "spec": {
            "target": {"kind": "Deployment", "namespace": "shop", "name": "checkout"},
            "signal": {"fingerprint": "7f3a5c1e9b2d4680", "name": "CheckoutLatencyHigh", "severity": "critical"},
            "requester": "alice",
            "steps": steps,
        },
    }


def kubernaut(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    return subprocess.run(["kubernaut", *words], cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def tell_signal(folder: Path) -> None:
    """Store that the alert fired ten minutes ago and was resolved just now."""
    alert = {
        "status": "resolved",
        "labels": {"alertname": "CheckoutLatencyHigh", "severity": "critical"},
        "startsAt": rfc3339(utcnow() - timedelta(minutes=10)),
        "endsAt": rfc3339(utcnow()),
        "fingerprint": "7f3a5c1e9b2d4680",
    }
    payload = {"version": "4", "status": "resolved", "receiver": "kubernaut", "alerts": [alert]}
    with embedded(folder / "kubernaut") as service:
        httpx.post(f"{service.url}/api/v1/signals", json=payload, trust_env=False).raise_for_status()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shop's repository, and the records of the night's remediation."""
    from shop import git_repository

    folder = tmp_path_factory.mktemp("shop")
    repository = git_repository(folder)
    (folder / "workflow.yaml").write_text(json.dumps(workflow(repository)))
    done = kubernaut(folder, "run", "workflow.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    tell_signal(folder)
    return folder


def blocks() -> Iterator[tuple[str, str]]:
    """Yield each command of the guide, and its output."""
    for _, block in re.findall(r"^(`{3,})console\n(.*?)^\1$", GUIDE.read_text(), re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def answers(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Run each command of the guide, with this shop's ids in the places of the guide's, and yield what it printed."""
    ids: dict[str, str] = {}
    for command, expected in blocks():
        words = [ids.get(word, word).replace(SHOP, str(folder / "shop.git")) for word in command.split()]
        if words[0] == "kubernaut":
            ended = kubernaut(folder, *words[1:])
            printed = ended.stdout + ended.stderr
        else:
            printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        shown = [re.findall(r"\b[0-9a-f]{8}\b", text) for text in (expected, printed)]
        ids |= dict(zip(*shown, strict=False))
        yield command, expected, printed.replace(str(folder / "shop.git"), SHOP).replace(str(folder), "/srv")


def numbered(text: str, seen: dict[str, str]) -> str:
    """Return the text with each record's id as the number of its first appearance, over all outputs."""
    return re.sub(r"\b[0-9a-f]{8}\b(?!-)", lambda found: seen.setdefault(found[0], f"#{len(seen) + 1}"), text)


def plain(text: str) -> list[str]:
    for pattern, placeholder in PLACEHOLDERS:
        text = re.sub(pattern, placeholder, text, flags=re.MULTILINE)
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_each_question_of_the_guide_is_answered_as_it_says(shop: Path) -> None:
    asked = 0
    shown: tuple[dict[str, str], dict[str, str]] = {}, {}
    for command, expected, printed in answers(shop):
        asked += 1
        real, said = (plain(numbered(text, seen)) for text, seen in zip((printed, expected), shown, strict=True))
        assert real == said, f"{command}\n{printed}"
    assert asked >= 6


CHECKOUT = """\
apiVersion: kubernaut.io/v1alpha1
kind: WorkflowExecution
metadata: {name: scale-in-checkout, namespace: NAMESPACE}
spec:
  target: {kind: Deployment, namespace: NAMESPACE, name: checkout}
  signal: {fingerprint: 7f3a5c1e9b2d4680, name: CheckoutLatencyHigh, severity: critical}
  requester: alice
  steps:
    - name: scale
      actionType: kubernetes/scale_deployment
      image: ghcr.io/kubernaut/actions/kubectl@sha256:ZEROS
      inputs: {namespace: NAMESPACE, deployment: checkout, replicas: 0, allow_zero: true}
"""


@contextmanager
def deployment(namespace: str) -> Iterator[Callable[[], str]]:
    """Make a namespace with the Deployment checkout; yield a function that returns its replicas."""
    from shop import cluster

    with cluster(namespace) as answers_:
        if not answers_:
            pytest.skip("no cluster answers, or the namespace cannot be made: kubectl get --raw /readyz")
        argv = ["kubectl", "get", "deployment", "checkout", f"--namespace={namespace}", "-o=jsonpath={.spec.replicas}"]
        yield lambda: subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.cluster
def test_the_questions_are_answered_for_a_real_cluster(tmp_path: Path) -> None:

    namespace = f"kubernaut-on-call-{os.getpid()}"
    env = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}

    def ask(*words: str) -> Any:
        ended = subprocess.run(["kubernaut", *words], env=env, capture_output=True, text=True, timeout=120)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    with deployment(namespace) as replicas:
        file = tmp_path / "workflow.yaml"
        file.write_text(CHECKOUT.replace("NAMESPACE", namespace).replace("ZEROS", "0" * 64))
        ask("run", str(file))
        tell_signal(tmp_path)
        assert replicas() == "0"

        [record] = json.loads(ask("history", "--target", f"{namespace}/Deployment/checkout", "-o", "json"))
        assert record["change"] == {"before": {"replicas": 2}, "after": {"replicas": 0}}
        known = json.loads(ask("history", "show", record["id"][-8:], "-o", "json"))
        assert (known["record"]["requester"], known["signal"]["name"]) == ("alice", "CheckoutLatencyHigh")
        assert known["verdict"]["sentence"].startswith("It was resolved ")
        ask("undo", record["id"][-8:], "--yes", "--requester", "bob")
        assert replicas() == "2"
        assert "succeeded (undone)" in ask("history", "--target", "checkout")
