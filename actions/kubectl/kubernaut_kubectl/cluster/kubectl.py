"""The kubectl binary: reads as JSON, writes as JSON patches, failures as errors of the action contract."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any
from urllib.parse import quote, urlencode
from weakref import WeakKeyDictionary

from pydantic import Field

from kubernaut_kubectl.cluster.connection import connection
from kubernaut_kubectl.cluster.errors import NO_SUCH_KIND, PATCH_TEST_FAILED, error_of, error_text
from kubernaut_kubectl.cluster.patches import Operation
from kubernaut_kubectl.cluster.version import skew_caution
from kubernaut_sdk import Caution, Completed, Context, Failed, NotFound, PreconditionFailed, Transient
from kubernaut_sdk.permissions import parse_permission

__all__ = [
    "MANAGER",
    "Name",
    "can_i",
    "create",
    "create_raw",
    "delete_raw",
    "existing",
    "find",
    "get",
    "list_all",
    "patch",
    "patch_status",
    "pod_log",
    "previous_log",
    "take_read",
    "try_patch",
]

MANAGER = "kubernaut"
"""The field manager of our writes, in an object's `managedFields`."""

_READ: WeakKeyDictionary[Context, dict[tuple[str, str, str | None], dict[str, Any]]] = WeakKeyDictionary()

Name = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253, description="A name, as Kubernetes has them."),
]


