"""Manifests have one spelling, and the tree over recipients notices every change to them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance import manifest
from compliance.manifest import ManifestError, Recipients, is_proven, list_recipients, make_leaf, prove

PARTS: dict[str, Any] = dict.fromkeys(manifest.PARTS, "x")
LEAVES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


def test_equal_content_has_one_spelling() -> None:
    one = {"b": [1, None, True], "a": {"é": "line\r\nend"}}
    other = {"a": {"e\u0301": "line\nend"}, "b": (1, None, True)}
    assert manifest.canonical_json(one) == manifest.canonical_json(other)
    assert manifest.canonical_json(one) == b'{"a":{"\\u00e9":"line\\nend"},"b":[1,null,true]}'


@pytest.mark.parametrize("content", [0.5, {"a": 1.0}, {1: "a"}, {"a": {"b"}}, b"x", [object()]])
def test_what_has_no_one_spelling_is_refused(content: Any) -> None:
    with pytest.raises(ManifestError):
        manifest.canonical_json(content)


def test_a_manifest_with_a_part_too_few_or_too_many_is_refused() -> None:
    made = manifest.make_manifest(PARTS, recipients=Recipients(1, "00"))
    assert made["recipients"] == {"count": 1, "merkle_root": "00"}
    for name in manifest.PARTS:
        with pytest.raises(ManifestError, match=name):
            manifest.make_manifest({k: v for k, v in PARTS.items() if k != name}, recipients=Recipients(1, "00"))
    with pytest.raises(ManifestError, match="extra"):
        manifest.make_manifest({**PARTS, "extra": 1}, recipients=Recipients(1, "00"))


@given(name=st.sampled_from(sorted(manifest.PARTS)))
def test_a_change_of_any_part_changes_the_digest(name: str) -> None:
    before = manifest.make_manifest(PARTS, recipients=Recipients(1, "00"))
    after = manifest.make_manifest({**PARTS, name: "y"}, recipients=Recipients(1, "00"))
    assert manifest.digest_of(before) != manifest.digest_of(after)


def test_the_tree_is_that_of_rfc_6962() -> None:
    """Root over the leaves of the test vectors of RFC 6962's reference code, hashed there from their inputs."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [hashlib.sha256(b"\0" + bytes.fromhex(text)).digest() for text in inputs]
    assert list_recipients([]).root == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert list_recipients(leaves[:1]).root == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert list_recipients(leaves).root == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(LEAVES)
def test_the_streamed_root_is_the_recursive_one(leaves: list[bytes]) -> None:
    def root(part: list[bytes]) -> bytes:
        if len(part) == 1:
            return part[0]
        half = 1
        while half * 2 < len(part):
            half *= 2
        return hashlib.sha256(b"\1" + root(part[:half]) + root(part[half:])).digest()

    assert list_recipients(iter(leaves)) == Recipients(len(leaves), root(leaves).hex())


@given(LEAVES, st.data())
def test_every_leaf_is_proven_and_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    found = list_recipients(leaves)
    proof = prove(leaves, index)
    assert is_proven(leaves[index], index=index, count=found.count, proof=proof, root=found.root)
    strange = hashlib.sha256(leaves[index]).digest()
    assert not is_proven(strange, index=index, count=found.count, proof=proof, root=found.root)
    assert not is_proven(leaves[index], index=index, count=found.count, proof=proof, root=strange.hex())
    assert not is_proven(leaves[index], index=index, count=found.count, proof=[*proof, "00" * 32], root=found.root)
    if proof:
        assert not is_proven(leaves[index], index=index, count=found.count, proof=proof[1:], root=found.root)


@given(LEAVES, st.data())
def test_any_change_of_the_list_changes_its_root(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    before = list_recipients(leaves)
    changed = [*leaves]
    changed[index] = hashlib.sha256(b"other" + leaves[index]).digest()
    assert list_recipients(changed) != before
    assert list_recipients([*leaves, leaves[0]]) != before
    assert list_recipients(leaves[:index] + leaves[index + 1 :]) != before
    if leaves[index] != leaves[0]:
        swapped = [*leaves]
        swapped[0], swapped[index] = swapped[index], swapped[0]
        assert list_recipients(swapped) != before


@pytest.mark.parametrize(("index", "count"), [(-1, 3), (3, 3), (0, 0)])
def test_a_place_outside_of_the_list_is_never_proven(index: int, count: int) -> None:
    assert not is_proven(b"x" * 32, index=index, count=count, proof=[], root=(b"x" * 32).hex())


def test_a_proof_that_is_no_hex_proves_nothing() -> None:
    assert not is_proven(b"x" * 32, index=0, count=2, proof=["zz"], root="00")


def test_a_leaf_binds_the_address_to_what_is_sealed_for_it() -> None:
    assert make_leaf("k", b"v") != make_leaf("k", b"w")
    assert make_leaf("k", b"v") != make_leaf("l", b"v")
    assert len({make_leaf("a", b"b"), make_leaf("ab", b""), make_leaf("", b"ab")}) == 3


def test_a_long_list_takes_no_memory() -> None:
    assert list_recipients(bytes(32) for _ in range(20_000)).count == 20_000
