"""What is done with one mail that came in, by what its address is for."""

from __future__ import annotations

import contextlib
from datetime import datetime
from uuid import uuid5

import dns.resolver
from django.conf import settings
from django.db import transaction
from django.db.models import F

from campaigns import tokens
from campaigns.domains.lookup import Dns
from campaigns.domains.reports import Taken, take_reports, verified_domains
from campaigns.errors import CampaignError, NotFound
from campaigns.inbound import forwarding, loops
from campaigns.inbound.answers import find_answered
from campaigns.inbound.authentication import Authentication, authenticate
from campaigns.inbound.autoreplies import is_autoreply
from campaigns.inbound.complaints import is_button
from campaigns.inbound.ending import end
from campaigns.inbound.letters import Letter, read_letter
from campaigns.inbound.parse import read_mail
from campaigns.inbound.places import Place, find_place
from campaigns.inbound.reception import Envelope, open_envelope, open_raw, seal_field
from campaigns.inbound.record import Recorded, Result, record_bounce
from campaigns.inbound.reports import Kind
from campaigns.inbound.telling import tell_route
from campaigns.models import (
    BaaStatus,
    Event,
    EventKind,
    InboundMail,
    InboundPlace,
    InboundRoute,
    Message,
    RouteAction,
)
from campaigns.tracking.unsubscribe import unsubscribe

DNS_SECONDS = 10.0  # for all questions about one mail
_REPORTS = {Kind.BOUNCE, Kind.DELAYED, Kind.DELIVERED, Kind.COMPLAINT}


class Later(Exception):
    """Not now: the mail a report is about is being handed over at this moment. Nothing was done."""


def handle(mail: InboundMail, *, resolver: dns.resolver.Resolver, now: datetime) -> None:
    """Do what the address of a mail is for; raises Later, and LookupError when nothing is left of the mail.

    Whatever else is raised is about this mail alone, and nothing was done.
    """
    raw, envelope = open_raw(mail), open_envelope(mail)
    if mail.place == InboundPlace.UNSUBSCRIBE:
        end(mail, _unsubscribe(mail, raw, envelope, now=now))
        return
    if mail.place == InboundPlace.DAILY:
        end(mail, _take_reports(mail, raw, envelope, resolver=resolver, now=now))
        return
    recorded = _record(mail, raw, envelope, now=now)
    if mail.place == InboundPlace.REPORT:
        route = _route_for_people(mail, envelope) if recorded.kind == Kind.OTHER else None
        if route is None:
            end(mail, "recorded" if recorded.result == Result.RECORDED else "dropped")
            return
        # A person wrote to the return path, and the account wants mail to that address.
        mail.place, mail.route = InboundPlace.ROUTE, route
    elif recorded.kind in _REPORTS and recorded.result != Result.UNKNOWN:
        end(mail, "recorded")
        return
    _deliver(mail, raw, envelope, resolver=resolver, now=now)


def _record(mail: InboundMail, raw: bytes, envelope: Envelope, *, now: datetime) -> Recorded:
    """Reports come to return paths, and where a domain has none, to the from-address."""
    recorded = record_bounce(
        raw, envelope_to=envelope.rcpt_to, mail_from=envelope.mail_from, now=now, account=mail.account
    )
    if recorded.result == Result.LATER:
        raise Later
    return recorded


def _route_for_people(mail: InboundMail, envelope: Envelope) -> InboundRoute | None:
    if mail.account.baa_status != BaaStatus.NONE or not envelope.mail_from:
        return None
    local, _, host = envelope.rcpt_to.rpartition("@")
    place: Place | None = find_place(f"{local.partition('+')[0]}@{host}", only=InboundPlace.ROUTE)
    if place is None or place.account_id != mail.account_id or place.route_id is None:
        return None
    rows = InboundRoute.objects.select_related("domain", "endpoint", "account")
    return rows.filter(pk=place.route_id).first()


def _unsubscribe(mail: InboundMail, raw: bytes, envelope: Envelope, *, now: datetime) -> str:
    """Whoever writes to the address of a mail's unsubscribe header wants no more; programs' answers do not (UN-10).

    The buttons of mail programs call what they send an answer of a program, too, and are meant.
    """
    if mail.message is None or not envelope.mail_from:
        return "dropped"
    written = read_mail(raw)
    if is_autoreply(written) and not is_button(written):
        return "dropped"
    message = Message.objects.filter(public_id=mail.message, submission__account=mail.account).first()
    if message is None:
        return "dropped"
    claim = tokens.UnsubscribeClaim(mail.account_id, message.submission_id, message.address_key)
    try:
        unsubscribe(tokens.unsubscribe_token(claim), all_marketing=False, now=now)
    except NotFound:
        return "dropped"
    return "unsubscribed"


