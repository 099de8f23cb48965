"""Tekton bundles: the objects of a catalogue's folder as OCI images, for Tekton's bundles resolver.

The form is Tekton's own (`docs/tekton-bundle-contracts.md` in tektoncd/pipeline): one object a layer, named by
annotations, at most 20 layers. So each name gets an image of its own, as Tekton's own catalogue does, tagged by
version. The same objects have the same digest on every machine: no time, user or compression library enters it.
"""

import io
import json
import re
import struct
import tarfile
from binascii import crc32
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from kubernaut_controller import dump_yaml, load_yaml
from kubernaut_controller.taskref import bundle_task_ref
from kubernaut_sdk import InvalidInputs

__all__ = ["MANIFEST_TYPE", "Bundle", "CatalogObject", "build_bundle", "has_digest", "pin_tasks", "read_catalog"]

Json = dict[str, Any]

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
_SIGNATURE = "tekton.dev/signature"
_LAYERS = 20  # Tekton's resolver refuses more
_KINDS = ("task", "stepaction", "pipeline")
_UNRELEASED = re.compile(r"@sha256:0{64}\b")
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, an unknown system
_BLOCK = 0xFFFF


@dataclass(frozen=True)
class CatalogObject:
    """A Task, StepAction or Pipeline of a catalogue's folder.

    Attributes:
        kind: The kind in lower case, as a bundle's annotation has it.
        name: The object's name, and its bundle's.
        version: The version of its folder, its bundle's tag.
        document: The object.
    """

    kind: str
    name: str
    version: str
    document: Json


@dataclass(frozen=True)
class Bundle:
    """An OCI image of objects.

    Attributes:
        name: The last part of its name in a registry.
        tag: Its tag.
        manifest: The manifest's bytes, whose digest is the bundle's.
        blobs: The layers and the configuration by digest.
    """

    name: str
    tag: str
    manifest: bytes
    blobs: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """The digest `sha256:…`."""
        return _digest(self.manifest)


def read_catalog(folder: Path) -> list[CatalogObject]:
    """Return the objects of a catalogue's folder, by kind (Pipelines last), name and version.

    Raises:
        InvalidInputs: if there is none, a file is not the object that its path says, or a name stands for both a Task
            and a Pipeline.
    """
    found = []
    for kind in _KINDS:
        for path in sorted((folder / kind).glob("*/*/*.yaml")):
            name, version = path.parts[-3:-1]
            if path.stem == name:
                found.append(CatalogObject(kind, name, version, _read_object(path, kind)))
    if not found:
        raise InvalidInputs(f"{folder}: no catalogue is there (KIND/NAME/VERSION/NAME.yaml); `kubernaut catalog write` "
                            f"makes one, and a release has one as catalog.tar.gz.")  # fmt: skip
    pipelines = {one.name for one in found if one.kind == "pipeline"}
    if both := sorted(pipelines & {one.name for one in found if one.kind != "pipeline"}):
        raise InvalidInputs(f"{folder}: {both[0]} is a Pipeline and a Task; a bundle has one of them, so rename one.")
    return found


def has_digest(one: CatalogObject) -> bool:
    """Return False if the object names an image whose digest is all zeros, as in a checkout."""
    return not _UNRELEASED.search(json.dumps(one.document))


def pin_tasks(pipeline: CatalogObject, bundles: Mapping[tuple[str, str], str]) -> CatalogObject:
    """Return a Pipeline whose Tasks come from bundles, so that nothing has to be installed beside it.

    One that is signed for Tekton's trusted resources stays as it is: a change would break the signature.

    Args:
        pipeline: The Pipeline.
        bundles: (Task, version) → its bundle by digest. A Task that is not there stays a Task of the run's namespace.
    """
    if _SIGNATURE in pipeline.document["metadata"].get("annotations", {}):
        return pipeline
    document = deepcopy(pipeline.document)
    for task in [*document["spec"].get("tasks", ()), *document["spec"].get("finally", ())]:
        name = task.get("taskRef", {}).get("name")
        if bundle := bundles.get((name, pipeline.version)):
            task["taskRef"] = bundle_task_ref(bundle, name)
    return CatalogObject(pipeline.kind, pipeline.name, pipeline.version, document)


def build_bundle(objects: Iterable[CatalogObject]) -> Bundle:
    """Return the bundle of objects that share a name and version.

    Raises:
        InvalidInputs: if there are more than a bundle can have.
    """
    objects = list(objects)
    first = objects[0]
    if len(objects) > _LAYERS:
        raise InvalidInputs(f"{first.name}: {len(objects)} objects; a Tekton bundle has at most {_LAYERS}.")
    blobs: dict[str, bytes] = {}
    layers, diff_ids = [], []
    for one in objects:
        tar = _tar(one.name, dump_yaml(one.document).encode())
        layer = _gzip(tar)
        blobs[_digest(layer)] = layer
        diff_ids.append(_digest(tar))
        annotations = {
            "dev.tekton.image.apiVersion": one.document["apiVersion"],
            "dev.tekton.image.kind": one.kind,
            "dev.tekton.image.name": one.name,
        }
        layers.append({**_descriptor(_LAYER_TYPE, layer), "annotations": annotations})
    config = _json({
        "created": "1970-01-01T00:00:00Z",
        "architecture": "unknown",  # a bundle is never run
        "os": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    })  # fmt: skip
    blobs[_digest(config)] = config
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor(_CONFIG_TYPE, config),
        "layers": layers,
        "annotations": {
            "org.opencontainers.image.title": first.name,
            "org.opencontainers.image.version": first.version,
        },
    }
    return Bundle(first.name, first.version, _json(manifest), blobs)


def _read_object(path: Path, kind: str) -> Json:
    try:
        document = load_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputs(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    is_object = isinstance(document, dict) and isinstance(document.get("metadata"), dict)
    if (
        not is_object
        or str(document.get("kind")).lower() != kind
        or document["metadata"].get("name") != path.stem
        or not str(document.get("apiVersion")).startswith("tekton.dev/")
    ):
        raise InvalidInputs(f"{path}: not the {kind} {path.stem} of tekton.dev that its path says.")
    return dict(document)


def _tar(name: str, content: bytes) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        file = tarfile.TarInfo(name)
        file.size, file.mode = len(content), 0o600
        tar.addfile(file, io.BytesIO(content))
    return archive.getvalue()


def _gzip(content: bytes) -> bytes:
    """Return the content in gzip's form (RFC 1952), stored: versions of zlib compress differently."""
    blocks = [content[start : start + _BLOCK] for start in range(0, len(content), _BLOCK)]
    stored = b"".join(
        struct.pack("<BHH", number == len(blocks), len(block), len(block) ^ _BLOCK) + block
        for number, block in enumerate(blocks, 1)
    )
    return _GZIP_HEADER + stored + struct.pack("<II", crc32(content), len(content))


def _descriptor(media_type: str, content: bytes) -> Json:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def _json(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
