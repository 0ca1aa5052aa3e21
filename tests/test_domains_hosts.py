"""The names around a domain against a real DNS server: links, bounces, answers, offers, and records put elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaigns.domains.creation import create_domain
from campaigns.domains.expected import all_records, expect_key, expected_records
from campaigns.domains.lookalike import show_name, warn_of_lookalike
from campaigns.domains.rotation import start_rotation
from campaigns.domains.sending import change_names, change_sending
from campaigns.domains.verification import verify_domain
from campaigns.errors import CampaignError
from campaigns.models import DnsFinding, Domain
from tests.dns_server import DnsServer
from tests.factories import make_account

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
NAME, BOUNCES, CLICK = "news.example.com", "bounces.news.example.com", "click.example.com"
OURS, INBOUND = "mail.sealpost.example", "mx.sealpost.example"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """Where this installation is."""
    with DnsServer() as server:
        server.address(OURS, "192.0.2.10")
        server.address(INBOUND, "192.0.2.11")
        yield server


@pytest.fixture
def domain(settings: Any) -> Domain:
    """With everything set that can be."""
    settings.PUBLIC_URL, settings.INBOUND_HOST = f"https://{OURS}", INBOUND
    settings.SPF_TERMS, settings.REPORTS_ADDRESS = ["ip4:192.0.2.0/24"], "reports@sealpost.example"
    domain = create_domain(make_account(), name=NAME)
    change_sending(domain, return_path=f"bounces@{BOUNCES}", max_per_second=None, warmup_started_on=None)
    change_names(domain, tracking_host=CLICK, spf_terms="", reports_to="")
    return domain


def look(server: DnsServer, domain: Domain, record: str, *, now: datetime = NOW) -> DnsFinding:
    verify_domain(domain, resolver=server.resolver, now=now)
    return domain.findings.get(record=record)


def test_every_record_as_it_is_shown_is_found_right(dns: DnsServer, domain: Domain) -> None:
    dns.publish_all(all_records(domain))
    dns.publish(f"{NAME}._report._dmarc.sealpost.example", ["v=DMARC1"])
    dns.address(f"mta-sts.{BOUNCES}", "192.0.2.12")
    assert verify_domain(domain, resolver=dns.resolver, now=NOW)
    codes = {finding.record.partition(":")[0]: finding.code for finding in domain.findings.all()}
    assert codes == {
        "ownership": "ownership.ok", "dkim": "dkim.ok", "dmarc": "dmarc.ok", "spf": "spf.ok", "return-mx": "return-mx.ok",
        "inbound-mx": "inbound-mx.ok", "tracking": "tracking.ok", "mta-sts": "mta-sts.ok", "tls-rpt": "tls-rpt.ok",
    }  # fmt: skip
    assert not domain.findings.exclude(ok=True).exists()


def test_an_offer_nobody_took_is_no_fault(dns: DnsServer, domain: Domain) -> None:
    dns.publish_all(expected_records(domain))
    verify_domain(domain, resolver=dns.resolver, now=NOW)
    assert not domain.findings.filter(record__in=["mta-sts", "tls-rpt", "bimi"]).exists()


def test_nothing_but_proof_key_and_dmarc_decides(dns: DnsServer, domain: Domain) -> None:
    dns.publish_all(expected_records(domain))
    assert verify_domain(domain, resolver=dns.resolver, now=NOW)
    assert {row.record for row in domain.findings.filter(ok=False)} == {"spf", "return-mx", "inbound-mx", "tracking"}


# --- Links --------------------------------------------------------------------------------------


def publish_nothing(*_: object) -> None:
    pass


def lead_elsewhere(server: DnsServer) -> None:
    server.alias(CLICK, "shop.example.net")
    server.address("shop.example.net", "203.0.113.5")


def lead_to_nothing(server: DnsServer) -> None:
    server.alias(CLICK, "gone.example.net")


def lead_in_steps(server: DnsServer) -> None:
    server.alias(CLICK, "links.example.com")
    server.alias("links.example.com", OURS)


@pytest.mark.parametrize(
    ("publish", "ok", "code"),
    [
        (lambda server: server.alias(CLICK, OURS), True, "tracking.ok"),
        (lead_in_steps, True, "tracking.ok"),
        (lambda server: server.address(CLICK, "192.0.2.10"), True, "tracking.address"),
        (publish_nothing, False, "tracking.missing"),
        (lead_elsewhere, False, "tracking.elsewhere"),
        (lead_to_nothing, False, "tracking.dangling"),
        (lambda server: server.address(CLICK, "203.0.113.5"), False, "tracking.elsewhere"),
        (lambda server: server.publish(CLICK, ["hello"]), False, "tracking.missing"),
    ],
    ids=["alias", "alias of an alias", "address", "nothing", "another server", "dangling", "another address", "a text"],
)
def test_the_host_of_links_leads_to_us(dns: DnsServer, domain: Domain, publish: Any, ok: bool, code: str) -> None:
    """Evil input 35: a dangling CNAME."""
    publish(dns)
    finding = look(dns, domain, "tracking")
    assert (finding.ok, finding.code) == (ok, code)
    assert finding.fix == ("" if code == "tracking.ok" else OURS)


def test_a_right_alias_to_a_host_without_address_is_told_apart(dns: DnsServer, domain: Domain) -> None:
    del dns.records[OURS, "A"]
    dns.alias(CLICK, OURS)
    assert look(dns, domain, "tracking").code == "tracking.target-missing"


# --- What comes back ----------------------------------------------------------------------------


def answer_by(name: str, *addresses: str) -> Any:
    def publish(server: DnsServer, host: str) -> None:
        server.mail_servers(host, f"10 {name}")
        server.address(name, *addresses)

    return publish


def answer_by_alias(server: DnsServer, host: str) -> None:
    server.mail_servers(host, "10 mx.example.net")
    server.alias("mx.example.net", INBOUND)


@pytest.mark.parametrize(
    ("publish", "ok", "code"),
    [
        (lambda server, host: server.mail_servers(host, f"10 {INBOUND}"), True, "return-mx.ok"),
        (publish_nothing, False, "return-mx.missing"),
        (answer_by("mx.example.net", "203.0.113.9"), False, "return-mx.elsewhere"),
        (
            lambda server, host: server.mail_servers(host, f"5 {INBOUND}", "10 gone.example.net"),
            False,
            "return-mx.dangling",
        ),
    ],
    ids=["ours", "nothing", "another", "one does not exist"],
)
def test_bounces_come_back_to_us(dns: DnsServer, domain: Domain, publish: Any, ok: bool, code: str) -> None:
    publish(dns, BOUNCES)
    finding = look(dns, domain, "return-mx")
    assert (finding.ok, finding.code) == (ok, code)
    assert (finding.fix == f"10 {INBOUND}") is (not ok)


def test_bounces_may_go_anywhere_where_we_take_none_in(dns: DnsServer, domain: Domain, settings: Any) -> None:
    settings.INBOUND_HOST = ""
    answer_by("mx.example.net", "203.0.113.9")(dns, BOUNCES)
    assert look(dns, domain, "return-mx").code == "return-mx.ok"
    assert {record.kind for record in all_records(domain)} == {
        "ownership", f"dkim:{domain.dkim_keys.get().selector}", "dmarc", "spf", "tracking",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("publish", "ok", "code"),
    [
        (answer_by("mx.example.net", "203.0.113.9"), True, "inbound-mx.ok"),
        (lambda server, host: server.address(host, "203.0.113.9"), True, "inbound-mx.address-only"),
        (publish_nothing, False, "inbound-mx.missing"),
        (lambda server, host: server.mail_servers(host, "0 "), False, "inbound-mx.refuses"),
        (answer_by("mx.example.net"), False, "inbound-mx.dangling"),
        (answer_by_alias, False, "inbound-mx.alias"),
    ],
    ids=["mx", "address", "nothing", "null mx", "does not exist", "alias"],
)
def test_answers_find_a_server(dns: DnsServer, domain: Domain, publish: Any, ok: bool, code: str) -> None:
    """MP-10."""
    publish(dns, NAME)
    finding = look(dns, domain, "inbound-mx")
    assert (finding.ok, finding.code) == (ok, code)


@pytest.mark.parametrize("record", ["spf", "return-mx", "inbound-mx", "tracking"])
@pytest.mark.parametrize("how", ["broken", "silent"])
def test_a_server_that_does_not_answer_keeps_what_was_known(
    dns: DnsServer, domain: Domain, record: str, how: str
) -> None:
    """SP-04."""
    dns.publish_all(all_records(domain))
    assert look(dns, domain, record).ok
    getattr(dns, how).add({"spf": BOUNCES, "return-mx": BOUNCES, "inbound-mx": NAME, "tracking": CLICK}[record])
    finding = look(dns, domain, record, now=NOW + timedelta(hours=1))
    assert (finding.ok, finding.code) == (True, "dns.temporary-error")


# --- Alignment ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "code"), [("p=none", "spf.ok"), ("p=none; aspf=r", "spf.ok"), ("p=none; aspf=s", "spf.not-aligned")]
)
def test_spf_speaks_for_the_from_domain_or_it_is_said(dns: DnsServer, domain: Domain, tags: str, code: str) -> None:
    """VE-02."""
    dns.publish_all(all_records(domain))
    del dns.records[f"_dmarc.{NAME}", "TXT"]
    dns.publish("_dmarc.example.com", [f"v=DMARC1; {tags}"])
    finding = look(dns, domain, "spf")
    assert (finding.ok, finding.code) == (True, code)


# --- Offers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "texts", "code"),
    [
        ("mta-sts", ["v=STSv1; id=20261123"], "mta-sts.no-host"),
        ("mta-sts", ["v=STSv1;"], "mta-sts.malformed"),
        ("mta-sts", ["v=STSv1; id=1", "v=STSv1; id=2"], "mta-sts.several-records"),
        ("tls-rpt", ["v=TLSRPTv1; rua=mailto:a@example.com,https://example.com/r"], "tls-rpt.ok"),
        ("tls-rpt", ["v=TLSRPTv1; rua=a@example.com"], "tls-rpt.malformed"),
        (
            "tls-rpt",
            ["v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@d.example"],
            "tls-rpt.several-records",
        ),
        ("bimi", ["v=BIMI1; l=https://example.com/logo.svg"], "bimi.dmarc-too-soft"),
        ("bimi", ["v=BIMI1; l=http://example.com/logo.svg"], "bimi.malformed"),
        ("bimi", ["v=BIMI1; l="], "bimi.declined"),
        ("bimi", ["v=BIMI1; l=https://a.example/l.svg", "v=BIMI1; l="], "bimi.several-records"),
    ],
)
def test_an_offer_somebody_took_is_looked_at(
    dns: DnsServer, domain: Domain, record: str, texts: list[str], code: str
) -> None:
    """TS-02, BI-01."""
    dns.publish_all(expected_records(domain))
    hosts = {"mta-sts": f"_mta-sts.{BOUNCES}", "tls-rpt": f"_smtp._tls.{BOUNCES}", "bimi": f"default._bimi.{NAME}"}
    dns.publish(hosts[record], *([text] for text in texts))
    assert look(dns, domain, record).code == code


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ("p=reject", "bimi.ok"),
        ("p=quarantine; sp=reject", "bimi.ok"),
        ("p=reject; sp=none", "bimi.dmarc-too-soft"),
        ("p=reject; t=y", "bimi.dmarc-too-soft"),
        ("p=quarantine; pct=50", "bimi.dmarc-too-soft"),
        ("p=none", "bimi.dmarc-too-soft"),
    ],
)
def test_a_logo_needs_a_strict_dmarc(dns: DnsServer, domain: Domain, tags: str, code: str) -> None:
    """BI-01."""
    dns.publish(f"_dmarc.{NAME}", [f"v=DMARC1; {tags}"])
    dns.publish(f"default._bimi.{NAME}", ["v=BIMI1; l=https://example.com/logo.svg; a="])
    assert look(dns, domain, "bimi").code == code


# --- Put elsewhere ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ownership", "dkim", "dmarc"])
@pytest.mark.parametrize("place", ["{host}.news.example.com", "news.example.com"], ids=["domain twice", "at the top"])
def test_a_record_put_in_the_wrong_place_is_found(dns: DnsServer, domain: Domain, kind: str, place: str) -> None:
    """Evil input 36: providers add the domain to what is typed."""
    (record,) = [record for record in expected_records(domain) if record.kind.startswith(kind)]
    where = place.format(host=record.host)
    dns.publish(where, record.strings)
    finding = domain_finding(dns, domain, kind)
    assert (finding.ok, finding.code) == (False, f"{kind}.misplaced")
    assert where in finding.text
    assert (finding.fix_host, finding.fix) == (record.host, record.value)


def domain_finding(server: DnsServer, domain: Domain, kind: str) -> DnsFinding:
    verify_domain(domain, resolver=server.resolver, now=NOW)
    return domain.findings.get(record__startswith=kind)


@pytest.mark.parametrize("kind", ["ownership", "dkim"])
def test_a_wildcard_that_answers_instead_is_named(dns: DnsServer, domain: Domain, kind: str) -> None:
    """Evil input 35: wildcard TXT."""
    dns.publish("*.news.example.com", ["v=spf1 -all"])
    dns.publish("*._domainkey.news.example.com", ["v=spf1 -all"])
    finding = domain_finding(dns, domain, kind)
    assert not finding.ok
    assert "wildcard" in finding.text


def test_a_wildcard_with_another_accounts_proof_proves_nothing(dns: DnsServer, domain: Domain) -> None:
    """Evil input 35."""
    other = create_domain(make_account(), name="example.com")
    dns.publish("*.example.com", [f"sealpost-verify={other.ownership_token}"])
    dns.publish("*.news.example.com", [f"sealpost-verify={other.ownership_token}"])
    assert domain_finding(dns, domain, "ownership").code == "ownership.wrong-token"


def test_a_key_under_the_selector_of_another_is_named(dns: DnsServer, domain: Domain) -> None:
    """DK-05, evil input 36: wrong selector, old key."""
    dns.publish_all(expected_records(domain))
    verify_domain(domain, resolver=dns.resolver, now=NOW)
    old, new = domain.dkim_keys.get(), start_rotation(domain)
    dns.publish(expect_key(domain, old).host, expect_key(domain, new).strings)
    verify_domain(domain, resolver=dns.resolver, now=NOW)
    codes = dict(domain.findings.filter(record__startswith="dkim").values_list("record", "code"))
    assert codes == {f"dkim:{old.selector}": "dkim.other-selector", f"dkim:{new.selector}": "dkim.wrong-selector"}


# --- Whose it is --------------------------------------------------------------------------------


def test_a_domain_that_was_given_up_needs_fresh_proof(dns: DnsServer, domain: Domain) -> None:
    """Evil input 35: takeover of a released domain, by whoever comes next and by whoever had it."""
    dns.publish_all(expected_records(domain))
    assert verify_domain(domain, resolver=dns.resolver, now=NOW)
    account = domain.account
    domain.delete()
    for owner in (make_account(), account):
        again = create_domain(owner, name=NAME)
        assert not verify_domain(again, resolver=dns.resolver, now=NOW)
        assert again.findings.get(record="ownership").code == "ownership.wrong-token"


@pytest.mark.parametrize(
    ("name", "shown", "warned"),
    [
        ("example.com", "example.com", ""),
        ("xn--bcher-kva.example", "bücher.example", ""),
        ("xn--e1afmkfd.xn--p1ai", "пример.рф", ""),
        ("xn--urs-red.com", "оurs.com", "Cyrillic and Latin"),
        ("xn--80ak6aa92e.com", "аррӏе.com", "looks like a Latin one"),
        ("xn--mgbh0fb.example", "مثال.example", ""),
        ("xn--wgv71a119e.jp", "日本語.jp", ""),
        ("xn--a.example", "xn--a.example", ""),
    ],
)
def test_a_name_that_could_pass_for_another_is_warned_of(name: str, shown: str, warned: str) -> None:
    """IN-01, evil inputs 34 and 35."""
    assert show_name(name) == shown
    assert warned in warn_of_lookalike(name)
    assert bool(warn_of_lookalike(name)) is bool(warned)


# --- Names people give --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("tracking_host", "click.example.net", "domain.tracking-host-other"),
        ("tracking_host", NAME, "domain.tracking-host-other"),
        ("tracking_host", "example.com", "domain.tracking-host-other"),
        ("tracking_host", BOUNCES, "domain.tracking-host-other"),
        ("tracking_host", "not a host", "domain.tracking-host-other"),
        ("spf_terms", "v=spf1 include:a.example", "domain.spf-terms-invalid"),
        ("spf_terms", "include:a.example -all", "domain.spf-terms-invalid"),
        ("spf_terms", "mx", "domain.spf-terms-invalid"),
        ("spf_terms", "include:%{d}.example", "domain.spf-terms-invalid"),
        ("spf_terms", " ".join(f"ip4:192.0.2.{n}" for n in range(9)), "domain.spf-terms-invalid"),
        ("reports_to", "nobody", "domain.reports-to-odd"),
        ("reports_to", "ž@example.com", "domain.reports-to-odd"),
        ("reports_to", "a!b@example.com", "domain.reports-to-odd"),
    ],
)
def test_a_name_that_cannot_work_is_refused(domain: Domain, field: str, value: str, code: str) -> None:
    given = {"tracking_host": "", "spf_terms": "", "reports_to": ""} | {field: value}
    with pytest.raises(CampaignError) as caught:
        change_names(domain, **given)
    assert caught.value.code == code
    assert Domain.objects.get(pk=domain.pk).tracking_host == CLICK


def test_names_are_kept_as_dns_has_them_and_old_findings_go(dns: DnsServer, domain: Domain) -> None:
    dns.publish_all(all_records(domain))
    verify_domain(domain, resolver=dns.resolver, now=NOW)
    change_names(domain, tracking_host="Click.NEWS.example.com.", spf_terms="include:a.example, ip4:192.0.2.1",
                 reports_to="DMARC@Example.com")  # fmt: skip
    assert (domain.tracking_host, domain.spf_terms) == ("click.news.example.com", "include:a.example ip4:192.0.2.1")
    assert domain.reports_to == "DMARC@example.com"
    assert not domain.findings.filter(record__in=["spf", "tracking"]).exists()
    assert domain.findings.filter(record="return-mx").exists()
    values = {record.kind: record.value for record in all_records(domain)}
    assert values["spf"] == "v=spf1 include:a.example ip4:192.0.2.1 ~all"
    assert values["dmarc"] == "v=DMARC1; p=none; rua=mailto:DMARC@example.com"