def _take_reports(
    mail: InboundMail, raw: bytes, envelope: Envelope, *, resolver: dns.resolver.Resolver, now: datetime
) -> str:
    """Take in the files of a mail as reports for charts, if it is really from the provider it names."""
    letter = read_letter(raw)
    if authenticate(raw, letter, envelope=envelope, dns=Dns(resolver, seconds=DNS_SECONDS), now=now).dmarc != "pass":
        return "dropped"
    is_shared = envelope.rcpt_to.lower() == settings.REPORTS_ADDRESS.lower()
    domains = list(verified_domains() if is_shared else mail.account.domains.exclude(verified_at=None))
    taken = Taken()
    for file in letter.files:
        # Whatever else is attached is of no interest.
        with contextlib.suppress(CampaignError):
            taken += take_reports(file.data, domains=domains, now=now)
    return "recorded" if taken.stored or taken.known else "dropped"


# --- Mail of people ---------------------------------------------------------------------------------


def _deliver(
    mail: InboundMail, raw: bytes, envelope: Envelope, *, resolver: dns.resolver.Resolver, now: datetime
) -> None:
    route = mail.route
    if route is None or not route.is_active or mail.account.baa_status != BaaStatus.NONE:
        # Deleted or switched off since it came, or the account has become one that takes no mail.
        end(mail, "dropped")
        return
    letter = read_letter(raw)
    found = authenticate(raw, letter, envelope=envelope, dns=Dns(resolver, seconds=DNS_SECONDS), now=now)
    mail.spf, mail.dkim, mail.dmarc = found.spf, found.dkim, found.dmarc
    mail.is_partial, mail.is_automatic = letter.is_partial, is_autoreply(read_mail(raw))
    mail.answers = find_answered(letter.headers, account=mail.account)
    mail.head_sealed = seal_field(mail, "head", _head(letter, envelope, found))
    with transaction.atomic():
        # In one transaction with what it causes: a mail is passed on once, whenever we die.
        outcome = _act(mail, route, raw, letter, envelope, found, now=now)
        InboundRoute.objects.filter(pk=route.pk).update(received_count=F("received_count") + 1, last_received_at=now)
        if mail.answers is not None and not mail.is_automatic:
            _note_answer(mail, mail.answers)
        mail.is_kept = route.keeps or outcome not in {"told", "forwarded"}
        # A program is told from what came: it is wiped when that is over.
        end(mail, outcome, keeps=mail.is_kept or outcome == "told")


def _note_answer(mail: InboundMail, message: Message) -> None:
    """Once for each mail; the campaign and the person's page count it."""
    event = Event(
        message=message, kind=EventKind.REPLIED, at=mail.received_at, news_id=uuid5(mail.public_id, "answer")
    )  # fmt: skip
    Event.objects.bulk_create([event], ignore_conflicts=True)


def _act(
    mail: InboundMail,
    route: InboundRoute,
    raw: bytes,
    letter: Letter,
    envelope: Envelope,
    found: Authentication,
    *,
    now: datetime,
) -> str:
    """Do what the route says; the code of what came of it."""
    if route.action == RouteAction.WEBHOOK:
        return tell_route(mail, route, now=now)
    if route.action == RouteAction.STORE:
        return "kept"
    mark = forwarding.mark_of(route)
    if why_not := loops.why_not_forward(letter.headers, mail_from=envelope.mail_from, mark=mark):
        return why_not
    # Signed by us it would look true to everybody it is passed on to.
    if found.is_forged:
        return "forged"
    return forwarding.forward(raw, letter, route, recipient=envelope.rcpt_to, now=now)


def _head(letter: Letter, envelope: Envelope, found: Authentication) -> dict[str, object]:
    """What a list of mails shows, so that it need not open each of them."""
    return {
        "name": letter.sender.name,
        "address": letter.sender.address or envelope.mail_from,
        "to": envelope.rcpt_to,
        "subject": letter.subject,
        "files": str(len(letter.files)),
        "signed_by": " ".join(found.signed_by),
        "policy": found.policy,
    }
