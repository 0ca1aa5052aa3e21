"""Verify an evidence file: python3 verify.py [EVIDENCE.zip] [--key HEX]

It needs Python 3.9 or newer and nothing else: no network, no account, no other program. Run it from where the ZIP was
unpacked, or name the ZIP. --key is the public key you were given by other means; without it the file vouches for itself
only, and the last line shows the key to compare.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Point = tuple[int, int, int, int]

# --- Ed25519 (RFC 8032 §5.1), verifying only ----------------------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def add_points(a: Point, b: Point) -> Point:
    """Extended coordinates (X, Y, Z, T)."""
    x = (a[1] - a[0]) * (b[1] - b[0]) % P
    y = (a[1] + a[0]) * (b[1] + b[0]) % P
    t, z = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = y - x, z - t, z + t, y + x
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, point: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add_points(result, point)
        point = add_points(point, point)
        scalar >>= 1
    return result


def read_point(data: bytes) -> Point | None:
    """The point of 32 bytes, or None."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P or (not x and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


_base = read_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
assert _base is not None
BASE: Point = _base


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether 64 bytes are the signature of the message by the holder of the 32-byte key."""
    if len(key) != 32 or len(signature) != 64:
        return False
    public, first = read_point(key), read_point(signature[:32])
    second = int.from_bytes(signature[32:], "little")
    if public is None or first is None or second >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    left, right = multiply(second, BASE), add_points(first, multiply(challenge, public))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)


# --- The same spelling for equal content --------------------------------------------------------------------------


def canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def digest_of(content: Any) -> str:
    return hashlib.sha256(canonical(content)).hexdigest()


def merkle_root(leaves: Iterable[bytes]) -> str:
    """RFC 6962 §2.1."""
    roots: list[tuple[int, bytes]] = []
    for leaf in leaves:
        height, node = 0, leaf
        while roots and roots[-1][0] == height:
            node = hashlib.sha256(b"\1" + roots.pop()[1] + node).digest()
            height += 1
        roots.append((height, node))
    if not roots:
        return hashlib.sha256(b"").hexdigest()
    root = roots.pop()[1]
    while roots:
        root = hashlib.sha256(b"\1" + roots.pop()[1] + root).digest()
    return root.hex()


# --- What is checked ----------------------------------------------------------------------------------------------


class Evidence:
    """The files, and what was said about them."""

    def __init__(self, read: Callable[[str], bytes], names: set[str]) -> None:
        self.read, self.names = read, names
        self.failed = 0

    def say(self, is_fine: bool, words: str) -> None:
        self.failed += not is_fine
        sys.stdout.write(f"{'ok  ' if is_fine else 'FAIL'} {words}\n")

    def json(self, name: str) -> Any:
        return json.loads(self.read(name))

    def lines(self, name: str) -> list[Any]:
        return [json.loads(line) for line in self.read(name).splitlines()]


def check_files(evidence: Evidence, given_key: str | None) -> tuple[Any, bytes]:
    """Every file is the one that was listed, nothing else is there, and the list is signed."""
    raw = evidence.read("manifest.json")
    manifest = json.loads(raw)
    key = bytes.fromhex(manifest["public_key"])
    signature = bytes.fromhex(evidence.read("manifest.sig").decode("ascii").strip())
    evidence.say(is_signed(key, b"sealpost evidence\0" + raw, signature), "the list of files is signed")
    if given_key is not None:
        evidence.say(key.hex() == given_key, "the signature is by the key you were given")
    for name, wanted in sorted(manifest["files"].items()):
        is_there = name in evidence.names
        found = hashlib.sha256(evidence.read(name)).hexdigest() if is_there else ""
        evidence.say(found == wanted, f"{name} is as it was when the evidence was made")
    odd = evidence.names - manifest["files"].keys() - {"manifest.json", "manifest.sig"}
    evidence.say(not odd, "there is no other file")
    return manifest, key


def check_approval(evidence: Evidence, key: bytes) -> Any:
    """The manifest is what was approved, by enough people who had not submitted it, each with their statements."""
    approval = evidence.json("approval.json")
    content = approval["manifest"]
    evidence.say(digest_of(content) == approval["digest"], "the approved manifest has the approved digest")
    stated = {name: entry for name, entry in approval["attestations"].items() if name == str(approval["submitted_by"])}
    author = {code: one["kept"] for code, one in stated.get(str(approval["submitted_by"]), {}).items()}
    evidence.say(digest_of(author) == content["attestations"], "the author's statements are those in the manifest")
    for person in approval["attestations"].values():
        for code, one in person.items():
            shown = hashlib.sha256(f"{one['kept']['version']}\n{code}\n{one['text']}".encode()).hexdigest()
            if shown != one["kept"]["text"]:
                evidence.say(False, f"the text of statement {code} is the one that was shown")
    approvers: set[int] = set()
    for vote in approval["votes"]:
        kept = {
            code: one["kept"] for code, one in approval["attestations"].get(str(vote["signed"]["voter"]), {}).items()
        }
        fits = vote["signed"]["attestations"] == (digest_of(kept) if vote["signed"]["verdict"] == "approve" else "")
        fits = fits and is_signed(key, b"sealpost vote\0" + canonical(vote["signed"]), bytes.fromhex(vote["signature"]))
        evidence.say(fits, f"the decision of person {vote['signed']['voter']} is signed, with what they stated")
        is_yes = vote["signed"]["verdict"] == "approve" and vote["signed"]["digest"] == approval["digest"]
        if fits and is_yes and vote["signed"]["approval"] == approval["id"]:
            approvers.add(vote["signed"]["voter"])
    approvers.discard(approval["submitted_by"])
    if approval["approved_at"]:
        evidence.say(
            len(approvers) >= approval["needed"], f"{len(approvers)} others approved, {approval['needed']} had to"
        )
    return approval


def check_messages(evidence: Evidence, approval: Any) -> None:
    """The messages are the approved list: all of them, no other, in their order."""
    rows = evidence.lines("messages.jsonl")
    if not rows:
        evidence.say(approval["started_at"] is None, "no message, because the send did not begin")
        return
    leaves = [bytes.fromhex(row["leaf"]) for row in rows]
    evidence.say([row["position"] for row in rows] == list(range(len(rows))), "the messages are in their order")
    wanted = approval["manifest"]["recipients"]
    fits = len(rows) == wanted["count"] and merkle_root(leaves) == wanted["merkle_root"]
    evidence.say(fits, f"the {len(rows)} messages are the approved list")


def check_trail(evidence: Evidence, key: bytes) -> None:
    """The slice of the audit trail hangs together, and ends at signed checkpoints where there are any."""
    lines = evidence.lines("audit.jsonl")
    digests: dict[int, str] = {}
    fits, whole = True, 0
    for place, line in enumerate(lines):
        if place:
            before = lines[place - 1]
            fits = fits and line["seq"] == before["seq"] + 1 and line["prev"] == before["digest"]
        if "event" in line:
            whole += 1
            event = line["event"]
            fits = fits and digest_of(event) == line["digest"]
            fits = fits and (event["seq"], event["prev"]) == (line["seq"], line["prev"])
        digests[line["seq"]] = line["digest"]
    evidence.say(fits, f"{len(lines)} events of the audit trail hang together, {whole} of them are shown")
    for one in evidence.json("checkpoints.json"):
        content = one["content"]
        fits = is_signed(key, b"sealpost audit checkpoint\0" + canonical(content), bytes.fromhex(one["signature"]))
        fits = fits and digests.get(content["seq"], content["digest"]) == content["digest"]
        evidence.say(fits, f"the checkpoint at event {content['seq']} of {content['at'][:10]} is signed and fits")


def check_shredding(evidence: Evidence, key: bytes) -> None:
    for one in evidence.json("shredded.json"):
        fits = is_signed(
            key, b"sealpost shred certificate\0" + canonical(one["content"]), bytes.fromhex(one["signature"])
        )
        evidence.say(
            fits, f"the content of {one['content']['scope'] or 'everything'} was shredded, certified and signed"
        )


def verify(evidence: Evidence, given_key: str | None) -> int:
    try:
        manifest, key = check_files(evidence, given_key)
        approval = check_approval(evidence, key)
        check_messages(evidence, approval)
        check_trail(evidence, key)
        check_shredding(evidence, key)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        evidence.say(False, f"the evidence can be read ({type(error).__name__})")
        return 1
    sys.stdout.write(f"Evidence of {manifest['made_at'][:10]}, made by the holder of the key {key.hex()}\n")
    return 1 if evidence.failed else 0


def main(words: list[str]) -> int:
    given_key = None
    if "--key" in words:
        at = words.index("--key")
        given_key = "".join(words[at + 1 : at + 2]).lower()
        words = words[:at] + words[at + 2 :]
    if words:
        with zipfile.ZipFile(words[0]) as archive:
            return verify(Evidence(archive.read, set(archive.namelist())), given_key)
    folder = Path(__file__).resolve().parent
    names = {path.name for path in folder.iterdir() if path.is_file()}
    return verify(Evidence(lambda name: (folder / name).read_bytes(), names), given_key)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
