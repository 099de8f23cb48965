"""A small Argo CD on loopback: its API server and, beside it, Kubernetes' API for the same Applications.

An operation goes on by one step with each look at the Application, so that tests need no time. Each call is kept, with
the fields that were sent and answered, for the contract tests (`test_argocd_contract.py`). As a program, for
conformance.yaml, it holds one Application, and prints or resets it:

    python3 argocd_standin.py PORT
"""

import copy
import json
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TOKEN = "argocd-token-4711"  # noqa: S105 – it opens nothing
OLD, NEW = "a" * 40, "b" * 40
BEGIN = "2026-01-01T00:00:00Z"
TEMPLATES = (
    "/api/v1/applications/{name}",
    "/api/v1/applications/{name}/sync",
    "/api/v1/applications/{name}/rollback",
    "/api/v1/applications/{name}/operation",
    "/api/v1/applications/{name}/syncwindows",
    "/api/v1/applications/{name}/manifests",
    "/api/v1/applications/{name}/resource",
    "/api/v1/applications/{name}/resource/actions",
    "/api/v1/applications/{name}/resource/actions/v2",
    "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/{name}",
)


@dataclass
class ArgoCall:
    """One call: the template of its path, the query, what was sent, what was answered."""

    method: str
    template: str
    query: dict[str, str]
    sent: Any
    status: int
    answered: Any


