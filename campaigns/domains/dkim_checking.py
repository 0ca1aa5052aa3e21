"""DKIM signatures of mail we receive (RFC 6376 §6, RFC 8301, RFC 8463).

Written here because strangers choose what is checked: everything takes time in proportion to the mail, with few signatures
and keys of usual sizes. What RFC 8301 forbids (SHA-1, short keys) proves nothing, and neither does half a signature (`l=`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from campaigns.domains.dkim import relax_body
from campaigns.domains.lookup import Dns

# Each costs a look-up and a signature check, and nobody needs more (RFC 6376 §8.4).
MOST_SIGNATURES = 5
_KEY_BITS = range(1024, 4097)
# A key of 4,096 bits takes about 750 letters.
_LONGEST_KEY = 2_000
_MOST_FIELDS = 2_000
_LONGEST_HEAD = 1024 * 1024
_DOMAIN = re.compile(r"(?:[a-z0-9_-]{1,63}\.){1,10}[a-z0-9-]{1,63}").fullmatch
_ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}
_BLANKS = b" \t\r\n"
_SIGNATURE_VALUE = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")

Outcome = Literal["pass", "fail", "temperror", "none"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What the signatures of a mail say together, and the domains of those that hold."""

    outcome: Outcome
    domains: tuple[str, ...] = ()


class _Broken(Exception):
    """This signature proves nothing."""


class _Later(Exception):
    """DNS did not answer."""


def check_signatures(mail: bytes, *, dns: Dns, now: datetime) -> Checked:
    """Check the first signatures of a mail whose lines end in CRLF; never raises."""
    head, _, body = mail.partition(b"\r\n\r\n")
    fields = _read_fields(head[:_LONGEST_HEAD])
    signatures = [field for field in fields if field[0] == b"dkim-signature"][:MOST_SIGNATURES]
    domains: list[str] = []
    is_temporary = False
    for signature in signatures:
        try:
            domains.append(_check(signature, fields, body, dns=dns, now=now))
        except _Later:
            is_temporary = True
        except _Broken:
            continue
    if domains:
        return Checked("pass", tuple(dict.fromkeys(domains)))
    if not signatures:
        return Checked("none")
    return Checked("temperror" if is_temporary else "fail")


_Field = tuple[bytes, bytes]
"""(name in lower case, the field as it stands without its last line end)"""


def _read_fields(head: bytes) -> list[_Field]:
    fields: list[list[bytes]] = []
    for line in head.split(b"\r\n"):
        if line[:1] in {b" ", b"\t"} and fields:
            fields[-1].append(line)
        elif len(fields) < _MOST_FIELDS:
            fields.append([line])
        else:
            break
    return [(lines[0].partition(b":")[0].rstrip(_BLANKS).lower(), b"\r\n".join(lines)) for lines in fields]


def _check(signature: _Field, fields: list[_Field], body: bytes, *, dns: Dns, now: datetime) -> str:
    """The domain of a signature that holds; raises _Broken and _Later."""
    tags = _read_tags(signature[1].partition(b":")[2].decode("latin-1"))
    domain, selector = tags.get("d", "").lower(), tags.get("s", "").lower()
    head_form, body_form = _read_forms(tags)
    _check_tags(tags, domain, selector, now=now)
    if _decode(tags.get("bh", "")) != _hash_body(body, body_form):
        raise _Broken
    key = _find_key(tags, domain, selector, dns=dns)
    data = _signed_data(signature, fields, _split(tags.get("h", "")), head_form)
    try:
        if isinstance(key, RSAPublicKey):
            key.verify(_decode(tags.get("b", "")), data, PKCS1v15(), SHA256())
        else:
            # The hash of the data is what is signed, not the data (RFC 8463 §3).
            key.verify(_decode(tags.get("b", "")), hashlib.sha256(data).digest())
    except InvalidSignature:
        raise _Broken from None
    return domain


