"""The name that an image is published under."""

from dataclasses import replace

from kubernaut_cli.images.origin import Origin
from kubernaut_cli.images.reference import Reference, parse_reference
from kubernaut_sdk import InvalidInputs

__all__ = ["choose_destination"]


def choose_destination(image: str, reference: str | None, registry: str | None, origin: Origin) -> Reference:
    """Return the name that an image is pushed under.

    Args:
        image: Its name or id in the Docker engine.
        reference: The name that the user gave, or None; without a tag it gets the image's tag.
        registry: A registry, perhaps with a path, to push the image to under the last part of its name; or None.
        origin: The origin of its source. For one on GitHub the default registry is GitHub's.

    Raises:
        InvalidInputs: if that is no valid name, or none can be derived.
    """
    own = None if image.startswith("sha256:") else parse_reference(image)
    tag = (own.tag if own else None) or "latest"
    if reference is not None:
        wanted = parse_reference(reference)
        if wanted.digest:
            raise InvalidInputs(f"{reference}: the registry gives the digest; name it NAME:TAG.")
        return replace(wanted, tag=wanted.tag or tag)
    if own is None:
        raise InvalidInputs(f"{image} is an id and says no name; add a REFERENCE, such as ghcr.io/you/yours:1.0.")
    if registry is not None:
        return replace(parse_reference(f"{registry.rstrip('/')}/{own.path.rpartition('/')[2]}"), tag=tag)
    if own.registry not in {"", "localhost"}:
        return replace(own, tag=tag, digest=None)
    if origin.github is not None:
        return replace(parse_reference(f"ghcr.io/{origin.github}"), tag=tag)
    raise InvalidInputs(
        f"where should {image} go? git knows no origin on GitHub here; add a REFERENCE, such as "
        f"ghcr.io/you/{own.path.rpartition('/')[2]}:{tag}, or a --registry."
    )
