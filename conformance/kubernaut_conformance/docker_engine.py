"""The connection to the Docker engine, and its error messages."""

import json
from contextlib import suppress
from typing import Any

import docker
from docker.errors import DockerException

from kubernaut_sdk import PreconditionFailed

__all__ = ["connect_docker", "describe_docker_error"]

_ANSWER_TIMEOUT = 600
"""Seconds that one answer may take; a push or a commit of a large layer is quiet for long."""


def connect_docker(purpose: str = "", remedy: str = "start one, or set DOCKER_HOST") -> Any:
    """Return a client of the engine that DOCKER_HOST names, or of this machine's.

    Args:
        purpose: The beginning of the message where none answers, such as the option that needs one.
        remedy: What to do then.

    Raises:
        PreconditionFailed: if no engine answers.
    """
    try:
        engine = docker.from_env(timeout=_ANSWER_TIMEOUT)
        engine.ping()
    except DockerException as error:
        raise PreconditionFailed(
            f"{purpose}no Docker engine answers ({describe_docker_error(error)}); {remedy}.",
            reason="NoDocker",
        ) from None
    return engine


def describe_docker_error(error: Exception) -> str:
    """Return the engine's message in one line, without a full stop."""
    text = str(getattr(error, "explanation", None) or error)
    with suppress(ValueError):
        document = json.loads(text)
        text = document.get("message", text) if isinstance(document, dict) else text
    return " ".join(text.split()).rstrip(".")