def _read_tags(text: str) -> dict[str, str]:
    """Tags of a signature or key (RFC 6376 §3.2), values without blanks; raises _Broken for one that stands twice."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, sign, value = part.partition("=")
        if not sign:
            if part.strip():
                raise _Broken
            continue
        if name.strip() in tags:
            raise _Broken
        tags[name.strip()] = "".join(value.split())
    return tags


def _split(text: str) -> list[str]:
    return [word.lower() for word in text.split(":") if word]


def _read_forms(tags: Mapping[str, str]) -> tuple[str, str]:
    head, _, body = tags.get("c", "simple/simple").lower().partition("/")
    if {head, body or "simple"} - {"simple", "relaxed"}:
        raise _Broken
    return head, body or "simple"


def _check_tags(tags: Mapping[str, str], domain: str, selector: str, *, now: datetime) -> None:
    """What has to be true before anybody is asked (RFC 6376 §6.1.1)."""
    agent = tags.get("i", f"@{domain}").rpartition("@")[2].lower()
    expires = tags.get("x", "")
    is_over = bool(expires) and (not expires.isdigit() or int(expires[:12]) < now.timestamp())
    sound = (
        tags.get("v") == "1"
        and tags.get("a", "").lower() in _ALGORITHMS
        and "from" in _split(tags.get("h", ""))
        and "l" not in tags
        and not is_over
        and _DOMAIN(domain)
        and _DOMAIN(f"{selector}.x")
        and (agent == domain or agent.endswith(f".{domain}"))
    )
    if not sound:
        raise _Broken


def _find_key(tags: Mapping[str, str], domain: str, selector: str, *, dns: Dns) -> RSAPublicKey | Ed25519PublicKey:
    answer = dns.texts(f"{selector}._domainkey.{domain}")
    if answer.is_temporary:
        raise _Later
    if len(answer.values) != 1 or len(answer.values[0]) > _LONGEST_KEY:
        raise _Broken
    record = _read_tags(answer.values[0])
    kind = _ALGORITHMS[tags["a"].lower()]
    hashes, services = _split(record.get("h", "sha256")), _split(record.get("s", "*"))
    is_strict = "s" in _split(record.get("t", ""))
    sound = (
        record.get("v", "DKIM1") == "DKIM1"
        and record.get("k", "rsa").lower() == kind
        and "sha256" in hashes
        and not {"*", "email"}.isdisjoint(services)
        and not (is_strict and tags.get("i", f"@{domain}").rpartition("@")[2].lower() != domain)
    )
    if not sound:
        raise _Broken
    return _load_key(kind, _decode(record.get("p", "")))


def _load_key(kind: str, data: bytes) -> RSAPublicKey | Ed25519PublicKey:
    try:
        if kind == "ed25519":
            return Ed25519PublicKey.from_public_bytes(data)
        key = load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise _Broken from None
    if not isinstance(key, RSAPublicKey) or key.key_size not in _KEY_BITS:
        raise _Broken
    return key


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise _Broken from None


def _hash_body(body: bytes, form: str) -> bytes:
    if form == "relaxed":
        return hashlib.sha256(relax_body(body) if body else b"").digest()
    # Simple: empty lines at the end count as one line end, and one is there (RFC 6376 §3.4.3).
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return hashlib.sha256(body[:end] + b"\r\n").digest()


def _signed_data(signature: _Field, fields: list[_Field], names: list[str], form: str) -> bytes:
    """The fields named in h=, each name from the last field of it upwards, and the signature without its value."""
    left: dict[bytes, list[bytes]] = defaultdict(list)
    for name, field in fields:
        if field is not signature[1]:
            left[name].append(field)
    # One named more often than it stands guards against another (RFC 6376 §5.4.2).
    wanted = (left.get(name.encode("latin-1")) for name in names[:_MOST_FIELDS])
    chosen = [_shape(found.pop(), form) + b"\r\n" for found in wanted if found]
    name, _, value = signature[1].partition(b":")
    bare = name + b":" + _SIGNATURE_VALUE.sub(rb"\1", value, count=1)
    return b"".join(chosen) + _shape(bare, form)


def _shape(field: bytes, form: str) -> bytes:
    if form == "simple":
        return field
    name, _, value = field.partition(b":")
    return name.strip(_BLANKS).lower() + b":" + b" ".join(value.split())
