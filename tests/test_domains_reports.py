"""Reports of mailbox providers: read within limits, stored once, for the domains they are about (evil input 18)."""

from __future__ import annotations

import gzip
import io
import json
import logging
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns import tasks
from campaigns.domains import report_figures, reports
from campaigns.domains.dmarc_reports import DmarcReport
from campaigns.domains.reports import KEPT, Taken, forget_old_reports, read_reports, take_reports, verified_domains
from campaigns.domains.tls_reports import TlsReport
from campaigns.domains.unpacking import MOST_PACKED
from campaigns.errors import CampaignError
from campaigns.models import DmarcCount, Domain, DomainReport, TlsCount
from tests.dns_server import DnsServer
from tests.factories import make_account, make_domain
from tests.provider_reports import NAMESPACE, make_dmarc_xml, make_tls_json

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
NAME = "news.example.com"
ROWS = [("192.0.2.25", 100), ("2001:db8::25", 20), ("198.51.100.66", 7)]


@pytest.fixture
def domain() -> Domain:
    return make_domain(make_account(), name=NAME)


def make_xml(**fields: Any) -> bytes:
    given: dict[str, Any] = {"domain": NAME, "day": DAY, "rows": ROWS, "failing": {"198.51.100.66"}}
    return make_dmarc_xml(**(given | fields))


def pack_zip(*files: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for number, content in enumerate(files):
            archive.writestr(f"google.com!{NAME}!{number}.xml", content)
    return packed.getvalue()


def plain(data: bytes) -> bytes:
    return data


def refusal(data: bytes) -> str:
    with pytest.raises(CampaignError) as caught:
        read_reports(data)
    return caught.value.code


# --- Reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [plain, gzip.compress, pack_zip], ids=["plain", "gzip", "zip"])
@pytest.mark.parametrize("namespace", ["", NAMESPACE], ids=["RFC 7489", "RFC 9990"])
def test_a_dmarc_report_is_read_as_it_was_attached(pack: Callable[[bytes], bytes], namespace: str) -> None:
    (report,) = read_reports(pack(make_xml(namespace=namespace, report_id="r1")))
    assert isinstance(report, DmarcReport)
    assert (report.reporter, report.report_id, report.domain) == ("google.com", "r1", NAME)
    assert (report.begins_at, report.ends_at.date()) == (datetime(2026, 11, 22, tzinfo=UTC), DAY)
    assert {(source.source_ip, source.dkim_aligned): count for source, count in report.counts.items()} == {
        ("192.0.2.25", True): 100, ("2001:db8::25", True): 20, ("198.51.100.66", False): 7,
    }  # fmt: skip


@pytest.mark.parametrize("pack", [plain, gzip.compress], ids=["plain", "gzip"])
def test_a_tls_report_is_read_as_it_was_attached(pack: Callable[[bytes], bytes]) -> None:
    """TS-02."""
    (report,) = read_reports(pack(make_tls_json(NAME, day=DAY, good=40, bad=3)))
    assert isinstance(report, TlsReport)
    assert {tuple(outcome): count for outcome, count in report.counts.items() if count} == {
        (NAME, "sts", ""): 40, (NAME, "sts", "certificate-expired"): 3,
    }  # fmt: skip


def test_several_reports_in_one_zip_are_all_read() -> None:
    assert len(read_reports(pack_zip(make_xml(), make_xml(), make_tls_json(NAME, day=DAY, good=1)))) == 3


def test_rows_that_differ_in_nothing_we_keep_are_added_up() -> None:
    (report,) = read_reports(make_xml(rows=[("192.0.2.1", 3), ("192.0.2.1", 4), ("::ffff:192.0.2.1", 5)]))
    assert list(report.counts.values()) == [12]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<source_ip>192.0.2.25<", b"<source_ip>mail.example.com<"),
        (b"<source_ip>192.0.2.25<", b"<source_ip>fe80::1%eth0<"),
        (b"<count>100<", b"<count>many<"),
        (b"<count>100<", b"<count>-1<"),
        (b"<count>100<", b"<count>" + b"9" * 30 + b"<"),
        (b"<begin>", b"<begin>x"),
        (b"<begin>", b"<begin>9999999999999"),
        (b"<end>", b"<end>9"),
        (b"<report_id>", b"<report_id/><other>"),
        (b"</feedback>", b""),
        (b"<feedback", b"<!DOCTYPE feedback><feedback"),
        (b'encoding="UTF-8"', b'encoding="utf-99"'),
        (b"<domain>news", b"<other>news"),
    ],
)  # fmt: skip
def test_a_report_that_makes_no_sense_is_refused(old: bytes, new: bytes) -> None:
    data = make_xml()
    assert data.count(old) >= 1
    assert refusal(data.replace(old, new, 1)) == "report.unreadable"


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report.pop("policies"),
        lambda report: report.pop("date-range"),
        lambda report: report["date-range"].update({"start-datetime": "yesterday"}),
        lambda report: report["date-range"].update({"end-datetime": "2027-11-22T00:00:00Z"}),
        lambda report: report.update({"policies": "none"}),
        lambda report: report["policies"][0].pop("summary"),
        lambda report: report["policies"][0]["summary"].update({"total-successful-session-count": -5}),
        lambda report: report["policies"][0]["summary"].update({"total-successful-session-count": [1]}),
        lambda report: report["policies"][0]["summary"].update({"total-successful-session-count": float("inf")}),
    ],
    ids=[
        "no policies",
        "no dates",
        "no date",
        "a year",
        "policies are a word",
        "no summary",
        "less than none",
        "a list",
        "without end",
    ],
)
def test_a_tls_report_that_makes_no_sense_is_refused(change: Callable[[Any], Any]) -> None:
    report = json.loads(make_tls_json(NAME, day=DAY, good=1))
    change(report)
    assert refusal(json.dumps(report).encode()) == "report.unreadable"


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"<html></html>", b"{}", b"[]", b"%PDF-1.4", b"\x1f\x8b", b"\x1f\x8bnonsense", b"PK\x03\x04", b"{" * 9999,
     b"[" * 99999, b"<a>" * 5000, gzip.compress(b"hello"), gzip.compress(make_dmarc_xml(NAME, day=DAY, rows=ROWS))[:-20]],
    ids=["nothing", "a word", "a page", "empty", "a list", "pdf", "gzip head", "no gzip", "zip head", "braces", "brackets",
         "tags", "a packed word", "half a gzip"],
)  # fmt: skip
def test_what_is_no_report_is_refused(data: bytes) -> None:
    assert refusal(data) == "report.unreadable"


