"""The connection to the Docker engine, and the messages of its errors."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound

from kubernaut_sdk import InvalidInputs, PreconditionFailed

__all__ = ["connect_docker", "docker_message", "find_image", "open_docker", "remove_untagged"]

_TIMEOUT = 600
"""Seconds that one answer may take: the push or commit of a large layer takes long."""


def connect_docker() -> Any:
    """Return a client of the engine at DOCKER_HOST, or of this machine's engine.

    Raises:
        PreconditionFailed: if no engine answers.
    """
    try:
        engine = docker.from_env(timeout=_TIMEOUT)
        engine.ping()
    except DockerException as error:
        raise PreconditionFailed(
            f"no Docker engine answers ({docker_message(error)}); start one, or set DOCKER_HOST.", reason="NoDocker"
        ) from None
    return engine


@contextmanager
def open_docker() -> Iterator[Any]:
    """Yield a client of the engine, and close it after the block."""
    engine = connect_docker()
    try:
        yield engine
    finally:
        engine.close()


def find_image(engine: Any, name: str) -> Any:
    """Return the engine's image of a name or id.

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
    """Remove an image that has no tag. One that has a tag stays: the same image was built before."""
    with suppress(DockerException):
        if not engine.images.get(image_id).tags:
            engine.images.remove(image_id)


def docker_message(error: Exception) -> str:
    """Return the engine's message in one line, without a full stop."""
    text = str(getattr(error, "explanation", None) or error)
    with suppress(ValueError):
        document = json.loads(text)
        text = document.get("message", text) if isinstance(document, dict) else text
    return " ".join(text.split()).rstrip(".")
