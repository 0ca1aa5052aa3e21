"""Finding kept mails, and opening them."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from email import message_from_bytes, policy
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from campaigns import addresses, tokens
from campaigns.errors import CampaignError
from campaigns.models import Account, BaaStatus, KeptMail, Message
from campaigns.storage import archive
from campaigns.storage.keeping import copy_context
from compliance import vault

# Far beyond any mail we make (10 MB), so that a damaged copy cannot fill the memory.
_LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """What somebody looks for; an empty field asks for nothing. `recipient` is a whole address, `state` a message's."""

    message_id: str = ""
    recipient: str = ""
    subject: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account has in storage: mails and bytes, sealed as they lie there."""

    active: int
    active_bytes: int
    archived: int
    archived_bytes: int

    @property
    def all_bytes(self) -> int:
        return self.active_bytes + self.archived_bytes


def find_mails(accounts: QuerySet[Account], wanted: Wanted) -> QuerySet[KeptMail]:
    """Kept mails of these accounts, newest first and without their content.

    Raises AddressError for a recipient that is no address; there is no search by a part of one. Nothing of an account
    under an agreement is found, even what was kept before it.
    """
    rows = KeptMail.objects.filter(account__in=accounts.filter(baa_status=BaaStatus.NONE)).exclude(address_key="")
    rows = rows.filter(Q(sealed__isnull=False) | Q(is_archived=True)).defer("sealed").select_related("account")
    if wanted.message_id:
        rows = rows.filter(public_id__in=_ids_of(wanted.message_id, accounts))
    if wanted.recipient:
        address = addresses.parse(wanted.recipient)
        # One key for each account: the same address has another one in each.
        keys = [tokens.address_key(address, account=account.public_id) for account in accounts]
        rows = rows.filter(address_key__in=keys)
    for word in wanted.subject.split():
        rows = rows.filter(subject__icontains=word)
    if wanted.state:
        # Looked up for each copy by the message's id: there are many more messages in a state than copies on a page.
        rows = rows.filter(Exists(Message.objects.filter(public_id=OuterRef("public_id"), state=wanted.state)))
    return rows.order_by("-pk")


def _ids_of(text: str, accounts: QuerySet[Account]) -> list[UUID]:
    """Our own id, or the one a program gave."""
    try:
        return [UUID(text.strip())]
    except ValueError:
        named = Message.objects.filter(client_id=text.strip()[:200], submission__account__in=accounts)
        return list(named.exclude(client_id="").values_list("public_id", flat=True)[:1000])


def open_copy(mail: KeptMail) -> bytes:
    """The wire bytes of a kept mail; raises CampaignError `storage.gone` or `storage.unreachable`."""
    if mail.account.baa_status != BaaStatus.NONE:
        raise _gone()
    sealed = bytes(mail.sealed) if mail.sealed is not None else archive.fetch(mail) if mail.is_archived else None
    if sealed is None:
        if not mail.is_archived:
            raise _gone()
        raise CampaignError(
            "storage.unreachable",
            "The archive does not answer, or has lost this mail.",
            action="Try again in a minute; if it stays, tell the operator of this installation.",
            status=503,
        )
    try:
        packed = vault.unseal(sealed, **copy_context(mail.account, mail.public_id))
        return zlib.decompressobj().decompress(packed, _LARGEST)
    except (vault.SealBroken, zlib.error):
        raise _gone() from None


def read_texts(account: Account, ids: Collection[UUID]) -> dict[UUID, str]:
    """The text parts of those of these mails whose copy is in active storage; no question for who keeps none."""
    if not account.active_storage_days or account.baa_status != BaaStatus.NONE:
        return {}
    mails = KeptMail.objects.filter(
        account=account, public_id__in=ids, active_until__isnull=False, sealed__isnull=False
    )
    texts = {}
    for mail in mails.select_related("account"):
        try:
            texts[mail.public_id] = read_text(open_copy(mail))
        except CampaignError:
            continue
    return texts


def read_text(data: bytes) -> str:
    """The plain text of a mail in wire bytes; '' when it has none."""
    part = message_from_bytes(data, policy=policy.default).get_body(preferencelist=("plain",))
    return str(part.get_content()) if part is not None else ""


def _gone() -> CampaignError:
    return CampaignError("storage.gone", "The copy of this mail is not kept any more.", status=404)


def measure(account: Account) -> Usage:
    """What an account has in storage now, in one query."""
    here, there = Q(sealed__isnull=False), Q(is_archived=True)
    figures = KeptMail.objects.filter(account=account).aggregate(
        active=Count("pk", filter=here),
        active_bytes=Sum("sealed_size", filter=here, default=0),
        archived=Count("pk", filter=there),
        archived_bytes=Sum("sealed_size", filter=there, default=0),
    )
    return Usage(**figures)
