"""What we know about one person: handed to them, or deleted so that they are not written to again (GDPR art. 15, 17)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from campaigns.audiences import suppression
from campaigns.models import (
    Account,
    Contact,
    Event,
    KeptMail,
    KeptReport,
    Message,
    Preference,
    SandboxMail,
    Subscription,
    Suppression,
    SuppressionReason,
    SuppressionScope,
)

_MOST_MAILS = 5_000


def export_person(account: Account, *, address_key: str, now: datetime) -> bytes:
    """Everything about the person behind the key as JSON people can read."""
    contact = Contact.objects.filter(account=account, address_key=address_key).first()
    content = {
        "organisation": account.name,
        "exported_at": now.isoformat(),
        "contact": _contact(contact) if contact is not None else None,
        "subscriptions": list(_subscriptions(contact)) if contact is not None else [],
        "do_not_email": list(_suppressions(account, address_key)),
        "frequency": [row.get_frequency_display() for row in Preference.objects.filter(
            account=account, address_key=address_key)],
        "mails": list(_mails(account, address_key)),
        "copies_in_storage": KeptMail.objects.filter(account=account, address_key=address_key).count(),
    }  # fmt: skip
    return json.dumps(content, ensure_ascii=False, indent=2).encode()


def erase_person(account: Account, *, address_key: str) -> None:
    """Delete the contact and everything that names them; one entry by the key keeps us from writing to them again.

    The rows of mails stay, without an address: figures of campaigns do not change.
    """
    entry = suppression.Entry(address_key, SuppressionScope.MARKETING, SuppressionReason.UNSUBSCRIBED)
    with transaction.atomic():
        suppression.suppress_many(account.pk, entries=[entry])
        mails = Message.objects.filter(submission__account=account, address_key=address_key)
        ids = list(mails.values_list("public_id", flat=True))
        mails.update(recipient="", placeholders_sealed=None)
        SandboxMail.objects.filter(account=account, message_id__in=ids).delete()
        _end_copies(account, address_key=address_key)
        KeptReport.objects.filter(message__in=mails).delete()
        Preference.objects.filter(account=account, address_key=address_key).delete()
        Contact.objects.filter(account=account, address_key=address_key).delete()


def _end_copies(account: Account, *, address_key: str) -> None:
    """Copies in storage end at once; what lies in the archive is found by nobody until the next run deletes it."""
    mine = KeptMail.objects.filter(account=account, address_key=address_key)
    mine.filter(is_archived=False).delete()
    mine.update(sealed=None, active_until=None, archive_until=timezone.now(), address_key="", subject="")


def _contact(contact: Contact) -> dict[str, Any]:
    return {
        "address": contact.email,
        "known_since": contact.created_at.isoformat(),
        "changed_at": contact.updated_at.isoformat(),
        "fields": contact.attributes,
    }


def _subscriptions(contact: Contact) -> Iterator[dict[str, Any]]:
    for row in Subscription.objects.filter(contact=contact).select_related("list").order_by("list__name"):
        yield {
            "list": row.list.name,
            "state": row.get_state_display(),
            "since": row.changed_at.isoformat(),
            "consent": row.get_consent_kind_display(),
            "consent_given_at": row.consent_at.isoformat() if row.consent_at else None,
            "consent_given_by": row.consent_source,
            "consent_text": row.consent_text,
        }


def _suppressions(account: Account, address_key: str) -> Iterator[dict[str, Any]]:
    for row in Suppression.objects.filter(account=account, address_key=address_key).order_by("pk"):
        yield {
            "reach": row.get_scope_display(),
            "reason": row.get_reason_display(),
            "since": row.created_at.isoformat(),
        }


def _mails(account: Account, address_key: str) -> Iterator[dict[str, Any]]:
    rows = Message.objects.filter(submission__account=account, address_key=address_key)
    messages = list(rows.select_related("submission__campaign").order_by("-pk")[:_MOST_MAILS])
    told: dict[int, list[dict[str, str]]] = {}
    for message_id, kind, at in (
        Event.objects.filter(message__in=messages).order_by("at").values_list("message_id", "kind", "at")
    ):
        told.setdefault(message_id, []).append({"what": kind, "at": at.isoformat()})
    for message in messages:
        campaign = message.submission.campaign
        yield {
            "id": str(message.public_id),
            "campaign": campaign.name if campaign else None,
            "accepted_at": message.submission.created_at.isoformat(),
            "state": message.get_state_display(),
            "events": told.get(message.pk, []),
        }
