"""The stamp of an image: its spec as a file and a label, which can be read without running the image."""

import io
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Protocol

from docker.errors import APIError, DockerException

from kubernaut_cli.images.origin import Origin
from kubernaut_conformance import spec as specs
from kubernaut_conformance.docker_engine import describe_docker_error
from kubernaut_conformance.runtime import CompletedRun
from kubernaut_conformance.spec import LABEL, PATH, ImageSpec
from kubernaut_sdk import Failed, InvalidInputs
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.times import rfc3339

__all__ = ["PrintedSpec", "make_labels", "read_spec", "stamp_image"]


@dataclass(frozen=True)
class PrintedSpec:
    """The spec that an image prints.

    Attributes:
        content: The bytes that it printed.
        spec: The parsed spec.
    """

    content: bytes
    spec: ImageSpec

    @property
    def digest(self) -> str:
        """The digest of the content, `sha256:…`."""
        return f"sha256:{sha256(self.content).hexdigest()}"


class SpecSource(Protocol):
    """An image that can print its spec."""

    @property
    def name(self) -> str:
        """The image's name in errors."""

    def ask(self, *verb: str) -> CompletedRun:
        """Run a verb with no inputs, no settings and no network."""


def read_spec(image: SpecSource) -> PrintedSpec:
    """Return the spec that an image prints, run with no network.

    Raises:
        InvalidInputs: if it prints none, or one that breaks the action contract.
    """
    ended = image.ask("spec")
    if ended.exit_code == 127:
        raise InvalidInputs(
            f"{image.name} has no program kubernaut-action on its PATH that can be started; "
            f"install kubernaut-sdk in it, or put your own there."
        )
    if ended.exit_code != 0:
        reason = ended.stderr.strip()[-500:] or "and said nothing"
        raise InvalidInputs(f"{image.name}: `kubernaut-action spec` ended with {ended.exit_code}: {reason}")
    spec = specs.parse_spec(ended.stdout)
    if isinstance(spec, str):
        raise InvalidInputs(f"{image.name}: its spec is not valid: {spec}.")
    if problems := list(specs.find_spec_faults(spec)):
        raise InvalidInputs(f"{image.name}: its spec is not valid: {shorten('; '.join(problems), 1000)}.")
    return PrintedSpec(ended.stdout.encode(), spec)


def make_labels(
    printed: PrintedSpec, present: Mapping[str, str], origin: Origin, *, title: str, created: datetime
) -> dict[str, str]:
    """Return the image's labels: its own, the spec's digest, and the OCI annotations that are known.

    Values from git replace those of the Dockerfile or the base image; a title that the author gave stays.
    """
    known = {
        "created": rfc3339(created),
        "revision": origin.revision,
        "source": origin.source,
        "title": present.get("org.opencontainers.image.title") or title,
    }
    oci = {f"org.opencontainers.image.{name}": value for name, value in known.items() if value}
    return {**present, **oci, LABEL: printed.digest}


def stamp_image(
    engine: Any, image_id: str, printed: PrintedSpec, labels: Mapping[str, str], *, created: datetime
) -> str:
    """Return the id of a new image: this one with the spec's file, as one small layer, and the labels.

    Raises:
        Failed: if the engine cannot make it.
    """
    api = engine.api
    try:
        found = api.inspect_image(image_id)
        # the image's own settings are passed again: a commit would use the container's, and lose some
        settings = {**found["Config"], "Labels": dict(labels)}
        # never started; without the machine's proxies, which Docker would put into the container and so into the image
        container = api.create_container(image_id, command=["-"], use_config_proxy=False)["Id"]
        try:
            api.put_archive(container, "/", _layer(printed.content, created))
            return str(api.commit(container, conf=settings, message="kubernaut build: spec")["Id"])
        finally:
            with suppress(APIError):
                api.remove_container(container, v=True, force=True)
    except DockerException as error:
        raise Failed(
            f"the Docker engine does not take the spec into the image: {describe_docker_error(error)}."
        ) from None


def _layer(content: bytes, created: datetime) -> bytes:
    path = PurePosixPath(PATH)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        folder = tarfile.TarInfo(str(path.parent).lstrip("/"))
        folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, int(created.timestamp())
        tar.addfile(folder)
        file = tarfile.TarInfo(str(path).lstrip("/"))
        file.size, file.mode, file.mtime = len(content), 0o444, int(created.timestamp())
        tar.addfile(file, io.BytesIO(content))
    return archive.getvalue()
