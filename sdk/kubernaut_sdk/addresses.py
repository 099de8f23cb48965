"""Addresses that hold a password or a token: how they are shown, and how they are recognised.

Whatever repeats an address (a refusal, a log line, a client's error) shows it by `without_userinfo`.
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
    """Return whether an address holds a secret: a password anywhere, or anything before the @ of http and https.

    `ssh://git@host/shop.git` and `git@host:shop.git` hold none: a user alone opens nothing there.
    """
    scheme, separator, rest = address.partition("://")
    user, at, _ = re.split(r"[/?#\\]", rest, maxsplit=1)[0].rpartition("@") if separator else address.rpartition("@")
    if not at:
        return False
    return ":" in user or "%3a" in user.lower() or (bool(separator) and scheme.strip().lower() in _WEB)


def password_of(address: str) -> str | None:
    """Return the password within an address, or None; also where the address is none by the rules."""
    try:
        return urlsplit(address).password
    except ValueError:
        match = _USERINFO.search(address)
        return match[1].partition(":")[2] or None if match else None
