"""The end of a mail that came in, and of what is not kept for ever."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from campaigns.models import InboundMail, InboundRaw, InboundState

# Programs are told again and again for 41 and a half hours (webhooks.retry).
_TOLD_BY_THEN = timedelta(days=3)
_FORGET_AT_ONCE = 500


def end(mail: InboundMail, outcome: str, *, keeps: bool = False) -> None:
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


def forget_old(*, now: datetime, keep: timedelta) -> None:
    """Delete mail older than `keep`; after three days what programs have been told of, and rows of what was wiped."""
    old = Q(received_at__lt=now - keep) | Q(received_at__lt=now - _TOLD_BY_THEN, is_kept=False, state=InboundState.DONE)
    while rows := list(InboundMail.objects.filter(old).values_list("pk", "raw_id")[:_FORGET_AT_ONCE]):
        with transaction.atomic():
            InboundMail.objects.filter(pk__in=[pk for pk, _ in rows]).delete()
            wipe_raw(raw_id for _, raw_id in rows)
    # Of mails that were handed in twice at the same moment.
    InboundRaw.objects.filter(mails=None).delete()
