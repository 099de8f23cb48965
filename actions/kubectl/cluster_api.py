"""The API server through `kubectl proxy`, for the programs that conformance.yaml names."""

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

__all__ = ["MARK", "MERGE", "ClusterApi", "Json", "ObjectMaker", "ScenarioWorld", "is_set"]

MARK = "kubernaut.io/conformance"
"""The label, with the namespace's name, of what is deleted with a scenario."""
MERGE = "application/merge-patch+json"

Json = dict[str, Any]


class ClusterApi:
    """The API server.

    Args:
        url: The address of the proxy.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Send a request, and return the response."""
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self._url + path, data, {"content-type": kind}, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 – kubectl proxy, on loopback
            return json.load(answer)

    def items(self, path: str) -> list[Json]:
        """Return the objects of a list; none if the cluster lacks the kind."""
        try:
            found: list[Json] = self.call("GET", path)["items"]
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return []
        return found

    def wait_until(self, path: str, reached: Callable[[Json], bool], what: str) -> Json:
        """Wait until an object, or a list, is as its controller will make it, and return it."""
        for _ in range(300):
            found: Json = self.call("GET", path)
            if reached(found):
                return found
            time.sleep(0.1)
        sys.exit(f"{path} has not come to {what} within 30 s")


class ScenarioWorld(ClusterApi):
    """The objects of one scenario.

    Args:
        url: The address of the proxy.
        name: The scenario's namespace, and the value of the label on all its objects.

    Attributes:
        core, apps, batch, budgets, autoscalers: The paths of its kinds in the API.
    """

    def __init__(self, url: str, name: str) -> None:
        super().__init__(url)
        self.name = name
        self.core = f"/api/v1/namespaces/{name}"
        self.apps = f"/apis/apps/v1/namespaces/{name}"
        self.batch = f"/apis/batch/v1/namespaces/{name}"
        self.budgets = f"/apis/policy/v1/namespaces/{name}/poddisruptionbudgets"
        self.autoscalers = f"/apis/autoscaling/v2/namespaces/{name}/horizontalpodautoscalers"

    def make(self, path: str, document: Json, *, shared: bool = False) -> Json:
        """Create an object with the label, and return it; one that is shared may be there already."""
        metadata = document["metadata"]
        labelled = {**metadata, "labels": {**metadata.get("labels", {}), MARK: self.name}}
        try:
            made: Json = self.call("POST", path, {**document, "metadata": labelled})
        except urllib.error.HTTPError as error:
            if error.code != 409 or not shared:
                raise
            return {}
        return made


ObjectMaker = Callable[[ScenarioWorld, str], str | None]
"""Makes an object by this name, and returns the name that it has instead, if it has another."""


def is_set(found: Json, kind: str) -> bool:
    """Return True if an object has this condition."""
    conditions = found.get("status", {}).get("conditions") or ()
    return any((item["type"], item["status"]) == (kind, "True") for item in conditions)
