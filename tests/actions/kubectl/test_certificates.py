"""Renewing a certificate, on the real API server; cert-manager's part is played, by what its own source does.

A cert-manager that answers the condition Issuing sets Issuing to False and, if it succeeded, adds one to the revision;
if it failed, it writes lastFailureTime.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from crds import CERT_MANAGER, custom_kinds
from kubectl_cluster import Cluster, Json, message_of, reason_of

from kubernaut_kubectl.certificates.renew import issuing_operations

READY: Json = {"type": "Ready", "status": "True"}
Certificate = Callable[..., str]


def test_the_condition_is_set_only_while_the_conditions_are_as_they_were_read() -> None:
    old = [READY, {"type": "Issuing", "status": "False", "reason": "Issued"}]
    operations = issuing_operations({"metadata": {"uid": "u", "generation": 3}, "status": {"conditions": old}})
    [uid, test, write] = operations

    assert (uid["value"], test["op"], test["value"]) == ("u", "test", old)
    assert [item["type"] for item in write["value"]] == ["Ready", "Issuing"]
    assert write["value"][1]["status"] == "True"
    assert write["value"][1]["observedGeneration"] == 3
    fresh = issuing_operations({"metadata": {"uid": "u"}})
    assert [item["path"] for item in fresh] == ["/metadata/uid", "/status", "/status/conditions", "/status/conditions"]


@pytest.mark.cluster
def test_a_cluster_without_cert_manager_is_told(cluster: Cluster) -> None:
    if "cert-manager.io" in cluster.kubectl("get", "crd", "--output=name"):
        pytest.skip("this cluster has cert-manager")
    refused = cluster.run("renew_certificate", certificate="any")
    assert reason_of(refused) == (3, "NoCertManager")
    assert message_of(refused).startswith("the cluster has no cert-manager")


@pytest.fixture(scope="class")
def _cert_manager(cluster: Cluster) -> Iterator[None]:
    """The kinds of cert-manager."""
    with custom_kinds(CERT_MANAGER) as played:
        if not played:
            pytest.skip("this cluster has a cert-manager of its own, which cannot be played")
        yield


@pytest.mark.cluster
@pytest.mark.usefixtures("_cert_manager")
class TestRenew:
    """A renewal."""

    @pytest.fixture
    def certificate(self, cluster: Cluster) -> Certificate:
        """Makes a Certificate that is valid until 2027, and its Issuer."""

        def make(*, issuer_ready: bool = True, **status: Any) -> str:
            name = f"tls-{uuid4().hex[:6]}"
            state = "True" if issuer_ready else "False"
            issuer = {"type": "Ready", "status": state, "message": "the account is not registered"}
            document: Json = {"apiVersion": "cert-manager.io/v1", "metadata": {"name": name}}
            cluster.make({**document, "kind": "Issuer"}, {**document, "kind": "Certificate", "spec": spec(name)})
            said(cluster, "issuer", name, conditions=[issuer])
            known = {"conditions": [READY], "revision": 1, "notAfter": "2027-01-01T00:00:00Z", **status}
            said(cluster, "certificate", name, **known)
            return name

        def spec(name: str) -> Json:
            return {"secretName": name, "issuerRef": {"name": name}}

        return make

    def test_it_is_ready_with_a_later_end(self, cluster: Cluster, certificate: Certificate) -> None:
        name = certificate()
        ended = self.run(cluster, name, revision=2, notAfter="2027-04-01T00:00:00Z", conditions=[READY])

        assert (ended.exit_code, ended.output) == (0, {"not_after": "2027-01-01T00:00:00Z"}), ended
        assert ended.change.before == {"revision": 1, "not_after": "2027-01-01T00:00:00Z"}

    def test_a_failure_is_told_at_once_with_its_reason(self, cluster: Cluster, certificate: Certificate) -> None:
        failed = {"type": "Issuing", "status": "False", "reason": "Failed", "message": "the challenge was not met"}
        ended = self.run(cluster, certificate(), lastFailureTime="2026-11-29T00:00:00Z", conditions=[READY, failed])
        assert reason_of(ended) == (4, "IssuingFailed")
        assert message_of(ended).endswith("could not be issued: Failed: the challenge was not met")

    def test_one_that_is_valid_no_longer_than_before(self, cluster: Cluster, certificate: Certificate) -> None:
        ended = self.run(cluster, certificate(), revision=2, conditions=[READY])
        assert reason_of(ended) == (4, "NotLater")

    @pytest.mark.slow
    def test_a_cert_manager_that_does_not_answer(self, cluster: Cluster, certificate: Certificate) -> None:
        name = certificate()
        ended = cluster.run("renew_certificate", certificate=name, minutes=1)
        issuing = cluster.get("certificate", name)["status"]["conditions"][1]

        assert ended.exit_code == 4
        assert "is being issued: Certificate re-issuance manually triggered by Kubernaut" in message_of(ended)
        assert (issuing["type"], issuing["status"], issuing["reason"]) == ("Issuing", "True", "ManuallyTriggered")

    def test_an_issuer_that_is_not_ready_or_not_there_is_refused(
        self, cluster: Cluster, certificate: Certificate
    ) -> None:
        broken, orphan = certificate(issuer_ready=False), certificate()
        cluster.delete("issuer", orphan)
        refused, missing = (cluster.run("renew_certificate", certificate=name) for name in (broken, orphan))
        nobody = cluster.run("renew_certificate", certificate="nobody")
        of_all = {"op": "replace", "path": "/spec/issuerRef", "value": {"name": orphan, "kind": "ClusterIssuer"}}
        cluster.patch("certificate", orphan, of_all)
        elsewhere = cluster.run("renew_certificate", certificate=orphan)

        assert reason_of(refused) == (3, "IssuerNotReady")
        assert message_of(refused).endswith("so it cannot be renewed: the account is not registered")
        assert reason_of(missing) == reason_of(elsewhere) == (3, "NoIssuer")
        assert f"ClusterIssuer {orphan} of Certificate {orphan} is not there" in message_of(elsewhere)
        assert reason_of(nobody) == (3, "NotFound")

    @staticmethod
    def run(cluster: Cluster, name: str, **status: Any) -> Any:
        """Renew, while cert-manager gives this answer to the first look after the condition was set."""
        return cluster.run_with(
            "renew_certificate",
            lambda argv: argv[1] == "get",
            4,
            lambda: said(cluster, "certificate", name, **status),
            certificate=name,
        )


def said(cluster: Cluster, kind: str, name: str, **status: Any) -> None:
    """Write an object's status as cert-manager would."""
    patch = json.dumps({"status": status})
    cluster.kubectl("patch", kind, name, "--subresource=status", "--type=merge", f"--patch={patch}")
