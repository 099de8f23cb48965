"""`kubectl proxy` with a kubelet's word: every pod of the conformance tests' ReplicaSets is called Ready.

Nothing runs in them; no node takes them. It stands in for the kubelet where an action waits for a new pod.

python3 kubelet_standin.py PORT
"""

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from typing import Any

READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def api(url: str, path: str, body: Any = None) -> Any:
    """Return what the API server answers to a GET, or to a patch with this body."""
    data, method = (None, "GET") if body is None else (json.dumps(body).encode(), "PATCH")
    headers = {"content-type": "application/strategic-merge-patch+json"}
    request = urllib.request.Request(url + path, data, headers, method=method)  # noqa: S310 – kubectl proxy
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 – on loopback
        return json.load(answer)


def is_ready(pod: dict[str, Any]) -> bool:
    """Return True if the pod is called Ready already."""
    conditions = pod["status"].get("conditions", ())
    return any((item["type"], item["status"]) == ("Ready", "True") for item in conditions)


def main(port: str) -> None:
    """Serve until the proxy ends or this is told to stop."""
    url = f"http://127.0.0.1:{port}"
    proxy = subprocess.Popen(["kubectl", "proxy", f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        while proxy.poll() is None:
            with contextlib.suppress(OSError):  # the proxy begins, or a pod is gone
                for pod in api(url, "/api/v1/pods?labelSelector=kubernaut.io/conformance-replica")["items"]:
                    where = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/status"
                    if not is_ready(pod):
                        api(url, where, READY)
            time.sleep(0.2)
    finally:
        proxy.terminate()
        proxy.wait()


if __name__ == "__main__":
    import signal

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main(sys.argv[1])
