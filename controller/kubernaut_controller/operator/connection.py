"""How to reach the API server, for kopf and for writes: in a pod by its ServiceAccount, elsewhere by a kubeconfig."""

import os
from pathlib import Path
from typing import Any

import kopf

__all__ = ["connect"]

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def connect(settings: kopf.OperatorSettings, **_: Any) -> kopf.ConnectionInfo:
    """Reads the credentials that are valid now; called again when they were refused, since tokens rotate.

    Raises:
        kopf.LoginError: if there are none.
    """
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if host and (_ACCOUNT / "token").exists():
        # by address, as every client of Kubernetes' own does: it works before the cluster's DNS does
        return kopf.ConnectionInfo(
            server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
            ca_path=_ACCOUNT / "ca.crt",
            token=(_ACCOUNT / "token").read_text(encoding="utf-8").strip(),
        )
    found = kopf.login_with_kubeconfig(settings=settings)
    if found is None:
        raise kopf.LoginError("no ServiceAccount is mounted and no kubeconfig is found (KUBECONFIG, ~/.kube/config)")
    return found
