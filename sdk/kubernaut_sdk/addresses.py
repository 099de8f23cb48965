"""Addresses (URLs) that contain a password or a token.

Every text that repeats an address (an error, a log line) passes it through `without_userinfo` first.
"""

import re
from urllib.parse import urlsplit

__all__ = ["has_credentials", "password_of", "without_userinfo"]

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


def password_of(address: str) -> str | None:
    """Return the password in an address, or None. Malformed addresses are searched too."""
    try:
        return urlsplit(address).password
    except ValueError:
        match = _USERINFO.search(address)
        return match[1].partition(":")[2] or None if match else None
