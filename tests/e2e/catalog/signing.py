"""Signatures of Tasks and Pipelines for Tekton's trusted resources: tkn reads those of tekton.dev/v1 as older ones.

Tekton verifies an ECDSA signature over the SHA-256 digest of the object's JSON as Go writes it: the fields in the order
of Go's structs, maps sorted, `<`, `>` and `&` escaped.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from ..conftest import sh  # noqa: TID252 – tests/ is no package to name it by

Json = dict[str, Any]

_STRUCTS: dict[str, tuple[str, ...]] = {
    "": ("kind", "apiVersion", "metadata", "Task.spec", "Pipeline.spec"),
    "metadata": ("name", "labels", "annotations"),
    "Task.spec": ("params", "description", "steps", "volumes", "workspaces", "results"),
    "Pipeline.spec": ("description", "tasks", "params", "workspaces", "results"),
    "tasks": ("name", "taskRef", "runAfter", "params", "workspaces"),
    "taskRef": ("resolver", "params"),
    "params": ("name", "type", "description", "default", "value"),
    "steps": ("name", "image", "command", "args", "env", "computeResources", "volumeMounts", "securityContext"),
    "env": ("name", "value", "valueFrom"),
    "valueFrom": ("fieldRef", "configMapKeyRef"),
    "fieldRef": ("fieldPath",),
    "configMapKeyRef": ("name", "key", "optional"),
    "computeResources": ("limits", "requests"),
    "volumeMounts": ("name", "readOnly", "mountPath"),
    "securityContext": (
        *("capabilities", "runAsUser", "runAsGroup", "runAsNonRoot", "readOnlyRootFilesystem"),
        *("allowPrivilegeEscalation", "seccompProfile"),
    ),
    "capabilities": ("add", "drop"),
    "seccompProfile": ("type",),
    "volumes": ("name", "emptyDir", "projected"),
    "emptyDir": ("sizeLimit",),
    "projected": ("sources",),
    "sources": ("serviceAccountToken",),
    "serviceAccountToken": ("audience", "expirationSeconds", "path"),
    "workspaces": ("name", "description", "mountPath", "readOnly", "optional", "workspace"),
    "results": ("name", "type", "description", "value"),
}
"""The order of the fields of each of Go's structs that our objects have; a field of a map is sorted."""
_MAPS = ("labels", "annotations", "limits", "requests")


def signed(document: Json, key: Path) -> Json:
    """Return a Task or Pipeline with its signature by a private key."""
    checksum = key.with_suffix(".checksum")
    checksum.write_bytes(hashlib.sha256(_go_json(_with_defaults(document)).encode()).digest())
    signature = key.with_suffix(".signature")
    sh("openssl", "dgst", "-sha256", "-sign", str(key), "-out", str(signature), str(checksum))
    text = base64.b64encode(signature.read_bytes()).decode()
    annotations = {**document["metadata"]["annotations"], "tekton.dev/signature": text}
    return {**document, "metadata": {**document["metadata"], "annotations": annotations}}


def _with_defaults(document: Json) -> Json:
    spec = document["spec"]
    if document["kind"] == "Pipeline":  # Tekton adds nothing to one whose Tasks come from bundles
        return document
    return {**document, "spec": {**spec, "results": [{"type": "string", **one} for one in spec["results"]]}}


def _go_json(document: Json) -> str:
    named = {f"{document['kind']}.spec" if name == "spec" else name: value for name, value in document.items()}
    ordered = {name.rpartition(".")[2]: value for name, value in _ordered("", named).items()}
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _ordered(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_ordered(name, item) for item in value]
    if not isinstance(value, dict):
        return value
    if name in _MAPS:
        return dict(sorted(value.items()))
    order = _STRUCTS[name]
    assert set(value) <= set(order), f"{name}: {set(value) - set(order)}"
    return {field: _ordered(field, value[field]) for field in order if field in value}
