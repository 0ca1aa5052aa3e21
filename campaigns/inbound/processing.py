"""Working on mail that was taken in: in a job, once, however often the job runs or dies.

A mail counts as tried before anybody looks into it, so that one that kills its process is given up in the end.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

import dns.resolver
from django.db.models import F

from campaigns.inbound.ending import end
from campaigns.inbound.handling import Later, handle
from campaigns.models import InboundMail, InboundPlace, InboundState
from compliance import vault

log = logging.getLogger(__name__)

MOST_TRIES = 5
BUDGET = 45.0  # seconds in which a mail may be begun
_AT_ONCE = 20
_LEASE = timedelta(minutes=5)
_LATER = timedelta(minutes=2)


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
        handle(mail, resolver=resolver, now=now)
    except Later:
        InboundMail.objects.filter(pk=mail_id).update(next_attempt_at=now + _LATER, attempts=F("attempts") - 1)
    except (LookupError, vault.Shredded):
        # Somebody deleted it, or its key was destroyed: there is nothing to work on.
        end(mail, "dropped")
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
    end(mail, "failed", keeps=mail.is_kept)
