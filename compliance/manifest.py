"""What an approval is bound to: canonical JSON of everything a send is made of, and a tree over its recipients.

Pure. The tree is that of RFC 6962 §2.1: its root stands for that list in that order, and a proof of some dozen digests
shows that one recipient is on it, without showing the others.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Any

_LEAF, _NODE = b"\0", b"\1"
# What a manifest says of a send besides its recipients. A part nobody filled in would be a part nobody approved.
PARTS = frozenset({
    "account", "attachments", "attestations", "campaign", "from", "kind", "legal_basis", "policy_version", "protocol",
    "purpose", "relay", "reply_to", "scanner", "schedule", "template", "terms", "tls_policy",
})  # fmt: skip


class ManifestError(ValueError):
    """A part is missing or unknown, or a value has no canonical form."""


@dataclass(frozen=True, slots=True)
class Recipients:
    """A list of recipients: how many, and the root of the tree over them in hex."""

    count: int
    root: str


def make_manifest(parts: Mapping[str, Json], *, recipients: Recipients) -> dict[str, Json]:
    """The manifest of a send; raises ManifestError unless the parts are exactly PARTS."""
    if parts.keys() != PARTS:
        odd = ", ".join(sorted(parts.keys() ^ PARTS))
        raise ManifestError(f"A manifest has other parts: {odd}.")
    content = {"v": 1, **parts, "recipients": {"count": recipients.count, "merkle_root": recipients.root}}
    # As it will be stored: comparing needs no second look at what canonical means.
    canonical: dict[str, Json] = json.loads(canonical_json(content))
    return canonical


def digest_of(content: Json) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(content)).hexdigest()


def canonical_json(content: Json) -> bytes:
    """One spelling for equal content: sorted keys, no spaces, NFC, line ends as \\n, ASCII (after RFC 8785).

    Raises ManifestError for numbers with a fraction and for keys that are no texts.
    """
    return json.dumps(_plain(content), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _plain(value: Json) -> Json:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value).replace("\r\n", "\n").replace("\r", "\n")
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ManifestError("A key of a manifest is a text.")
        return {_plain(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    raise ManifestError("A manifest holds texts, whole numbers, true, false, null, lists and objects only.")


# --- The tree -----------------------------------------------------------------------------------------------------


def make_leaf(address_key: str, sealed: bytes) -> bytes:
    """One recipient: the blind index of the address, and what is sealed for it."""
    return hashlib.sha256(_LEAF + address_key.encode() + b"\0" + hashlib.sha256(sealed).digest()).digest()


def list_recipients(leaves: Iterable[bytes]) -> Recipients:
    """Count and root of the leaves in their order; takes any number in constant memory."""
    count = 0
    # The roots of full subtrees from left to right, each with its height: at most one of a height.
    roots: list[tuple[int, bytes]] = []
    for leaf in leaves:
        count += 1
        height, node = 0, leaf
        while roots and roots[-1][0] == height:
            node = _join(roots.pop()[1], node)
            height += 1
        roots.append((height, node))
    if not roots:
        return Recipients(0, hashlib.sha256(b"").hexdigest())
    _, root = roots.pop()
    while roots:
        root = _join(roots.pop()[1], root)
    return Recipients(count, root.hex())


def prove(leaves: Sequence[bytes], index: int) -> list[str]:
    """The digests that lead from a leaf to the root, in hex (RFC 6962 §2.1.1); raises IndexError."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    return [node.hex() for node in _path(leaves, index)]


def is_proven(leaf: bytes, *, index: int, count: int, proof: Sequence[str], root: str) -> bool:
    """Whether the leaf is the one at index in the list of that count and root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < count:
        return False
    node, place, last = leaf, index, count - 1
    try:
        steps = [bytes.fromhex(step) for step in proof]
    except ValueError:
        return False
    for step in steps:
        if last == 0:
            return False
        if place % 2 or place == last:
            node = _join(step, node)
            while place and not place % 2:
                place, last = place // 2, last // 2
        else:
            node = _join(node, step)
        place, last = place // 2, last // 2
    return last == 0 and node.hex() == root


def _path(leaves: Sequence[bytes], index: int) -> Iterator[bytes]:
    if len(leaves) == 1:
        return
    half = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = leaves[:half], leaves[half:]
    near, far, place = (left, right, index) if index < half else (right, left, index - half)
    yield from _path(near, place)
    yield bytes.fromhex(list_recipients(far).root)


def _join(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
