"""Making accounts, and the first person who may do everything."""

from __future__ import annotations

import secrets
import unicodedata

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import IntegrityError, transaction

from campaigns.errors import CampaignError
from campaigns.models import Account, Transport
from campaigns.models.accounts import validate_time_zone

_NAME_LENGTH = 120
_SLUG_LENGTH = 60
_ADDRESS_LENGTH = 500


def create_account(*, name: str, slug: str, postal_address: str = "", time_zone: str = "UTC") -> Account:
    """A new account with the sandbox as its way out, so that nothing leaves the machine until somebody decides so.

    Raises CampaignError `account.name-invalid`, `account.slug-invalid`, `account.slug-taken`,
    `account.postal-address-invalid` or `account.time-zone-unknown`.
    """
    name, postal_address = name.strip(), postal_address.strip()
    _check_name(name)
    _check_slug(slug)
    _check_postal_address(postal_address)
    _check_time_zone(time_zone)
    try:
        with transaction.atomic():
            account = Account.objects.create(name=name, slug=slug, postal_address=postal_address, time_zone=time_zone)
            Transport.objects.create(account=account, name="Sandbox", kind="sandbox", is_default=True)
    except IntegrityError as error:
        raise CampaignError(
            "account.slug-taken",
            "Another account has this short name.",
            action="Choose another short name.",
            status=409,
        ) from error
    return account


def create_first_superuser(username: str) -> str:
    """A superuser for an installation that has none; the password, to be shown once, or '' when there is one."""
    people = get_user_model().objects
    if people.filter(is_superuser=True).exists():
        return ""
    password = secrets.token_urlsafe(12)
    people.create_superuser(username, password=password)
    return password


def _check_name(name: str) -> None:
    if not name or len(name) > _NAME_LENGTH or _has_controls(name):
        raise CampaignError(
            "account.name-invalid",
            f"An account's name has 1 to {_NAME_LENGTH} printable characters.",
            action="Correct the name.",
        )


def _check_slug(slug: str) -> None:
    try:
        validate_slug(slug)
    except ValidationError:
        slug = ""
    if not slug or len(slug) > _SLUG_LENGTH:
        raise CampaignError(
            "account.slug-invalid",
            f"A short name has 1 to {_SLUG_LENGTH} letters from a to z, digits, hyphens or underscores.",
            action="Choose another short name.",
        )


def _check_postal_address(postal_address: str) -> None:
    # It is printed in every mail: lines are welcome, other control and direction characters are not.
    lines = postal_address.replace("\r\n", "\n").replace("\n", " ")
    if len(postal_address) > _ADDRESS_LENGTH or _has_controls(lines):
        raise CampaignError(
            "account.postal-address-invalid",
            f"A postal address has at most {_ADDRESS_LENGTH} printable characters.",
            action="Correct the postal address.",
        )


def _check_time_zone(time_zone: str) -> None:
    try:
        validate_time_zone(time_zone)
    except ValidationError as error:
        raise CampaignError(
            "account.time-zone-unknown",
            "This time zone is not known.",
            action="Choose a time zone such as Europe/Vilnius.",
        ) from error


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in text)
