"""Is a mail from whom it says? SPF, DKIM and DMARC of mail that came to us (RFC 7208, 6376, 9989)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import dkim

from campaigns import addresses
from campaigns.domains import dmarc
from campaigns.domains.dmarc import Walk
from campaigns.domains.lookup import Dns
from campaigns.domains.spf_checking import SpfResult, check_host
from campaigns.errors import AddressError
from campaigns.inbound.letters import Letter
from campaigns.inbound.reception import Envelope

log = logging.getLogger(__name__)

# Each costs a look-up and a signature check, and nobody needs more (RFC 6376 §8.4).
MOST_SIGNATURES = 5
# A key of 4,096 bits takes about 750 letters; a longer one is made to keep us busy.
_LONGEST_KEY = 2_000
_SMALLEST_KEY = 1_024

# The library quotes what it checks.
_silent = logging.getLogger("campaigns.inbound.dkim")
_silent.addFilter(lambda _: False)


@dataclass(frozen=True, slots=True)
class Authentication:
    """What was found, in the words of RFC 8601; `policy` is what the From domain wants done with mail that fails.

    `signed_by` are the domains of the signatures that hold.
    """

    spf: str = SpfResult.NONE
    dkim: str = "none"
    dmarc: str = "none"
    policy: str = ""
    signed_by: tuple[str, ...] = ()

    @property
    def is_forged(self) -> bool:
        """Whether the domain in From says that this mail is not its own, and asks that it go nowhere."""
        return self.dmarc == "fail" and self.policy in {"quarantine", "reject"}


def authenticate(raw: bytes, letter: Letter, *, envelope: Envelope, dns: Dns) -> Authentication:
    """Everything that can be found out; never raises, and asks no longer than dns allows."""
    spf, spf_domain = check_host(envelope.remote, mail_from=envelope.mail_from, helo=envelope.helo, dns=dns)
    signatures, signed_by = _check_signatures(raw, letter, dns=dns)
    try:
        domain = addresses.ascii_domain(letter.sender.address.rpartition("@")[2])
    except AddressError:
        # Nobody, or several: which of them would be meant is what a forger chooses (RFC 9989 §11.5).
        return Authentication(spf, signatures, "permerror", "", signed_by)
    author = dmarc.walk(domain, dns=dns)
    verdict = _judge(author, spf=(spf, spf_domain), signed_by=signed_by, dns=dns)
    if verdict == "fail" and "temperror" in {spf, signatures}:
        verdict = "temperror"
    return Authentication(spf, signatures, verdict, author.policy if author.applied else "", signed_by)


def _judge(author: Walk, *, spf: tuple[str, str], signed_by: tuple[str, ...], dns: Dns) -> str:
    record = author.applied
    if record is None:
        return "temperror" if author.temporary else "none"
    candidates = [(domain, record.tags.get("adkim", "r")) for domain in signed_by]
    if spf[0] == SpfResult.PASS:
        candidates.append((spf[1], record.tags.get("aspf", "r")))
    for domain, mode in candidates:
        if dmarc.is_aligned(dmarc.walk(domain, dns=dns), author, strict=mode.lower() == "s"):
            return "pass"
    return "fail"


def _check_signatures(raw: bytes, letter: Letter, *, dns: Dns) -> tuple[str, tuple[str, ...]]:
    """(pass, fail, temperror or none; the domains of the signatures that hold)."""
    count = min(len(letter.headers.get_all("dkim-signature")), MOST_SIGNATURES)
    if not count:
        return "none", ()
    is_temporary, found = False, []

    def look_up(name: Any, timeout: int = 5) -> bytes | None:
        nonlocal is_temporary
        del timeout
        host = name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)
        answer = dns.texts(host)
        is_temporary = is_temporary or answer.is_temporary
        text = answer.values[0] if len(answer.values) == 1 else ""
        return text.encode() if 0 < len(text) <= _LONGEST_KEY else None

    # Lines as they were signed: every kind of line end becomes CRLF on the way.
    checker = dkim.DKIM(_with_crlf(raw), logger=_silent, minkey=_SMALLEST_KEY)
    for number in range(count):
        try:
            holds = checker.verify(idx=number, dnsfunc=look_up)
        except Exception as error:
            # The edge to a library that meets what strangers write: dkim.DKIMException, and whatever else it may raise.
            log.debug("A signature could not be checked: %s", type(error).__name__)
            continue
        fields = {bytes(name).lower(): value for name, value in (checker.signature_fields or {}).items()}
        # With l= anything may have been added behind what was signed (RFC 6376 §8.2; DK-01).
        if holds and b"l" not in fields:
            found.append(bytes(fields.get(b"d", b"")).decode("ascii", "replace").strip().lower())
    if found:
        return "pass", tuple(dict.fromkeys(domain for domain in found if domain))
    return ("temperror" if is_temporary else "fail"), ()


def _with_crlf(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
