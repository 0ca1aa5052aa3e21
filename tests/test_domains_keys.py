"""DKIM keys and the records that publish them."""

from __future__ import annotations

import base64
import json
import logging
import re
from io import StringIO

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from django.core.management import CommandError, call_command

from campaigns.domains.creation import create_domain
from campaigns.domains.expected import expected_records
from campaigns.domains.keys import create_dkim_key, open_private_key
from campaigns.errors import AddressError, CampaignError
from campaigns.models import DkimKey, Domain
from compliance.vault import SealBroken
from tests.factories import make_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> Domain:
    return Domain.objects.create(account=make_account(), name="news.example.com")


def test_an_rsa_key_has_2048_bits_and_opens_again(domain: Domain) -> None:
    """MP-12."""
    key = DkimKey.objects.get(pk=create_dkim_key(domain).pk)
    private_key = open_private_key(key)
    assert isinstance(private_key, RSAPrivateKey)
    assert private_key.key_size == 2048
    public = serialization.load_der_public_key(base64.b64decode(key.public_key))
    assert public == private_key.public_key()


def test_an_ed25519_key_is_published_bare(domain: Domain) -> None:
    """RFC 8463 §4: 32 bytes, no wrapping."""
    key = create_dkim_key(domain, algorithm="ed25519")
    private_key = open_private_key(key)
    assert isinstance(private_key, Ed25519PrivateKey)
    assert Ed25519PublicKey.from_public_bytes(base64.b64decode(key.public_key)) == private_key.public_key()


def test_the_private_part_shows_nowhere(domain: Domain, caplog: pytest.LogCaptureFixture) -> None:
    """DK-06."""
    with caplog.at_level(logging.DEBUG):
        key = create_dkim_key(domain)
    der = open_private_key(key).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert der not in bytes(key.private_key_sealed)
    assert der[-64:] not in bytes(key.private_key_sealed)
    shown = f"{key!r} {key} {domain!r}"
    assert shown.count(key.selector) == 2
    assert "PRIVATE" not in shown
    assert len(shown) < 200
    assert caplog.text == ""


@pytest.mark.parametrize("field", ["account", "domain", "selector"])
def test_a_private_key_moved_to_another_row_does_not_open(domain: Domain, field: str) -> None:
    key = create_dkim_key(domain, algorithm="ed25519")
    if field == "account":
        key.domain = Domain.objects.create(account=make_account(), name=domain.name)
    elif field == "domain":
        key.domain = Domain.objects.create(account=domain.account, name="other.example.com")
    else:
        key.selector = "other"
    with pytest.raises(SealBroken):
        open_private_key(key)


def test_two_keys_get_two_selectors(domain: Domain) -> None:
    keys = [create_dkim_key(domain), create_dkim_key(domain), create_dkim_key(domain, algorithm="ed25519")]
    assert len({key.selector for key in keys}) == 3


def test_a_selector_is_taken_once(domain: Domain) -> None:
    create_dkim_key(domain, selector="winter-2026", algorithm="ed25519")
    with pytest.raises(CampaignError) as caught:
        create_dkim_key(domain, selector="winter-2026", algorithm="ed25519")
    assert (caught.value.code, caught.value.status) == ("domain.selector-taken", 409)


@pytest.mark.parametrize("selector", ["", "-a", "a-", "A", "a.b", "a b", "a_b", "a\n", "ž", "a" * 64])
def test_a_selector_is_one_dns_label(domain: Domain, selector: str) -> None:
    with pytest.raises(CampaignError) as caught:
        create_dkim_key(domain, selector=selector)
    assert caught.value.code == "domain.selector-invalid"


def test_an_unknown_algorithm_is_refused(domain: Domain) -> None:
    with pytest.raises(CampaignError) as caught:
        create_dkim_key(domain, algorithm="rsa-512")
    assert caught.value.code == "domain.algorithm-unknown"


def test_the_expected_records_name_host_type_and_value(domain: Domain) -> None:
    key = create_dkim_key(domain, selector="sp1")
    ownership, dkim, dmarc = expected_records(domain)
    assert (ownership.kind, ownership.host, ownership.type) == ("ownership", "_sealpost.news.example.com", "TXT")
    assert ownership.value == f"sealpost-verify={domain.ownership_token}"
    assert (dkim.kind, dkim.host, dkim.type) == ("dkim:sp1", "sp1._domainkey.news.example.com", "TXT")
    assert dkim.value == f"v=DKIM1; k=rsa; p={key.public_key}"
    assert (dmarc.kind, dmarc.host, dmarc.value) == ("dmarc", "_dmarc.news.example.com", "v=DMARC1; p=none")


