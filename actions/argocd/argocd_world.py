"""Set up the Argo CD that conformance.yaml uses, or print its state.

python3 argocd_world.py setup PORT FOLDER [SPEC [running|synced]]   FOLDER gets a kubeconfig
python3 argocd_world.py state PORT
"""

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from argocd_standin import TOKEN

verb, port, *rest = sys.argv[1:]


def call(path: str, body: Any = None) -> Any:
    """Call the stand-in for Argo CD, and return its answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": f"Bearer {TOKEN}", "content-type": "application/json"},
        method="GET" if body is None else "POST",
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 – on this machine
        return json.load(answer)


if verb == "state":
    standin = call("/standin")
    state = standin["checkout"]
    shown = {key: state["status"].get(key) for key in ("sync", "reconciledAt", "history")}
    print(json.dumps([state["spec"], shown, state.get("operation"), standin["generation"]], sort_keys=True))
else:
    folder, spec, begin = (rest + ["{}", ""][len(rest) - 1 :])[:3]
    call(f"/standin?spec={quote(spec)}&state={begin}")
    kubeconfig = {
        "current-context": "standin",
        "contexts": [{"name": "standin", "context": {"cluster": "standin", "user": "standin"}}],
        "clusters": [{"name": "standin", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "standin", "user": {"token": TOKEN}}],
    }
    (Path(folder) / "kubeconfig").write_text(json.dumps(kubeconfig))
