"""Passing mail on through our own transport: from our own address, so that DMARC holds, and never in a circle.

The address of the writer stands in Reply-To, and the return path is ours: what comes back about it comes to us and not to
the writer, which is what the Sender Rewriting Scheme does as well.
"""

from __future__ import annotations

import re
from datetime import datetime

from django.conf import settings

from campaigns import addresses
from campaigns.addresses import Address
from campaigns.content.mail_controls import Controls
from campaigns.content.submitted import Submitted, read_submitted
from campaigns.errors import AddressError, CampaignError
from campaigns.inbound.letters import Letter
from campaigns.inbound.loops import MARK
from campaigns.models import Door, InboundRoute, Lane, Purpose
from campaigns.outbox.finished import Origin, compose_batch
from campaigns.outbox.requests import check_batch
from campaigns.outbox.together import accept_requests

# Ours to write, of no more meaning, or a stranger's try to steer how we send.
_DROPPED = re.compile(
    rb"(?:from|sender|reply-to|to|cc|bcc|return-receipt-to|disposition-notification-to|errors-to|list-[a-z-]+|precedence|"
    rb"x-(?:ib|infobip)-[!-9;-~]*|content-length|" + MARK.lower().encode() + rb")[ \t]*:",
    re.IGNORECASE,
)
_HEAD_END = re.compile(rb"\r\n\r\n")


def forward(raw: bytes, letter: Letter, route: InboundRoute, *, recipient: str, now: datetime) -> str:
    """Hand the mail to the outbox for the route's other end; the outcome's code. Call it in a transaction."""
    sender = addresses.parse(recipient)
    try:
        mail = _rewrite(raw, letter, route, sender=sender, now=now)
        batch = compose_batch(
            mail,
            origin=Origin(route.account, Door.FORWARD, Purpose.TRANSACTIONAL, Lane.STANDARD),
            recipients=[("", addresses.parse(route.forward_to))],
            controls=Controls(),
            now=now,
        )
        check_batch(batch)
    except CampaignError:
        return "unforwardable"
    try:
        accept_requests(batch, now=now)
    except CampaignError:
        return "no-transport"
    return "forwarded"


def _rewrite(raw: bytes, letter: Letter, route: InboundRoute, *, sender: Address, now: datetime) -> Submitted:
    """The mail with our own head; raises CampaignError for one that no careful sender lets out."""
    data = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n").replace(b"\0", b"").lstrip(b"\r\n")
    found = _HEAD_END.search(data)
    head, body = (data[: found.start()], data[found.end() :]) if found else (data, b"")
    kept = [field for field in re.split(rb"\r\n(?![ \t])", head) if not _DROPPED.match(field)]
    own = [
        f"From: {sender.mailbox}",
        f"Reply-To: {_answer_to(letter) or sender.mailbox}",
        f"To: {route.forward_to}",
        f"{MARK}: {mark_of(route)}",
    ]
    whole = b"\r\n".join([*(line.encode() for line in own), *kept]) + b"\r\n\r\n" + body
    return read_submitted(whole, now=now, largest=settings.MAX_MESSAGE_BYTES, sender=(_name_of(letter, route), sender))


def mark_of(route: InboundRoute) -> str:
    """What tells a mail that this route has passed on before."""
    return str(route.public_id)


def _answer_to(letter: Letter) -> str:
    """Where an answer goes: to the writer, as an address alone, whose name could hold anything."""
    for shown in (letter.reply_to, letter.sender):
        try:
            return addresses.parse(shown.address).mailbox
        except AddressError:
            continue
    return ""


def _name_of(letter: Letter, route: InboundRoute) -> str:
    """`Ann Example via support`: never a name that reads like an address."""
    name = letter.sender.name or letter.sender.address.partition("@")[0]
    name = " ".join(re.sub(r"[@\"<>\\]", " ", name).split())[:80]
    return f"{name} via {route.domain.name}" if name else route.domain.name
