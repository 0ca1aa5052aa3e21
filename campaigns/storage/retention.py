"""The end of copies: when their days are over, when their reader is erased, when an account comes under an agreement."""

from __future__ import annotations

import time
from datetime import datetime

from django.db.models import Q

from campaigns.models import BaaStatus, KeptMail
from campaigns.storage import archive

_AT_ONCE = 500
_PAUSE = 0.02  # seconds for other writers, who would wait for a long delete (SQLite has one writer)


def expire(*, now: datetime) -> int:
    """Delete every copy whose time is over; returns how many copies left a storage. Safe to run at any time, and twice."""
    _end_private(now=now)
    return _empty_active(now=now) + _empty_archive(now=now)


def _end_private(*, now: datetime) -> None:
    """What was kept before an agreement came is over with it."""
    private = KeptMail.objects.filter(account__baa_status__in=[s for s in BaaStatus if s != BaaStatus.NONE])
    private.filter(is_archived=False).delete()
    private.filter(Q(archive_until__gt=now) | Q(sealed__isnull=False)).update(
        sealed=None, active_until=None, archive_until=now
    )


def _empty_active(*, now: datetime) -> int:
    total = 0
    over = KeptMail.objects.filter(active_until__lte=now)
    while ids := list(over.values_list("pk", flat=True)[:_AT_ONCE]):
        some = KeptMail.objects.filter(pk__in=ids)
        some.filter(archive_until=None).delete()
        some.filter(is_archived=True).update(sealed=None)
        # One that still waits for the archive keeps its copy until it is there.
        some.update(active_until=None)
        total += len(ids)
        time.sleep(_PAUSE)
    return total


def _empty_archive(*, now: datetime) -> int:
    total = 0
    over = KeptMail.objects.filter(archive_until__lte=now)
    # Never got there: the archive was away all the time.
    over.filter(is_archived=False, active_until=None).delete()
    there = over.filter(is_archived=True, active_until=None).select_related("account").defer("sealed")
    last = 0
    while mails := list(there.filter(pk__gt=last).order_by("pk")[: archive.BATCH]):
        gone = archive.remove(mails)
        KeptMail.objects.filter(pk__in=gone).delete()
        total += len(gone)
        # An object that cannot be deleted now is tried again by the next run; its key is destroyed on its day anyway.
        last = mails[-1].pk
    return total