# --- Evil input 18 ------------------------------------------------------------------------------

BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><feedback><report_metadata><org_name>&c;</org_name></report_metadata>'
    b"</feedback>"
)
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]><feedback>&x;</feedback>'


@pytest.mark.parametrize("data", [BOMB, OUTSIDE], ids=["entities", "file"])
def test_an_xml_bomb_does_not_go_off(data: bytes) -> None:
    """Evil input 18: no entity is expanded, nothing outside is read."""
    assert refusal(data) == "report.unreadable"


def test_a_gzip_bomb_does_not_go_off() -> None:
    """Evil input 18: the ratio is looked at while unpacking."""
    squeezed = zlib.compressobj(9, wbits=31)
    bomb = squeezed.compress(bytes(50 * 1024 * 1024)) + squeezed.flush()
    assert len(bomb) < 60_000
    assert refusal(bomb) == "report.too-large"


def test_a_zip_bomb_does_not_go_off() -> None:
    """Evil input 18, and one that lies about its size."""
    bomb = pack_zip(bytes(50 * 1024 * 1024))
    assert refusal(bomb) == "report.too-large"
    size = (50 * 1024 * 1024).to_bytes(4, "little")
    assert refusal(bomb.replace(size, (10).to_bytes(4, "little"))) in {"report.unreadable", "report.too-large"}


def test_a_zip_of_many_files_or_of_zips_is_refused() -> None:
    """Evil input 18: depth."""
    assert refusal(pack_zip(*[make_xml()] * 21)) == "report.too-large"
    assert refusal(pack_zip(pack_zip(make_xml()))) == "report.unreadable"
    assert refusal(gzip.compress(gzip.compress(make_xml()))) == "report.unreadable"


def test_an_encrypted_zip_is_refused() -> None:
    """Evil input 18."""
    data = bytearray(pack_zip(make_xml()))
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(sign) + at] |= 1
    assert refusal(bytes(data)) == "report.unreadable"


def test_a_file_that_is_too_large_is_not_even_opened() -> None:
    assert refusal(b"<" + bytes(MOST_PACKED)) == "report.too-large"


def test_a_report_of_nothing_but_elements_is_refused() -> None:
    assert refusal(b"<feedback>" + b"<x/>" * 20_000 + b"</feedback>") == "report.unreadable"


@settings(max_examples=150)
@given(st.binary(max_size=300), st.sampled_from([b"", b"<", b"{", b"\x1f\x8b\x08\x00", b"PK\x03\x04"]))
def test_whatever_comes_it_is_a_report_or_refused(data: bytes, start: bytes) -> None:
    with pytest.raises(CampaignError):
        read_reports(start + data)


