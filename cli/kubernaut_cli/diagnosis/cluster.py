"""The checks of a cluster: reachable, Tekton, the controller, and what a namespace needs to run workflows."""

from collections.abc import Iterator
from typing import Any

from kubernaut_cli.cluster import GROUP, PLURAL, VERSION, load_kubeconfig
from kubernaut_cli.diagnosis.check import DoctorCheck, Health
from kubernaut_sdk.errors import PreconditionFailed
from kubernaut_sdk.portable import shorten

__all__ = ["check_cluster"]

SYSTEM = "kubernaut-system"
TASK = "kubernaut-action"
_TIMEOUT = (3, 10)
"""Seconds to connect, and for the answer."""


def check_cluster(context: str | None, namespace: str | None) -> Iterator[DoctorCheck]:
    """Yield the checks of a kubeconfig's cluster; only the first where it cannot be used.

    Args:
        context: The context of the kubeconfig; None for the current one.
        namespace: The namespace that is to run workflows; None for that of the context.
    """
    try:
        config = load_kubeconfig(context)
    except PreconditionFailed as error:
        yield DoctorCheck("kubeconfig", Health.NOTE, f"{error.message.rstrip('.')}; only commands of a cluster need it")
        return
    chosen = namespace or config.namespace
    yield DoctorCheck("kubeconfig", Health.OK, f"context {config.context}, namespace {chosen}")
    from kubernetes import client  # noqa: PLC0415 – it takes most of a second

    connection = client.ApiClient()
    try:
        yield from _check_parts(client, connection, chosen)
    finally:
        connection.rest_client.pool_manager.clear()


def _check_parts(client: Any, connection: Any, namespace: str) -> Iterator[DoctorCheck]:
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 – it belongs to the client

    objects, core = client.CustomObjectsApi(connection), client.CoreV1Api(connection)
    try:
        found = client.VersionApi(connection).get_code(_request_timeout=_TIMEOUT)
    except (client.ApiException, HTTPError) as error:
        reason = shorten(str(getattr(error, "reason", None) or error), 200).rstrip(".")
        yield DoctorCheck("cluster", Health.FAULT, f"does not answer: {reason}; look at the kubeconfig's server")
        return
    yield DoctorCheck("cluster", Health.OK, f"Kubernetes {found.git_version}")
    yield _tekton(objects, core)
    yield _resources(objects, namespace)
    yield _controller(client.AppsV1Api(connection))
    yield _task(objects, namespace)
    yield _destination(core, namespace)


def _tekton(objects: Any, core: Any) -> DoctorCheck:
    status, _ = _answer(lambda: objects.list_cluster_custom_object("tekton.dev", "v1", "tasks", limit=1, **_WITHIN))
    if status == 404:
        return DoctorCheck(
            "tekton", Health.FAULT, "this cluster has no tekton.dev/v1; install Tekton Pipelines 1.0 or newer"
        )
    _, info = _answer(lambda: core.read_namespaced_config_map("pipelines-info", "tekton-pipelines", **_WITHIN))
    shown = (info.data or {}).get("version") if info is not None else None
    return DoctorCheck("tekton", Health.OK, f"Pipelines {shown or 'of a version that you may not read'}")


def _resources(objects: Any, namespace: str) -> DoctorCheck:
    status, _ = _answer(
        lambda: objects.list_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, limit=1, **_WITHIN)
    )
    if status == 404:
        message = (
            "this cluster has none; install them: kubectl apply --server-side -k controller/deploy (a clone's), "
            "or -f install.yaml (a release's)"
        )
        return DoctorCheck("workflows", Health.FAULT, message)
    if status in {401, 403}:
        return DoctorCheck("workflows", Health.FAULT, f"you may not list WorkflowExecutions in {namespace}; ask for it")
    return DoctorCheck("workflows", Health.OK, f"you may list WorkflowExecutions in {namespace}")


def _controller(deployments: Any) -> DoctorCheck:
    status, found = _answer(lambda: deployments.read_namespaced_deployment("kubernaut-controller", SYSTEM, **_WITHIN))
    if found is None and status == 404:
        message = (
            f"there is no Deployment kubernaut-controller in {SYSTEM}; nothing runs workflows, unless it is elsewhere"
        )
        return DoctorCheck("controller", Health.FAULT, message)
    if found is None:
        return DoctorCheck("controller", Health.NOTE, f"you may not look into {SYSTEM}; ask who may")
    image = found.spec.template.spec.containers[0].image
    ready, wanted = found.status.ready_replicas or 0, found.spec.replicas
    if not ready:
        why = f"kubectl describe deployment kubernaut-controller --namespace {SYSTEM}"
        return DoctorCheck("controller", Health.FAULT, f"0 of {wanted} replicas are ready ({image}); see `{why}`")
    return DoctorCheck("controller", Health.OK, f"{ready} of {wanted} replicas are ready, {image}")


def _task(objects: Any, namespace: str) -> DoctorCheck:
    status, found = _answer(
        lambda: objects.get_namespaced_custom_object("tekton.dev", "v1", namespace, "tasks", TASK, **_WITHIN)
    )
    if found is not None:
        shown = found["metadata"].get("labels", {}).get("app.kubernetes.io/version", "of an unknown version")
        return DoctorCheck("task", Health.OK, f"{TASK} {shown} is in {namespace}")
    if status == 404:
        message = (
            f"{namespace} has no Task {TASK}; `kubectl apply --namespace {namespace} -k "
            f"tekton/catalog/task/kubernaut-action/0.1` (a clone's), or -f kubernaut-action.yaml of a release's "
            f"catalog.tar.gz; not needed where the controller has --task-namespace or --task-bundle"
        )
        return DoctorCheck("task", Health.FAULT, message)
    return DoctorCheck("task", Health.NOTE, f"you may not read Tasks in {namespace}; ask who may")


def _destination(core: Any, namespace: str) -> DoctorCheck:
    status, found = _answer(lambda: core.read_namespaced_config_map("kubernaut-data-storage", namespace, **_WITHIN))
    if found is not None:
        data = found.data or {}
        policy = data.get("policy", "best-effort")
        return DoctorCheck(
            "destination", Health.OK, f"steps in {namespace} send records to {data.get('url')} ({policy})"
        )
    if status == 404:
        message = (
            f"{namespace} has no ConfigMap kubernaut-data-storage, so its steps send no records; `kubectl create "
            f"configmap kubernaut-data-storage --namespace {namespace} --from-literal=url="
            f"http://kubernaut-data-storage.kubernaut-system.svc:8080` for the one beside the controller"
        )
        return DoctorCheck("destination", Health.NOTE, message)
    return DoctorCheck("destination", Health.NOTE, f"you may not read ConfigMaps in {namespace}; ask who may")


_WITHIN: dict[str, Any] = {"_request_timeout": _TIMEOUT}


def _answer(request: Any) -> tuple[int | None, Any]:
    """Return the status of a refusal (None for an answer, 0 where there is none) and the answer."""
    from kubernetes.client import ApiException  # noqa: PLC0415 – see above
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 – see above

    try:
        return None, request()
    except ApiException as error:
        return error.status, None
    except HTTPError:
        return 0, None
