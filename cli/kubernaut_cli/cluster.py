"""The WorkflowExecutions of a cluster, reached with the kubeconfig that kubectl uses.

Its errors are sentences for the person who called the command. The kubernetes client is imported only where it is
used: it takes most of a second.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from kubernaut_sdk.errors import ActionError, InvalidInputs, NotFound, PreconditionFailed, Transient

__all__ = ["ClusterClient", "KubeconfigContext", "load_kubeconfig"]

Json = dict[str, Any]

GROUP, VERSION, PLURAL = "kubernaut.io", "v1alpha1", "workflowexecutions"
_KUBECONFIG = "~/.kube/config"
_TIMEOUT = (5, 30)
"""Seconds to connect, and for the answer."""


class KubeconfigContext(NamedTuple):
    """The context of a kubeconfig that is used: its name and its namespace."""

    context: str
    namespace: str


def load_kubeconfig(context: str | None) -> KubeconfigContext:
    """Let the kubernetes client use a context of the kubeconfig, and return it.

    Args:
        context: The context; None for the current one.

    Raises:
        PreconditionFailed: if there is no usable kubeconfig.
    """
    from kubernetes import config  # noqa: PLC0415 – it takes most of a second
    from yaml import YAMLError  # noqa: PLC0415 – by which the library reads it

    loader: Any = config  # the library has no types for this part
    file = os.environ.get("KUBECONFIG") or _KUBECONFIG  # the library reads the variable when it is imported
    try:
        contexts, current = loader.list_kube_config_contexts(file)
        loader.load_kube_config(file, context=context)
    except (loader.ConfigException, OSError, UnicodeDecodeError) as error:
        text = str(error).rstrip(".").removeprefix("Invalid kube-config file. ")
        why = "there is no such file; set KUBECONFIG to yours" if text == "No configuration found" else text
        raise _unusable(file, why) from None
    except YAMLError:
        raise _unusable(file, "it is not YAML") from None
    except (AttributeError, KeyError, TypeError, ValueError):  # of a document that has another form
        raise _unusable(file, "it does not have the form of a kubeconfig") from None
    chosen = next((item for item in contexts if item["name"] == context), current)
    return KubeconfigContext(chosen["name"], chosen["context"].get("namespace") or "default")


def _unusable(file: str, why: str) -> PreconditionFailed:
    return PreconditionFailed(f"kubeconfig: cannot be used: {file}: {why}.", reason="KubeconfigUnusable")


class ClusterClient:
    """A client of one namespace of the cluster of a kubeconfig's context.

    Args:
        context: The context of the kubeconfig; None for the current one.
        namespace: The namespace; None for that of the context.

    Raises:
        PreconditionFailed: if there is no usable kubeconfig.
    """

    def __init__(self, context: str | None, namespace: str | None) -> None:
        from kubernetes import client  # noqa: PLC0415 – it takes most of a second

        config = load_kubeconfig(context)
        self.namespace = namespace or config.namespace
        self._objects: Any = client.CustomObjectsApi()

    def create(self, document: Json) -> Json:
        """Create a WorkflowExecution and return it.

        Raises:
            ActionError: if the API server refuses it or does not answer; see `_error_of`.
        """
        name = document["metadata"]["name"]
        with _errors_as_sentences(self.namespace, name):
            created: Json = self._objects.create_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, document, _request_timeout=_TIMEOUT
            )
            return created

    def read(self, name: str) -> Json:
        """Return the WorkflowExecution of a name.

        Raises:
            ActionError: if it does not exist or cannot be read; see `_error_of`.
        """
        with _errors_as_sentences(self.namespace, name):
            workflow: Json = self._objects.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, name, _request_timeout=_TIMEOUT
            )
            return workflow

    def list_all(self, *, everywhere: bool = False) -> list[Json]:
        """Return all WorkflowExecutions of the namespace, or of the cluster with `everywhere`, newest first.

        Raises:
            ActionError: if they cannot be read; see `_error_of`.
        """
        with _errors_as_sentences(self.namespace, None):
            if everywhere:
                answer = self._objects.list_cluster_custom_object(GROUP, VERSION, PLURAL, _request_timeout=_TIMEOUT)
            else:
                answer = self._objects.list_namespaced_custom_object(
                    GROUP, VERSION, self.namespace, PLURAL, _request_timeout=_TIMEOUT
                )
        items: list[Json] = answer["items"]
        return sorted(items, key=lambda item: str(item["metadata"]["creationTimestamp"]), reverse=True)

    def cancel(self, name: str) -> Json:
        """Set `spec.cancel` of a WorkflowExecution and return it.

        Raises:
            ActionError: if it does not exist or may not be changed; see `_error_of`.
        """
        with _errors_as_sentences(self.namespace, name):
            patched: Json = self._objects.patch_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, name, {"spec": {"cancel": True}}, _request_timeout=_TIMEOUT
            )
            return patched


@contextmanager
def _errors_as_sentences(namespace: str, name: str | None) -> Iterator[None]:
    """Turn errors of the API server, and of the connection to it, into errors of the command."""
    from kubernetes.client import ApiException  # noqa: PLC0415 – see the module
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 – see the module

    place = f"{namespace}/{name}" if name else f"namespace {namespace}"
    try:
        yield
    except ApiException as error:
        raise _error_of(place, error) from None
    except HTTPError as error:
        message = f"the cluster: does not answer: {str(error)[:300].rstrip('.')}."
        raise Transient(message, reason="ClusterUnreachable") from None


def _error_of(place: str, error: Any) -> ActionError:
    """Return the error that an answer of the API server means."""
    try:
        status = json.loads(error.body)
        reason, message = status.get("reason", ""), str(status.get("message", "")).rstrip(".")
    except (TypeError, ValueError, AttributeError):
        reason, message = "", str(error.body or error.reason or "").strip()[:300]
    kind: type[ActionError] = PreconditionFailed
    match error.status:
        case 404 if reason != "NotFound":
            sentence = (
                "this cluster has no WorkflowExecutions; install them: kubectl apply --server-side "
                "-k controller/deploy (a clone's), or -f install.yaml (a release's)"
            )
        case 404 if "namespaces" in message:
            kind, sentence = NotFound, f"there is no such namespace: {message}"
        case 404:
            kind = NotFound
            sentence = "there is no WorkflowExecution of this name; `kubernaut status` lists those there are"
        case 409:
            sentence = "there is one of this name already; give this one another, or delete that one"
        case 401 | 403:
            sentence = f"you may not: {message or 'the API server does not know you'}"
        case status:
            kind = Transient if status == 429 or status >= 500 else InvalidInputs
            sentence = f"the API server refused it ({status}): {message}"
    return kind(f"{place}: {sentence}.")
