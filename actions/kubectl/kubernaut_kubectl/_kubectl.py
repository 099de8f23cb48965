"""The kubectl binary as this image's actions use it: reads as JSON, writes as JSON patches, errors by their meaning."""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from kubernaut_sdk import ActionError, Completed, Context, Failed, NotFound, PreconditionFailed, Transient

__all__ = ["Name", "can_i", "get", "list_all", "patch"]

Name = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253, description="A name, as Kubernetes has them."),
]

_REASON = re.compile(r"Error from server \((\w+)\)")
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

_OUT_OF_REACH = (
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
_TESTED = ("the server rejected our request due to an error in our request", "testing value", "test failed")


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
    options = ["--type=json", f"--patch={json.dumps(list(operations))}", "--output=name"]
    try:
        _run(ctx, "patch", options, [kind, name], namespace)
    except Failed as error:
        if any(sign in error.message for sign in _TESTED):
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
            words = ["auth", "can-i", verb, what, *([f"--namespace={namespace}"] if namespace else [])]
            allowed = ctx.run(["kubectl", *words], check=False).stdout.strip() == "yes"
            problem = f"the ServiceAccount may not {verb} {what}; bind it a Role with that rule."
            answers[f"permission {resource}: {verb}"] = None if allowed else problem
    return answers


def _run(ctx: Context, verb: str, options: Sequence[str], names: Sequence[str], namespace: str | None) -> Completed:
    timeout = f"--request-timeout={max(1, min(30, int(ctx.remaining())))}s"
    where = [f"--namespace={namespace}"] if namespace else []
    completed = ctx.run(["kubectl", verb, timeout, *where, *options, "--", *names], check=False)
    if completed.exit_code != 0:
        raise _error(completed, f"{verb} {' '.join(names)}" + (f" in {namespace}" if namespace else ""))
    return completed


def _error(completed: Completed, what: str) -> ActionError:
    reason = _REASON.search(completed.stderr)
    message = f"kubectl could not {what}: {completed.complaint()}"
    if reason and reason[1] in _MEANS:
        return _MEANS[reason[1]](message, reason=reason[1])
    if any(sign in completed.stderr for sign in _OUT_OF_REACH):
        return Transient(message, reason="Unreachable")
    return Failed(message, reason="KubectlFailed")