class ArgoFault(Exception):
    """An error, as the gateway of Argo CD writes it."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.document = status, {"error": message, "code": code, "message": message}


def an_application(name: str = "checkout", **spec: Any) -> dict[str, Any]:
    """Return an Application that is one commit behind, with two resources out of sync."""
    source = {
        "repoURL": "https://git.example.com/shop.git",
        "path": "checkout",
        "targetRevision": "main",
        "helm": {"parameters": [{"name": "replicas", "value": "6"}], "values": "password: never-shown\n"},
    }
    resources = [
        {"kind": "ConfigMap", "version": "v1", "namespace": "shop", "name": "settings", "status": "Synced"},
        {
            "group": "apps",
            "kind": "Deployment",
            "version": "v1",
            "namespace": "shop",
            "name": "checkout",
            "status": "OutOfSync",
            "health": {"status": "Healthy"},
        },
        {
            "kind": "Service",
            "version": "v1",
            "namespace": "shop",
            "name": "old",
            "status": "OutOfSync",
            "requiresPruning": True,
        },
    ]
    history = [
        {"id": 1, "revision": "9" * 40, "deployedAt": BEGIN, "source": source},
        {"id": 2, "revision": OLD, "deployedAt": BEGIN, "source": source},
    ]
    return {
        "metadata": {"name": name, "namespace": "argocd", "resourceVersion": "1"},
        "spec": {"project": "default", "source": source, **spec},
        "status": {
            "sync": {"status": "OutOfSync", "revision": NEW},
            "health": {"status": "Healthy"},
            "reconciledAt": BEGIN,
            "history": history,
            "resources": resources,
        },
    }


class ArgoStandin:
    """An Argo CD with its Applications.

    Attributes:
        apps: Name → Application.
        script: The phases that the next operation goes through, one a look; by default Running, then Succeeded.
        can_sync: False while a sync window forbids it.
        knows_enabled: False for an Argo CD before 3.1, whose cluster drops `automated.enabled`.
        has_v2: False for an Argo CD before 3.1, which lacks the second version of resource actions.
        hold: True while the controller stands still.
        overwrites: How many requests to end an operation are lost to a try that fails in that moment.
        before_patch: Called before a patch through Kubernetes, as somebody who comes first.
        live: Parts of the live resource that differ from a Deployment that is complete.
        manifests: Revision → the objects that git says there, each as JSON.
    """

    def __init__(self, port: int = 0) -> None:
        self.apps: dict[str, dict[str, Any]] = {"checkout": an_application()}
        self.calls: list[ArgoCall] = []
        self.script: list[str] = []
        self.can_sync, self.knows_enabled, self.has_v2, self.hold = True, True, True, False
        self.overwrites = 0
        self.before_patch: Callable[[], None] = lambda: None
        self.manifests: dict[str, list[str]] = {OLD: [], NEW: []}
        self.generation = 3
        self.live: dict[str, Any] = {}
        self.actions: list[dict[str, Any]] = [{"name": "restart"}, {"name": "resume", "disabled": True}]
        self._phases: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close_server(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def app(self, name: str = "checkout") -> dict[str, Any]:
        if name not in self.apps:
            raise ArgoFault(403, 7, "permission denied")
        return self.apps[name]

    def start(self, name: str, operation: dict[str, Any]) -> None:
        app = self.app(name)
        if app.get("operation"):
            raise ArgoFault(400, 9, "another operation is already in progress")
        app["operation"] = operation
        app["status"].pop("operationState", None)
        self._phases = list(self.script) or ["Running", "Succeeded"]

    def step(self, app: dict[str, Any]) -> None:
        """Let the operation go on by one phase."""
        operation = app.get("operation")
        if not operation or not self._phases or self.hold:
            return
        phase = self._phases.pop(0)
        state = {"phase": phase, "message": f"it is {phase}", "startedAt": BEGIN, "operation": operation}
        if phase == "Waiting":
            state |= {"phase": "Running", "finishedAt": BEGIN, "message": "one failed. Retrying attempt #1 at 3:04PM."}
        if phase in {"Succeeded", "Failed", "Error"}:
            state["finishedAt"] = BEGIN
            app.pop("operation")
            sync = operation["sync"]
            failed = [{"kind": "Deployment", "name": "checkout", "status": "SyncFailed", "message": "it is immutable"}]
            state["syncResult"] = {"revision": sync["revision"], "resources": failed if phase == "Failed" else []}
        app["status"]["operationState"] = state
        if phase == "Succeeded":
            self.deploy(app, operation)

    def deploy(self, app: dict[str, Any], operation: dict[str, Any]) -> None:
        """Apply the chosen resources; it is Synced only if nothing is left, and git says the same."""
        status, sync = app["status"], operation["sync"]
        chosen = {(item["kind"], item["name"]) for item in sync.get("resources") or ()}
        for item in list(status["resources"]):
            if chosen and (item["kind"], item["name"]) not in chosen:
                continue
            if not item.get("requiresPruning"):
                item["status"] = "Synced"
            elif sync.get("prune"):
                status["resources"].remove(item)
        left = any(item["status"] == "OutOfSync" for item in status["resources"])
        elsewhere = sync["revision"] != NEW or sync.get("source") is not None
        status["sync"] = {"status": "OutOfSync" if left or elsewhere else "Synced", "revision": NEW}
        ids = [entry["id"] for entry in status["history"]]
        entry = {
            "id": max(ids) + 1,
            "revision": sync["revision"],
            "deployedAt": BEGIN,
            "source": sync.get("source") or app["spec"]["source"],
        }
        status["history"].append(entry)

    def answer(self, method: str, path: str, query: dict[str, str], sent: Any) -> Any:
        name = re.sub(r".*/applications/([^/]+).*", r"\1", path)
        if path.startswith("/apis/"):
            return self._kubernetes(method, name, sent)
        app = self.app(name)
        match method, path.partition(f"/applications/{name}")[2]:
            case "GET", "":
                if query.get("refresh"):
                    app["status"]["reconciledAt"] = "2026-01-01T00:01:00Z"
                self.step(app)
                return app
            case "POST", "/sync":
                sync = {"revision": sent.get("revision") or NEW, "prune": sent.get("prune", False)}
                sync |= {"resources": sent.get("resources") or []}
                self.start(name, {"sync": sync, "info": sent["infos"], "initiatedBy": {"username": "kubernaut"}})
                return app
            case "POST", "/rollback":
                entry = next(item for item in app["status"]["history"] if item["id"] == sent["id"])
                sync = {"revision": entry["revision"], "source": entry["source"]}
                self.start(name, {"sync": sync, "initiatedBy": {"username": "kubernaut"}})
                return app
            case "DELETE", "/operation":
                if not app.get("operation"):
                    raise ArgoFault(400, 3, "Unable to terminate operation. No operation is in progress")
                lost, self.overwrites = self.overwrites > 0, max(self.overwrites - 1, 0)
                if not lost:
                    app["status"]["operationState"]["phase"] = "Terminating"
                    self._phases = ["Failed"]
                return {}
            case "GET", "/syncwindows":
                window = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h", "manualSync": False}
                windows = [] if self.can_sync else [window]
                return {"canSync": self.can_sync, "activeWindows": windows, "assignedWindows": windows}
            case "GET", "/manifests":
                return {"manifests": self.manifests[query["revision"]], "revision": query["revision"]}
            case "GET", "/resource":
                return {"manifest": json.dumps(self._deployment())}
            case "GET", "/resource/actions":
                return {"actions": self.actions}
            case "POST", "/resource/actions/v2" if self.has_v2:
                self.generation += 1
                return {}
            case "POST", "/resource/actions":
                self.generation += 1
                return {}
        raise ArgoFault(404, 5, f"Not Found: {method} {path}")

    def _deployment(self) -> dict[str, Any]:
        status = {"observedGeneration": self.generation, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
        name = {"name": "checkout", "generation": self.generation}
        return {"kind": "Deployment", "spec": {"replicas": 2}, "status": status, **self.live, "metadata": name}

    def _kubernetes(self, method: str, name: str, sent: Any) -> Any:
        if name not in self.apps:
            raise ArgoFault(404, 404, f'applications.argoproj.io "{name}" not found')
        if method == "PATCH":
            self.before_patch()
            patched = _patched(self.apps[name], sent)
            automated = (patched["spec"].get("syncPolicy") or {}).get("automated")
            if automated is not None and not self.knows_enabled:
                automated.pop("enabled", None)
            self.apps[name] = patched
        return self.apps[name]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        argo = self

        class _ArgoHandler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                sent = json.loads(self.rfile.read(length)) if length else None
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query))
                try:
                    argo.require_token(self.headers.get("authorization", ""))
                    argo.require_json(self.command, self.headers.get("content-type", ""))
                    if parts.path == "/standin":
                        argo.reset(query.get("spec"), query.get("state", ""))
                    status, document = (
                        200,
                        {**argo.apps, "generation": argo.generation}
                        if parts.path == "/standin"
                        else argo.answer(self.command, parts.path, query, sent),
                    )
                except ArgoFault as fault:
                    status, document = fault.status, fault.document
                template = next((text for text in TEMPLATES if _fits(text, parts.path)), parts.path)
                document = copy.deepcopy(document)
                argo.calls.append(ArgoCall(self.command, template, query, sent, status, document))
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 – the names that http.server calls

            def log_message(self, *_: Any) -> None:
                pass

        return _ArgoHandler

    def require_token(self, header: str) -> None:
        if TOKEN not in header:
            raise ArgoFault(401, 16, "invalid session: token has invalid claims: token is expired")

    def require_json(self, method: str, content_type: str) -> None:
        """Refuse a write that does not say that it is JSON, with a body or without."""
        if method in {"POST", "DELETE"} and content_type != "application/json":
            raise ArgoFault(415, 3, "Invalid content type")

    def reset(self, spec: str | None, state: str) -> None:
        """Begin anew, if a spec for the Application is given: synced, or running an operation that never ends."""
        if spec is None:
            return
        self.apps, self.generation = {"checkout": an_application(**json.loads(spec))}, 3
        if state == "synced":
            self.app()["status"] |= {"sync": {"status": "Synced", "revision": NEW}, "resources": []}
        if state == "running":
            self.start("checkout", {"sync": {"revision": OLD}, "initiatedBy": {"username": "alice"}})
            self.step(self.app())
            self._phases = []


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path) is not None


def _patched(document: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    document = copy.deepcopy(document)
    for operation in operations:
        *parents, last = [token.replace("~1", "/").replace("~0", "~") for token in operation["path"][1:].split("/")]
        at = document
        for token in parents:
            if token not in at:
                raise ArgoFault(422, 422, "the server rejected our request due to an error in our request")
            at = at[token]
        match operation["op"]:
            case "test" if at.get(last) != operation["value"]:
                raise ArgoFault(422, 422, "the server rejected our request due to an error in our request")
            case "add":
                at[last] = operation["value"]
            case "remove":
                at.pop(last)
    document["metadata"]["resourceVersion"] = str(int(document["metadata"]["resourceVersion"]) + 1)
    return document


if __name__ == "__main__":
    ArgoStandin(int(sys.argv[1]))
    threading.Event().wait()
