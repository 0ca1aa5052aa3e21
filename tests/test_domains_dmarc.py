"""DMARC against a real DNS server: the tree walk, what is wrong by name, and alignment (MP-02, DM-01 to DM-04)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.domains import dmarc
from campaigns.domains.creation import create_domain
from campaigns.domains.dmarc_judging import build_record, judge_dmarc
from campaigns.domains.expected import expect_ownership, expected_records
from campaigns.domains.judging import Judgement
from campaigns.domains.lookup import Dns
from campaigns.domains.verification import verify_domain
from campaigns.models import Domain
from tests.dns_server import DnsServer
from tests.factories import make_account

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
NAME = "news.example.com"
RUA = "rua=mailto:dmarc@example.com"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


def walk(server: DnsServer, name: str) -> dmarc.Walk:
    return dmarc.walk(name, dns=Dns(server.resolver))


def judge(server: DnsServer, *texts: str, at: str = NAME, reports_to: str = "") -> Judgement | None:
    if texts:
        server.publish(f"_dmarc.{at}", *([text] for text in texts))
    asked = Dns(server.resolver)
    return judge_dmarc(dmarc.walk(NAME, dns=asked), dns=asked, reports_to=reports_to)


# --- The walk -----------------------------------------------------------------------------------


def test_the_walk_asks_for_each_name_up_to_the_top(dns: DnsServer) -> None:
    """DM-01."""
    for above in ("a.mail.example.com", "mail.example.com", "example.com", "com"):
        dns.publish(f"_dmarc.{above}", ["v=DMARC1; p=none"])
    assert [record.domain for record in walk(dns, "a.mail.example.com").records] == [
        "a.mail.example.com", "mail.example.com", "example.com", "com",
    ]  # fmt: skip


def test_a_long_name_costs_eight_questions_at_most(dns: DnsServer) -> None:
    """DM-01."""
    name = "a.b.c.d.e.f.g.h.i.j.mail.example.com"
    labels = name.split(".")
    for at in range(len(labels)):
        dns.publish(f"_dmarc.{'.'.join(labels[at:])}", ["v=DMARC1; p=none"])
    found = [record.domain for record in walk(dns, name).records]
    assert len(found) == 8
    assert found[:3] == [name, "g.h.i.j.mail.example.com", "h.i.j.mail.example.com"]
    assert found[-1] == "com"


@pytest.mark.parametrize(
    ("records", "organisation", "policy_at"),
    [
        ({}, "a.mail.example.com", None),
        ({"example.com": "p=reject"}, "example.com", "example.com"),
        ({"mail.example.com": "p=none", "example.com": "p=reject"}, "example.com", "example.com"),
        ({"a.mail.example.com": "p=none", "example.com": "p=reject"}, "example.com", "a.mail.example.com"),
        ({"mail.example.com": "p=none; psd=n", "example.com": "p=reject"}, "mail.example.com", "mail.example.com"),
        ({"com": "p=reject; psd=y"}, "example.com", "com"),
        ({"example.com": "p=none; psd=y", "com": "p=reject"}, "mail.example.com", "example.com"),
        ({"a.mail.example.com": "p=none; psd=y", "example.com": "p=reject"}, "example.com", "a.mail.example.com"),
        ({"mail.example.com": "p=none"}, "mail.example.com", "mail.example.com"),
    ],
    ids=["none", "above", "the shortest", "its own, and above", "psd=n stops", "registry", "registry below the top",
         "psd=y of itself", "halfway"],
)  # fmt: skip
def test_the_organisation_and_the_policy_are_found_as_rfc_9989_says(
    dns: DnsServer, records: dict[str, str], organisation: str, policy_at: str | None
) -> None:
    """DM-01."""
    for name, tags in records.items():
        dns.publish(f"_dmarc.{name}", [f"v=DMARC1; {tags}"])
    found = walk(dns, "a.mail.example.com")
    assert found.organisation == organisation
    assert (found.applied.domain if found.applied else None) == policy_at


@pytest.mark.parametrize(
    ("tags", "policy"),
    [
        ("p=reject", "reject"),
        ("p=reject; sp=quarantine", "quarantine"),
        ("p=reject; t=y", "quarantine"),
        ("p=quarantine; t=y", "none"),
        ("sp=reject", "reject"),
        ("", "none"),
        ("p=REJECT", "reject"),
        ("p=reject; sp=nonsense", "reject"),
    ],
)
def test_a_subdomain_has_the_policy_its_organisation_says(dns: DnsServer, tags: str, policy: str) -> None:
    """DM-02: p missing is none, sp and t are known."""
    dns.publish("_dmarc.example.com", [f"v=DMARC1; {tags}"])
    assert walk(dns, NAME).policy == policy


@pytest.mark.parametrize(
    ("one", "other", "strict", "aligned"),
    [
        (NAME, NAME, True, True),
        (NAME, "bounces.example.com", False, True),
        (NAME, "bounces.example.com", True, False),
        (NAME, "example.com", False, True),
        (NAME, "other.example.net", False, False),
        (NAME, "apart.example.com", False, False),
    ],
)
def test_domains_of_one_organisation_are_aligned(
    dns: DnsServer, one: str, other: str, strict: bool, aligned: bool
) -> None:
    """DM-01: relaxed is the organisation, strict the very name."""
    dns.publish("_dmarc.example.com", ["v=DMARC1; p=none"])
    dns.publish("_dmarc.apart.example.com", ["v=DMARC1; p=none; psd=n"])
    assert dmarc.is_aligned(walk(dns, one), walk(dns, other), strict=strict) is aligned


def test_alignment_is_not_known_while_dns_does_not_answer(dns: DnsServer) -> None:
    """SP-04."""
    dns.broken.add("_dmarc.example.com")
    assert dmarc.is_aligned(walk(dns, NAME), walk(dns, "bounces.example.com"), strict=False) is None


# --- What is wrong, and what would be right -----------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "code", "fix"),
    [
        ([], "dmarc.missing", "v=DMARC1; p=none"),
        (["v=spf1 -all"], "dmarc.missing", "v=DMARC1; p=none"),
        ([f"v=DMARC1; p=none; {RUA}", "v=DMARC1; p=reject"], "dmarc.several-records", "v=DMARC1; p=reject"),
        ([f'"v=DMARC1; p=reject; {RUA}"'], "dmarc.damaged", f"v=DMARC1; p=reject; {RUA}"),
        (["v=DMARC1\\; p=reject"], "dmarc.damaged", "v=DMARC1; p=reject"),
        (["v=dmarc1; p=reject"], "dmarc.damaged", "v=DMARC1; p=reject"),
        (["v=DMARC 1; p=reject"], "dmarc.damaged", "v=DMARC1; p=reject"),
        (["p=reject; v=DMARC1"], "dmarc.damaged", "v=DMARC1; p=none"),
        (["v=DMARC1; p=block"], "dmarc.policy-unknown", "v=DMARC1; p=none"),
        (["v=DMARC1 p=none"], "dmarc.damaged", "v=DMARC1; p=none"),
    ],
    ids=["nothing", "other text", "two records", "quotes", "backslash", "lower case", "blank", "v not first", "no policy",
         "no semicolon"],
)  # fmt: skip
def test_a_fault_has_its_name_and_the_record_that_would_be_right(
    dns: DnsServer, texts: list[str], code: str, fix: str
) -> None:
    """MP-02, DM-02."""
    found = judge(dns, *texts)
    assert found is not None
    assert (found.ok, found.code, found.fix, found.fix_host) == (False, code, fix, "")


@pytest.mark.parametrize(
    ("text", "code", "fix"),
    [
        (f"v=DMARC1; p=reject; {RUA}", "dmarc.ok", ""),
        (f"v=DMARC1; {RUA}; p=reject", "dmarc.ok", ""),
        (f"v=DMARC1 ; p = reject ; {RUA};", "dmarc.ok", ""),
        (f"v=DMARC1; p=none; np=reject; psd=u; t=n; x=y; {RUA}", "dmarc.ok", ""),
        (f"v=DMARC1; {RUA}", "dmarc.no-policy", f"v=DMARC1; p=none; {RUA}"),
        (f"v=DMARC1; p=none; pct=20; rf=afrf; ri=86400; {RUA}", "dmarc.removed-tags", f"v=DMARC1; p=none; {RUA}"),
        ("v=DMARC1; p=reject", "dmarc.no-reports", "v=DMARC1; p=reject; rua=mailto:ours@example.com"),
    ],
)
def test_a_record_that_works_may_still_carry_a_hint(dns: DnsServer, text: str, code: str, fix: str) -> None:
    """DM-02: unknown tags are ignored, order is free, removed tags are advised against."""
    found = judge(dns, text, reports_to="ours@example.com")
    assert found is not None
    assert (found.ok, found.code, found.fix, found.seen) == (True, code, fix, text)


def test_the_record_of_the_organisation_covers_the_domain(dns: DnsServer) -> None:
    found = judge(dns, f"v=DMARC1; p=quarantine; sp=reject; {RUA}", at="example.com")
    assert found is not None
    assert (found.ok, found.code, found.policy) == (True, "dmarc.ok", "reject")
    assert "by the record of example.com" in found.text


def test_a_fault_of_the_organisations_record_is_mended_there(dns: DnsServer) -> None:
    found = judge(dns, "v=DMARC1; p=block", at="example.com")
    assert found is not None
    assert (found.code, found.fix_host) == ("dmarc.policy-unknown", "_dmarc.example.com")


def test_the_record_of_a_registry_alone_is_not_enough(dns: DnsServer) -> None:
    """MP-02."""
    found = judge(dns, "v=DMARC1; p=reject; psd=y", at="com")
    assert found is not None
    assert (found.ok, found.code) == (False, "dmarc.registry-only")


def test_a_record_older_readers_do_not_find_is_named(dns: DnsServer) -> None:
    """RFC 7489 looked at the domain and at what the Public Suffix List says."""
    dns.publish("_dmarc.b.example.com", [f"v=DMARC1; p=none; {RUA}"])
    asked = Dns(dns.resolver)
    found = judge_dmarc(dmarc.walk("a.b.example.com", dns=asked), dns=asked)
    assert found is not None
    assert (found.ok, found.code, found.fix_host) == (True, "dmarc.unseen-by-old-readers", "_dmarc.a.b.example.com")


@pytest.mark.parametrize(
    ("permit", "code"),
    [
        ("", "dmarc.reports-refused"),
        ("v=DMARC1", "dmarc.ok"),
        ("v=DMARC1;", "dmarc.ok"),
        ("yes", "dmarc.reports-refused"),
    ],
)
def test_reports_to_somebody_else_need_their_word(dns: DnsServer, permit: str, code: str) -> None:
    """DM-04."""
    if permit:
        dns.publish(f"{NAME}._report._dmarc.reports.example.net", [permit])
    found = judge(dns, "v=DMARC1; p=none; rua=mailto:box@reports.example.net!10m")
    assert found is not None
    assert (found.ok, found.code) == (True, code)
    if code == "dmarc.reports-refused":
        assert (found.fix_host, found.fix) == (f"{NAME}._report._dmarc.reports.example.net", "v=DMARC1")


def test_reports_within_the_organisation_need_nobodys_word(dns: DnsServer) -> None:
    """DM-04."""
    dns.publish("_dmarc.example.com", ["v=DMARC1; p=none"])
    found = judge(dns, "v=DMARC1; p=none; rua=mailto:box@example.com")
    assert found is not None
    assert found.code == "dmarc.ok"


@pytest.mark.parametrize("how", ["broken", "silent"])
@pytest.mark.parametrize("place", [f"_dmarc.{NAME}", "_dmarc.example.com"])
def test_a_server_that_does_not_answer_is_no_fault(dns: DnsServer, how: str, place: str) -> None:
    """SP-04."""
    getattr(dns, how).add(place)
    assert judge(dns) is None


@settings(max_examples=100)
@given(st.text(max_size=80))
def test_whatever_a_record_holds_it_can_be_read_and_written_again(text: str) -> None:
    record = dmarc.read_record(f"v=DMARC1;{text}", domain=NAME)
    assert record is not None
    again = dmarc.read_record(build_record(record.tags), domain=NAME)
    assert again is not None
    assert again.policy in dmarc.POLICIES


# --- Verification -------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("place", "verified"), [("_dmarc.news.example.com", True), ("_dmarc.example.com", True), ("", False)]
)
def test_a_domain_without_dmarc_is_not_verified(dns: DnsServer, place: str, verified: bool) -> None:
    """MP-02: a missing record is an error, not a hint; one that is inherited counts."""
    domain = create_domain(make_account(), name=NAME)
    dns.publish_all(record for record in expected_records(domain) if record.kind != "dmarc")
    if place:
        dns.publish(place, ["v=DMARC1; p=none"])
    assert verify_domain(domain, resolver=dns.resolver, now=NOW) is verified
    finding = domain.findings.get(record="dmarc")
    assert finding.ok is verified
    assert finding.policy == ("none" if verified else "")


@pytest.mark.django_db
def test_dmarc_that_vanishes_ends_verification_after_several_looks(dns: DnsServer) -> None:
    domain = create_domain(make_account(), name=NAME)
    dns.publish_all(expected_records(domain))
    assert verify_domain(domain, resolver=dns.resolver, now=NOW)
    del dns.records[f"_dmarc.{NAME}", "TXT"]
    looks = [verify_domain(domain, resolver=dns.resolver, now=NOW + timedelta(hours=hour)) for hour in (1, 2, 3)]
    assert looks == [True, True, False]


@pytest.mark.django_db
def test_a_text_no_database_can_hold_is_written_down_all_the_same(dns: DnsServer) -> None:
    """Strangers write what DNS says: a NUL, an escape for terminals, bytes of no alphabet."""
    domain = create_domain(make_account(), name=NAME)
    dns.publish(f"_dmarc.{NAME}", ["v=DMARC1; p=x\x00\x1b[31m; \ud7ff"])
    dns.publish(expect_ownership(domain).host, ["sealpost-verify=\x00\x1b"])
    dns.publish(NAME, [f"v=spf1 include:\x1b{'x' * 200} -all"])
    verify_domain(domain, resolver=dns.resolver, now=NOW)
    for finding in Domain.objects.get(pk=domain.pk).findings.all():
        text = finding.text + finding.seen + finding.fix
        assert all(character.isprintable() or character == "\n" for character in text)
