"""The images in the Docker engine."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from docker.errors import DockerException, ImageNotFound

from kubernaut_conformance.docker_engine import connect_docker, describe_docker_error
from kubernaut_sdk import InvalidInputs

__all__ = ["find_image", "open_docker", "remove_untagged"]


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
        raise InvalidInputs(f"image {name}: {describe_docker_error(error)}.") from None


def remove_untagged(engine: Any, image_id: str) -> None:
    """Remove an image that has no tag. One that has a tag stays: the same image was built before.

    Its layers stay as the engine's cache: another build may be at work on one of them in this moment.
    """
    with suppress(DockerException):
        if not engine.images.get(image_id).tags:
            engine.images.remove(image_id, noprune=True)
