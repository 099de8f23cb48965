"""The kubectl binary as this image's actions use it: reads as JSON, writes as JSON patches, errors by their meaning."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from kubernaut_sdk import ActionError, Completed, Context, Failed, NotFound, PreconditionFailed, Transient

__all__ = ["Name", "can_i", "get", "list_all", "patch"]

Name = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253, description="A name, as Kubernetes has them."),
]

_REASON = re.compile(r"Error from server \((\w+)\)")
_KLOG = re.compile(r"[EIWF]\d{4} ")
"""The start of a line that kubectl logs for its developers, beside what it says to its user."""
_MEANS: dict[str, type[ActionError]] = {
    "AlreadyExists": PreconditionFailed,
    "Conflict": Transient,
    "Forbidden": PreconditionFailed,
    "InternalError": Transient,
    "NotFound": NotFound,
    "ServerTimeout": Transient,
    "ServiceUnavailable": Transient,
    "Timeout": Transient,
    "TooManyRequests": Transient,
    "Unauthorized": PreconditionFailed,
}
"""What a reason of the API server (`metav1.StatusReason`) means."""

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_OUT_OF_REACH = (
    "The connection to the server",
    "connection refused",
    "connection reset",
    "etcdserver: leader changed",
    "i/o timeout",
    "no such host",
    "Service Unavailable",
    "TLS handshake timeout",
    "Unable to connect to the server",
    "unexpected EOF",
)
_DENIED = ("You must be logged in to the server", "(Unauthorized)", "error loading config file")
_TESTED = "the server rejected our request due to an error in our request"
"""How kubectl tells a JSON patch whose `test` did not hold: status 422 with no more words."""


def get(ctx: Context, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
    """One object.

    Raises:
        NotFound: if there is none of that name.
        PreconditionFailed: if it may not be read.
        Transient: if the API server is out of reach.
    """
    found: dict[str, Any] = _run(ctx, "get", ["--output=json"], [kind, name], namespace).json()
    return found


def list_all(ctx: Context, kind: str, namespace: str) -> list[dict[str, Any]]:
    """All objects of a kind in a namespace; errors as for `get`."""
    found: list[dict[str, Any]] = _run(ctx, "get", ["--output=json"], [kind], namespace).json()["items"]
    return found


def patch(
    ctx: Context, kind: str, name: str, operations: Sequence[dict[str, Any]], namespace: str | None = None
) -> None:
    """Applies a JSON patch (RFC 6902). A `test` that does not hold means that somebody else was first.

    Raises:
        Transient: if a `test` does not hold, so that the next attempt plans anew; and as for `get`.
    """
    options = ["--type=json", "--patch-file=/dev/stdin", "--output=name"]  # a pod template can exceed an argument
    try:
        _run(ctx, "patch", options, [kind, name], namespace, stdin=json.dumps(list(operations)))
    except Failed as error:
        if _TESTED in error.message:
            raise Transient(
                f"{kind} {name} changed since it was read; it is planned anew.", reason="Conflict"
            ) from None
        raise


def can_i(ctx: Context, permissions: Sequence[str], namespace: str | None) -> dict[str, str | None]:
    """For `check`: each permission, with what is wrong or None."""
    answers: dict[str, str | None] = {}
    for permission in permissions:
        resource, _, verbs = permission.partition(":")
        group, _, plural = resource.rpartition("/")
        for verb in (verb.strip() for verb in verbs.split(",")):
            what = f"{plural}.{group}" if group else plural
            where = [f"--namespace={namespace}"] if namespace else []
            words = ["kubectl", "auth", "can-i", *_connection(ctx), *where, "--", verb, what]
            asked = ctx.run(words, check=False)
            problems = {
                "yes": None,
                "no": f"the ServiceAccount may not {verb} {what}; bind it a Role with that rule.",
            }
            unknown = f"whether it may {verb} {what} is not known: {_said(asked)}"
            answers[f"permission {resource}: {verb}"] = problems.get(asked.stdout.strip().partition(" ")[0], unknown)
    return answers


def _run(
    ctx: Context,
    verb: str,
    options: Sequence[str],
    names: Sequence[str],
    namespace: str | None,
    *,
    stdin: str | None = None,
) -> Completed:
    where = [f"--namespace={namespace}"] if namespace else []
    argv = ["kubectl", verb, *_connection(ctx), *where, *options, "--", *names]
    completed = ctx.run(argv, stdin=stdin, check=False)
    if completed.exit_code != 0:
        raise _error(completed, f"{verb} {' '.join(names)}" + (f" in {namespace}" if namespace else ""))
    return completed


def _connection(ctx: Context) -> list[str]:
    """How long a request may take, and where to: in a pod, its ServiceAccount's cluster.

    kubectl finds that by itself only as long as nothing else is configured, and a time limit counts as configuration;
    so the same is spelt out here. The kubeconfig names the token's file, and holds no secret.
    """
    timeout = f"--request-timeout={max(1, min(30, int(ctx.remaining())))}s"
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    personal = "KUBECONFIG" in os.environ or Path("~/.kube/config").expanduser().is_file()
    if personal or not host or not (_ACCOUNT / "token").is_file():
        return [timeout]
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "pod", "cluster": {"server": server, "certificate-authority": str(_ACCOUNT / "ca.crt")}}],
        "users": [{"name": "pod", "user": {"tokenFile": str(_ACCOUNT / "token")}}],
        "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod"}}],
        "current-context": "pod",
    }
    file = ctx.workspace / f"kubeconfig-{os.getpid()}.json"
    file.write_text(json.dumps(kubeconfig))
    return [timeout, f"--kubeconfig={file}"]


def _error(completed: Completed, what: str) -> ActionError:
    reason = _REASON.search(completed.stderr)
    message = f"kubectl could not {what}: {_said(completed)}"
    if reason and reason[1] in _MEANS:
        return _MEANS[reason[1]](message, reason=reason[1])
    if any(sign in completed.stderr for sign in _DENIED):
        return PreconditionFailed(message, reason="Unauthorized")
    if any(sign in completed.stderr for sign in _OUT_OF_REACH):
        return Transient(message, reason="Unreachable")
    return Failed(message, reason="KubectlFailed")


def _said(completed: Completed) -> str:
    """What kubectl said, without the lines that its libraries log."""
    lines = [line for line in completed.stderr.splitlines() if line.strip() and not _KLOG.match(line)]
    return completed.mask(" / ".join(lines[-3:]))[:400] or completed.complaint()
