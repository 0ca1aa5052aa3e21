"""The archive: a folder or an S3 bucket behind Django's storages, one sealed object for each mail."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from itertools import islice

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db.models import QuerySet

from campaigns.errors import CampaignError
from campaigns.models import BaaStatus, KeptMail

log = logging.getLogger(__name__)

BATCH = 200
_AT_ONCE = 8  # objects on their way: a bucket answers in tens of milliseconds, whatever they weigh


def open_archive() -> Storage:
    """The configured place (settings.STORAGES)."""
    return storages["archive"]


def object_name(mail: KeptMail) -> str:
    """Where a mail lies in the archive; ids and a day, nothing that names somebody."""
    return f"{mail.account.public_id}/{mail.sent_at.astimezone(UTC):%Y/%m/%d}/{mail.public_id}.sealed"


def find_to_ship() -> QuerySet[KeptMail]:
    """Copies that wait for the archive."""
    return KeptMail.objects.filter(
        archive_until__isnull=False, is_archived=False, sealed__isnull=False, account__baa_status=BaaStatus.NONE
    )


def ship_some() -> int:
    """Bring the oldest copies that wait into the archive; returns how many arrived.

    No transaction is open meanwhile, and doing it twice writes the same object twice.
    """
    mails = list(find_to_ship().select_related("account").order_by("pk")[:BATCH])
    arrived = _each(mails, _put)
    KeptMail.objects.filter(pk__in=arrived).update(is_archived=True)
    # What is in the archive and not in the active storage needs no copy here any more.
    KeptMail.objects.filter(pk__in=arrived, active_until=None).update(sealed=None)
    return len(arrived)


def fetch(mail: KeptMail) -> bytes | None:
    """The sealed copy from the archive; None when it is not there or cannot be reached."""
    try:
        with open_archive().open(object_name(mail)) as file:
            return bytes(file.read())
    except Exception as error:
        # The edge: each kind of storage has exceptions of its own, and their texts name hosts and buckets.
        log.warning("mail %s cannot be fetched from the archive: %s", mail.public_id, type(error).__name__)
        return None


def fetch_many(mails: Iterable[KeptMail]) -> Iterator[tuple[KeptMail, bytes | None]]:
    """Each mail with what `fetch` gives for it, several at once, in their order."""
    coming = iter(mails)
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="archive") as pool:
        while some := list(islice(coming, 2 * _AT_ONCE)):
            yield from zip(some, pool.map(fetch, some), strict=True)


def store_many(objects: Iterable[tuple[str, bytes]]) -> None:
    """Write sealed copies back under their names; raises CampaignError `archive.unreachable` at the first that fails."""
    place, coming = open_archive(), iter(objects)

    def save(one: tuple[str, bytes]) -> None:
        place.save(one[0], ContentFile(one[1]))

    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="archive") as pool:
        while some := list(islice(coming, 2 * _AT_ONCE)):
            try:
                list(pool.map(save, some))
            except Exception as error:
                # As in fetch: whatever a storage raises, its text names hosts and buckets.
                log.warning("the archive cannot be written: %s", type(error).__name__)
                raise CampaignError(
                    "archive.unreachable", "The archive cannot be written.", action="Look at ARCHIVE_…, and try again."
                ) from None


def remove(mails: Sequence[KeptMail]) -> list[int]:
    """Delete the objects of these mails; the keys of those that are gone now, or were not there."""
    return _each(mails, _delete)


def _put(place: Storage, mail: KeptMail) -> None:
    assert mail.sealed is not None
    place.save(object_name(mail), ContentFile(bytes(mail.sealed)))


def _delete(place: Storage, mail: KeptMail) -> None:
    place.delete(object_name(mail))


def _each(mails: Sequence[KeptMail], act: Callable[[Storage, KeptMail], None]) -> list[int]:
    """Do it for each, several at once; the keys of those it worked for."""
    place = open_archive()

    def attempt(mail: KeptMail) -> int | None:
        try:
            act(place, mail)
        except Exception as error:
            # The edge of the loop, as above: one object that fails must not keep the others waiting.
            log.warning("the archive failed for mail %s: %s", mail.public_id, type(error).__name__)
            return None
        return mail.pk

    if not mails:
        return []
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="archive") as pool:
        return [pk for pk in pool.map(attempt, mails) if pk is not None]
