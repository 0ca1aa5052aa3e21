"""Where answers to protected mail go: to a mailbox somebody attested is theirs and under their agreement, or to nobody.

An answer quotes what it answers. Sealpost takes none in under HIPAA; whoever runs the mailbox that does is a business associate
of the account (45 CFR 164.308(b), 164.502(e)), which the account alone can know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime

from django.db import IntegrityError, transaction

from campaigns import addresses
from campaigns.addresses import Address
from campaigns.errors import AddressError, CampaignError
from compliance import audit
from compliance.agreements.officers import check_is_officer
from compliance.approvals.quorum import Person
from compliance.audit import Ref
from compliance.models import ReplyMailbox

CODE = "hipaa.reply-to-ineligible"
WORDING_VERSION = 1
WORDING = (
    "This mailbox belongs to our organisation, and only people who may see protected health information read it. Whoever"
    " runs it for us, if others do, has a Business Associate Agreement with us that covers it. Answers may quote protected"
    " health information; what becomes of them there is our responsibility."
)
_TO_NOBODY = frozenset({"noreply", "donotreply"})


def attest(account_id: int, *, owner: str, address: str, by: Person, network: str = "", now: datetime) -> ReplyMailbox:
    """Record that somebody stated WORDING about a mailbox; raises NotAllowed, CampaignError `replies.…`."""
    check_is_officer(by)
    try:
        mailbox = addresses.parse(address)
    except AddressError:
        raise CampaignError(
            "replies.invalid", "This is no address.", action="Write one such as care@clinic.example."
        ) from None
    digest = hashlib.sha256(WORDING.encode()).hexdigest()
    try:
        with transaction.atomic():
            row = ReplyMailbox.objects.create(
                account_id=account_id, address=mailbox.key, wording=WORDING, wording_version=WORDING_VERSION,
                attested_by_id=by.id, attested_at=now, network=network,
            )  # fmt: skip
            _tell("replies.attested", row, owner=owner, by=by, data={"digest": digest}, now=now)
    except IntegrityError:
        # From None: PostgreSQL's sentence quotes the row.
        raise CampaignError(
            "replies.attested",
            "Somebody has attested this mailbox already.",
            action="There is nothing to do.",
            status=409,
        ) from None
    return row


def withdraw(row: ReplyMailbox, *, owner: str, by: Person, now: datetime) -> bool:
    """It is not so any more: from now on nothing protected leaves that would be answered there. Raises NotAllowed.

    False when somebody was first.
    """
    check_is_officer(by)
    with transaction.atomic():
        standing = ReplyMailbox.objects.filter(pk=row.pk, withdrawn_at=None)
        if not standing.update(withdrawn_by_id=by.id, withdrawn_at=now):
            return False
        _tell("replies.withdrawn", row, owner=owner, by=by, data={}, now=now)
    return True


def all_attested(account_id: int, mailboxes: Collection[Address], *, sender_domain: str) -> bool:
    """Whether each is attested for the account, or a no-reply address at the sender's own domain; one query at most."""
    asked = {mailbox.key for mailbox in mailboxes if not _is_to_nobody(mailbox, sender_domain)}
    if not asked:
        return True
    found = ReplyMailbox.objects.filter(account=account_id, address__in=asked, withdrawn_at=None).count()
    return found == len(asked)


def _is_to_nobody(mailbox: Address, sender_domain: str) -> bool:
    plain = "".join(c for c in mailbox.local.casefold() if c not in "-_.")
    return plain in _TO_NOBODY and mailbox.domain == sender_domain


def _tell(
    action: str, row: ReplyMailbox, *, owner: str, by: Person, data: dict[str, audit.Value], now: datetime
) -> None:
    actor, about = Ref("person", str(by.id)), Ref("mailbox", str(row.public_id))
    audit.record(action, owner=owner, actor=actor, about=about, data=data, now=now)