def get(ctx: Context, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
    """Return one object, its managed fields included.

    Raises:
        NotFound: if there is no object of that name.
        PreconditionFailed: if it may not be read, or kubectl is not configured for the cluster.
        Transient: if the API server is out of reach.
    """
    options = ["--output=json", "--show-managed-fields"]
    found: dict[str, Any] = run(ctx, "get", options, [kind, name], namespace).json()
    _READ.setdefault(ctx, {})[kind, name, namespace] = found
    return found


def take_read(ctx: Context, kind: str, name: str, namespace: str | None) -> dict[str, Any] | None:
    """Return an object as `get` has read it last in this execution; None if it did not, or if it was taken since."""
    return _READ.get(ctx, {}).pop((kind, name, namespace), None)


def find(ctx: Context, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
    """Return one object, or None if it is not there; otherwise raises as `get`."""
    options = ["--output=json", "--show-managed-fields", "--ignore-not-found"]
    completed = run(ctx, "get", options, [kind, name], namespace)
    if not completed.stdout.strip():
        return None
    found: dict[str, Any] = completed.json()
    return found


def existing(ctx: Context, kind: str, names: Iterable[str], namespace: str | None = None) -> set[str]:
    """Return those of the names under which there is an object of a kind, by one kubectl; raises as `get`."""
    wanted = sorted(names)
    completed = run(ctx, "get", ["--output=name", "--ignore-not-found"], [kind, *wanted], namespace)
    return {line.partition("/")[2] for line in completed.stdout.split()}


def list_all(
    ctx: Context,
    kinds: str,
    namespace: str | None,
    *,
    selector: str | None = None,
    fields: str | None = None,
    everywhere: bool = False,
) -> list[dict[str, Any]]:
    """Return all objects of one or more kinds, read by one kubectl.

    Args:
        ctx: The context.
        kinds: The kind, or several separated by commas. Each item says its own kind.
        namespace: The namespace; None for kinds of the whole cluster.
        selector: A label selector.
        fields: A field selector.
        everywhere: True for the objects of all namespaces.

    Returns:
        The objects; an empty list if the cluster lacks the kind.

    Raises:
        PreconditionFailed: as `get`; also if only one of the kinds may not be read.
        Transient: as `get`.
    """
    options = ["--output=json", *(["--all-namespaces"] if everywhere else [])]
    options += [f"--selector={selector}"] if selector else []
    options += [f"--field-selector={fields}"] if fields else []
    try:
        found: list[dict[str, Any]] = run(ctx, "get", options, [kinds], namespace).json()["items"]
    except NotFound as error:
        if error.reason != NO_SUCH_KIND:
            raise
        return []
    return found


def patch(
    ctx: Context, kind: str, name: str, operations: Sequence[Operation], namespace: str | None = None
) -> dict[str, Any]:
    """Apply a JSON patch (RFC 6902), and return the patched object.

    A `test` that fails means that somebody else changed the object first.

    Raises:
        Transient: if a `test` fails, so that the next attempt plans anew; otherwise raises as `get`.
    """
    return _patch(ctx, [], kind, name, operations, namespace)


def patch_status(
    ctx: Context, kind: str, name: str, operations: Sequence[Operation], namespace: str | None = None
) -> dict[str, Any]:
    """Apply a JSON patch to an object's status, where that is how its controller is asked; raises as `patch`."""
    return _patch(ctx, ["--subresource=status"], kind, name, operations, namespace)


def try_patch(
    ctx: Context, kind: str, name: str, operations: Sequence[Operation], namespace: str | None = None
) -> dict[str, Any]:
    """Return the object as a patch would leave it, by a dry run of the API server: nothing is written.

    Raises:
        PreconditionFailed: if the API server, or an admission webhook, refuses the change; otherwise raises as `patch`.
    """
    try:
        return _patch(ctx, ["--dry-run=server"], kind, name, operations, namespace)
    except Failed as error:
        raise PreconditionFailed(error.message, reason="Refused") from None


def _patch(
    ctx: Context, more: list[str], kind: str, name: str, operations: Sequence[Operation], namespace: str | None
) -> dict[str, Any]:
    # a pod template can be longer than an argument may be
    options = ["--type=json", "--patch-file=/dev/stdin", "--output=json", "--show-managed-fields"]
    options += [f"--field-manager={MANAGER}", *more]
    try:
        completed = run(
            ctx, "patch", options, [kind, name], namespace, stdin=json.dumps(list(operations), ensure_ascii=False)
        )
    except Failed as error:
        if PATCH_TEST_FAILED in error.message:
            raise Transient(
                f"{kind} {name} changed since it was read; it is planned anew.", reason="Conflict"
            ) from None
        raise
    written: dict[str, Any] = completed.json()
    return written


def create(ctx: Context, path: str, body: dict[str, Any], what: str, *, dry_run: bool = False) -> dict[str, Any]:
    """Create an object, and return it.

    Args:
        ctx: The context.
        path: The path of its kind in the API, such as `/apis/batch/v1/namespaces/shop/jobs`.
        body: The object.
        what: The task, for the message: "kubectl could not {what}".
        dry_run: True to let the API server check it and write nothing.

    Raises:
        PreconditionFailed: if the name is taken, or nothing may be created; in a dry run also if the API server, an
            admission webhook or a quota refuses the object.
        Failed: if it is refused otherwise.
        Transient: if the API server is out of reach.
    """
    completed = create_raw(ctx, f"{path}?fieldManager={MANAGER}{'&dryRun=All' if dry_run else ''}", body, what)
    if completed.exit_code != 0:
        error = error_of(completed, what)
        raise PreconditionFailed(error.message, reason="Refused") if dry_run and type(error) is Failed else error
    made: dict[str, Any] = completed.json()
    return made


def create_raw(ctx: Context, path: str, body: dict[str, Any], what: str) -> Completed:
    """Send a POST request to a path of the API server, such as a pod's eviction, and return the ended kubectl.

    Args:
        ctx: The context.
        path: The path, with its query.
        body: The object.
        what: The task, for the message: "kubectl could not {what}".
    """
    return _raw(ctx, "create", path, body, what)


def delete_raw(
    ctx: Context, path: str, *, uid: str, version: str | None = None, dependents: str | None = None, what: str
) -> None:
    """Delete an object only if it still has this uid (and this resourceVersion).

    Args:
        ctx: The context.
        path: The object's path in the API.
        uid: Its uid.
        version: Its resourceVersion.
        dependents: Kubernetes' propagationPolicy for what it owns, such as `Background`; by default that of its kind.
        what: The task, for the message: "kubectl could not {what}".

    Raises:
        Transient: if the object of that name is another one by now, or was changed.
        NotFound: if it is gone.
    """
    preconditions = {"uid": uid, **({"resourceVersion": version} if version else {})}
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
    body |= {"propagationPolicy": dependents} if dependents else {}
    completed = _raw(ctx, "delete", path, body, what)
    if completed.exit_code != 0:
        raise error_of(completed, what)


def pod_log(
    ctx: Context, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False, **options: str
) -> str:
    """Return the last lines of a container's log, or an empty text if they cannot be read.

    Not by `kubectl logs`, which reads the pod first, and so takes a permission more.

    Args:
        ctx: The context.
        namespace: The pod's namespace.
        pod: The pod.
        container: The container.
        lines: The most lines.
        previous: True for the container's run before this one.
        options: More of the API's query parameters, such as `limitBytes`.
    """
    query = {"container": container, "tailLines": str(lines), **({"previous": "true"} if previous else {}), **options}
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/log?{urlencode(query)}"
    completed = ctx.run(["kubectl", "get", *connection(ctx), f"--raw={path}"], check=False)
    return completed.mask(completed.stdout.strip()) if completed.exit_code == 0 else ""


def previous_log(ctx: Context, namespace: str, pod: str, container: str, *, lines: int) -> str:
    """Return the last lines of a container's run before this one, or an empty text if they cannot be read."""
    return pod_log(ctx, namespace, pod, container, lines=lines, previous=True, limitBytes="4096")


def can_i(ctx: Context, permissions: Sequence[str], namespace: str | None) -> dict[str, str | None]:
    """Return for each permission None if it is held, otherwise what is wrong; for an action's `check`.

    kubectl's version is the first row: a Caution, if Kubernetes does not support it with this API server.
    """
    answers: dict[str, str | None] = {"kubectl version": _check_version(ctx)}
    for permission in map(parse_permission, permissions):
        if permission is None:
            continue
        for verb in permission.verbs:
            what = f"{permission.resource}.{permission.group}" if permission.group else permission.resource
            where = [f"--namespace={namespace}"] if namespace and not permission.cluster_wide else []
            part = [f"--subresource={permission.subresource}"] if permission.subresource else []
            words = ["kubectl", "auth", "can-i", *connection(ctx), *where, *part, "--", verb, what]
            asked = ctx.run(words, check=False)
            shown = f"{what}/{permission.subresource}" if permission.subresource else what
            missing = f"the ServiceAccount may not {verb} {shown}; bind it a Role with that rule."
            slower = Caution(f"{missing} Without it, a change is seen only after seconds.")
            problems = {"yes": None, "no": slower if verb == "watch" else missing}
            unknown = f"whether it may {verb} {shown} is not known: {error_text(asked)}"
            answer = asked.stdout.strip().partition(" ")[0]
            answers[f"permission {permission.name}: {verb}"] = problems.get(answer, unknown)
    return answers


def run(
    ctx: Context,
    verb: str,
    options: Sequence[str],
    names: Sequence[str],
    namespace: str | None,
    *,
    stdin: str | None = None,
) -> Completed:
    """Run kubectl with its connection's options, and return it if it succeeded.

    Raises:
        ActionError: if it fails; see `error_of`.
    """
    where = [f"--namespace={namespace}"] if namespace else []
    argv = ["kubectl", verb, *connection(ctx), *where, *options, "--", *names]
    completed = ctx.run(argv, stdin=stdin, check=False)
    if completed.exit_code != 0:
        raise error_of(completed, f"{verb} {' '.join(names)}" + (f" in {namespace}" if namespace else ""))
    return completed


def _raw(ctx: Context, verb: str, path: str, body: dict[str, Any], what: str) -> Completed:
    ctx.log.debug("%s", what)
    argv = ["kubectl", verb, *connection(ctx), f"--raw={path}", "--filename=-"]
    return ctx.run(argv, stdin=json.dumps(body), check=False)


def _check_version(ctx: Context) -> Caution | None:
    completed = ctx.run(["kubectl", "version", *connection(ctx), "--output=json"], check=False)
    if completed.exit_code != 0:
        return None  # the checks of the permissions say why
    caution = skew_caution(completed.json())
    return Caution(caution) if caution else None
