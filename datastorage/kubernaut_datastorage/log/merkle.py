"""Merkle trees of RFC 6962 (section 2.1), and the chain that links one commit's tree to the next.

Every event that changed a record is a leaf: its seq, its record's id, the digest of the event and the digest of what
the record was after it (`documents.digest`). A commit keeps its leaves packed, 80 bytes each, in the order of seq.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = [
    "GENESIS",
    "LEAF_BYTES",
    "Leaf",
    "audit_path",
    "is_in_tree",
    "leaf_hash",
    "next_chain",
    "pack_leaves",
    "tree_root",
    "unpack_leaves",
]

GENESIS = bytes(32)
"""The chain before the first commit."""
LEAF_BYTES = 80


class Leaf(NamedTuple):
    """The log's entry of one event.

    Attributes:
        key: The record's id, 16 bytes.
        event: The event's digest.
        record: The digest of the record after it.
    """

    key: bytes
    event: bytes
    record: bytes


def leaf_hash(seq: int, leaf: Leaf) -> bytes:
    """Return a leaf's hash (RFC 6962): SHA-256(0x00 || data), data being seq in 8 bytes and the leaf's three parts."""
    return hashlib.sha256(b"\0" + seq.to_bytes(8) + leaf.key + leaf.event + leaf.record).digest()


def tree_root(hashes: Sequence[bytes]) -> bytes:
    """Return the tree's root over the leaves' hashes; without leaves, SHA-256 of nothing.

    Level by level, an odd last node rising as it is: the same tree as RFC 6962's, which splits at powers of two.
    """
    level, sha256 = list(hashes), hashlib.sha256
    if not level:
        return sha256().digest()
    while len(level) > 1:
        above = [sha256(b"\1" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0]


def audit_path(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the nodes that lead from a leaf to the root (RFC 6962, 2.1.1), the nearest first."""
    path: list[bytes] = []
    level = list(hashes)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        above = [hashlib.sha256(b"\1" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            above.append(level[-1])
        level, index = above, index // 2
    return path


def is_in_tree(leaf: bytes, index: int, count: int, path: Sequence[bytes], root: bytes) -> bool:
    """Return True if a leaf's hash is in the tree of that root, checked as in RFC 9162, 2.1.3.2."""
    if not 0 <= index < count:
        return False
    place, last, node = index, count - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if place % 2 or place == last:
            node = hashlib.sha256(b"\1" + sibling + node).digest()
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\1" + node + sibling).digest()
        place, last = place >> 1, last >> 1
    return last == 0 and node == root


def next_chain(previous: bytes, statement: dict[str, Any]) -> bytes:
    """Return the chain after a commit: SHA-256 over the chain before it and its statement as canonical JSON."""
    return hashlib.sha256(previous + json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()).digest()


def pack_leaves(leaves: Sequence[Leaf]) -> bytes:
    """Return leaves as the bytes that a commit keeps."""
    return b"".join(part for leaf in leaves for part in leaf)


def unpack_leaves(packed: bytes) -> list[Leaf]:
    """Return the leaves of a commit."""
    return [
        Leaf(packed[start : start + 16], packed[start + 16 : start + 48], packed[start + 48 : start + 80])
        for start in range(0, len(packed) - LEAF_BYTES + 1, LEAF_BYTES)
    ]
