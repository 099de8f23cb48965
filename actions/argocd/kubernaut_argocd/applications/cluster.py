"""Applications through Kubernetes' own API, where a compare-and-swap is needed that Argo CD's API has not.

In a pod, the ServiceAccount is used; on a person's machine, the kubeconfig. No kubectl is needed.
"""

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from kubernaut_argocd._http import HttpApi, complaint
from kubernaut_sdk import Context, Failed, PreconditionFailed, Transient

__all__ = ["ApplicationCluster", "open_cluster"]

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_MANAGER = "kubernaut"
_RIGHTS = "a Role with applications.argoproj.io: get, patch, bound to the step's ServiceAccount"


class ApplicationCluster:
    """The Applications of a cluster."""

    def __init__(self, api: HttpApi) -> None:
        self._api = api

    def read(self, namespace: str, name: str) -> dict[str, Any]:
        """Return an Application.

        Raises:
            NotFound: if there is none of that name, or the cluster has no Argo CD.
        """
        return dict(self._api.call("GET", _path(namespace, name)).document)

    def patch(self, namespace: str, name: str, operations: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Apply a JSON patch (RFC 6902), and return the Application as the cluster keeps it.

        Raises:
            Transient: if a `test` fails, since somebody else changed it first.
        """
        reply = self._api.call(
            "PATCH",
            _path(namespace, name),
            list(operations),
            query={"fieldManager": _MANAGER},
            expected=(409, 422),
            content_type="application/json-patch+json",
        )
        if reply.status in {409, 422}:
            said = complaint(reply.document)
            if reply.status == 409 or "test" in said:
                raise Transient(f"Application {name} changed since it was read; it is planned anew.", reason="Conflict")
            raise Failed(f"the cluster refuses the patch of Application {name}: {said}.", reason="RequestRefused")
        return dict(reply.document)


def open_cluster(ctx: Context) -> ApplicationCluster:
    """Return the cluster of this pod, or of the kubeconfig's current context.

    Raises:
        PreconditionFailed: if there is neither.
    """
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    configured = os.environ.get("KUBECONFIG")
    file = Path(configured.split(os.pathsep)[0] if configured else "~/.kube/config").expanduser()
    if file.is_file():
        return ApplicationCluster(_from_kubeconfig(ctx, file))
    if host and (_ACCOUNT / "token").is_file():
        server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        token = (_ACCOUNT / "token").read_text().strip()
        ctx.mask(token)
        headers, whose = {"authorization": f"Bearer {token}"}, "the token of the step's ServiceAccount"
        api = HttpApi(ctx, "the cluster", server, headers, _RIGHTS, _ACCOUNT / "ca.crt", credential=whose)
        return ApplicationCluster(api)
    raise PreconditionFailed(
        "this runs in no pod with a ServiceAccount's token, and there is no kubeconfig (KUBECONFIG); name one.",
        reason="NoCluster",
    )


def _path(namespace: str, name: str) -> str:
    return f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/{name}"


def _from_kubeconfig(ctx: Context, file: Path) -> HttpApi:
    try:
        config = yaml.safe_load(file.read_text())
        current = _named(config, "contexts", config["current-context"])["context"]
        cluster = _named(config, "clusters", current["cluster"])["cluster"]
        user = _named(config, "users", current["user"])["user"]
        server = str(cluster["server"]).rstrip("/")
    except (OSError, yaml.YAMLError, KeyError, TypeError, StopIteration):
        raise PreconditionFailed(
            f"{file} is no kubeconfig with a current context, its cluster and its user.", reason="KubeconfigUnusable"
        ) from None
    authority = _file(ctx, file, cluster, "certificate-authority", "authority.crt")
    certificate, key = (_file(ctx, file, user, f"client-{part}", f"client.{part}") for part in ("certificate", "key"))
    token = user.get("token") or (Path(user["tokenFile"]).read_text().strip() if user.get("tokenFile") else "")
    if token:
        ctx.mask(token)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    identity = (certificate, key) if certificate and key else None
    whose = f"the user of the kubeconfig {file}"
    return HttpApi(ctx, f"the cluster at {server}", server, headers, _RIGHTS, authority, identity, whose)


def _named(config: dict[str, Any], part: str, name: str) -> dict[str, Any]:
    return next(item for item in config[part] if item["name"] == name)


def _file(ctx: Context, config: Path, part: dict[str, Any], field: str, name: str) -> Path | None:
    """Return the file that a field names, or a private copy of the data beside it."""
    if data := part.get(f"{field}-data"):
        path = ctx.workspace / f"kubernaut-{os.getpid()}-{name}"
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(data))
        return path
    return config.parent / str(part[field]) if part.get(field) else None
