"""A release on an empty cluster with Tekton: the lines of docs/clusters.md from the first to the last, nothing patched.

KUBERNAUT_EMPTY_CLUSTER=1 says that the kubeconfig leads to one, such as a new kind cluster with Tekton: nothing of
Kubernaut was ever there, a claim gets a volume, pods have a network, and Services a proxy and names.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import free_port

from ..conftest import ROOT, manifest, sh  # noqa: TID252 – tests/ is no package to name it by
from .conftest import sleeper
from .installation import Release, installed_command, release_page

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.slow]

KINDS = "customresourcedefinitions,namespaces,clusterroles,clusterrolebindings,validatingadmissionpolicies"
PAGE = (ROOT / "docs" / "clusters.md").read_text()
ROLE = "kubernaut-kubernetes-scale-deployment"
SCALED = {"before": {"replicas": 1}, "after": {"replicas": 2}}


def lines_of(heading: str) -> str:
    """Return the commands of a section, as they are written there."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return re.sub(r"^\$ ", "", "".join(blocks), flags=re.MULTILINE)


def ours(kubectl: Callable[..., str]) -> set[str]:
    """Return the objects of Kubernaut in the cluster, of the kinds that belong to no namespace."""
    return {name for name in kubectl("get", KINDS, "--output=name").split() if "kubernaut" in name}


@pytest.fixture
def empty(kubectl: Callable[..., str]) -> Iterator[None]:
    """An empty cluster, in which the namespace `shop` has a Deployment of one pod."""
    if os.environ.get("KUBERNAUT_EMPTY_CLUSTER") != "1":
        pytest.skip(
            "KUBERNAUT_EMPTY_CLUSTER=1 does not say that the cluster is empty, and that its pods have a network"
        )
    assert ours(kubectl) == set(), "the cluster is not empty"
    yield
    kubectl("delete", "namespace/shop", f"clusterrole/{ROLE}", "--ignore-not-found")


@pytest.fixture
def shell(empty: None, release: Release, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Runs lines in a shell of a machine that has the release's environment and page, and no clone."""
    with installed_command(release) as index, release_page(release) as page:
        path = f"{release.folder / 'env' / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        env = {**index, "PATH": path, "HOME": str(tmp_path), "KUBECONFIG": os.environ["KUBECONFIG"]}

        def run(lines: str) -> str:
            script = re.sub(r"^release=\S+$", f"release={page}", lines, flags=re.MULTILINE)
            assert "OWNER" not in script
            words = ["bash", "-euo", "pipefail", "-c", f"{script}\nkill $(jobs -p) || true"]
            ended = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=500)
            assert ended.returncode == 0, f"{script}\n{ended.stdout[-3000:]}{ended.stderr[-3000:]}"
            return ended.stdout

        yield run
        for name in ("install.yaml",):
            subprocess.run(["kubectl", "delete", "-f", f"{page}/{name}", "--ignore-not-found"], capture_output=True)


def test_the_lines_of_the_page_install_run_a_task_and_read_its_record(
    shell: Callable[[str], str], release: Release, digests: dict[str, str], kubectl: Callable[..., str]
) -> None:
    install, act = lines_of("From a release").split("curl ", 1)
    shell(install)
    for document in (manifest("Namespace", "shop"), sleeper("checkout", digests["kubectl"])):
        there = [] if document["kind"] == "Namespace" else ["--namespace=shop"]
        kubectl("apply", *there, "-f", "-", stdin=document)
    sh("kubectl", "rollout", "status", "deployment/checkout", "--namespace=shop", "--timeout=90s")
    log = shell(f"release=x\ncurl {act}")
    *_, line = log.strip().splitlines()
    ended: Any = json.loads(line.removeprefix("[action] "))
    port = free_port()
    read = lines_of("Read the records").replace(" 8080 &", f" {port}:8080 &").replace(":8080 DATA", f":{port} DATA")
    first, *others = read.strip().splitlines()
    ready = f"until curl --silent http://127.0.0.1:{port}/readyz >/dev/null; do sleep 0.2; done"
    [record] = json.loads(shell("\n".join([first, ready, *others]) + " -o json").partition("\n[")[2].join("[ "))

    assert (ended["status"], ended["change"], ended["record"]["status"]) == ("succeeded", SCALED, "stored"), log
    assert (record["action_type"], record["state"]) == ("kubernetes/scale_deployment", "succeeded")
    assert (record["id"], record["change"]) == (ended["record"]["id"], SCALED)
    ready_replicas = json.loads(kubectl("get", "deployment", "checkout", "--namespace=shop", "--output=json"))
    assert ready_replicas["status"]["readyReplicas"] == 2

    kubectl("delete", "-f", str(release.folder / "install.yaml"))
    kubectl("delete", "clusterrole", ROLE)
    assert ours(kubectl) == set()
