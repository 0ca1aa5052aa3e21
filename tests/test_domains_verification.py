"""Domains against a real DNS server: verified by proof of ownership and our DKIM key, faults named (DK-05)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from campaigns.domains.creation import create_domain
from campaigns.domains.expected import ExpectedRecord, expected_records
from campaigns.domains.keys import create_dkim_key
from campaigns.domains.verification import verify_domain
from campaigns.models import DkimKey, DnsFinding, Domain
from tests.dns_server import DnsServer
from tests.factories import make_account

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def domain() -> Domain:
    return create_domain(make_account(), name="news.example.com")


def publish(server: DnsServer, domain: Domain) -> tuple[ExpectedRecord, ExpectedRecord]:
    """Publish everything as expected; returns the ownership record and the (first) DKIM record."""
    records = expected_records(domain)
    server.publish_all(records)
    return records[0], records[1]


def verify(server: DnsServer, domain: Domain, *, now: datetime = NOW) -> bool:
    verified = verify_domain(domain, resolver=server.resolver, now=now)
    fresh = Domain.objects.get(pk=domain.pk)
    assert verified is fresh.is_verified is domain.is_verified
    assert fresh.checked_at == now
    return verified


def codes(domain: Domain) -> dict[str, str]:
    """Of proof and keys; the other records have tests of their own."""
    found = {row.record.partition(":")[0]: row.code for row in domain.findings.all()}
    return {record: code for record, code in found.items() if record in {"ownership", "dkim"}}


def key_codes(domain: Domain) -> list[str]:
    return sorted(domain.findings.filter(record__startswith="dkim").values_list("code", flat=True))


def test_a_domain_with_its_records_published_is_verified(dns: DnsServer, domain: Domain) -> None:
    publish(dns, domain)
    assert verify(dns, domain)
    assert domain.verified_at == NOW
    assert codes(domain) == {"ownership": "ownership.ok", "dkim": "dkim.ok"}


def test_a_domain_with_nothing_published_is_not_verified(dns: DnsServer, domain: Domain) -> None:
    assert not verify(dns, domain)
    assert codes(domain) == {"ownership": "ownership.missing", "dkim": "dkim.missing"}


def test_a_dkim_record_alone_proves_no_ownership(dns: DnsServer, domain: Domain) -> None:
    ownership, _ = publish(dns, domain)
    del dns.records[ownership.host, "TXT"]
    assert not verify(dns, domain)
    assert codes(domain) == {"ownership": "ownership.missing", "dkim": "dkim.ok"}


def test_ownership_alone_does_not_verify(dns: DnsServer, domain: Domain) -> None:
    _, key = publish(dns, domain)
    del dns.records[key.host, "TXT"]
    assert not verify(dns, domain)
    assert codes(domain)["dkim"] == "dkim.missing"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda value: f'"{value}"', "dkim.damaged"),
        (lambda value: value.replace(";", "\\;"), "dkim.damaged"),
        (lambda value: value.replace("; ", ";\r\n"), "dkim.damaged"),
        (lambda value: value.replace("p=", "p=\u200b"), "dkim.damaged"),
        (lambda value: value[:200] + '" "' + value[200:], "dkim.damaged"),
        (lambda value: value[:255], "dkim.cut-off"),
        (lambda value: value.partition("p=")[0] + "p=", "dkim.revoked"),
        (lambda value: value[:-9] + "AAAAAAAAA", "dkim.wrong-key"),
        (lambda value: value.swapcase().replace("V=dkim1; K=RSA; P=", "v=DKIM1; k=rsa; p="), "dkim.wrong-key"),
        (lambda value: value.replace("k=rsa", "k=ed25519"), "dkim.wrong-algorithm"),
        (lambda value: value.replace("k=rsa", "h=sha1"), "dkim.hash-refused"),
        (lambda value: value.replace("k=rsa", "s=tlsrpt"), "dkim.not-for-email"),
        (lambda value: value.replace("v=DKIM1; k=rsa", "k=rsa; v=DKIM1"), "dkim.malformed"),
        (lambda value: value.replace("DKIM1", "DKIM2"), "dkim.malformed"),
        (lambda value: value + "; " + value, "dkim.malformed"),
        (lambda _: "v=DKIM1; k=rsa", "dkim.malformed"),
        (lambda _: "v=spf1 -all", "dkim.not-a-key"),
        (lambda _: "", "dkim.not-a-key"),
    ],
    ids=[
        "quotes", "backslashes", "line breaks", "zero-width space", "split strings", "cut off", "revoked", "wrong key",
        "wrong case", "wrong algorithm", "sha1 only", "other service", "v not first", "other version", "twice", "no key",
        "wildcard", "empty",
    ],
)  # fmt: skip
def test_a_fault_of_the_dkim_record_has_its_own_name(dns: DnsServer, domain: Domain, change: object, code: str) -> None:
    _, key = publish(dns, domain)
    value = change(key.value)  # type: ignore[operator]
    dns.publish(key.host, [value[at : at + 200] for at in range(0, len(value), 200)] or [""])
    assert not verify(dns, domain)
    assert codes(domain)["dkim"] == code
    assert codes(domain)["ownership"] == "ownership.ok"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("k=rsa; ", "", "dkim.ok"),
        ("v=DKIM1; ", "", "dkim.ok"),
        ("k=rsa", "k=rsa; h=sha1:sha256; s=email; t=s; n=note", "dkim.ok"),
        ("; ", " ;\t", "dkim.ok"),
        ("k=rsa", "t=y:s", "dkim.testing"),
        ("p=M", "p= M", "dkim.ok"),
        ("p=MII", "p=M II", "dkim.blanks"),
    ],
)
def test_a_record_other_tools_would_write_is_understood(
    dns: DnsServer, domain: Domain, old: str, new: str, code: str
) -> None:
    _, key = publish(dns, domain)
    value = key.value.replace(old, new)
    dns.publish(key.host, [value[:200], value[200:]])
    assert verify(dns, domain)
    assert codes(domain)["dkim"] == code


def test_two_dkim_records_at_one_name_are_a_fault(dns: DnsServer, domain: Domain) -> None:
    _, key = publish(dns, domain)
    dns.publish(key.host, key.strings, ["v=DKIM1; p=AAAA"])
    assert not verify(dns, domain)
    assert codes(domain)["dkim"] == "dkim.several-records"


def test_another_text_beside_the_dkim_record_does_no_harm(dns: DnsServer, domain: Domain) -> None:
    _, key = publish(dns, domain)
    dns.publish(key.host, key.strings, ["v=spf1 -all"])
    assert verify(dns, domain)


@pytest.mark.parametrize("follow", [True, False], ids=["recursive server", "authoritative server"])
def test_an_alias_is_followed(domain: Domain, follow: bool) -> None:
    with DnsServer(follow=follow) as server:
        _, key = publish(server, domain)
        del server.records[key.host, "TXT"]
        server.alias(key.host, "sp1.keys.example.net")
        server.alias("sp1.keys.example.net", "sp1.store.example.net")
        server.publish("sp1.store.example.net", key.strings)
        assert verify(server, domain)


@pytest.mark.parametrize("follow", [True, False], ids=["recursive server", "authoritative server"])
def test_an_alias_that_leads_to_nothing_is_named(domain: Domain, follow: bool) -> None:
    with DnsServer(follow=follow) as server:
        _, key = publish(server, domain)
        del server.records[key.host, "TXT"]
        server.alias(key.host, "gone.example.org")
        assert not verify(server, domain)
        finding = domain.findings.get(code="dkim.missing")
        assert "CNAME" in finding.text


def test_aliases_in_a_circle_come_to_an_end(domain: Domain) -> None:
    with DnsServer(follow=False) as server:
        _, key = publish(server, domain)
        del server.records[key.host, "TXT"]
        server.alias(key.host, "a.example.net")
        server.alias("a.example.net", key.host)
        assert not verify(server, domain)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda value: f'"{value}"', "ownership.damaged"),
        (lambda value: f" {value}", "ownership.damaged"),
        (lambda value: value.replace("=", "= "), "ownership.damaged"),
        (lambda _: "sealpost-verify=0123456789abcdef0123456789abcdef", "ownership.wrong-token"),
        (lambda value: value.upper(), "ownership.missing"),
        (lambda _: "v=spf1 -all", "ownership.missing"),
    ],
    ids=["quotes", "blank", "inner blank", "other account", "upper case", "wildcard"],
)
def test_a_fault_of_the_ownership_record_has_its_own_name(
    dns: DnsServer, domain: Domain, change: object, code: str
) -> None:
    ownership, _ = publish(dns, domain)
    dns.publish(ownership.host, [change(ownership.value)])  # type: ignore[operator]
    assert not verify(dns, domain)
    assert codes(domain)["ownership"] == code


def test_two_accounts_verify_the_same_domain_each_with_its_own_records(dns: DnsServer, domain: Domain) -> None:
    """Evil input 35: one account's records do nothing for another's."""
    publish(dns, domain)
    other = create_domain(make_account(), name=domain.name)
    assert not verify(dns, other)
    mine, theirs = expected_records(domain), expected_records(other)
    dns.publish(mine[0].host, mine[0].strings, theirs[0].strings)
    dns.publish(theirs[1].host, theirs[1].strings)
    assert verify(dns, other)
    assert verify(dns, domain)


@pytest.mark.parametrize("record", [0, 1], ids=["ownership", "dkim"])
@pytest.mark.parametrize("how", ["broken", "silent"])
def test_a_verified_domain_stays_so_while_dns_does_not_answer(
    dns: DnsServer, domain: Domain, record: int, how: str
) -> None:
    """SP-04: a temporary error is not "not verified"."""
    records = publish(dns, domain)
    verify(dns, domain)
    getattr(dns, how).add(records[record].host)
    assert verify(dns, domain, now=NOW + timedelta(hours=1))
    assert domain.verified_at == NOW
    finding = domain.findings.get(record=records[record].kind)
    assert (finding.ok, finding.code) == (True, "dns.temporary-error")
    # It holds for as long as the trouble lasts.
    assert verify(dns, domain, now=NOW + timedelta(hours=2))


def test_an_unverified_domain_is_not_verified_by_a_server_that_does_not_answer(dns: DnsServer, domain: Domain) -> None:
    ownership, _ = publish(dns, domain)
    dns.broken.add(ownership.host)
    assert not verify(dns, domain)
    assert domain.findings.get(code="dns.temporary-error").ok is False


def test_a_record_that_is_gone_ends_verification_after_several_looks(dns: DnsServer, domain: Domain) -> None:
    """Evil input 35: a record removed later."""
    ownership, _ = publish(dns, domain)
    verify(dns, domain)
    del dns.records[ownership.host, "TXT"]
    assert verify(dns, domain, now=NOW + timedelta(minutes=20))
    assert verify(dns, domain, now=NOW + timedelta(minutes=40))
    assert not verify(dns, domain, now=NOW + timedelta(minutes=60))
    assert domain.lost_at == NOW + timedelta(minutes=60)


def test_many_looks_within_minutes_do_not_end_verification(dns: DnsServer, domain: Domain) -> None:
    ownership, _ = publish(dns, domain)
    verify(dns, domain)
    del dns.records[ownership.host, "TXT"]
    for minute in range(6):
        assert verify(dns, domain, now=NOW + timedelta(minutes=minute))
    dns.publish(ownership.host, ownership.strings)
    assert verify(dns, domain, now=NOW + timedelta(minutes=10))
    # What was counted is forgotten.
    del dns.records[ownership.host, "TXT"]
    assert verify(dns, domain, now=NOW + timedelta(hours=1))


def test_a_server_that_does_not_answer_counts_for_nothing(dns: DnsServer, domain: Domain) -> None:
    """SP-04; evil input 35: flaps."""
    ownership, key = publish(dns, domain)
    verify(dns, domain)
    for hour in range(1, 12, 3):
        dns.broken = {ownership.host}
        assert verify(dns, domain, now=NOW + timedelta(hours=hour))
        dns.broken = set()
        assert verify(dns, domain, now=NOW + timedelta(hours=hour + 1))
        dns.broken = {key.host}
        assert verify(dns, domain, now=NOW + timedelta(hours=hour + 2))
    assert domain.failed_looks == 0


def test_a_definite_fault_counts_even_while_another_record_does_not_answer(dns: DnsServer, domain: Domain) -> None:
    ownership, key = publish(dns, domain)
    verify(dns, domain)
    del dns.records[ownership.host, "TXT"]
    dns.broken.add(key.host)
    assert [verify(dns, domain, now=NOW + timedelta(hours=hour)) for hour in (1, 2, 3)] == [True, True, False]
    # What was known of the key does not bring the domain back.
    dns.publish(ownership.host, ownership.strings)
    assert not verify(dns, domain, now=NOW + timedelta(hours=4))
    dns.broken.clear()
    assert verify(dns, domain, now=NOW + timedelta(hours=5))
    assert (domain.lost_at, domain.verified_at) == (None, NOW + timedelta(hours=5))


def test_a_second_key_that_is_not_published_yet_does_no_harm(dns: DnsServer, domain: Domain) -> None:
    publish(dns, domain)
    create_dkim_key(domain, algorithm=DkimKey.Algorithm.ED25519)
    assert verify(dns, domain)
    assert key_codes(domain) == ["dkim.missing", "dkim.ok"]


def test_an_ed25519_key_alone_does_not_verify(dns: DnsServer, domain: Domain) -> None:
    """DK-07."""
    domain.dkim_keys.all().delete()
    create_dkim_key(domain, algorithm=DkimKey.Algorithm.ED25519)
    publish(dns, domain)
    assert not verify(dns, domain)
    assert key_codes(domain) == ["dkim.no-key", "dkim.ok"]


def test_a_domain_without_a_key_is_not_verified_and_its_old_findings_go(dns: DnsServer, domain: Domain) -> None:
    publish(dns, domain)
    verify(dns, domain)
    domain.dkim_keys.all().delete()
    assert [verify(dns, domain, now=NOW + timedelta(hours=hour)) for hour in (1, 2, 3)] == [True, True, False]
    assert codes(domain) == {"ownership": "ownership.ok", "dkim": "dkim.no-key"}


def test_findings_are_written_once_per_record(dns: DnsServer, domain: Domain) -> None:
    publish(dns, domain)
    for hour in range(3):
        verify(dns, domain, now=NOW + timedelta(hours=hour))
    records = list(DnsFinding.objects.values_list("record", flat=True))
    assert len(records) == len(set(records)) == 5
    assert {row.found_at for row in DnsFinding.objects.all()} == {NOW + timedelta(hours=2)}


def test_writing_does_not_grow_with_the_number_of_keys(
    dns: DnsServer, domain: Domain, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(4):
        domain.dkim_keys.update(state=DkimKey.State.RETIRING)
        create_dkim_key(domain)
    with django_assert_max_num_queries(12):
        verify_domain(domain, resolver=dns.resolver, now=NOW)
    assert len(key_codes(domain)) == 5


def test_a_domain_deleted_meanwhile_leaves_nothing_behind(dns: DnsServer, domain: Domain) -> None:
    Domain.objects.filter(pk=domain.pk).delete()
    assert not verify_domain(domain, resolver=dns.resolver, now=NOW)
    assert not DnsFinding.objects.exists()
