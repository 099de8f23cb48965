"""Addresses (URLs) that contain a password or a token.

Every text that repeats an address (an error, a log line) passes it through `without_userinfo` first.
"""

import re
from urllib.parse import urlsplit

from kubernaut_sdk.errors import InvalidInputs

__all__ = ["has_credentials", "password_of", "require_web_address", "without_userinfo"]

_USERINFO = re.compile(r"://([^/\s?#\"<>\\]*)@")
_WEB = ("http", "https")


def without_userinfo(text: str) -> str:
    """Return a text in which no address shows a user or password: `https://me:secret@host` as `https://***@host`."""
    return _USERINFO.sub("://***@", text)


def has_credentials(address: str) -> bool:
    """Return True if an address contains a secret: a password anywhere, or anything before the @ of http and https.

    `ssh://git@host/shop.git` and `git@host:shop.git` hold none: a user alone opens nothing there.
    """
    scheme, separator, rest = address.partition("://")
    user, at, _ = re.split(r"[/?#\\]", rest, maxsplit=1)[0].rpartition("@") if separator else address.rpartition("@")
    if not at:
        return False
    return ":" in user or "%3a" in user.lower() or (bool(separator) and scheme.strip().lower() in _WEB)


def require_web_address(address: str, name: str) -> None:
    """Raise an error if an address is none of a web service.

    Args:
        address: The address.
        name: The variable or option that has it; the message begins with it.

    Raises:
        InvalidInputs: if so. The message shows no user or password.
    """
    shown = f"{name}={without_userinfo(address)[:200]}"
    if not address.lower().startswith(("http://", "https://")):
        raise InvalidInputs(f"{shown}: it must start with http:// or https://.")
    try:
        parts = urlsplit(address)
        usable = bool(parts.hostname) and parts.port != 0 and not re.search(r"[\s\x00-\x20\x7f]", address)
    except ValueError:  # of the port, or of brackets
        usable = False
    if not usable:
        raise InvalidInputs(f"{shown}: that is no address; write it as http://HOST:PORT or https://HOST.")


def password_of(address: str) -> str | None:
    """Return the password in an address, or None. Malformed addresses are searched too."""
    try:
        return urlsplit(address).password
    except ValueError:
        match = _USERINFO.search(address)
        return match[1].partition(":")[2] or None if match else None
