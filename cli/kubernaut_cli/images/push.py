"""The push of an image to a registry, with Docker's credentials (`docker login`)."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from docker.errors import DockerException

from kubernaut_cli.images.reference import Reference
from kubernaut_conformance.docker_engine import describe_docker_error
from kubernaut_sdk import ActionError, Failed, PreconditionFailed, Transient

__all__ = ["push", "push_error"]

_PUSH_ERRORS: tuple[tuple[tuple[str, ...], type[ActionError], str, str], ...] = (
    (
        ("unauthorized", "no basic auth credentials", "authentication required", "401"),
        PreconditionFailed,
        "Unauthorized",
        "log in with `docker login {registry}`, as somebody who may write there",
    ),
    (
        ("denied", "forbidden", "403"),
        PreconditionFailed,
        "Denied",
        "whoever is logged in there (`docker login {registry}`) may not write {path}",
    ),
    (
        ("name unknown", "not found", "404", "unexpected end of json", "unexpected http status"),
        PreconditionFailed,
        "NoSuchRepository",
        "look at the name: no registry takes {path} there",
    ),
    (
        ("x509", "certificate"),
        PreconditionFailed,
        "Untrusted",
        "let the Docker engine trust its certificate (/etc/docker/certs.d)",
    ),
    (
        ("http response to https client",),
        PreconditionFailed,
        "NotEncrypted",
        "give it TLS, or name it under `insecure-registries` of the Docker engine",
    ),
    (
        ("connection refused", "no such host", "timeout", "deadline exceeded", "unreachable", "eof", "lookup", "reset"),
        Transient,
        "Unreachable",
        "look whether {registry} is right and reachable from the Docker engine",
    ),
)
"""Words in the messages of registries and of the network; the error they mean, its reason, and what to do."""


_UNDER_WAY = {"Preparing", "Waiting", "Pushing"}
"""Statuses of a layer that the engine repeats until it is there: left out, since a log keeps every line."""


def push(engine: Any, image: Any, reference: Reference, *, print_line: Callable[[str], None]) -> str:
    """Push an image and return its digest in the registry. A tag made only for the push is removed from the engine.

    Args:
        engine: A client of the engine.
        image: The engine's image.
        reference: The name to push to, with a tag.
        print_line: Called with each line about the progress.

    Raises:
        PreconditionFailed, Transient, Failed: if the registry does not accept it; see `push_error`.
    """
    known = str(reference) in image.tags
    digest = None
    told: dict[str | None, str] = {}
    try:
        image.tag(reference.repository, reference.tag)
        for line in engine.api.push(reference.repository, tag=reference.tag, stream=True, decode=True):
            if "error" in line:
                raise push_error(reference, " ".join(str(line["error"]).split()))
            status = str(line.get("status") or "")
            if status and status not in _UNDER_WAY and told.get(line.get("id")) != status:
                told[line.get("id")] = status
                print_line(f"{line['id']}: {status}" if "id" in line else status)
            digest = (line.get("aux") or {}).get("Digest") or digest
    except DockerException as error:
        raise push_error(reference, describe_docker_error(error)) from None
    finally:
        if not known:
            with suppress(DockerException):
                engine.images.remove(str(reference), noprune=True)
    if digest is None:
        raise Failed(f"{reference} was pushed, and the Docker engine did not say its digest; look in the registry.")
    return str(digest)


def push_error(reference: Reference, message: str) -> ActionError:
    """Return the error that a failed push means, by the message of the engine or the registry."""
    registry = reference.registry or "docker.io"
    for words, kind, reason, hint in _PUSH_ERRORS:
        # a number is a status only where it is not a port: no `:` before it
        if any(re.search(rf"(?<![\w:]){re.escape(word)}(?!\w)", message, re.IGNORECASE) for word in words):
            advice = hint.format(registry=registry, path=reference.path)
            return kind(f"{reference} is not published: {message.rstrip('.')}; {advice}.", reason=reason)
    return Failed(f"{reference} is not published: {message.rstrip('.')}.", reason="PushFailed")
