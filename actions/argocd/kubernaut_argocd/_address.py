"""Validation of addresses: a password or token in one would be recorded and shown, so it is refused."""

import re
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

__all__ = ["well_formed", "without_credentials"]

_USERINFO = re.compile(r"(?P<before>(?:^|.*?[:/])//)(?P<who>[^/?#]*)@", re.DOTALL)
_PASSWORD = re.compile(r"(?P<before>.*?://)[^/@]*:(?!\d+/)[^@]*@", re.DOTALL)
"""A password with a slash in it, which ought to be written as %2F."""
_SCP = re.compile(r"(?P<who>[^/@:]*)@[^/@:]+:")
_PAIR = re.compile(r".*:[^/@:]+@", re.DOTALL)
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_SSH = re.compile(r"(?:git\+)?ssh(?:\+git)?:", re.IGNORECASE)
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
"""A user name that ssh accepts. Tokens are longer."""


def well_formed(address: str | None) -> str | None:
    """Return the address unchanged.

    Raises:
        ValueError: if it has no host, or a port that is none.
    """
    if address is not None and "://" in address:
        parts = urlsplit(address)
        if not parts.hostname and parts.scheme != "file":
            raise ValueError("it has no host; write it as https://host/path")
        _ = parts.port  # raises for one that is no number, or too large
    return address


def without_credentials(repository: Any) -> Any:
    """Return the address unchanged.

    Raises:
        ValidationError: if it contains, or may contain, a password or token. The message does not repeat it.
    """
    if isinstance(repository, str) and (redacted := _redacted(repository)) is not None:
        error = PydanticCustomError(
            "credentials_in_address",
            "a user, password or token in the address would be recorded; put it into the Secret of the step's "
            "secretName (keys username and password, or ssh-privatekey) and leave it out here",
        )
        raise ValidationError.from_exception_data("repository", [InitErrorDetails(type=error, input=redacted)])
    return repository


def _redacted(repository: str) -> str | None:
    """Return the address with its secrets replaced by `***`, or None if it has none."""
    if repository.startswith(("/", "file:")):
        return None
    rest = repository.rpartition("@")[2]  # a password may have an @ of its own
    if "://" not in repository:
        user = _SCP.match(repository)
        open_user = _LOGIN.fullmatch(user["who"]) if user else not _PAIR.match(repository)
        return None if open_user else f"***@{rest}"
    query = _QUERY.search(repository)
    if match := _USERINFO.match(repository):
        if query is None and _SSH.search(match["before"]) and _LOGIN.fullmatch(match["who"]):
            return None
    else:
        match = _PASSWORD.match(repository)
    if match:
        return _QUERY.sub("?***", f"{match['before']}***@{rest}")
    return None if query is None else _QUERY.sub("?***", repository)
