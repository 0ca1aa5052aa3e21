"""DKIM signatures (RFC 6376, RFC 8301, RFC 8463): relaxed/relaxed, RSA-SHA256 and optionally a second one by Ed25519.

Nothing is signed by half: no l= tag (DK-01). No x= tag either: mail may wait in queues and be verified again
from a mailbox much later, and x= is not meant against replays (RFC 6376 §3.5).
"""

from __future__ import annotations

import hashlib
import time
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from campaigns.domains.keys import open_private_key
from campaigns.errors import CampaignError
from campaigns.models import DkimKey, Domain
from compliance.vault import SealBroken

# The reader sees these or answers to them, so none may be added either: listed once more than they occur, whether
# they occur or not (RFC 6376 §8.15, DK-02).
_SEALED = (b"From", b"To", b"Cc", b"Subject", b"Reply-To")
# A mail has one of each at most (RFC 5322 §3.6, RFC 2045 §4, RFC 2369 §3, RFC 2919 §2), and a second would change what
# is shown or done. Not guarded where they are missing: relays and lists add what a mail lacks.
_SINGLE = (b"Date", b"Message-ID", b"In-Reply-To", b"References", b"MIME-Version", b"Content-Type",
           b"Content-Transfer-Encoding", b"List-ID", b"List-Unsubscribe", b"List-Unsubscribe-Post")  # fmt: skip
# Signed as they are: relays put their own above ours, without harm to it.
_OPEN = (b"Feedback-ID", b"CFBL-Address", b"CFBL-Feedback-ID")
_SPELLINGS = {name.lower(): name for name in (*_SEALED, *_SINGLE, *_OPEN)}
_WIDTH = 78
_PADDING, _SHA256 = PKCS1v15(), SHA256()


def open_signer(domain: Domain) -> Signer | None:
    """Signs with the keys the domain uses now; None when it has no RSA key in use (DK-07).

    Ask again for each run of sending: a key that was replaced is published for some days only.
    Raises CampaignError `domain.key-unreadable` when a private key cannot be opened.
    """
    keys = list(domain.dkim_keys.filter(state=DkimKey.State.SIGNING).order_by("-algorithm"))
    if not keys or keys[0].algorithm != DkimKey.Algorithm.RSA:
        return None
    try:
        return Signer([_open(key) for key in keys])
    except SealBroken as error:
        raise CampaignError(
            "domain.key-unreadable",
            "The signature key of this domain cannot be opened.",
            action="Bring back the key ring it was made with, or change the key on the page of the domain.",
            status=500,
        ) from error


@dataclass(frozen=True, slots=True, repr=False)
class _OpenKey:
    """A private key behind a function, and the tags that are the same in all its signatures."""

    tags: tuple[bytes, ...]
    make_signature: Callable[[bytes], bytes]


class Signer:
    """Signs the mails of one domain; threads may share it. It knows neither settings nor tables."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[_OpenKey]) -> None:
        self._keys = tuple(keys)

    def sign(self, mail: bytes) -> bytes:
        """The DKIM-Signature field(s) to put in front of the finished mail, CRLF included.

        The mail has CRLF line ends; not a byte of it may change afterwards (DK-03).
        """
        head, _, body = mail.partition(b"\r\n\r\n")
        names, fields = _relax_head(head)
        digest = b2a_base64(hashlib.sha256(relax_body(body)).digest(), newline=False)
        stamp = b"t=%d; bh=%b;" % (int(time.time()), digest)
        return b"".join([self._sign_by(key, names, fields, stamp) for key in self._keys])

    @staticmethod
    def _sign_by(key: _OpenKey, names: tuple[bytes, ...], fields: bytes, stamp: bytes) -> bytes:
        folded, relaxed = _opening(key.tags, names)
        signature = key.make_signature(b"%b\r\n%b%b b=" % (fields, relaxed, stamp))
        lines = [signature[at : at + 72] for at in range(0, len(signature), 72)]
        return b"%b%b\r\n b=%b\r\n" % (folded, stamp, b"\r\n ".join(lines))


def _open(key: DkimKey) -> _OpenKey:
    private_key = open_private_key(key)
    words = (
        "DKIM-Signature: v=1;",
        f" a={key.algorithm}-sha256;",
        " c=relaxed/relaxed;",
        f" d={key.domain.name};",
        f" s={key.selector};",
    )
    tags = tuple(word.encode("ascii") for word in words)
    if isinstance(private_key, RSAPrivateKey):
        return _OpenKey(tags, partial(_sign_rsa, private_key))
    return _OpenKey(tags, partial(_sign_ed25519, private_key))


def _sign_rsa(private_key: RSAPrivateKey, data: bytes) -> bytes:
    return b2a_base64(private_key.sign(data, _PADDING, _SHA256), newline=False)


def _sign_ed25519(private_key: Ed25519PrivateKey, data: bytes) -> bytes:
    # The hash of the data is what is signed, not the data (RFC 8463 §3).
    return b2a_base64(private_key.sign(hashlib.sha256(data).digest()), newline=False)


def _relax_head(head: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """The signed fields from the last to the first, as RFC 6376 §5.4.2 counts them: names, and relaxed (§3.4.2)."""
    head = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").replace(b"\t", b" ")
    names, fields = [], []
    for line in _collapse(head).split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.rstrip(b" ").lower()
        if name in _SPELLINGS:
            names.append(name)
            fields.append(b"%b:%b" % (name, value.strip(b" ")))
    return tuple(reversed(names)), b"\r\n".join(reversed(fields))


def relax_body(body: bytes) -> bytes:
    """The body as RFC 6376 §3.4.4 has it hashed. What needs no change is found out by searches from the end:
    those are three times as fast as searches from the start."""
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    if body.rfind(b"\t") >= 0:
        body = body.replace(b"\t", b" ")
    body = _collapse(body)
    if body.rfind(b" \r\n") >= 0:
        body = body.replace(b" \r\n", b"\r\n")
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    if not end:
        return b""
    return body if end == len(body) - 2 else body[: end + 2]


def _collapse(text: bytes) -> bytes:
    """Every run of spaces as one."""
    first, *parts = text.rsplit(b"  ")
    if not parts:
        return text
    *middle, last = parts
    return b" ".join([first.rstrip(b" "), *filter(None, [part.strip(b" ") for part in middle]), last.lstrip(b" ")])


@lru_cache(maxsize=1024)
def _opening(tags: tuple[bytes, ...], names: tuple[bytes, ...]) -> tuple[bytes, bytes]:
    """A signature field up to its time, folded, and relaxed; the same for all mails with the same fields."""
    listed = [*(_SPELLINGS[name] for name in names), *_SEALED, *(n for n in _SINGLE if n.lower() in names)]
    *first, last = listed
    folded = _fold([*tags, b" h=", *(name + b":" for name in first), last + b";"])
    return folded + b"\r\n ", b"dkim-signature:" + folded.partition(b": ")[2].replace(b"\r\n ", b" ") + b" "


def _fold(pieces: Iterable[bytes]) -> bytes:
    """The pieces in lines of at most 78 characters, where a piece is not longer."""
    lines: list[bytes] = [b""]
    for piece in pieces:
        if len(lines[-1]) + len(piece) > _WIDTH:
            lines.append(b" " + piece.lstrip(b" "))
        else:
            lines[-1] += piece
    return b"\r\n".join(lines)
