"""The API server and the ServiceAccount of the pod that this process runs in, as the kubelet gives them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ServiceAccount", "api_server"]


def api_server(env: Mapping[str, str] | None = None) -> str | None:
    """Return the API server's URL from the pod's environment; None outside a cluster.

    It is the address, not a name: as for Kubernetes' own clients, this works before the cluster's DNS does.
    """
    given = os.environ if env is None else env
    host, port = given.get("KUBERNETES_SERVICE_HOST"), given.get("KUBERNETES_SERVICE_PORT") or "443"
    if not host:
        return None
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


@dataclass(frozen=True)
class ServiceAccount:
    """The mounted credentials of a pod's ServiceAccount.

    Attributes:
        folder: Where they are mounted.
    """

    folder: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")

    @property
    def token_file(self) -> Path:
        """The file with the token, which the kubelet renews."""
        return self.folder / "token"

    @property
    def ca_file(self) -> Path:
        """The file with the certificate authority of the API server."""
        return self.folder / "ca.crt"

    @property
    def mounted(self) -> bool:
        """True if there is a token."""
        return self.token_file.is_file()

    def token(self) -> str:
        """Return the token that is valid now; read it for each connection.

        Raises:
            OSError: if it cannot be read.
        """
        return self.token_file.read_text(encoding="utf-8").strip()
