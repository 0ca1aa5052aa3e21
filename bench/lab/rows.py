"""Inside an installation, one way of writing a campaign's messages: python -m bench.lab.rows ours|bare|orm [COUNT]."""

from __future__ import annotations

import json
import sys
import time
from itertools import islice
from typing import Any

import django

django.setup()

from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench.lab import machine  # noqa: E402
from campaigns.models import Account, Contact, Message, Submission  # noqa: E402
from campaigns.planning import compose, fanout, sending  # noqa: E402

_BATCH = 1000
# The same rows into the same table with the same indexes: no lists, no suppressions, no steps, no second planner.
_BARE = """
INSERT INTO campaigns_message (
    public_id, submission_id, contact_id, recipient, recipient_domain, address_key,
    state, attempts, next_attempt_at, claimed_by, error_code
)
SELECT {new_uuid}, %s, id, email, domain, address_key, 'queued', 0, %s, '', '' FROM campaigns_contact ORDER BY id
"""
_NEW_UUID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}


def ours() -> None:
    """As the product does it."""
    submission = _submission()
    with _clock():
        assert fanout.plan_submission(submission.pk)


def bare() -> None:
    """As fast as the database can."""
    submission = _submission()
    statement = _BARE.format(new_uuid=_NEW_UUID[connection.vendor])
    with _clock(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [submission.pk, str(submission.send_at)])


def orm(count: int) -> None:
    """As the ORM has it: people read into Python, objects made, bulk_create."""
    submission = _submission()
    people = Contact.objects.order_by("pk")[:count].iterator(chunk_size=_BATCH)
    with _clock():
        while some := list(islice(people, _BATCH)):
            Message.objects.bulk_create(
                Message(
                    submission=submission, contact=person, recipient=person.email, recipient_domain=person.domain,
                    address_key=person.address_key, next_attempt_at=submission.send_at,
                )
                for person in some
            )  # fmt: skip


class _clock:  # noqa: N801 (reads as the verb it is)
    """Prints what the block took, and how many messages there are then."""

    def __enter__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        told: dict[str, Any] = {
            "seconds": time.perf_counter() - self._began,
            "cpu": time.process_time() - self._cpu,
            "peak_mib": machine.peak_memory() / 1024,
            "rows": Message.objects.count(),
        }
        print(json.dumps(told))


def _submission() -> Submission:
    """A campaign to everyone, sent; nothing is left of earlier ones."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("TRUNCATE campaigns_message CASCADE")
        else:
            # Without the keys it is emptied in one step, not row by row.
            cursor.execute("PRAGMA foreign_keys = OFF")
            cursor.execute("DELETE FROM campaigns_message")
            cursor.execute("PRAGMA foreign_keys = ON")
    account = Account.objects.get()
    version = account.templates.get().latest
    assert version is not None
    campaign = compose.create_campaign(
        account, name=f"Spring {timezone.now():%H:%M:%S.%f}", content=version, sender=account.senders.get(),
        lists=list(account.lists.all()),
    )  # fmt: skip
    return sending.send_now(campaign)


if __name__ == "__main__":
    if sys.argv[1] == "orm":
        orm(int(sys.argv[2]))
    else:
        {"ours": ours, "bare": bare}[sys.argv[1]]()
