"""Trees and proofs as RFC 6962 has them."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_datastorage.log.merkle import Leaf, audit_path, is_in_tree, pack_leaves, tree_root, unpack_leaves

# the leaves and roots of certificate-transparency's own tests (C++, merkletree/merkle_tree_test.cc)
INPUTS = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + data).digest()


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word: split at the largest power of two below n."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + by_definition(leaves[:split]) + by_definition(leaves[split:])).digest()


@pytest.mark.parametrize("count", ROOTS)
def test_the_roots_of_certificate_transparency(count: int) -> None:
    assert tree_root([leaf(data) for data in INPUTS[:count]]).hex() == ROOTS[count]


def test_the_empty_tree() -> None:
    assert tree_root([]) == hashlib.sha256().digest()


@given(st.integers(1, 70))
def test_the_tree_is_that_of_the_definition(count: int) -> None:
    hashes = [leaf(bytes([number])) for number in range(count)]

    assert tree_root(hashes) == by_definition(hashes)


@given(st.integers(1, 70), st.data())
def test_each_leaf_is_proved_and_no_other(count: int, data: st.DataObject) -> None:
    hashes = [leaf(bytes([number])) for number in range(count)]
    index = data.draw(st.integers(0, count - 1))
    path, root = audit_path(hashes, index), tree_root(hashes)

    assert is_in_tree(hashes[index], index, count, path, root)
    assert not is_in_tree(leaf(b"other"), index, count, path, root)
    assert not is_in_tree(hashes[index], index, count, path, leaf(b"other"))
    assert not is_in_tree(hashes[index], index, count, [*path, root], root)
    assert not any(is_in_tree(hashes[index], other, count, path, root) for other in range(count) if other != index)


def test_leaves_are_kept_as_they_were() -> None:
    leaves = [Leaf(bytes([n]) * 16, bytes([n]) * 32, bytes([n + 1]) * 32) for n in range(5)]

    assert unpack_leaves(pack_leaves(leaves)) == leaves
