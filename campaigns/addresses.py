"""Email addresses: the only place that parses, normalises and compares them.

Syntax by email-validator (strict, no DNS), domains by IDNA2008 (`faß.de` is not `fass.de`). Tags after
`+`, dots and apostrophes in the local part are the mailbox owner's business and stay.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna
from email_validator import EmailNotValidError, validate_email

from campaigns.errors import AddressError

# The part of RFC 5321 addresses that nearly every real address uses; anything else takes the full parser.
_PLAIN = re.compile(r"[A-Za-z0-9_+'-]+(?:\.[A-Za-z0-9_+'-]+)*", re.ASCII).fullmatch
# Line ends are no blanks: text with one is more than an address.
_BLANKS = " \t\u00a0\u3000"
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3002: ".", 0xFF61: "."}


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """One mailbox; its repr shows nothing, for tracebacks and logs.

    `normalized` is shown to people (NFC, domain in Unicode); `mailbox` goes on the wire (local part as
    given, domain as A-label); `key` compares (local part casefolded, domain as A-label).
    """

    normalized: str
    local: str
    domain: str

    @property
    def mailbox(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def key(self) -> str:
        return f"{unicodedata.normalize('NFC', self.local.casefold())}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """True when the local part is not ASCII (RFC 6531); an IDN domain alone needs nothing."""
        return not self.local.isascii()


_AT = re.compile(r"((?:@|＠|%40)+)")
_RUN = re.compile(r"\"[^\"\r\n]*\"|[^\s<>]+")


def redact(text: str) -> str:
    """The text with everything around an at sign replaced by `[address]`; rather too much than too little.

    Takes time in proportion to the text, whatever is in it.
    """
    pieces = _AT.split(text)
    done = [pieces[0]]
    for sign, right in zip(pieces[1::2], pieces[2::2], strict=True):
        left = done.pop()
        # Backwards, since a pattern that ends at the end of a text is tried from every place in it.
        before, after = _RUN.match(left[::-1]), _RUN.match(right)
        if after and (before or (done and not left)):
            done += [left[: len(left) - before.end()] if before else "", "[address]", right[after.end() :]]
        else:
            done += [left + sign, right]
    return "".join(done)


def parse(text: str) -> Address:
    """The address in text, without surrounding blanks; raises AddressError `address.invalid`."""
    # Full-width letters and a trailing root dot are how people paste the same mailbox (evil input 6). Other
    # compatibility letters stay: `ﬁ` in a local part is somebody else than `fi`.
    text = (text if text.isascii() else text.translate(_FULL_WIDTH)).strip(_BLANKS)
    local, at, domain = text.rpartition("@")
    if at and len(local) <= 64 and _PLAIN(local):
        shown, wire = _domain(domain.removesuffix("."))
        if len(local) + 1 + len(wire) <= 254:
            return Address(f"{local}@{shown}", local, wire)
    try:
        found = validate_email(text.removesuffix("."), check_deliverability=False, strict=True, test_environment=False)
    except EmailNotValidError:
        # From None: the library's sentence quotes the address.
        raise AddressError(
            "address.invalid", "This is not a valid email address.", action="Correct the address."
        ) from None
    return Address(found.normalized, found.local_part, found.ascii_domain)


_NAMED = re.compile(r"(.*?)\s*<([^<>]*)>\s*", re.DOTALL)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_LONGEST_NAME = 300


def read_mailbox(text: str) -> tuple[str, Address]:
    """The display name, "" for none, and the address of `addr` or `Name <addr>`; raises AddressError.

    Codes: `address.invalid`, and `address.name-unsafe` for a name with control characters or more than 300 characters.
    """
    found = _NAMED.fullmatch(text.strip(_BLANKS))
    if found is None:
        return "", parse(text)
    name = found[1].strip(_BLANKS)
    if _QUOTED.fullmatch(name):
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    # Cc holds line ends and NUL, Zl and Zp the line ends of Unicode, Cf what hides or turns text (evil inputs 9, 10).
    if len(name) > _LONGEST_NAME or any(unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp", "Cs"} for c in name):
        raise AddressError(
            "address.name-unsafe", "This display name cannot stand in a header.", action="Use plain text of one line."
        )
    return name, parse(found[2])


def ascii_domain(name: str) -> str:
    """A domain name as lower-case A-labels (IDNA2008, UTS 46 non-transitional); raises AddressError."""
    return _domain(name.strip().removesuffix("."))[1]


@lru_cache(maxsize=8192)
def _domain(name: str) -> tuple[str, str]:
    """(shown, wire) forms of a domain, judged by the same library as whole addresses; raises AddressError."""
    try:
        found = validate_email(f"x@{name}", check_deliverability=False, strict=True)
    except (EmailNotValidError, idna.IDNAError, UnicodeError):
        raise AddressError(
            "address.domain-invalid", "This is not a valid domain name.", action="Correct the domain."
        ) from None
    return found.domain, found.ascii_domain
