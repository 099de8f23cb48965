"""Checkpoints: signed statements of the log's state, to be kept elsewhere and compared with the log later.

`cryptography` is imported where a signature is made or checked: a local run signs nothing, and need not load OpenSSL.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kubernaut_datastorage.log.merkle import next_chain
from kubernaut_datastorage.records.documents import format_time

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = [
    "Commit",
    "Ed25519Signer",
    "NoSigner",
    "PublicKeys",
    "Signer",
    "commit_statement",
    "is_chain_valid",
    "is_signature_valid",
    "make_checkpoint",
    "read_public_key",
]

_CONTEXT = b"kubernaut data storage checkpoint v1\n"


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A row of the log.

    Attributes:
        batch: 1, 2, 3, … without a gap.
        at: The time; never before that of the previous commit.
        first_seq: The seq of its first leaf.
        count: The number of leaves.
        root: The root of their tree.
        previous: The chain after the commit before.
        chain: The hash over that and this commit's statement.
        leaves: The leaves, packed.
        note: JSON of an action on other things than records, such as a dropped month; or None.
        key_id: The signing key's id, or None if it is not signed.
        signature: Ed25519 over the chain, or None.
    """

    batch: int
    at: datetime
    first_seq: int
    count: int
    root: bytes
    previous: bytes
    chain: bytes
    leaves: bytes
    note: str | None = None
    key_id: str | None = None
    signature: bytes | None = None

    @property
    def next_seq(self) -> int:
        """The seq of the first leaf of the next commit."""
        return self.first_seq + self.count


class Signer(Protocol):
    """An object that signs a chain."""

    def sign(self, chain: bytes) -> tuple[str | None, bytes | None]:
        """Return the key's id and the signature."""


class NoSigner:
    """A signer without a key: commits are chained but not signed."""

    def sign(self, chain: bytes) -> tuple[str | None, bytes | None]:
        """Return neither key nor signature."""
        return None, None


class Ed25519Signer:
    """A signer with an Ed25519 key from a PEM file (PKCS #8).

    Args:
        file: The private key's.

    Raises:
        ValueError: if the file has no such key.
        OSError: if it cannot be read.
    """

    def __init__(self, file: Path) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 – a local run signs nothing
            Ed25519PrivateKey,
        )
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

        try:
            key = load_pem_private_key(file.read_bytes(), None)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{file} holds no private key in PEM without a password: {error}") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{file} holds a key of another kind; make one by: openssl genpkey -algorithm ed25519")  # noqa: TRY004
        self._key: Ed25519PrivateKey = key
        self.public = key.public_key()
        self.key_id = _key_id(self.public)

    def sign(self, chain: bytes) -> tuple[str | None, bytes | None]:
        """Return the key's id and the signature."""
        return self.key_id, self._key.sign(_CONTEXT + chain)


def commit_statement(commit: Commit) -> dict[str, Any]:
    """Return the statement of a commit: the values that its chain covers."""
    return {
        "batch": commit.batch,
        "at": format_time(commit.at),
        "first_seq": commit.first_seq,
        "count": commit.count,
        "root": commit.root.hex(),
        "note": commit.note,
    }


def make_checkpoint(commit: Commit) -> dict[str, Any]:
    """Return a commit's checkpoint: the state of the whole log up to there."""
    signature = None if commit.signature is None else base64.b64encode(commit.signature).decode()
    return {
        **commit_statement(commit),
        "previous": commit.previous.hex(),
        "chain": commit.chain.hex(),
        "key_id": commit.key_id,
        "signature": signature,
    }


def is_chain_valid(checkpoint: Mapping[str, Any]) -> bool:
    """Return True if a checkpoint's chain follows from its statement."""
    names = ("batch", "at", "first_seq", "count", "root", "note")
    chain = next_chain(bytes.fromhex(checkpoint["previous"]), {name: checkpoint[name] for name in names})
    return bool(chain.hex() == checkpoint["chain"])


def is_signature_valid(checkpoint: Mapping[str, Any], key: "PublicKeys | Ed25519PublicKey") -> bool:
    """Return True if a checkpoint's chain is signed by this key."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

    if checkpoint["signature"] is None:
        return False
    chain = bytes.fromhex(checkpoint["chain"])
    try:
        key.verify(base64.b64decode(checkpoint["signature"]), _CONTEXT + chain)
    except InvalidSignature:
        return False
    return True


@dataclass(frozen=True)
class PublicKeys:
    """The public keys of a file: after a rotation, earlier commits are signed by an earlier key."""

    keys: "tuple[Ed25519PublicKey, ...]"

    def verify(self, signature: bytes, data: bytes) -> None:
        """Raise InvalidSignature if none of the keys made the signature."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

        for key in self.keys[:-1]:
            try:
                return key.verify(signature, data)
            except InvalidSignature:
                continue
        return self.keys[-1].verify(signature, data)


def read_public_key(file: Path) -> PublicKeys:
    """Return the public keys of a PEM file, which holds one private key, or one or more public keys.

    Raises:
        ValueError: if the file has neither.
        OSError: if it cannot be read.
    """
    text = file.read_bytes()
    if b"PRIVATE" in text:
        return PublicKeys((Ed25519Signer(file).public,))
    parts = re.findall(rb"-----BEGIN .*?-----END [^\n]*", text, re.DOTALL) or [text]
    return PublicKeys(tuple(_parse_public_key(part, file) for part in parts))


def _parse_public_key(text: bytes, file: Path) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    try:
        key = load_pem_public_key(text)
    except ValueError as error:
        raise ValueError(f"{file} holds no public key in PEM: {error}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{file} holds a key of another kind than Ed25519")  # noqa: TRY004
    return key


def _key_id(key: "Ed25519PublicKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]
