"""The check of a record's inclusion proof: the monitor does not take Data Storage's word for it.

The leaf is that of Data Storage's log; the tree is RFC 6962's, and the check RFC 9162's, section 2.1.3.2.
"""

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

__all__ = ["is_proof_valid"]


def is_proof_valid(proof: Mapping[str, Any]) -> bool:
    """Return True if a proof of Data Storage leads from its leaf to the root of its checkpoint."""
    try:
        checkpoint = proof["checkpoint"]
        index, count = int(proof["index"]), int(checkpoint["count"])
        path = [bytes.fromhex(node) for node in proof["path"]]
        leaf, root = _leaf(proof), bytes.fromhex(checkpoint["root"])
        placed = int(proof["seq"]) == int(checkpoint["first_seq"]) + index
    except (KeyError, ValueError, TypeError, OverflowError, AttributeError):
        return False
    return placed and _is_in_tree(leaf, index, count, path, root)


def _leaf(proof: Mapping[str, Any]) -> bytes:
    """Return the hash of the leaf: over the seq, the id, the event and the record as it is stored."""
    key, provenance = UUID(proof["id"]).bytes, proof["provenance"]
    text = proof["document"] if provenance is None else f"{proof['document']}\n{provenance}"
    record = hashlib.sha256(key + text.encode()).digest()
    return hashlib.sha256(b"\0" + int(proof["seq"]).to_bytes(8) + key + bytes.fromhex(proof["event"]) + record).digest()


def _is_in_tree(leaf: bytes, index: int, count: int, path: list[bytes], root: bytes) -> bool:
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
