"""Which of our mails a report is about: what it carries of ours, the most certain first (DS-05)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from campaigns import tokens
from campaigns.inbound import notices
from campaigns.inbound.reports import Report
from campaigns.tokens import UnsubscribeClaim


class By(StrEnum):
    """What names the mail. The first two are unforgeable; ids need the recipient beside them; an address names none."""

    TOKEN = "token"  # noqa: S105 (no password)
    UNSUBSCRIBE = "unsubscribe"
    ENVELOPE_ID = "envelope-id"
    MESSAGE_ID = "message-id"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A candidate: a message by its public id, by a claim, or only a recipient's address."""

    by: By
    message_id: UUID | None = None
    claim: UnsubscribeClaim | None = None
    address: str = ""

    @property
    def proves(self) -> bool:
        """Whether nobody who has not seen the mail can have made this (DS-06)."""
        return self.by in {By.TOKEN, By.UNSUBSCRIBE}


_RUN = re.compile(r"[a-z2-7]{40,64}", re.IGNORECASE)
_UNSUBSCRIBE = re.compile(r"/u/([A-Za-z0-9_-]{76})(?![A-Za-z0-9_-])")
_OUR_ID = re.compile(r"<?\s*([0-9a-f]{32})@", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
# Where the address a mail was sent to is written down, besides the envelope.
_ENVELOPE = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to", "x-forwarded-to")


def find_keys(report: Report, *, envelope_to: str) -> list[Key]:
    """What the report may be about, the most certain first, each once; `envelope_to` may be empty (a mailbox)."""
    return list(dict.fromkeys(_find(report, envelope_to)))


def _find(report: Report, envelope_to: str) -> Iterator[Key]:
    addressed = [envelope_to, *(value for name in _ENVELOPE for value in report.headers.get_all(name))]
    # Our return path travels with the mail, so a report that returns it has the token, too (FB-01).
    addressed += [
        report.mail_from,
        *report.original.get_all("return-path"),
        *report.original.get_all("x-envelope-from"),
    ]
    yield from (Key(By.TOKEN, found) for value in addressed for found in read_tokens(value))
    for value in report.original.get_all("list-unsubscribe"):
        for token in _UNSUBSCRIBE.findall(value):
            claim = tokens.read_unsubscribe_token(token)
            if claim is not None:
                yield Key(By.UNSUBSCRIBE, claim=claim)
    if _HEX.fullmatch(report.envelope_id.strip()):
        yield Key(By.ENVELOPE_ID, UUID(report.envelope_id.strip()))
    for name in ("message-id", "x-message-id"):
        found = _OUR_ID.match(report.original.get(name))
        if found:
            yield Key(By.MESSAGE_ID, UUID(found[1]))
    yield from (Key(By.ADDRESS, address=address) for address in told_addresses(report))


def asks_to_leave(report: Report, *, envelope_to: str) -> bool:
    """Whether it was written to the address a mail is left by, whatever it says (UN-10)."""
    addressed = [envelope_to, *(value for name in _ENVELOPE for value in report.headers.get_all(name))]
    found = (address for value in addressed for address in notices.find_addresses(value[:4_000]))
    return any(address.lower().startswith(tokens.UNSUBSCRIBE_LOCAL) and read_tokens(address) for address in found)


def read_tokens(text: str) -> list[UUID]:
    """The messages whose bounce tokens stand in the addresses of a text (VE-01).

    The separator before a token may have got lost with the `+`, and then the token ends the local part.
    """
    locals_ = (address.rpartition("@")[0] for address in notices.find_addresses(text[:4_000]))
    found = (tokens.read_bounce_token(run[-40:]) for local in locals_ for run in _RUN.findall(local))
    return [message for message in found if message is not None]


def told_addresses(report: Report) -> list[str]:
    """Every address the report says its mail was for."""
    failures = [address for failure in report.failures for address in (*failure.addresses, failure.address)]
    return list(dict.fromkeys(address for address in (*failures, *report.complainers) if "@" in address))
