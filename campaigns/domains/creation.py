"""Adding a sending domain to an account, and taking it away."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from campaigns.addresses import ascii_domain
from campaigns.domains.freemail import refuse_freemail
from campaigns.domains.keys import make_dkim_key, new_selector
from campaigns.errors import CampaignError
from campaigns.models import Account, DkimKey, Domain

# Room for `sp12345678._domainkey.` within the 253 characters of a DNS name.
_NAME_LENGTH = 231


def create_domain(account: Account, *, name: str) -> Domain:
    """The account's new domain with its first DKIM key; it is verified once its records are published.

    Raises AddressError for what is no domain, CampaignError `domain.freemail`, `domain.too-long` or `domain.exists`.
    """
    name = ascii_domain(name)
    refuse_freemail(name)
    if len(name) > _NAME_LENGTH:
        raise CampaignError("domain.too-long", "This domain name is too long to hold the records it needs.")
    domain = Domain(account=account, name=name)
    key = make_dkim_key(domain, selector=new_selector())
    try:
        with transaction.atomic():
            domain.save(force_insert=True)
            key.domain, key.state = domain, DkimKey.State.SIGNING
            key.save(force_insert=True)
    except IntegrityError as error:
        raise CampaignError(
            "domain.exists", "The account already has this domain.", action="Use the one that is there.", status=409
        ) from error
    return domain


def delete_domain(domain: Domain) -> None:
    """Delete it with its keys; mail that waits for it is refused. Raises CampaignError `domain.in-use` while it has senders."""
    try:
        with transaction.atomic():
            domain.delete()
    except ProtectedError as error:
        raise CampaignError(
            "domain.in-use",
            "There are from-addresses at this domain.",
            action="Delete them in the admin first.",
            status=409,
        ) from error
