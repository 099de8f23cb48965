"""A cluster's WorkflowExecutions, by the kubeconfig that kubectl uses. Errors are sentences for the one who typed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernaut_controller import Fault, InvalidWorkflow

__all__ = ["ClusterClient"]

Json = dict[str, Any]

GROUP, VERSION, PLURAL = "kubernaut.io", "v1alpha1", "workflowexecutions"
_PATIENCE = (5, 30)


class ClusterClient:
    """The cluster of a kubeconfig's context.

    Args:
        context: Which context; the current one, where none is named.
        namespace: Which namespace; the context's, where none is named.

    Raises:
        InvalidWorkflow: if there is no usable kubeconfig.
    """

    def __init__(self, context: str | None, namespace: str | None) -> None:
        from kubernetes import client, config  # noqa: PLC0415 – it takes most of a second

        loader: Any = config  # of the library, this part has no types
        try:
            contexts, current = loader.list_kube_config_contexts()
            loader.load_kube_config(context=context)
        except loader.ConfigException as error:
            raise InvalidWorkflow([Fault("kubeconfig", f"cannot be used: {str(error).rstrip('.')}")]) from None
        chosen = next((item for item in contexts if item["name"] == context), current)
        self.namespace = namespace or chosen["context"].get("namespace") or "default"
        self._objects: Any = client.CustomObjectsApi()

    def create(self, document: Json) -> Json:
        """Creates a WorkflowExecution.

        Raises:
            InvalidWorkflow: if the API server refuses it, or does not answer.
        """
        name = document["metadata"]["name"]
        with _told(self.namespace, name):
            created: Json = self._objects.create_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, document, _request_timeout=_PATIENCE
            )
            return created

    def read(self, name: str) -> Json:
        """One WorkflowExecution.

        Raises:
            InvalidWorkflow: if there is none of that name, or it cannot be read.
        """
        with _told(self.namespace, name):
            workflow: Json = self._objects.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, name, _request_timeout=_PATIENCE
            )
            return workflow

    def list(self, *, everywhere: bool = False) -> list[Json]:
        """All of the namespace, or of the cluster, newest first.

        Raises:
            InvalidWorkflow: if they cannot be read.
        """
        with _told(self.namespace, None):
            if everywhere:
                answer = self._objects.list_cluster_custom_object(GROUP, VERSION, PLURAL, _request_timeout=_PATIENCE)
            else:
                answer = self._objects.list_namespaced_custom_object(
                    GROUP, VERSION, self.namespace, PLURAL, _request_timeout=_PATIENCE
                )
        items: list[Json] = answer["items"]
        return sorted(items, key=lambda item: str(item["metadata"]["creationTimestamp"]), reverse=True)

    def cancel(self, name: str) -> Json:
        """Sets `spec.cancel`.

        Raises:
            InvalidWorkflow: if there is none of that name, or it may not be changed.
        """
        with _told(self.namespace, name):
            patched: Json = self._objects.patch_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, name, {"spec": {"cancel": True}}, _request_timeout=_PATIENCE
            )
            return patched


@contextmanager
def _told(namespace: str, name: str | None) -> Iterator[None]:
    """Errors of the API server and of the way to it, in a sentence."""
    from kubernetes.client import ApiException  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    place = f"{namespace}/{name}" if name else f"namespace {namespace}"
    try:
        yield
    except ApiException as error:
        raise InvalidWorkflow([Fault(place, _sentence(error))]) from None
    except HTTPError as error:
        raise InvalidWorkflow([Fault("the cluster", f"does not answer: {str(error)[:300].rstrip('.')}")]) from None


def _sentence(error: Any) -> str:
    import json  # noqa: PLC0415

    try:
        status = json.loads(error.body)
        reason, message = status.get("reason", ""), str(status.get("message", "")).rstrip(".")
    except (TypeError, ValueError, AttributeError):
        reason, message = "", str(error.body or error.reason or "").strip()[:300]
    if error.status == 404 and reason != "NotFound":
        return "this cluster has no WorkflowExecutions; install them: kubectl apply -k controller/deploy"
    if error.status == 404 and "namespaces" in message:
        return f"there is no such namespace: {message}"
    if error.status == 404:
        return "there is no WorkflowExecution of this name; `kubernaut status` lists those there are"
    if error.status == 409:
        return "there is one of this name already; give this one another, or delete that one"
    if error.status in {401, 403}:
        return f"you may not: {message or 'the API server does not know you'}"
    return f"the API server refused it ({error.status}): {message}"
