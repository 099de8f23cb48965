"""Images in the Docker engine."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from docker.errors import DockerException, ImageNotFound

from kubernaut_conformance.docker_engine import connect_docker, describe_docker_error
from kubernaut_sdk import InvalidInputs

__all__ = ["forgotten", "image_here", "opened"]


@contextmanager
def opened() -> Iterator[Any]:
    """A client of the engine, as long as the block lasts."""
    engine = connect_docker()
    try:
        yield engine
    finally:
        engine.close()


def image_here(engine: Any, name: str) -> Any:
    """The image of a name or id.

    Raises:
        InvalidInputs: if the engine does not have it.
    """
    try:
        return engine.images.get(name)
    except ImageNotFound:
        raise InvalidInputs(f"image {name}: the Docker engine does not have it; `kubernaut build` makes one.") from None
    except DockerException as error:
        raise InvalidInputs(f"image {name}: {describe_docker_error(error)}.") from None


def forgotten(engine: Any, image_id: str) -> None:
    """Removes an image that has no name. One that has, since the same was built before, stays."""
    with suppress(DockerException):
        if not engine.images.get(image_id).tags:
            engine.images.remove(image_id)
