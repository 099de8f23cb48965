"""Tokens and their holders: static tokens from a file, and ServiceAccounts' tokens, reviewed by Kubernetes.

A token is never kept, only its SHA-256. Static tokens are random bytes (`kubernaut serve token`), so a plain hash
does not reveal them.
"""

import asyncio
import hashlib
import logging
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kubernaut_datastorage.records.access import ROLES, Caller
from kubernaut_datastorage.store import InvalidSetting, StorageError
from kubernaut_sdk.portable import shorten

__all__ = [
    "AccessFile",
    "Reviewed",
    "TokenReviewer",
    "Tokens",
    "generate_token",
    "hash_token",
    "parse_entry",
]

logger = logging.getLogger(__name__)

_REMEMBERED = 60.0
"""Seconds for which Kubernetes' answer about a good token is kept; for a bad one, less."""
_REMEMBERED_BAD = 5.0
_MOST = 10_000
_ACCOUNT = "system:serviceaccount:"


def hash_token(token: str) -> str:
    """Return a token's hash, in the form of the access file."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def generate_token() -> str:
    """Return a new static token: 256 random bits."""
    return f"kubernaut_{secrets.token_urlsafe(32)}"


@dataclass(frozen=True)
class Reviewed:
    """Kubernetes' answer about a good token: its user and, if it was made for a pod, the pod."""

    username: str
    pod: str | None = None
    pod_name: str | None = None


class TokenReviewer(Protocol):
    """An object that asks Kubernetes about a token."""

    async def review(self, token: str) -> Reviewed | None:
        """Return the token's user, or None if the token is not good.

        Raises:
            DatabaseUnavailable: if nobody answers.
        """


class AccessFile:
    """A file of roles, a line for each token or ServiceAccount; it is read again when it changes.

        sha256:9f86d081…  write,read       controller
        sha256:60303ae2…  own-record=shop  a pipeline of the shop
        sha256:2c26b46b…  signals          alertmanager
        system:serviceaccount:kubernaut-system:kubernaut-controller  write,read

    Args:
        path: The file.

    Raises:
        StorageError: if it cannot be read or used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked = time.monotonic()
        self._seen = self._stamp()
        self._callers = self._read()

    def find(self, principal: str) -> Caller | None:
        """Return the caller of a token's hash or of a ServiceAccount's user name."""
        now = time.monotonic()
        if now - self._looked > 1:
            self._looked = now
            self._refresh()
        return self._callers.get(principal)

    def _refresh(self) -> None:
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return
            self._callers = self._read()
            self._seen = stamp
            logger.info("read the access file anew: %d entries", len(self._callers))
        except StorageError as error:
            # half a file must not lock everybody out, nor let anybody in
            logger.warning("the access file is not used; the one before stays in force: %s", error)

    def _stamp(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise InvalidSetting(f"the access file {self._path} cannot be read: {error.strerror}.") from None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> dict[str, Caller]:
        try:
            lines = self._path.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSetting(f"the access file {self._path} cannot be read: {error}.") from None
        callers: dict[str, Caller] = {}
        for number, line in enumerate(lines, 1):
            if not (text := line.partition("#")[0].strip()):
                continue
            try:
                principal, caller = parse_entry(text)
            except ValueError as error:
                raise InvalidSetting(f"{self._path}, line {number}: {error}.") from None
            callers[principal] = caller
        return callers


def parse_entry(text: str) -> tuple[str, Caller]:
    """Return the principal of a line of the file, and the caller that it describes.

    Raises:
        ValueError: if it is no such line.
    """
    principal, _, rest = text.partition(" ")
    role_list, _, name = rest.strip().partition(" ")
    digest = principal.removeprefix("sha256:")
    if principal.startswith("sha256:"):
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise ValueError(f"{shorten(principal)} is no SHA-256; `kubernaut serve token` writes the line")
    elif not principal.startswith(_ACCOUNT):
        # never a token itself: it would be in a file, and in this message
        raise ValueError(f"a line begins with sha256:… of a token, or with {_ACCOUNT}NAMESPACE:NAME")
    roles, namespace = set(), principal.split(":")[2] if principal.startswith(_ACCOUNT) else None
    for item in role_list.split(","):
        role, _, limit = item.partition("=")
        if role not in ROLES:
            raise ValueError(f"there is no role {shorten(role) or 'at all'}; there is {', '.join(ROLES)}")
        if role == "own-record":
            namespace = limit or namespace
            if namespace is None:
                raise ValueError("own-record of a static token needs its namespace: own-record=NAMESPACE")
        roles.add(role)
    return principal, Caller(name.strip() or principal, frozenset(roles), namespace)


@dataclass
class Tokens:
    """The tokens that the service knows.

    Attributes:
        file: Static tokens, and what ServiceAccounts may do.
        reviews: Asks Kubernetes; None where ServiceAccounts are not taken.
    """

    file: AccessFile | None
    reviews: TokenReviewer | None = None
    _known: "OrderedDict[str, tuple[float, Reviewed | None]]" = field(default_factory=OrderedDict)
    _asking: "dict[str, asyncio.Task[Reviewed | None]]" = field(default_factory=dict)

    def knows(self, digest: str) -> bool:
        """Return True if Kubernetes need not be asked about the token of this hash."""
        known = self._known.get(digest)
        static = self.file is not None and self.file.find(digest) is not None
        return static or (known is not None and known[0] >= time.monotonic())

    async def identify(self, token: str, digest: str) -> Caller | None:
        """Return the holder of a token, or None if the token is not good.

        Args:
            token: The token.
            digest: Its hash, as `hashed` gives it.

        Raises:
            DatabaseUnavailable: if Kubernetes has to be asked and does not answer.
        """
        if self.file is not None and (caller := self.file.find(digest)) is not None:
            return caller
        # Kubernetes is not bothered with what cannot be a ServiceAccount's: those are JWTs
        if self.reviews is None or token.count(".") != 2:
            return None
        known = self._known.get(digest)
        if known is None or known[0] < time.monotonic():
            reviewed = await self._ask(digest, token)
        else:
            reviewed = known[1]
        return None if reviewed is None else self._account(reviewed)

    async def _ask(self, digest: str, token: str) -> Reviewed | None:
        """Ask Kubernetes once, however many requests wait for the same answer."""
        assert self.reviews is not None
        task = self._asking.get(digest)
        if task is None:
            task = self._asking[digest] = asyncio.ensure_future(self.reviews.review(token))
            task.add_done_callback(lambda _: self._asking.pop(digest, None))
        reviewed = await asyncio.shield(task)
        lasts = _REMEMBERED if reviewed is not None else _REMEMBERED_BAD
        self._known[digest] = (time.monotonic() + lasts, reviewed)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return reviewed

    def _account(self, reviewed: Reviewed) -> Caller | None:
        if not reviewed.username.startswith(_ACCOUNT):
            return None
        namespace = reviewed.username.split(":")[2]
        listed = self.file.find(reviewed.username) if self.file is not None else None
        if listed is None and reviewed.pod is None:
            return None  # an action runs in a pod
        roles = frozenset({"own-record"}) if listed is None else listed.roles
        place = namespace if listed is None else listed.namespace
        return Caller(reviewed.username, roles, place, reviewed.pod, reviewed.pod_name)
