"""A small API server on loopback: list, watch, create, replace, patch; a status is checked against its schema.

For what a real one is too slow to be asked a hundred times. It keeps what it is given, to the byte where it is given
bytes (`raw`), so that a list may hold what a real API server would hold for other clients than ours.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from kubernaut_controller.crd import custom_resource_definitions

Json = dict[str, Any]
Place = tuple[str, str, str]
"""Plural, namespace and name."""

_KINDS = {
    "workflowexecutions": ("kubernaut.io/v1alpha1", "WorkflowExecution"),
    "remediationrequests": ("kubernaut.io/v1alpha1", "RemediationRequest"),
    "pipelineruns": ("tekton.dev/v1", "PipelineRun"),
    "taskruns": ("tekton.dev/v1", "TaskRun"),
    "pods": ("v1", "Pod"),
    "events": ("v1", "Event"),
    "namespaces": ("v1", "Namespace"),
    "leases": ("coordination.k8s.io/v1", "Lease"),
    "customresourcedefinitions": ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    "subjectaccessreviews": ("authorization.k8s.io/v1", "SubjectAccessReview"),
}
_TYPES: dict[str, Any] = {
    "string": str,
    "object": dict,
    "array": list,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class SmallServer:
    """The objects of the server, and its watchers.

    Attributes:
        raw: The text of an object in lists and watches, where it is not what JSON makes of the object.
        logs: Pod → what its container wrote.
        grants: (group, namespace) of those who may lock what is not theirs.
        refused: The statuses that were refused, with the reason.
        hanging: The namespaces whose lists are never answered.
    """

    def __init__(self) -> None:
        self.objects: dict[Place, Json] = {}
        self.raw: dict[Place, str] = {}
        self.logs: dict[str, str] = {}
        self.grants: set[tuple[str, str]] = set()
        self.refused: list[str] = []
        self.hanging: set[str] = set()
        self.version = 0
        self._watchers: list[tuple[str, asyncio.Queue[tuple[Json, str]]]] = []
        self._schemas = {
            one["spec"]["names"]["plural"]: one["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
            for one in custom_resource_definitions().values()
        }

    def put(self, plural: str, document: Json, type_: str = "ADDED", raw: str | None = None) -> Json:
        """Store an object as if somebody had written it, and send it to the watchers."""
        self.version += 1
        metadata = document["metadata"]
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("generation", 1)
        metadata.setdefault("creationTimestamp", stamp())
        metadata["resourceVersion"] = str(self.version)
        version, kind = _KINDS[plural]
        document = {"apiVersion": version, "kind": kind, **document}
        place = plural, metadata.get("namespace", ""), metadata["name"]
        if type_ == "DELETED":
            self.objects.pop(place, None)
        else:
            self.objects[place] = document
        if raw is not None:
            self.raw[place] = raw
        for watched, queue in self._watchers:
            if watched == plural:
                queue.put_nowait((document, type_))
        return document

    def get(self, plural: str, namespace: str, name: str) -> Json | None:
        return self.objects.get((plural, namespace, name))

    def of(self, plural: str, namespace: str | None = None) -> list[Json]:
        return [one for (kind, where, _), one in self.objects.items() if kind == plural and namespace in {None, where}]

    # HTTP

    async def handle(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        if parts in (["api"], ["version"]):
            return web.json_response({"versions": ["v1"], "major": "1", "minor": "35"})
        if parts == ["apis"]:
            return web.json_response({"groups": [_group(version) for version in {one for one, _ in _KINDS.values()}]})
        version, rest = ("v1", parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
        if not rest:
            return web.json_response({"groupVersion": version, "resources": _resources(version)})
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        plural, name, part = (*rest, "", "")[:3]
        if request.method == "GET" and not name:
            watch = self._watch if request.query.get("watch") else self._list
            return await watch(request, plural, namespace)
        if part == "log":
            return web.Response(text=self.logs.get(name, ""))
        return self._one(request.method, (plural, namespace, name), part, await request.read())

    async def _list(self, request: web.Request, plural: str, namespace: str) -> web.Response:
        if namespace in self.hanging:
            await asyncio.Event().wait()
        items = [self._text(one) for one in self.of(plural, namespace or None) if _fits(one, request)]
        version, kind = _KINDS[plural]
        head = json.dumps(
            {"apiVersion": version, "kind": f"{kind}List", "metadata": {"resourceVersion": f"{self.version}"}}
        )
        return web.Response(text=f'{head[:-1]}, "items": [{",".join(items)}]}}', content_type="application/json")

    async def _watch(self, request: web.Request, plural: str, namespace: str) -> web.StreamResponse:
        response, queue = web.StreamResponse(), asyncio.Queue[tuple[Json, str]]()
        since = int(request.query.get("resourceVersion") or 0)
        for one in self.of(plural):
            if int(one["metadata"]["resourceVersion"]) > since:
                queue.put_nowait((one, "ADDED"))
        self._watchers.append((plural, queue))
        await response.prepare(request)
        try:
            while not request.transport or not request.transport.is_closing():
                document, type_ = await queue.get()
                if _fits(document, request) and namespace in {"", document["metadata"].get("namespace")}:
                    line = f'{{"type": "{type_}", "object": {self._text(document)}}}\n'
                    await response.write(line.encode("utf-8", "surrogatepass"))
        finally:
            self._watchers.remove((plural, queue))
        return response

    def _one(  # noqa: PLR0911 – one case a method
        self, method: str, place: Place, part: str, text: bytes
    ) -> web.Response:
        plural, namespace, name = place
        body = json.loads(text or b"{}")
        if method == "POST":
            return self._create(plural, namespace, body)
        known = self.objects.get(place)
        if known is None:
            return _refusal(404, "NotFound", f"{plural} {name} not found")
        if method == "GET":
            return web.Response(text=self._text(known), content_type="application/json")
        if method == "PUT":
            return self._replace(plural, known, body, part)
        if method == "PATCH":
            changed = _merged(known, body)
            gone = changed["metadata"].get("deletionTimestamp") and not changed["metadata"].get("finalizers")
            return web.json_response(self.put(plural, changed, "DELETED" if gone else "MODIFIED"))
        if known["metadata"].get("finalizers"):
            ending = {**known, "metadata": {**known["metadata"], "deletionTimestamp": stamp()}}
            return web.json_response(self.put(plural, ending, "MODIFIED"))
        return web.json_response(self.put(plural, known, "DELETED"))

    def _create(self, plural: str, namespace: str, body: Json) -> web.Response:
        if plural == "subjectaccessreviews":
            asked = body["spec"]
            allowed = (asked["groups"][0], asked["resourceAttributes"]["namespace"]) in self.grants
            return web.json_response({**body, "status": {"allowed": allowed}}, status=201)
        if (plural, namespace, body["metadata"]["name"]) in self.objects:
            return _refusal(409, "AlreadyExists", "it is there already")
        body["metadata"] |= {"namespace": namespace}
        return web.json_response(self.put(plural, body), status=201)

    def _replace(self, plural: str, known: Json, body: Json, part: str) -> web.Response:
        if body["metadata"].get("resourceVersion") not in {None, known["metadata"]["resourceVersion"]}:
            return _refusal(409, "Conflict", "the object has been modified")
        if part == "status":
            fault = _fault(self._schemas[plural]["status"], body["status"], "status")
            if fault:
                self.refused.append(fault)
                return _refusal(422, "Invalid", fault)
            changed = {**known, "status": body["status"]}
        else:
            changed = {**known, **body, "metadata": {**known["metadata"], **body["metadata"]}}
        return web.json_response(self.put(plural, {**changed, "metadata": dict(changed["metadata"])}, "MODIFIED"))

    def _text(self, document: Json) -> str:
        """Return an object as it is sent: its raw text, with later changes of its metadata and status."""
        plural = next(name for name, (_, kind) in _KINDS.items() if kind == document["kind"])
        raw = self.raw.get((plural, document["metadata"].get("namespace", ""), document["metadata"]["name"]))
        if raw is None:
            return json.dumps(document)
        return json.dumps({**document, "spec": "RAW"}).replace('"RAW"', raw)


def _group(version: str) -> Json:
    name, _, short = version.rpartition("/")
    one = {"groupVersion": version, "version": short}
    return {"name": name, "preferredVersion": one, "versions": [one]}


def _resources(version: str) -> list[Json]:
    verbs = ["get", "list", "watch", "create", "update", "patch", "delete"]
    return [
        {
            "name": plural + part,
            "singularName": kind.lower(),
            "kind": kind,
            "namespaced": plural not in {"namespaces", "customresourcedefinitions", "subjectaccessreviews"},
            "verbs": verbs,
        }
        for plural, (where, kind) in _KINDS.items()
        if where == version
        for part in ("", "/status")
    ]


def _fits(document: Json, request: web.Request) -> bool:
    labels = document["metadata"].get("labels") or {}
    wanted = [part.partition("=") for part in (request.query.get("labelSelector") or "").split(",") if part]
    return all(key in labels and (not sign or labels[key] == value) for key, sign, value in wanted)


def _refusal(code: int, reason: str, message: str) -> web.Response:
    status = {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code}
    return web.json_response(status, status=code)


def _merged(one: Any, other: Json) -> Json:
    result = dict(one or {})
    for name, value in other.items():
        result[name] = _merged(result.get(name), value) if isinstance(value, dict) else value
    return result


def _fault(schema: Json, value: Any, path: str) -> str | None:
    type_ = schema.get("type")
    if type_ and (not isinstance(value, _TYPES[type_]) or (isinstance(value, bool) and type_ != "boolean")):
        return f"{path}: Invalid value: {type(value).__name__}: must be of type {type_}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{path}: Unsupported value: {value!r}"
    inner: list[tuple[Json, Any, str]] = []
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        missing = set(schema.get("required", ())) - set(value)
        if missing:
            return f"{path}.{min(missing)}: Required value"
        inner = [(fields[name], one, f"{path}.{name}") for name, one in value.items() if name in fields]
    elif isinstance(value, list):
        inner = [(schema["items"], one, f"{path}[{index}]") for index, one in enumerate(value)]
    return next((fault for one in inner if (fault := _fault(*one))), None)


@asynccontextmanager
async def running_server(folder: Path) -> AsyncIterator[tuple[SmallServer, Path]]:
    """Yield the server, and a kubeconfig that names it."""
    server = SmallServer()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    try:
        yield server, path
    finally:
        await runner.cleanup()