def test_a_long_value_is_split_into_strings_of_at_most_255_bytes(domain: Domain) -> None:
    create_dkim_key(domain)
    _, dkim, _ = expected_records(domain)
    assert [len(string) for string in dkim.strings] == [255, len(dkim.value) - 255]
    assert "".join(dkim.strings) == dkim.value
    assert re.fullmatch(r'"[^"]{255}" "[^"]{1,255}"', dkim.zone_text)


@pytest.mark.parametrize(("state", "expected"), [("new", 3), ("signing", 3), ("retiring", 3), ("retired", 2)])
def test_a_key_is_to_be_published_until_it_is_retired(domain: Domain, state: str, expected: int) -> None:
    create_dkim_key(domain, algorithm="ed25519")
    domain.dkim_keys.update(state=state, private_key_sealed=b"")
    assert len(expected_records(domain)) == expected


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("News.Example.COM.", "news.example.com"),
        (" faß.de ", "xn--fa-hia.de"),
        ("xn--fa-hia.de", "xn--fa-hia.de"),
        ("news.harbourbooks.example", "news.harbourbooks.example"),
        # Evil input 35: a Cyrillic look-alike shows as what it is.
        ("оurs.com", "xn--urs-red.com"),
    ],
)
def test_a_domain_is_kept_as_a_labels(name: str, stored: str) -> None:
    """IN-01: IDNA2008, so faß.de is not fass.de."""
    domain = create_domain(make_account(), name=name)
    assert domain.name == stored
    assert not domain.is_verified
    assert domain.dkim_keys.get().state == DkimKey.State.SIGNING


@pytest.mark.parametrize(
    "name", ["", "localhost", "-.com", "a b.com", "a@b.com", "192.0.2.1", "[::1]", "exa\u200bmple.com"]
)
def test_what_is_no_domain_is_refused(name: str) -> None:
    with pytest.raises(AddressError):
        create_domain(make_account(), name=name)
    assert not Domain.objects.exists()


def test_a_domain_whose_records_would_not_fit_into_dns_is_refused() -> None:
    name = ".".join(["a" * 60] * 3 + ["b" * 50, "com"])
    with pytest.raises(CampaignError) as caught:
        create_domain(make_account(), name=name)
    assert caught.value.code == "domain.too-long"


@pytest.mark.parametrize("name", ["gmail.com", "Yahoo.co.uk", "outlook.com", "hotmail.fr", "icloud.com", "gmx.de"])
def test_a_domain_of_a_mailbox_provider_is_refused(name: str) -> None:
    """MP-07, DM-03."""
    with pytest.raises(CampaignError) as caught:
        create_domain(make_account(), name=name)
    assert caught.value.code == "domain.freemail"


def test_an_account_has_a_domain_once_and_another_account_may_have_it_too() -> None:
    account = make_account()
    create_domain(account, name="example.com")
    with pytest.raises(CampaignError) as caught:
        create_domain(account, name="EXAMPLE.com")
    assert (caught.value.code, caught.value.status) == ("domain.exists", 409)
    assert create_domain(make_account(), name="example.com").dkim_keys.count() == 1


def test_the_command_prints_the_records_to_publish() -> None:
    account, out = make_account(), StringIO()
    call_command("create_domain", account.slug, "example.com", stdout=out)
    text = out.getvalue()
    for record in expected_records(account.domains.get()):
        assert f"{record.host}. TXT {record.zone_text}" in text


def test_the_command_prints_json_for_programs() -> None:
    account, out = make_account(), StringIO()
    call_command("create_domain", account.slug, "example.com", "--json", stdout=out)
    made = json.loads(out.getvalue())
    assert made["domain"] == "example.com"
    assert made["records"][0]["host"] == "_sealpost.example.com"
    assert set(made["records"][1]) == {"kind", "host", "type", "value", "need"}


def test_the_command_says_what_to_do() -> None:
    with pytest.raises(CommandError, match="Send from a domain of your own"):
        call_command("create_domain", make_account().slug, "gmail.com")
    with pytest.raises(CommandError, match="does not exist"):
        call_command("create_domain", "nobody", "example.com")
