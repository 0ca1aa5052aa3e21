"""What MAIL and RCPT say of a mail, and which mail never reaches the wire (RFC 5321, 1870, 3461, 6152, 6531)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from campaigns.delivery.base import OutgoingEmail

# Lengths are RFC 5321 §4.5.3.1's, in octets. Spaces, controls and angle brackets are refused even where a quoted local
# part could hold them: each is a way to end the argument and begin another command.
_ADDRESS = re.compile(rb"[^\x00-\x20\x7f<>]{1,64}@[^\x00-\x20\x7f<>@]{1,255}")
_LONGEST = 254


class Unsendable(Exception):
    """This mail cannot go through this connection; nothing of it was sent."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Offers:
    """What the peer's EHLO offers of what we use."""

    pipelining: bool = False
    dsn: bool = False
    smtputf8: bool = False
    eight_bit: bool = False
    size: bool = False
    largest: int = 0  # bytes of one mail; 0: the peer names no limit

    @classmethod
    def from_features(cls, features: Mapping[str, str]) -> Offers:
        """Offers out of EHLO keywords in lower case with their parameters; a SIZE that is no number names no limit."""
        size = features.get("size", "").strip()
        return cls(
            pipelining="pipelining" in features,
            dsn="dsn" in features,
            smtputf8="smtputf8" in features,
            eight_bit="8bitmime" in features,
            size="size" in features,
            largest=int(size) if size.isascii() and size.isdigit() and len(size) < 20 else 0,
        )


def write_envelope(email: OutgoingEmail, offers: Offers) -> tuple[bytes, bytes]:
    """The MAIL and the RCPT line of a mail, with CRLF, using what is offered only; raises Unsendable.

    An empty `mail_from` is the null reverse path of notifications (RFC 5321 §4.5.5).
    """
    sender = _address(email.mail_from, refusal="smtp.553-5.1.7") if email.mail_from else b""
    recipient = _address(email.rcpt_to, refusal="smtp.553-5.1.3")
    utf8 = not (sender.isascii() and recipient.isascii() and _has_ascii_head(email.data))
    if utf8 and not offers.smtputf8:
        raise Unsendable("smtp.553-5.6.7")  # RFC 6531 §3.5: the next hop cannot carry it
    if offers.largest and len(email.data) > offers.largest:
        raise Unsendable("smtp.552-5.3.4")
    mail, rcpt = b"", b""
    if offers.size:
        mail = b" SIZE=%d" % len(email.data)
    if utf8:
        mail += b" BODY=8BITMIME SMTPUTF8" if offers.eight_bit else b" SMTPUTF8"
    if offers.dsn:
        mail += b" RET=HDRS ENVID=" + email.public_id.hex.encode("ascii")
        wanted = b"SUCCESS,FAILURE,DELAY" if email.asks_receipt else b"FAILURE,DELAY"
        rcpt = b" NOTIFY=%b ORCPT=" % wanted + _original_recipient(recipient)
    return b"MAIL FROM:<%b>%b\r\n" % (sender, mail), b"RCPT TO:<%b>%b\r\n" % (recipient, rcpt)


def _address(text: str, *, refusal: str) -> bytes:
    try:
        address = text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair
        raise Unsendable(refusal) from None
    if len(address) > _LONGEST or not _ADDRESS.fullmatch(address):
        raise Unsendable(refusal)
    return address


def _has_ascii_head(data: bytes) -> bool:
    """Whether a next hop without SMTPUTF8 may see the headers: a finished mail may show other people's addresses."""
    return data[: max(data.find(b"\r\n\r\n"), 0)].isascii()


def _original_recipient(address: bytes) -> bytes:
    """The address as ORCPT has it: xtext (RFC 3461 §4), or the UTF-8 form of RFC 6533 §3."""
    if address.isascii():
        return b"rfc822;" + address.replace(b"+", b"+2B").replace(b"=", b"+3D")
    for char in (b"\\", b"+", b"="):
        address = address.replace(char, b"\\x{%X}" % char[0])
    return b"utf-8;" + address
