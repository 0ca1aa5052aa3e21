"""Is a mail from whom it says? SPF, DKIM and DMARC of mail that came to us (RFC 7208, 6376, 9989)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from campaigns import addresses
from campaigns.domains import dmarc
from campaigns.domains.dkim_checking import check_signatures
from campaigns.domains.dmarc import Walk
from campaigns.domains.lookup import Dns
from campaigns.domains.spf_checking import SpfResult, check_host
from campaigns.errors import AddressError
from campaigns.inbound.letters import Letter
from campaigns.inbound.reception import Envelope


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


def authenticate(raw: bytes, letter: Letter, *, envelope: Envelope, dns: Dns, now: datetime) -> Authentication:
    """Everything that can be found out; never raises, and asks no longer than dns allows."""
    spf, spf_domain = check_host(envelope.remote, mail_from=envelope.mail_from, helo=envelope.helo, dns=dns)
    # Lines as they were signed: whatever they ended in on the way here.
    checked = check_signatures(_with_crlf(raw), dns=dns, now=now)
    signatures, signed_by = checked.outcome, checked.domains
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


def _with_crlf(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
