"""Mail from the world for tests: an address of an account, what arrives there, and the worker that sees to it."""

from __future__ import annotations

from typing import Any

import dns.resolver
from django.utils import timezone

from campaigns.inbound.places import find_place
from campaigns.inbound.processing import process_waiting
from campaigns.inbound.reception import Envelope, take_in
from campaigns.models import Account, Contact, InboundMail, InboundRoute, Message, MessageState
from campaigns.planning import fanout, sending
from tests.factories import make_campaign, make_contact, make_domain, make_list

WRITER = "ann@example.net"


def make_route(
    account: Account, pattern: str = "support", *, domain: str = "shop.example.org", **fields: Any
) -> InboundRoute:
    """An inbound address of the account at a verified domain."""
    owner = account.domains.filter(name=domain).first() or make_domain(account, name=domain)
    return InboundRoute.objects.create(account=account, domain=owner, pattern=pattern, **fields)


def write_mail(*headers: str, to: str = "support@shop.example.org", body: str = "Hello", writer: str = WRITER) -> bytes:
    """A mail as a person's program writes it; further headers come first."""
    lines = [
        *headers,
        f"From: Ann Example <{writer}>",
        f"To: {to}",
        "Subject: A question",
        "Message-ID: <1@example.net>",
    ]
    return "\r\n".join([*lines, "Date: Mon, 30 Nov 2026 10:00:00 +0000", "", body, ""]).encode()


def arrive(raw: bytes, *, to: str = "support@shop.example.org", mail_from: str = WRITER, remote: str = "") -> None:
    """What the door does when a mail has come."""
    place = find_place(to)
    assert place is not None, "refused"
    take_in(raw, envelope=Envelope(mail_from, remote=remote), places=[(to, place)], now=timezone.now())


def work(resolver: dns.resolver.Resolver) -> None:
    """What the job does."""
    process_waiting(resolver=resolver, now=timezone.now())


def receive(raw: bytes, resolver: dns.resolver.Resolver, **arrival: str) -> InboundMail:
    """A mail that has arrived and been seen to."""
    arrive(raw, **arrival)
    work(resolver)
    return InboundMail.objects.latest("pk")


def send_campaign(account: Account, *, return_path: str = "bounces@mail.example.org") -> tuple[Contact, Message]:
    """Somebody, and the mail of a campaign they have got, whose bounces come to us."""
    readers = make_list(account)
    contact = make_contact(account, lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    account.domains.update(return_path=return_path)
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    Message.objects.filter(submission=submission).update(state=MessageState.SENT, attempts=1, sent_at=timezone.now())
    return contact, Message.objects.get(submission=submission)
