"""From-addresses: at the domain, and with a name that is no address."""

from __future__ import annotations

from email.headerregistry import Address as HeaderAddress
from typing import Any

import pytest

from campaigns.domains.senders import create_sender
from campaigns.errors import CampaignError, NotFound
from campaigns.models import Account, Domain, Sender
from tests.factories import make_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> Domain:
    return Domain.objects.create(account=make_account(), name="news.example.com")


def make(domain: Domain, *, account: Account | None = None, **changes: Any) -> Sender:
    fields = {"name": "Harbour Books", "email": "hello@news.example.com"} | changes
    return create_sender(account or domain.account, domain=domain, **fields)


def refusal(domain: Domain, **changes: Any) -> str:
    with pytest.raises(CampaignError) as caught:
        make(domain, **changes)
    assert not Sender.objects.exists()
    return caught.value.code


def test_a_sender_at_the_domain_is_made(domain: Domain) -> None:
    sender = make(domain, email=" Hello@NEWS.example.com ", reply_to="people@example.org")
    assert (sender.email, sender.reply_to) == ("Hello@news.example.com", "people@example.org")
    assert (sender.account, sender.domain) == (domain.account, domain)


@pytest.mark.parametrize(
    "email",
    ["hello@example.com", "hello@sub.news.example.com", "hello@news.example.com.evil.org", "hello@nеws.example.com"],
    ids=["parent", "subdomain", "longer", "look-alike"],
)
def test_an_address_at_any_other_domain_is_refused(domain: Domain, email: str) -> None:
    assert refusal(domain, email=email) == "sender.other-domain"


@pytest.mark.parametrize("email", ["ceo@gmail.com", "ceo@yahoo.fr", "ceo@outlook.com"])
def test_an_address_at_a_mailbox_provider_is_refused(domain: Domain, email: str) -> None:
    """MP-07, whatever domain it is put under."""
    assert refusal(domain, email=email) == "domain.freemail"
    domain.name = email.partition("@")[2]
    domain.save()
    assert refusal(domain, email=email) == "domain.freemail"


@pytest.mark.parametrize(
    "email", ["", "hello", "a@news.example.com, b@news.example.com", "a@news.example.com\r\nBcc: x@y.com", "<a@b.com>"]
)
def test_what_is_no_single_address_is_refused(domain: Domain, email: str) -> None:
    assert refusal(domain, email=email).startswith("address.")


def test_an_address_that_needs_smtputf8_is_refused(domain: Domain) -> None:
    assert refusal(domain, email="jonas.žemaitis@news.example.com") == "sender.needs-smtputf8"


@pytest.mark.parametrize(
    "name",
    ["support@bank.com", "a@b, c@d", "Bank <x@y.com>", "support＠bank.com", "support﹫bank.com", "x>", "@"],
)
def test_a_name_that_looks_like_an_address_is_refused(domain: Domain, name: str) -> None:
    """Evil input 11."""
    assert refusal(domain, name=name) == "sender.name-misleading"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        "x" * 121,
        "Bob\r\nBcc: v",
        "Bob\x00by",
        "Bob\u2028by",
        "koob\u202e",
        "B\u200bank",
        "Bob\ud800",
        "B\u0085ob",
    ],
    ids=["empty", "blank", "long", "crlf", "nul", "line end", "right to left", "zero width", "surrogate", "c1"],
)
def test_a_name_with_anything_unprintable_is_refused(domain: Domain, name: str) -> None:
    """Evil inputs 9 and 10."""
    assert refusal(domain, name=name) == "sender.name-invalid"


@pytest.mark.parametrize(
    "name", ["Žmonės & knygos, UAB", 'The "Best" Shop', "Booking.com", "株式会社", "Ада (новости)", "👩\u200d🚀 Space"]
)
def test_an_ordinary_name_of_any_script_is_kept(domain: Domain, name: str) -> None:
    sender = make(domain, name=name)
    assert sender.name == name
    # MF-08: written into a header, it is still one mailbox.
    assert HeaderAddress(sender.name, addr_spec=sender.email).addr_spec == sender.email


def test_a_reply_address_must_be_an_address(domain: Domain) -> None:
    assert refusal(domain, reply_to="nobody").startswith("address.")


def test_another_account_cannot_send_from_the_domain(domain: Domain) -> None:
    with pytest.raises(NotFound) as caught:
        make(domain, account=make_account())
    assert caught.value.code == "domain.not-found"


def test_a_sender_is_made_once(domain: Domain) -> None:
    make(domain)
    with pytest.raises(CampaignError) as caught:
        make(domain)
    assert (caught.value.code, caught.value.status) == ("sender.exists", 409)
    assert make(domain, name="Harbour Books Events").pk