# --- Storing ------------------------------------------------------------------------------------


def take(data: bytes, *domains: Domain) -> Taken:
    return take_reports(data, domains=domains, now=NOW)


def test_a_report_becomes_a_row_for_each_server_and_verdict(domain: Domain) -> None:
    assert take(make_xml(), domain) == Taken(stored=1)
    rows = DmarcCount.objects.order_by("-count").values_list("day", "source_ip", "disposition", "dkim_aligned", "count")
    assert list(rows) == [
        (DAY, "192.0.2.25", "none", True, 100),
        (DAY, "2001:db8::25", "none", True, 20),
        (DAY, "198.51.100.66", "quarantine", False, 7),
    ]


def test_a_report_that_comes_twice_counts_once(domain: Domain) -> None:
    xml = make_xml(report_id="r1")
    assert [take(xml, domain), take(gzip.compress(xml), domain)] == [Taken(stored=1), Taken(known=1)]
    assert take(make_xml(report_id="r1", reporter="yahoo.com"), domain) == Taken(stored=1)
    assert DmarcCount.objects.count() == 6


def test_a_report_about_somebody_else_is_left_out(domain: Domain) -> None:
    assert take(make_xml(domain="other.example.net"), domain) == Taken(foreign=1)
    assert take(make_tls_json("other.example.net", day=DAY, good=1), domain) == Taken(foreign=1)
    assert not DomainReport.objects.exists()


def test_a_report_of_an_organisation_is_divided_among_its_domains(domain: Domain) -> None:
    """RFC 9990 §3.1.2: one report of a policy domain, rows of several From domains."""
    above = make_domain(domain.account, name="example.com")
    parts = [
        make_xml(domain="example.com", header_from=name, rows=[("192.0.2.1", count)], report_id="r1")
        for name, count in ((NAME, 5), ("example.com", 7), ("shop.example.com", 9))
    ]
    records = b"".join(part[part.index(b"<record>") : part.rindex(b"</feedback>")] for part in parts)
    whole = parts[0][: parts[0].index(b"<record>")] + records + b"</feedback>"
    assert take(whole, domain, above) == Taken(stored=2)
    assert list(DmarcCount.objects.order_by("domain__name").values_list("domain__name", "count")) == [
        ("example.com", 16), (NAME, 5),
    ]  # fmt: skip


def test_two_accounts_with_the_same_domain_both_see_the_report(domain: Domain) -> None:
    other = make_domain(make_account(), name=NAME)
    assert take(make_xml(), domain, other) == Taken(stored=2)


def test_a_report_from_the_future_is_refused(domain: Domain) -> None:
    with pytest.raises(CampaignError):
        take(make_xml(day=DAY + timedelta(days=9)), domain)
    assert not DomainReport.objects.exists()


