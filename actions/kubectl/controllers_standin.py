"""`kubectl proxy`, and what a kubelet, a storage driver and cert-manager would say of the objects of conformance.yaml.

Nothing runs in the pods, no disk grows, no key is signed. It stands in for them where an action waits for their answer,
and touches only objects with the label of the conformance tests.

python3 controllers_standin.py PORT
"""

import contextlib
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from cluster_api import MARK, MERGE, ClusterApi, Json, is_set

READY = {"type": "Ready", "status": "True"}
MINE = f"labelSelector={MARK}"


def answer_pod(pod: Json) -> Json | None:
    """Return the status of a pod that is not called Ready yet."""
    others = [item for item in pod["status"].get("conditions") or () if item["type"] != "Ready"]
    return None if is_set(pod, "Ready") else {"conditions": [*others, READY]}


def answer_claim(claim: Json) -> Json | None:
    """Return the status of a claim that is to be larger than it is."""
    wanted = claim["spec"]["resources"]["requests"]
    is_bound = claim["status"].get("phase") == "Bound"
    return {"capacity": wanted} if is_bound and claim["status"]["capacity"] != wanted else None


def answer_snapshot(snapshot: Json) -> Json | None:
    """Return the status of a snapshot that is not ready yet."""
    return None if snapshot.get("status", {}).get("readyToUse") else {"readyToUse": True}


def answer_issuer(issuer: Json) -> Json | None:
    """Return the status of an issuer that is not ready yet."""
    return None if is_set(issuer, "Ready") else {"conditions": [READY]}


def answer_certificate(certificate: Json) -> Json | None:
    """Return the status of a certificate that is to be issued, for the first time or again."""
    if is_set(certificate, "Ready") and not is_set(certificate, "Issuing"):
        return None
    revision = certificate.get("status", {}).get("revision", 0) + 1
    end = datetime.now(UTC) + timedelta(days=90 * revision)
    issued = {"type": "Issuing", "status": "False", "reason": "Issued"}
    return {"revision": revision, "notAfter": end.strftime("%Y-%m-%dT%H:%M:%SZ"), "conditions": [READY, issued]}


CONTROLLERS = [
    ("/api/v1", "pods", "labelSelector=kubernaut.io/conformance-replica", answer_pod),
    ("/api/v1", "persistentvolumeclaims", MINE, answer_claim),
    ("/apis/snapshot.storage.k8s.io/v1", "volumesnapshots", "", answer_snapshot),
    ("/apis/cert-manager.io/v1", "issuers", MINE, answer_issuer),
    ("/apis/cert-manager.io/v1", "certificates", MINE, answer_certificate),
]
"""The API of each kind, its plural, which objects, and the status that is to be written; None for none."""


def play(cluster: ClusterApi) -> None:
    """Answer every object that waits."""
    for api, plural, query, answer in CONTROLLERS:
        for found in cluster.items(f"{api}/{plural}?{query}"):
            where = found["metadata"]
            if where["namespace"].startswith("conform-") and (status := answer(found)) is not None:
                path = f"{api}/namespaces/{where['namespace']}/{plural}/{where['name']}/status"
                cluster.call("PATCH", path, {"status": status}, MERGE)


def main(port: str) -> None:
    """Serve until the proxy ends or this is told to stop."""
    proxy = subprocess.Popen(["kubectl", "proxy", f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        while proxy.poll() is None:
            with contextlib.suppress(OSError):  # the proxy begins, or an object is gone
                play(ClusterApi(f"http://127.0.0.1:{port}"))
            time.sleep(0.2)
    finally:
        proxy.terminate()
        proxy.wait()


if __name__ == "__main__":
    import signal

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main(sys.argv[1])
