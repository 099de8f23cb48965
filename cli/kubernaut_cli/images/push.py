"""An image pushed to a registry, with the credentials that Docker has (`docker login`)."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from docker.errors import DockerException

from kubernaut_cli.images.reference import Reference
from kubernaut_conformance.docker_engine import describe_docker_error
from kubernaut_sdk import ActionError, Failed, PreconditionFailed

__all__ = ["push", "refusal"]

_REFUSALS = (
    (
        ("unauthorized", "no basic auth credentials", "authentication required", "401"),
        "Unauthorized",
        "log in with `docker login {registry}`, as somebody who may write there",
    ),
    (
        ("denied", "forbidden", "403"),
        "Denied",
        "whoever is logged in there (`docker login {registry}`) may not write {path}",
    ),
    (
        ("name unknown", "not found", "404", "unexpected end of json", "unexpected http status"),
        "NoSuchRepository",
        "look at the name: no registry takes {path} there",
    ),
    (
        ("x509", "certificate"),
        "Untrusted",
        "let the Docker engine trust its certificate (/etc/docker/certs.d)",
    ),
    (
        ("http response to https client",),
        "NotEncrypted",
        "give it TLS, or name it under `insecure-registries` of the Docker engine",
    ),
    (
        ("connection refused", "no such host", "timeout", "deadline exceeded", "unreachable", "eof", "lookup", "reset"),
        "Unreachable",
        "look whether {registry} is right and reachable from the Docker engine",
    ),
)
"""What registries and the way to them answer, by words of it: reason, and what to do."""


def push(engine: Any, image: Any, reference: Reference, *, say: Callable[[str], None]) -> str:
    """Pushes an image and returns its digest there. A name that the engine did not have for it is taken away again.

    Args:
        engine: A client of the engine.
        image: The engine's image.
        reference: With a tag.
        say: Takes lines about the progress.

    Raises:
        PreconditionFailed, Failed: if the registry does not take it; see `refusal`.
    """
    known = str(reference) in image.tags
    digest = None
    try:
        image.tag(reference.repository, reference.tag)
        for line in engine.api.push(reference.repository, tag=reference.tag, stream=True, decode=True):
            if "error" in line:
                raise refusal(reference, " ".join(str(line["error"]).split()))
            if status := line.get("status"):
                say(f"{line['id']}: {status}" if "id" in line else status)
            digest = (line.get("aux") or {}).get("Digest") or digest
    except DockerException as error:
        raise refusal(reference, describe_docker_error(error)) from None
    finally:
        if not known:
            with suppress(DockerException):
                engine.images.remove(str(reference), noprune=True)
    if digest is None:
        raise Failed(f"{reference} was pushed, and the Docker engine did not say its digest; look in the registry.")
    return str(digest)


def refusal(reference: Reference, told: str) -> ActionError:
    """What it means that a push failed with these words. A number counts as a status only where it is no port."""
    registry = reference.registry or "docker.io"
    for words, reason, hint in _REFUSALS:
        if any(re.search(rf"(?<![\w:]){re.escape(word)}(?!\w)", told, re.IGNORECASE) for word in words):
            advice = hint.format(registry=registry, path=reference.path)
            return PreconditionFailed(f"{reference} is not published: {told.rstrip('.')}; {advice}.", reason=reason)
    return Failed(f"{reference} is not published: {told.rstrip('.')}.", reason="PushFailed")
