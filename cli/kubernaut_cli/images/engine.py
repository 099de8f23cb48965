"""The Docker engine, and what it says where it refuses."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound

from kubernaut_sdk import InvalidInputs, PreconditionFailed

__all__ = ["connect_docker", "docker_message", "find_image", "open_docker", "remove_untagged"]

_PATIENCE = 600
"""Seconds that one answer may take; a push or a commit of a large layer is quiet for long."""


def connect_docker() -> Any:
    """A client of the engine that DOCKER_HOST names, or of this machine's.

    Raises:
        PreconditionFailed: if none answers.
    """
    try:
        engine = docker.from_env(timeout=_PATIENCE)
        engine.ping()
    except DockerException as error:
        raise PreconditionFailed(
            f"no Docker engine answers ({docker_message(error)}); start one, or set DOCKER_HOST.", reason="NoDocker"
        ) from None
    return engine


@contextmanager
def open_docker() -> Iterator[Any]:
    """A client of the engine, as long as the block lasts."""
    engine = connect_docker()
    try:
        yield engine
    finally:
        engine.close()


def find_image(engine: Any, name: str) -> Any:
    """The image of a name or id.

    Raises:
        InvalidInputs: if the engine does not have it.
    """
    try:
        return engine.images.get(name)
    except ImageNotFound:
        raise InvalidInputs(f"image {name}: the Docker engine does not have it; `kubernaut build` makes one.") from None
    except DockerException as error:
        raise InvalidInputs(f"image {name}: {docker_message(error)}.") from None


def remove_untagged(engine: Any, image_id: str) -> None:
    """Removes an image that has no name. One that has, since the same was built before, stays."""
    with suppress(DockerException):
        if not engine.images.get(image_id).tags:
            engine.images.remove(image_id)


def docker_message(error: Exception) -> str:
    """What the engine said, in one line, without a full stop."""
    text = str(getattr(error, "explanation", None) or error)
    with suppress(ValueError):
        document = json.loads(text)
        text = document.get("message", text) if isinstance(document, dict) else text
    return " ".join(text.split()).rstrip(".")