def test_nothing_personal_of_a_report_is_kept(domain: Domain) -> None:
    """Reporters may name recipients (envelope_to) and contacts; none of it reaches a table."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        take(make_xml(), domain)
        take(make_tls_json(NAME, day=DAY, good=1, bad=1), domain)
    written = " ".join(query["sql"] for query in captured.captured_queries)
    assert "google.com" in written
    for word in ("person@", "noreply@", "sts-reporting@", "sp1", "192.0.2.9"):
        assert word not in written


def test_a_reporter_of_odd_signs_is_stored_without_them(domain: Domain) -> None:
    report = json.loads(make_tls_json(NAME, day=DAY, good=1))
    report["organization-name"] = "Evil\x00\x1b[31m \ud800 Corp" + "x" * 500
    assert take(json.dumps(report).encode(), domain) == Taken(stored=1)
    reporter = DomainReport.objects.get().reporter
    assert reporter.startswith("Evil[31m  Corp")
    assert len(reporter) == 120


def test_failures_nobody_explains_are_counted_as_unknown(domain: Domain) -> None:
    report = json.loads(make_tls_json(NAME, day=DAY, good=5, bad=3))
    report["policies"][0]["summary"]["total-failure-session-count"] = 10
    take(json.dumps(report).encode(), domain)
    assert dict(TlsCount.objects.values_list("result", "count")) == {"": 5, "certificate-expired": 3, "unknown": 7}


def test_storing_a_long_report_takes_few_statements(domain: Domain) -> None:
    rows = [(f"192.0.2.{number % 250}" if number < 250 else f"2001:db8::{number:x}", 1) for number in range(2500)]
    with CaptureQueriesContext(connection) as captured:
        take(make_xml(rows=rows), domain)
    assert len(captured) < 40
    assert DmarcCount.objects.count() == 2500


def test_old_reports_are_forgotten_by_the_clock(
    domain: Domain, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = timezone.now()
    take_reports(make_xml(day=(now - KEPT - timedelta(days=2)).date()), domains=[domain], now=now)
    take_reports(make_xml(day=(now - timedelta(days=2)).date()), domains=[domain], now=now)
    with DnsServer() as dns, caplog.at_level(logging.ERROR):
        monkeypatch.setattr(tasks, "make_resolver", lambda: dns.resolver)
        tasks.look_at_domains()
    assert DomainReport.objects.count() == 1
    assert DmarcCount.objects.count() == 3
    forget_old_reports(now=now)
    assert caplog.text == ""


# --- Figures ------------------------------------------------------------------------------------


def test_days_and_servers_add_up(domain: Domain) -> None:
    take(make_xml(), domain)
    take(make_xml(day=DAY - timedelta(days=1), reporter="yahoo.com"), domain)
    days = report_figures.count_mail(domain, until=NOW.date())
    assert len(days) == report_figures.SHOWN_DAYS
    assert [(day.day, day.passed, day.failed) for day in days[-3:]] == [
        (DAY - timedelta(days=1), 120, 7), (DAY, 120, 7), (NOW.date(), 0, 0),
    ]  # fmt: skip
    sources = report_figures.count_sources(domain, until=NOW.date())
    assert [(source.address, source.mails, source.percent, source.stopped) for source in sources] == [
        ("192.0.2.25", 200, 100.0, 0), ("2001:db8::25", 40, 100.0, 0), ("198.51.100.66", 14, 0.0, 14),
    ]  # fmt: skip
    assert report_figures.count_all_sources(domain, until=NOW.date()) == 3


def test_figures_are_of_one_domain_and_of_the_last_days(domain: Domain) -> None:
    other = make_domain(domain.account, name="other.example.com")
    take(make_xml(domain="other.example.com"), other)
    take(make_xml(day=DAY - timedelta(days=60)), domain)
    assert not any(day.passed or day.failed for day in report_figures.count_mail(domain, until=NOW.date()))
    assert report_figures.count_sources(domain, until=NOW.date()) == []


def test_connections_and_their_troubles_add_up(domain: Domain) -> None:
    """TS-02."""
    take(make_tls_json(NAME, day=DAY, good=40, bad=3), domain)
    take(make_tls_json(NAME, day=DAY, good=10, bad=1), domain)
    day = report_figures.count_connections(domain, until=NOW.date())[-2]
    assert (day.passed, day.failed) == (50, 4)
    (trouble,) = report_figures.count_troubles(domain, until=NOW.date())
    assert (trouble.result, trouble.count, trouble.last_day) == ("certificate-expired", 4, DAY)


# --- The command --------------------------------------------------------------------------------


def run(*arguments: Any) -> str:
    out = StringIO()
    call_command("import_reports", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a.xml.gz", tmp_path / "b.zip"]
    paths[0].write_bytes(gzip.compress(make_xml()))
    paths[1].write_bytes(pack_zip(make_xml(), make_xml(domain="other.example.net")))
    return paths


def test_the_command_takes_files_in(domain: Domain, files: list[Path]) -> None:
    assert "2 stored, 0 known before, 1 about other domains" in run(*files)
    assert json.loads(run(*files, "--json")) == {"stored": 0, "known": 2, "foreign": 1, "unread": []}


def test_the_command_brings_reports_to_those_who_proved_the_domain_is_theirs(domain: Domain, files: list[Path]) -> None:
    """Evil input 35: whoever only says that a domain is theirs reads nothing about it."""
    stranger = make_domain(make_account(), name=NAME, verified_at=None)
    run(*files)
    assert set(DomainReport.objects.values_list("domain", flat=True)) == {domain.pk}
    assert list(verified_domains()) == [domain]
    run("--account", stranger.account.slug, *files)
    assert DomainReport.objects.filter(domain=stranger).count() == 2


def test_the_command_names_files_it_cannot_read_and_takes_the_others(
    domain: Domain, files: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "holiday.jpg"
    bad.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(CommandError, match=r"holiday\.jpg: This is no report"):
        run(bad, tmp_path / "missing.xml", *files)
    assert DomainReport.objects.count() == 2


def test_the_room_tells_what_it_reads() -> None:
    assert reports.read_reports(make_xml())
