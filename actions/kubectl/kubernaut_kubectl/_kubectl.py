"""The kubectl binary: reads as JSON, writes as JSON patches, failures as errors of the action contract."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl._errors import NO_SUCH_KIND, PATCH_TEST_FAILED, error_of, error_text
from kubernaut_sdk import Completed, Context, Failed, NotFound, Transient
from kubernaut_sdk.incluster import ServiceAccount, api_server

__all__ = ["MANAGER", "Name", "can_i", "get", "list_all", "patch"]

MANAGER = "kubernaut"
"""The field manager of our writes, in an object's `managedFields`."""

Name = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253, description="A name, as Kubernetes has them."),
]

_ACCOUNT = ServiceAccount()


def get(ctx: Context, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
    """Return one object, its managed fields included.

    Raises:
        NotFound: if there is no object of that name.
        PreconditionFailed: if it may not be read, or kubectl is not configured for the cluster.
        Transient: if the API server is out of reach.
    """
    options = ["--output=json", "--show-managed-fields"]
    found: dict[str, Any] = _run(ctx, "get", options, [kind, name], namespace).json()
    return found


def list_all(ctx: Context, kind: str, namespace: str, *, selector: str | None = None) -> list[dict[str, Any]]:
    """Return all objects of a kind in a namespace, or an empty list if the cluster lacks the kind; raises as `get`."""
    options = ["--output=json", *([f"--selector={selector}"] if selector else [])]
    try:
        found: list[dict[str, Any]] = _run(ctx, "get", options, [kind], namespace).json()["items"]
    except NotFound as error:
        if error.reason != NO_SUCH_KIND:
            raise
        return []
    return found


def patch(
    ctx: Context, kind: str, name: str, operations: Sequence[dict[str, Any]], namespace: str | None = None
) -> dict[str, Any]:
    """Apply a JSON patch (RFC 6902), and return the patched object.

    A `test` that fails means that somebody else changed the object first.

    Raises:
        Transient: if a `test` fails, so that the next attempt plans anew; otherwise raises as `get`.
    """
    # a pod template can be longer than an argument may be
    options = ["--type=json", "--patch-file=/dev/stdin", "--output=json", f"--field-manager={MANAGER}"]
    try:
        completed = _run(ctx, "patch", options, [kind, name], namespace, stdin=json.dumps(list(operations)))
    except Failed as error:
        if PATCH_TEST_FAILED in error.message:
            raise Transient(
                f"{kind} {name} changed since it was read; it is planned anew.", reason="Conflict"
            ) from None
        raise
    written: dict[str, Any] = completed.json()
    return written


def can_i(ctx: Context, permissions: Sequence[str], namespace: str | None) -> dict[str, str | None]:
    """Return for each permission None if it is held, otherwise what is wrong; for an action's `check`."""
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
            unknown = f"whether it may {verb} {what} is not known: {error_text(asked)}"
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
        raise error_of(completed, f"{verb} {' '.join(names)}" + (f" in {namespace}" if namespace else ""))
    return completed


def _connection(ctx: Context) -> list[str]:
    """Return kubectl's options for the time limit and, in a pod, for its ServiceAccount's cluster.

    kubectl finds the pod's cluster by itself only if no option configures anything, and the time limit counts as such.
    So the same configuration is written here. The kubeconfig names the token's file, and holds no secret.
    """
    timeout = f"--request-timeout={max(1, min(30, int(ctx.remaining())))}s"
    server = api_server()
    personal = "KUBECONFIG" in os.environ or Path("~/.kube/config").expanduser().is_file()
    if personal or server is None or not _ACCOUNT.mounted:
        return [timeout]
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
    return [timeout, f"--kubeconfig={file}"]
