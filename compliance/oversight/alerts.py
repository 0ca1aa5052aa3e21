"""Mail to the compliance officers of an account when something happened that cannot wait for their next sign-in.

It goes the way of the account's other mail – over verified TLS, by a relay under an agreement – and holds nothing about
anybody who is written to: that it happened, and where to look. The banner on the officers' screens needs no mail.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse

from campaigns import addresses
from campaigns.errors import AddressError, CampaignError
from campaigns.models import Account, Door, Lane, Membership, Purpose, Role, Sender
from campaigns.outbox.payload import Payload
from campaigns.outbox.requests import Addressee, Batch, EmailRequest, Group
from campaigns.outbox.together import accept_requests
from compliance.models import EmergencyAccess

log = logging.getLogger(__name__)

# Older than the review is due it alarms nobody any more.
VALID_FOR = timedelta(hours=24)
_SUBJECT = "Emergency access was opened"
_TEXT = """\
Somebody opened emergency access to one of your accounts. It ends by itself at {until:%H:%M} UTC.

See who and why, and review it:

{url}

You get this mail because you are compliance officer of the account.
"""


def tell_of_emergency(access: EmergencyAccess, *, now: datetime) -> int:
    """Mail the account's lasting officers; returns to how many, 0 when there is no way to write to them.

    Never raises a CampaignError: an emergency does not fail because of a mail.
    """
    account = access.account
    sender = Sender.objects.filter(account=account, domain__verified_at__isnull=False).select_related("domain").first()
    officers = _find_officers(account, but=access.person_id)
    if sender is None or not officers:
        return 0
    url = settings.PUBLIC_URL + reverse("admin:compliance_emergencyaccess_change", args=(access.public_id,))
    payload = Payload(
        from_name=sender.name,
        from_mailbox=addresses.parse(sender.email).mailbox,
        subject=_SUBJECT,
        text=_TEXT.format(until=access.until, url=url),
        # No vacation answer to it (RFC 3834).
        headers=(("Auto-Submitted", "auto-generated"),),
    )
    request = EmailRequest(
        # Each officer gets a mail of their own: nobody in the HIPAA lane sees another's address.
        groups=tuple(Group((officer,)) for officer in officers),
        payload=payload,
        sender_domain=sender.domain.name,
        valid_for=VALID_FOR,
    )
    try:
        batch = Batch(account, Door.NOTICE, Purpose.TRANSACTIONAL, (request,), now, lane=Lane.HIPAA)
        return len(accept_requests(batch, now=now))
    except CampaignError as error:
        log.warning("officers are not told by mail: %s", error.code)
        return 0


def _find_officers(account: Account, *, but: int) -> list[Addressee]:
    rows = Membership.objects.filter(account=account, role=Role.COMPLIANCE, ends_at=None, user__is_active=True)
    found = []
    for email in rows.exclude(user=but).exclude(user__email="").values_list("user__email", flat=True):
        try:
            found.append(Addressee(addresses.parse(email)))
        except AddressError:
            continue
    return found
