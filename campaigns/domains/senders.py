"""From-addresses people may choose."""

from __future__ import annotations

import unicodedata

from django.db import IntegrityError, transaction

from campaigns import addresses
from campaigns.domains.freemail import refuse_freemail
from campaigns.errors import CampaignError, NotFound
from campaigns.models import Account, Domain, Sender

_NAME_LENGTH = 120
# Invisible, yet part of how some scripts and emoji are written.
_JOINERS = frozenset("\u200c\u200d")
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def create_sender(
    account: Account, *, domain: Domain, name: str, email: str, reply_to: str = "", unsubscribes_by_mail: bool = False
) -> Sender:
    """The account's new from-address at exactly this domain.

    Raises NotFound for another account's domain, AddressError for what is no address, CampaignError
    `sender.name-invalid`, `sender.name-misleading`, `sender.other-domain`, `sender.needs-smtputf8`,
    `domain.freemail` or `sender.exists`.
    """
    if domain.account_id != account.pk:
        raise NotFound("domain")
    address = addresses.parse(email)
    _check_address(address, domain)
    name = _clean_name(name)
    answer_to = addresses.parse(reply_to).mailbox if reply_to.strip() else ""
    try:
        with transaction.atomic():
            return Sender.objects.create(
                account=account,
                domain=domain,
                name=name,
                email=address.mailbox,
                reply_to=answer_to,
                unsubscribes_by_mail=unsubscribes_by_mail,
            )
    except IntegrityError:
        # From None: PostgreSQL's sentence quotes the row, and a sender is often a person.
        raise CampaignError(
            "sender.exists", "The account already has this sender.", action="Use the one that is there.", status=409
        ) from None


def change_sender(sender: Sender, *, name: str, reply_to: str = "", unsubscribes_by_mail: bool = False) -> None:
    """Change what readers see, where answers go and whether a mail unsubscribes; the address stays.

    Raises AddressError, CampaignError `sender.name-invalid`, `sender.name-misleading` or `sender.exists`.
    """
    sender.name = _clean_name(name)
    sender.unsubscribes_by_mail = unsubscribes_by_mail
    sender.reply_to = addresses.parse(reply_to).mailbox if reply_to.strip() else ""
    try:
        with transaction.atomic():
            sender.save(update_fields=["name", "reply_to", "unsubscribes_by_mail"])
    except IntegrityError:
        raise CampaignError(
            "sender.exists", "The account already has this sender.", action="Choose another name.", status=409
        ) from None


def _check_address(address: addresses.Address, domain: Domain) -> None:
    refuse_freemail(address.domain)
    if address.domain != domain.name:
        raise CampaignError(
            "sender.other-domain",
            "The from-address is not at this domain.",
            action="Use an address at the domain, or add the address's own domain first.",
        )
    if address.needs_smtputf8:
        raise CampaignError(
            "sender.needs-smtputf8",
            "The part of a from-address before the @ must be ASCII: many receivers take no other.",
            action="Choose an ASCII address; the name shown before it may have any letters.",
        )


def _clean_name(name: str) -> str:
    """The name as it will be shown; one that could pass for an address or break a header is refused (evil input 11)."""
    name = unicodedata.normalize("NFC", name.strip())
    if not name or len(name) > _NAME_LENGTH or any(_is_unsafe(c) for c in name):
        raise CampaignError(
            "sender.name-invalid",
            f"A sender's name has 1 to {_NAME_LENGTH} printable characters.",
            action="Correct the name.",
        )
    # NFKC: full-width and small forms of @ look the same to the reader.
    if any(c in unicodedata.normalize("NFKC", name) for c in "@<>"):
        raise CampaignError(
            "sender.name-misleading",
            "A sender's name must not look like an address.",
            action="Write the name without @, < and >.",
        )
    return name


def _is_unsafe(character: str) -> bool:
    return unicodedata.category(character) in _UNSAFE_CATEGORIES and character not in _JOINERS
