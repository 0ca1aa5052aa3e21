"""Making accounts, by function and by command."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from campaigns.accounts.creation import create_account
from campaigns.errors import CampaignError
from campaigns.models import Account, BaaStatus, Transport

pytestmark = pytest.mark.django_db
GOOD: dict[str, str] = {"name": "Harbour Books", "slug": "harbour-books"}


def test_a_new_account_sends_to_the_sandbox_and_has_no_agreement() -> None:
    account = create_account(name=" Harbour Books ", slug="harbour-books", time_zone="Europe/Vilnius")
    assert (account.name, account.baa_status) == ("Harbour Books", BaaStatus.NONE)
    transport = Transport.objects.get(account=account)
    assert (transport.kind, transport.is_default) == ("sandbox", True)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": ""}, "account.name-invalid"),
        ({"name": "x" * 121}, "account.name-invalid"),
        ({"name": "Books\r\nBcc: x"}, "account.name-invalid"),
        ({"name": "Books\u202e"}, "account.name-invalid"),
        ({"slug": ""}, "account.slug-invalid"),
        ({"slug": "two words"}, "account.slug-invalid"),
        ({"slug": "x" * 61}, "account.slug-invalid"),
        ({"postal_address": "a\x00b"}, "account.postal-address-invalid"),
        ({"postal_address": "a" * 501}, "account.postal-address-invalid"),
        ({"time_zone": "Europe/Atlantis"}, "account.time-zone-unknown"),
    ],
)
def test_what_is_wrong_is_refused_by_name(change: dict[str, Any], code: str) -> None:
    with pytest.raises(CampaignError) as caught:
        create_account(**(GOOD | change))
    assert caught.value.code == code
    assert caught.value.action
    assert not Account.objects.exists()


def test_a_postal_address_may_have_lines() -> None:
    account = create_account(**GOOD, postal_address="Harbour Books\r\n12 Quay Street\nKlaipėda\n")
    assert account.postal_address == "Harbour Books\r\n12 Quay Street\nKlaipėda"


def test_a_short_name_is_taken_once() -> None:
    create_account(**GOOD)
    with pytest.raises(CampaignError) as caught:
        create_account(**GOOD)
    assert (caught.value.code, caught.value.status) == ("account.slug-taken", 409)
    assert Transport.objects.count() == 1


def test_the_command_makes_the_short_name_from_the_name() -> None:
    out = StringIO()
    call_command("create_account", "Jūros knygos, UAB", "--postal-address", "Kopų g. 1", "--json", stdout=out)
    account = Account.objects.get()
    assert (account.slug, account.postal_address) == ("juros-knygos-uab", "Kopų g. 1")
    assert json.loads(out.getvalue()) == {
        "account": "juros-knygos-uab",
        "public_id": str(account.public_id),
        "time_zone": "UTC",
    }


def test_the_command_says_what_to_do_about_a_name_without_letters() -> None:
    with pytest.raises(CommandError, match="Choose another short name"):
        call_command("create_account", "日本")
