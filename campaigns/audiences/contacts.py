"""Single contacts and their lists, as a form or a command makes them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.db import transaction

from campaigns import addresses
from campaigns.audiences.columns import check_name
from campaigns.audiences.records import MAX_VALUE
from campaigns.errors import CampaignError
from campaigns.models import Account, Contact, ContactList
from campaigns.tokens import address_key

_SLUG = re.compile(r"[a-z0-9_-]{1,60}").fullmatch


def save_contact(account: Account, *, email: str, attributes: Mapping[str, str] | None = None) -> Contact:
    """The contact of this address, made or brought up to date: given attributes win over stored ones.

    Raises AddressError, or CampaignError `contact.value-too-long`.
    """
    address = addresses.parse(email)
    given = {name: value.replace("\0", "") for name, value in (attributes or {}).items()}
    if any(len(value) > MAX_VALUE for value in given.values()):
        raise CampaignError(
            "contact.value-too-long", f"A value may have {MAX_VALUE:,} characters.", action="Shorten it."
        )
    with transaction.atomic():
        contact, made = Contact.objects.select_for_update().get_or_create(
            account=account,
            address_key=address_key(address, account=account.public_id),
            defaults={"email": address.normalized, "domain": address.domain, "attributes": given},
        )
        if not made and given:
            contact.attributes = {**contact.attributes, **given}
            contact.save(update_fields=["attributes", "updated_at"])
    return contact


def create_contact(account: Account, *, email: str, attributes: Mapping[str, str] | None = None) -> Contact:
    """A new person of the account, on no list yet; raises as save_contact, and CampaignError `contact.exists`."""
    given = _check_attributes(attributes or {})
    key = address_key(addresses.parse(email), account=account.public_id)
    if Contact.objects.filter(account=account, address_key=key).exists():
        raise CampaignError("contact.exists", "This person is already here.", action="Look the address up.", status=409)
    return save_contact(account, email=email, attributes=given)


def change_attributes(contact: Contact, *, attributes: Mapping[str, str]) -> None:
    """Replace all that is known of a person; raises CampaignError `import.name-…` or `contact.value-too-long`."""
    contact.attributes = _check_attributes(attributes)
    contact.save(update_fields=["attributes", "updated_at"])


def _check_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    for name, value in attributes.items():
        check_name(name)
        if len(value) > MAX_VALUE:
            raise CampaignError(
                "contact.value-too-long", f"A value may have {MAX_VALUE:,} characters.", action="Shorten it."
            )
    return {name: value.replace("\0", "") for name, value in attributes.items()}


def create_list(account: Account, *, slug: str, name: str = "") -> ContactList:
    """A new list, or the one that already has the slug; without a name the slug is made into one."""
    slug = slug.strip().lower()
    if not _SLUG(slug):
        raise CampaignError(
            "list.slug-invalid",
            "The short name of a list has small letters, digits, - and _.",
            action="Choose one such as newsletter.",
        )
    name = name or slug.replace("-", " ").replace("_", " ").capitalize()
    found, _ = ContactList.objects.get_or_create(account=account, slug=slug, defaults={"name": name[:120]})
    return found
