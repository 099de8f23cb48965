"""kubectl's version, and the distance from the API server's that Kubernetes supports: one minor version.

https://kubernetes.io/releases/version-skew-policy/#kubectl
"""

import json
import re
import subprocess
from typing import Any

__all__ = ["client_version", "skew_caution"]

_MINOR = re.compile(r"v?(\d+)\.(\d+)")
SUPPORTED = 1
"""The minor versions by which kubectl may be older or newer than the API server."""


def client_version() -> str | None:
    """Return the version of the kubectl on PATH, such as `v1.33.1`; None if there is none."""
    argv = ["kubectl", "version", "--client", "--output=json"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True)
        return str(json.loads(done.stdout)["clientVersion"]["gitVersion"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None


def skew_caution(versions: dict[str, Any]) -> str | None:
    """Return a sentence if kubectl is too old or too new for the API server, from `kubectl version --output=json`."""
    client, server = (
        str((versions.get(name) or {}).get("gitVersion", "")) for name in ("clientVersion", "serverVersion")
    )
    ours, theirs = _MINOR.match(client), _MINOR.match(server)
    if ours is None or theirs is None:
        return None
    apart = int(ours[2]) - int(theirs[2])
    if ours[1] == theirs[1] and abs(apart) <= SUPPORTED:
        return None
    age = "older" if apart < 0 else "newer"
    return (
        f"kubectl {client} is {abs(apart)} minor versions {age} than the API server {server}; Kubernetes supports one. "
        f"Use an image whose kubectl is nearer."
    )
