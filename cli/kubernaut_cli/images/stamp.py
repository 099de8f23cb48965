"""The stamp of an image: what it says of itself, as a file and a label in it, so that nobody has to run it to know."""

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

__all__ = ["Told", "asked", "labels", "stamped"]


@dataclass(frozen=True)
class Told:
    """What an image says of itself.

    Attributes:
        content: As it printed it, to the byte.
        spec: The same, read.
    """

    content: bytes
    spec: ImageSpec

    @property
    def digest(self) -> str:
        """`sha256:…` of the content."""
        return f"sha256:{sha256(self.content).hexdigest()}"


class Speaker(Protocol):
    """An image as far as it is asked."""

    @property
    def name(self) -> str:
        """How errors call it."""

    def ask(self, *verb: str) -> CompletedRun:
        """Runs a verb with no inputs, no settings and no network."""


def asked(image: Speaker) -> Told:
    """Asks an image for its spec, with no network.

    Raises:
        InvalidInputs: if it has none, or one that breaks the action contract.
    """
    ended = image.ask("spec")
    if ended.exit_code == 127:
        raise InvalidInputs(
            f"{image.name} has no program kubernaut-action on its PATH that can be started; "
            f"install kubernaut-sdk in it, or put your own there."
        )
    if ended.exit_code != 0:
        told = ended.stderr.strip()[-500:] or "and said nothing"
        raise InvalidInputs(f"{image.name}: `kubernaut-action spec` ended with {ended.exit_code}: {told}")
    spec = specs.parse(ended.stdout)
    if isinstance(spec, str):
        raise InvalidInputs(f"{image.name}: its spec is not valid: {spec}.")
    if problems := list(specs.faults(spec)):
        raise InvalidInputs(f"{image.name}: its spec is not valid: {shorten('; '.join(problems), 1000)}.")
    return Told(ended.stdout.encode(), spec)


def labels(told: Told, present: Mapping[str, str], origin: Origin, *, title: str, created: datetime) -> dict[str, str]:
    """The image's labels: those it has, the spec's digest, and OCI's annotations as far as they are known.

    What git knows stands above what the Dockerfile said or the base image brought; a title the author gave stays.
    """
    known = {
        "created": rfc3339(created),
        "revision": origin.revision,
        "source": origin.source,
        "title": present.get("org.opencontainers.image.title") or title,
    }
    oci = {f"org.opencontainers.image.{name}": value for name, value in known.items() if value}
    return {**present, **oci, LABEL: told.digest}


def stamped(engine: Any, image_id: str, told: Told, labels: Mapping[str, str], *, created: datetime) -> str:
    """The id of a new image: this one with the file, which is one small layer, and the labels. All else stays.

    Raises:
        Failed: if the engine makes none.
    """
    api = engine.api
    try:
        found = api.inspect_image(image_id)
        # the image's own settings are given again: a commit would take over the container's, and forget some
        settings = {**found["Config"], "Labels": dict(labels)}
        # never started; nor may this machine's proxies, which Docker puts into containers, get into the image
        container = api.create_container(image_id, command=["-"], use_config_proxy=False)["Id"]
        try:
            api.put_archive(container, "/", _layer(told.content, created))
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
