"""Proofs that one record is in the log. To check one takes a trusted checkpoint, and not the service."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from kubernaut_datastorage.log.checkpoints import (
    Commit,
    PublicKeys,
    is_chain_valid,
    is_signature_valid,
    make_checkpoint,
)
from kubernaut_datastorage.log.merkle import Leaf, audit_path, is_in_tree, leaf_hash, unpack_leaves
from kubernaut_datastorage.records.documents import digest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = ["find_proof_faults", "make_proof"]


def make_proof(row: Mapping[str, Any], commit: Commit) -> dict[str, Any]:
    """Return the proof of a record's current state.

    Args:
        row: All columns of the record.
        commit: The one that has the leaf of the record's seq.
    """
    index = row["seq"] - commit.first_seq
    leaves = unpack_leaves(commit.leaves)
    hashes = [leaf_hash(seq, leaf) for seq, leaf in enumerate(leaves, commit.first_seq)]
    return {
        "id": str(row["id"]),
        "document": row["document"],
        "provenance": row["provenance"],
        "seq": row["seq"],
        "event": leaves[index].event.hex(),
        "index": index,
        "path": [node.hex() for node in audit_path(hashes, index)],
        "checkpoint": make_checkpoint(commit),
    }


def find_proof_faults(proof: Mapping[str, Any], key: "PublicKeys | Ed25519PublicKey | None") -> list[str]:
    """Return the faults of a proof; an empty list if it holds.

    Args:
        proof: A proof of `make_proof`.
        key: The key that must have signed the checkpoint; None skips this check.
    """
    checkpoint = proof["checkpoint"]
    record = UUID(proof["id"]).bytes
    leaf = Leaf(record, bytes.fromhex(proof["event"]), digest(record, proof["document"], proof["provenance"]))
    path, root = [bytes.fromhex(node) for node in proof["path"]], bytes.fromhex(checkpoint["root"])
    faults = []
    if proof["seq"] != checkpoint["first_seq"] + proof["index"]:
        faults.append(f"seq {proof['seq']} is not at place {proof['index']} of the commit")
    if not is_in_tree(leaf_hash(proof["seq"], leaf), proof["index"], checkpoint["count"], path, root):
        faults.append("the record is not in the tree of the checkpoint")
    if not is_chain_valid(checkpoint):
        faults.append("the checkpoint's chain is not that of what it states")
    if key is not None and not is_signature_valid(checkpoint, key):
        faults.append("the checkpoint is not signed by this key")
    return faults
