"""kubectl's connection to the API server: the time limit of a request and, in a pod, the ServiceAccount."""

import json
import os
from pathlib import Path

from kubernaut_sdk import Context
from kubernaut_sdk.incluster import ServiceAccount, api_server

__all__ = ["connection"]

_ACCOUNT = ServiceAccount()


def connection(ctx: Context, timeout: float | None = None) -> list[str]:
    """Return kubectl's options for the time limit and, in a pod, for its ServiceAccount's cluster.

    kubectl finds the pod's cluster by itself only if no option configures anything, and the time limit counts as such.
    So the same configuration is written here. The kubeconfig names the token's file, and holds no secret.

    Args:
        ctx: The context, for the time that is left and the folder of the kubeconfig.
        timeout: The seconds after which a request ends; by default 30, or what is left of the step's time.
    """
    limit = f"--request-timeout={int(timeout or max(1, min(30, ctx.remaining())))}s"
    server = api_server()
    personal = "KUBECONFIG" in os.environ or Path("~/.kube/config").expanduser().is_file()
    if personal or server is None or not _ACCOUNT.mounted:
        return [limit]
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "pod", "cluster": {"server": server, "certificate-authority": str(_ACCOUNT.ca_file)}}],
        "users": [{"name": "pod", "user": {"tokenFile": str(_ACCOUNT.token_file)}}],
        "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod"}}],
        "current-context": "pod",
    }
    file = ctx.workspace / f"kubeconfig-{os.getpid()}.json"
    file.write_text(json.dumps(kubeconfig))
    return [limit, f"--kubeconfig={file}"]
