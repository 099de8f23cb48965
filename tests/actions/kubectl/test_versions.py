"""kubectl's version: in the spec of the image, and beside the API server's."""

import json
import os
import shutil
from typing import Any

import pytest

from kubernaut_kubectl.cluster.version import client_version, skew_caution


def versions(client: str, server: str) -> dict[str, Any]:
    return {"clientVersion": {"gitVersion": client}, "serverVersion": {"gitVersion": server}}


@pytest.mark.parametrize(
    ("client", "server", "caution"),
    [
        ("v1.33.1", "v1.33.9", None),
        ("v1.32.4-dispatcher", "v1.33.1-gke.100", None),
        ("v1.34.0", "v1.33.1", None),
        ("v1.32.4", "v1.36.2", "kubectl v1.32.4 is 4 minor versions older than the API server v1.36.2"),
        ("v1.36.0", "v1.33.1", "kubectl v1.36.0 is 3 minor versions newer than the API server v1.33.1"),
        ("", "v1.33.1", None),
    ],
)
def test_one_minor_version_is_what_kubernetes_supports(client: str, server: str, caution: str | None) -> None:
    found = skew_caution(versions(client, server))
    assert found is None if caution is None else (found or "").startswith(caution)


def test_the_spec_says_the_version_of_kubectl(action: Any) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl is on PATH")
    assert json.loads(action.run("spec").stdout)["tool_versions"] == {"kubectl": client_version()}


@pytest.mark.cluster
def test_check_warns_of_a_kubectl_that_is_too_far_from_the_server(action: Any, kubectl: Any) -> None:
    found = kubectl("version", "--output=json")
    expected = skew_caution(found)
    inputs = json.dumps({"node": kubectl("get", "nodes", "--output=json")["items"][0]["metadata"]["name"]})
    ended = action.run(
        "check", "kubernetes/cordon_node", ACTION_INPUTS=inputs, KUBECONFIG=os.environ.get("KUBECONFIG", "")
    )
    [row] = [row for row in ended.document["checks"] if row["name"] == "kubectl version"]

    assert (row["ok"], row["problem"], row.get("caution")) == (True, None, expected)
