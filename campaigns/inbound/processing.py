"""What is done with mail that was taken in: in a job, once, however often the job runs or dies.

A mail counts as tried before anybody looks into it, so that one that kills its process is given up in the end.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import uuid5

import dns.resolver
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from campaigns import tokens
from campaigns.domains.lookup import Dns
from campaigns.domains.reports import Taken, take_reports, verified_domains
from campaigns.errors import CampaignError, NotFound
from campaigns.inbound import forwarding, loops
from campaigns.inbound.answers import find_answered
from campaigns.inbound.authentication import Authentication, authenticate
from campaigns.inbound.autoreplies import is_autoreply
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
    InboundRaw,
    InboundRoute,
    InboundState,
    Message,
    RouteAction,
)
from campaigns.tracking.unsubscribe import unsubscribe
from compliance import vault

log = logging.getLogger(__name__)

MOST_TRIES = 5
BUDGET = 45.0  # seconds in which a mail may be begun
DNS_SECONDS = 10.0  # for all questions about one mail
_AT_ONCE = 20
_LEASE = timedelta(minutes=5)
# The mail a report is about is being handed over at this moment.
_LATER = timedelta(minutes=2)
# Programs are told again and again for 41 and a half hours (webhooks.retry).
_TOLD_BY_THEN = timedelta(days=3)
_FORGET_AT_ONCE = 500


_REPORTS = {Kind.BOUNCE, Kind.DELAYED, Kind.DELIVERED, Kind.COMPLAINT}


class _Later(Exception):
    """Not now; nothing was done."""


def process_waiting(*, resolver: dns.resolver.Resolver, now: datetime, budget: float = BUDGET) -> bool:
    """Work on mail that waits until none is due or the time is over; whether more is waiting."""
    until = time.monotonic() + budget
    while ids := _claim(now=now):
        for number, mail_id in enumerate(ids):
            if time.monotonic() > until:
                _put_back(ids[number:], now=now)
                return True
            _try(mail_id, resolver=resolver, now=now)
    return False


def is_waiting(*, now: datetime) -> bool:
    """Whether somebody has to work now: for the sweep, which finds what a lost bell or a dead worker left behind."""
    return InboundMail.objects.filter(state=InboundState.WAITING, next_attempt_at__lte=now).exists()


def _claim(*, now: datetime) -> list[int]:
    due = InboundMail.objects.filter(state=InboundState.WAITING, next_attempt_at__lte=now)
    found = list(due.order_by("next_attempt_at", "pk").values_list("pk", flat=True)[:_AT_ONCE])
    # Whoever changes a row first has it; the others match nothing.
    return [
        pk for pk in found if due.filter(pk=pk).update(next_attempt_at=now + _LEASE, attempts=F("attempts") + 1) == 1
    ]


def _put_back(ids: list[int], *, now: datetime) -> None:
    waiting = InboundMail.objects.filter(pk__in=ids, state=InboundState.WAITING)
    waiting.update(next_attempt_at=now, attempts=F("attempts") - 1)


def _try(mail_id: int, *, resolver: dns.resolver.Resolver, now: datetime) -> None:
    mail = InboundMail.objects.select_related(
        "account", "raw", "route__domain", "route__endpoint", "route__account"
    ).get(pk=mail_id)
    try:
        _process(mail, resolver=resolver, now=now)
    except _Later:
        InboundMail.objects.filter(pk=mail_id).update(next_attempt_at=now + _LATER, attempts=F("attempts") - 1)
    except (LookupError, vault.Shredded):
        # Somebody deleted it, or its key was destroyed: there is nothing to work on.
        _end(mail, "dropped")
    except Exception as error:
        # Strangers write these mails, and one of them must never stop the others. No traceback: it may quote the mail.
        log.error("A mail that came in could not be worked on: %s", type(error).__name__)  # noqa: TRY400
        if mail.attempts >= MOST_TRIES:
            _give_up(mail)
        else:
            InboundMail.objects.filter(pk=mail_id).update(next_attempt_at=now + _LATER * mail.attempts)


def _give_up(mail: InboundMail) -> None:
    """A person may look at what no program could read; nobody looks at reports."""
    mail.is_kept = mail.place == InboundPlace.ROUTE
    _end(mail, "failed", keeps=mail.is_kept)


def _process(mail: InboundMail, *, resolver: dns.resolver.Resolver, now: datetime) -> None:
    raw, envelope = open_raw(mail), open_envelope(mail)
    if mail.place == InboundPlace.UNSUBSCRIBE:
        _end(mail, _unsubscribe(mail, raw, envelope, now=now))
        return
    if mail.place == InboundPlace.DAILY:
        _end(mail, _take_reports(mail, raw, envelope, resolver=resolver, now=now))
        return
    recorded = _record(mail, raw, envelope, now=now)
    if mail.place == InboundPlace.REPORT:
        route = _route_for_people(mail, envelope) if recorded.kind == Kind.OTHER else None
        if route is None:
            _end(mail, "recorded" if recorded.result == Result.RECORDED else "dropped")
            return
        # A person wrote to the return path, and the account wants mail to that address.
        mail.place, mail.route = InboundPlace.ROUTE, route
    elif recorded.kind in _REPORTS and recorded.result != Result.UNKNOWN:
        _end(mail, "recorded")
        return
    _deliver(mail, raw, envelope, resolver=resolver, now=now)


def _record(mail: InboundMail, raw: bytes, envelope: Envelope, *, now: datetime) -> Recorded:
    """Reports come to return paths, and where a domain has none, to the from-address."""
    recorded = record_bounce(raw, envelope_to=envelope.rcpt_to, now=now, account=mail.account)
    if recorded.result == Result.LATER:
        raise _Later
    return recorded


def _route_for_people(mail: InboundMail, envelope: Envelope) -> InboundRoute | None:
    if mail.account.baa_status != BaaStatus.NONE or not envelope.mail_from:
        return None
    local, _, host = envelope.rcpt_to.rpartition("@")
    place: Place | None = find_place(f"{local.partition('+')[0]}@{host}", only=InboundPlace.ROUTE)
    if place is None or place.account_id != mail.account_id:
        return None
    rows = InboundRoute.objects.select_related("domain", "endpoint", "account")
    return rows.filter(pk=place.route_id).first()


def _unsubscribe(mail: InboundMail, raw: bytes, envelope: Envelope, *, now: datetime) -> str:
    """Whoever writes to the address of a mail's unsubscribe header wants no more; programs' answers do not (UN-10)."""
    headers = read_mail(raw)
    if not envelope.mail_from or is_autoreply(headers):
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
        _end(mail, "dropped")
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
        _end(mail, outcome, keeps=mail.is_kept or outcome == "told")


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


def _end(mail: InboundMail, outcome: str, *, keeps: bool = False) -> None:
    """The mail is done with; what nobody needs any more is wiped at once."""
    mail.state, mail.outcome, raw_id = InboundState.DONE, outcome, mail.raw_id
    if not keeps:
        mail.raw, mail.envelope_sealed, mail.head_sealed = None, b"", b""
    with transaction.atomic():
        mail.save(update_fields=_WRITTEN)
        if not keeps:
            wipe_raw([raw_id])


_WRITTEN = [
    "state", "outcome", "raw", "envelope_sealed", "head_sealed", "place", "route", "spf", "dkim", "dmarc", "is_partial",
    "is_automatic", "is_kept", "answers",
]  # fmt: skip


def wipe_raw(ids: Iterable[int | None]) -> None:
    """Delete what came over the wire, where no recipient's mail needs it any more."""
    unused = InboundRaw.objects.filter(pk__in=[pk for pk in ids if pk is not None], mails=None)
    unused.delete()


# --- What is not kept for ever ----------------------------------------------------------------------


def forget_old(*, now: datetime, keep: timedelta) -> None:
    """Delete mail older than `keep`; after three days what programs have been told of, and rows of what was wiped."""
    old = Q(received_at__lt=now - keep) | Q(received_at__lt=now - _TOLD_BY_THEN, is_kept=False, state=InboundState.DONE)
    while rows := list(InboundMail.objects.filter(old).values_list("pk", "raw_id")[:_FORGET_AT_ONCE]):
        with transaction.atomic():
            InboundMail.objects.filter(pk__in=[pk for pk, _ in rows]).delete()
            wipe_raw(raw_id for _, raw_id in rows)
    # Of mails that were handed in twice at the same moment.
    InboundRaw.objects.filter(mails=None).delete()
