"""The pages beside a domain's records, its zone file and its trouble, through the admin's door; and verify_domains."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import dns.rdatatype
import dns.zone
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from campaigns.admin import domain_more
from campaigns.admin import domains as domain_screens
from campaigns.admin.domain_charts import draw_columns, draw_ring
from campaigns.domains.bimi import check_logo
from campaigns.domains.creation import create_domain
from campaigns.domains.expected import all_records, expected_records
from campaigns.domains.sending import change_names, change_sending
from campaigns.domains.verification import verify_domain
from campaigns.domains.zonefile import write_zone
from campaigns.models import Account, Domain, DomainReport, Role
from tests.dns_server import DnsServer
from tests.factories import make_account, make_user
from tests.provider_reports import make_dmarc_xml, make_tls_json, write_traffic

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
NAME = "news.example.org"
PAGES = ["health/", "reports/", "logo/", "zone.txt"]


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def domain(account: Account, settings: Any) -> Domain:
    settings.PUBLIC_URL, settings.INBOUND_HOST = "https://mail.sealpost.example", "mx.sealpost.example"
    settings.SPF_TERMS = ["ip4:192.0.2.0/24"]
    domain = create_domain(account, name=NAME)
    change_sending(domain, return_path=f"bounces@bounces.{NAME}", max_per_second=None, warmup_started_on=None)
    change_names(domain, tracking_host=f"click.{NAME}", spf_terms="", reports_to=f"dmarc@{NAME}")
    return domain


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    client.force_login(make_user(account, role=Role.OPERATOR))
    return client


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DnsServer]:
    with DnsServer() as found:
        for screens in (domain_screens, domain_more):
            monkeypatch.setattr(screens, "make_resolver", lambda: found.resolver)
        yield found


def page_url(domain: Domain, rest: str = "change/") -> str:
    return f"/admin/campaigns/domain/{domain.public_id}/{rest}"


def read(door: Client, domain: Domain, rest: str = "change/") -> str:
    text = door.get(page_url(domain, rest)).content.decode()
    return re.sub(r"\s+", " ", text).replace("&#x27;", "'").replace("&quot;", '"').replace("&#x2B;", "+")


# --- Who may see what ---------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_finds_no_page(client: Client, domain: Domain, page: str) -> None:
    client.force_login(make_user(make_account(), role=Role.OPERATOR))
    assert client.get(page_url(domain, page)).status_code == 404
    client.logout()
    assert client.get(page_url(domain, page)).status_code == 302


@pytest.mark.parametrize("page", PAGES)
def test_a_viewer_reads_every_page(client: Client, domain: Domain, page: str) -> None:
    client.force_login(make_user(domain.account, role=Role.VIEWER))
    answer = client.get(page_url(domain, page))
    assert answer.status_code == 200
    assert "Take them in" not in answer.content.decode()


@pytest.mark.parametrize(
    ("role", "status"), [(Role.VIEWER, 403), (Role.AUTHOR, 403), (Role.OPERATOR, 302), (None, 404)]
)
def test_reports_are_brought_in_by_those_who_manage_domains(
    client: Client, domain: Domain, role: str | None, status: int
) -> None:
    client.force_login(make_user(domain.account if role else make_account(), role=role or Role.OPERATOR))
    xml = make_dmarc_xml(NAME, day=timezone.now().date(), rows=[("192.0.2.1", 5)])
    answer = client.post(page_url(domain, "reports/"), {"reports": SimpleUploadedFile("r.xml", xml)})
    assert answer.status_code == status
    assert DomainReport.objects.count() == (status == 302)


# --- Records ------------------------------------------------------------------------------------


def test_every_record_is_on_the_page_with_its_host_and_value(door: Client, domain: Domain) -> None:
    page = read(door, domain)
    records = all_records(domain)
    assert [record.kind.partition(":")[0] for record in records] == [
        "ownership", "dkim", "dmarc", "spf", "return-mx", "tracking", "inbound-mx", "mta-sts", "tls-rpt",
    ]  # fmt: skip
    for record in records:
        assert f"<code>{record.host}</code>" in page
        assert f"<code>{record.value}</code>" in page
        assert f'data-copy="{record.value}"' in page
    # What a marketer types where the provider adds the domain.
    assert "Only <code>_dmarc.news</code>" in page
    assert "version: STSv1" in page


def test_the_corrected_value_stands_in_the_place_of_the_usual_one(
    door: Client, domain: Domain, server: DnsServer
) -> None:
    """Evil input 36."""
    server.publish(f"bounces.{NAME}", ["v=spf1 include:other.example.net ~all"], ["v=spf1 mx -all"])
    door.post(page_url(domain, "check/"))
    page = read(door, domain)
    assert "There are 2 SPF records" in page
    assert "v=spf1 include:other.example.net ~all<br>v=spf1 mx -all" in page
    assert "<code>v=spf1 include:other.example.net mx ip4:192.0.2.0/24 ~all</code>" in page


def test_what_dns_says_is_text_and_never_markup(door: Client, domain: Domain, server: DnsServer) -> None:
    server.publish(f"bounces.{NAME}", ["v=spf1 <script>alert(1)</script> ~all"])
    server.publish(f"_dmarc.{NAME}", ["v=DMARC1; p=<img src=x onerror=alert(1)>"])
    door.post(page_url(domain, "check/"))
    page = door.get(page_url(domain)).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;" in page


def test_trouble_is_shown_on_the_page_the_list_and_at_home(door: Client, domain: Domain, server: DnsServer) -> None:
    """Dropping verification is visible to people."""
    server.publish_all(expected_records(domain))
    assert verify_domain(domain, resolver=server.resolver, now=NOW)
    server.records.clear()
    verify_domain(domain, resolver=server.resolver, now=NOW + timedelta(hours=1))
    assert "A record this domain needs is missing or wrong." in read(door, domain)
    assert "Verified, but records are wrong" in door.get("/admin/campaigns/domain/").content.decode()
    assert "Mail from it stops soon" in door.get("/admin/").content.decode()
    for hour in (2, 3):
        verify_domain(domain, resolver=server.resolver, now=NOW + timedelta(hours=hour))
    assert "This domain is not verified any more." in read(door, domain)
    assert "Not verified any more" in door.get("/admin/campaigns/domain/").content.decode()
    assert f"{NAME} is not verified any more: mail from it has stopped." in door.get("/admin/").content.decode()
    server.publish_all(expected_records(domain))
    verify_domain(domain, resolver=server.resolver, now=NOW + timedelta(hours=4))
    assert "not verified any more" not in door.get("/admin/").content.decode()
    assert "not verified any more" not in read(door, domain)


def test_a_stranger_sees_no_trouble_at_home(client: Client, domain: Domain) -> None:
    Domain.objects.update(lost_at=NOW)
    client.force_login(make_user(make_account(), role=Role.OPERATOR))
    assert NAME not in client.get("/admin/").content.decode()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("", "Everything is in place"),
        ("spf", "Some records are not right yet"),
        ("dmarc", "A record this domain needs is missing or wrong"),
    ],
)
def test_a_check_says_what_it_means_for_sending(
    door: Client, domain: Domain, server: DnsServer, wrong: str, words: str
) -> None:
    server.publish_all(all_records(domain))
    server.address("mx.sealpost.example", "192.0.2.2")
    server.address("mail.sealpost.example", "192.0.2.3")
    server.address(f"mta-sts.bounces.{NAME}", "192.0.2.3")
    verify_domain(domain, resolver=server.resolver, now=timezone.now() - timedelta(hours=1))
    if wrong:
        host = {record.kind: record.host for record in all_records(domain)}[wrong]
        del server.records[host, "TXT"]
    assert words in door.post(page_url(domain, "check/"), follow=True).content.decode()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("tracking_host", "click.example.net", "name of its own below your domain"),
        ("spf_terms", "v=spf1 mx", "without v=spf1 and without all"),
        ("reports_to", "nobody", "no address of plain letters"),
    ],
)
def test_a_name_that_cannot_work_is_refused_beside_its_field(
    door: Client, domain: Domain, field: str, value: str, words: str
) -> None:
    page = door.post(page_url(domain), {"return_path": "", field: value}).content.decode()
    assert f'id="id_{field}_error"' in page
    assert words in page
    # Nothing is half saved.
    assert Domain.objects.get(pk=domain.pk).return_path == f"bounces@bounces.{NAME}"


def test_names_are_saved_with_the_rest(door: Client, domain: Domain) -> None:
    given = {"return_path": "", "tracking_host": "Go.Example.org", "spf_terms": "include:a.example", "reports_to": ""}
    door.post(page_url(domain), given)
    fresh = Domain.objects.get(pk=domain.pk)
    assert (fresh.return_path, fresh.tracking_host, fresh.spf_terms) == ("", "go.example.org", "include:a.example")


def test_an_international_name_is_shown_in_both_forms(door: Client, account: Account) -> None:
    """IN-01, evil input 35: the A-label is shown, and a look-alike is warned of."""
    page = read(door, create_domain(account, name="оurs.com"))
    assert "<h1>xn--urs-red.com</h1>" in page
    assert "оurs.com ·" in page
    assert "mixes letters of Cyrillic and Latin" in page


# --- The zone file ------------------------------------------------------------------------------


def test_the_zone_file_is_read_by_other_programs_as_we_mean_it(door: Client, domain: Domain) -> None:
    """RFC 1035: dnspython's reader finds exactly the records, long texts in strings; offers are comments."""
    answer = door.get(page_url(domain, "zone.txt"))
    assert answer["Content-Disposition"] == f'attachment; filename="{NAME}.zone.txt"'
    text = answer.content.decode()
    assert text == write_zone(domain)
    zone = dns.zone.from_text(text, origin=f"{NAME}.", check_origin=False, relativize=False)
    found = {
        (name.to_text(omit_final_dot=True), dns.rdatatype.to_text(kind.rdtype)): row
        for name, node in zone.nodes.items()
        for kind in node.rdatasets
        for row in kind
    }
    needed = {(r.host, r.type): r for r in all_records(domain) if r.need != "optional"}
    assert set(found) == set(needed)
    for place, record in needed.items():
        shown = found[place]
        value = b"".join(shown.strings).decode() if record.type == "TXT" else shown.to_text().removesuffix(".")
        assert value == record.value
    optional = {r.host for r in all_records(domain)} - {host for host, _ in needed}
    assert all(f"\n;{host}. IN " in text for host in optional)


def test_no_line_of_the_zone_file_holds_a_string_over_255_bytes(domain: Domain) -> None:
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', write_zone(domain))
    assert max(map(len, strings)) == 255


# --- Reports ------------------------------------------------------------------------------------


def upload(door: Client, domain: Domain, *files: tuple[str, bytes]) -> str:
    given = [SimpleUploadedFile(name, content) for name, content in files]
    return door.post(page_url(domain, "reports/"), {"reports": given}, follow=True).content.decode()


def test_reports_are_brought_in_and_drawn(door: Client, domain: Domain) -> None:
    yesterday = timezone.now().date() - timedelta(days=1)
    rows = [("192.0.2.25", 90), ("198.51.100.66", 10)]
    xml = make_dmarc_xml(NAME, day=yesterday, rows=rows, failing={"198.51.100.66"})
    tls = make_tls_json(f"bounces.{NAME}", day=yesterday, good=8, bad=2)
    page = upload(door, domain, ("a.xml.gz", gzip.compress(xml)), ("b.json", tls), ("again.xml", xml))
    assert "Reports: 2 new, 1 known before." in page
    page = read(door, domain, "reports/")
    assert "The last 30 days: 90 passed, 10 failed." in page
    assert "The last 30 days: 8 encrypted, 2 not encrypted." in page
    assert f"<title>{yesterday:%-d %b}: 10 failed</title>" in page
    assert "certificate-expired" in page
    assert page.index("192.0.2.25") < page.index("198.51.100.66")


def test_a_file_that_is_no_report_is_named_and_the_others_are_taken(door: Client, domain: Domain) -> None:
    xml = make_dmarc_xml(NAME, day=timezone.now().date(), rows=[("192.0.2.1", 5)])
    page = upload(door, domain, ("good.xml", xml), ("holiday.xml", b"<b>"))
    assert "Reports: 1 new." in page
    assert "holiday.xml" in page
    page = upload(door, domain, ("holiday.xml", b"<b>"))
    assert "Nothing was taken in" in page
    assert "This is no report we can read" in page


def test_a_report_about_another_domain_is_left_out(door: Client, domain: Domain) -> None:
    xml = make_dmarc_xml("other.example.net", day=timezone.now().date(), rows=[("192.0.2.1", 5)])
    assert "1 about other domains, left out" in upload(door, domain, ("r.xml", xml))


def test_too_many_files_at_once_are_refused(door: Client, domain: Domain) -> None:
    page = upload(door, domain, *((f"{number}.xml", b"<b>") for number in range(51)))
    assert "At most 50 files at once" in page


def test_nothing_chosen_is_said_beside_the_field(door: Client, domain: Domain) -> None:
    assert 'id="id_reports_error"' in door.post(page_url(domain, "reports/"), {}).content.decode()


# --- Deliverability -----------------------------------------------------------------------------


def test_the_score_says_what_to_put_right_first_and_where(door: Client, domain: Domain, server: DnsServer) -> None:
    server.publish_all(expected_records(domain))
    door.post(page_url(domain, "check/"))
    page = read(door, domain, "health/")
    assert "of 100 points" in page
    assert f'href="{page_url(domain)}#record-spf"' in page
    assert 'id="record-spf"' in read(door, domain)
    assert page.index("Servers that may send (SPF)") < page.index("Links under your own name")


def test_complaints_and_bounces_are_shown_by_provider(door: Client, domain: Domain) -> None:
    """MP-05."""
    write_traffic(domain, {"gmail.com": (1100, 0, 4), "outlook.com": (120, 12, 0)})
    page = read(door, domain, "health/")
    assert "0.36 %" in page
    assert "Too many complaints" in page
    assert "Many bounces" in page
    assert "0.36 % of the readers at Gmail complained lately" in page


def test_a_domain_that_was_never_looked_up_says_so(door: Client, domain: Domain) -> None:
    page = read(door, domain, "health/")
    assert "DNS was not asked yet" in page
    assert "No campaign has left from this domain lately" in page


# --- The logo -----------------------------------------------------------------------------------

LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" version="1.2" baseProfile="tiny-ps" viewBox="0 0 100 100">'
    b'<title>Green Garden</title><circle cx="50" cy="50" r="40" fill="#2b7f78"/><use href="#x"/></svg>'
)


def test_a_logo_that_fits_is_said_to_fit() -> None:
    """BI-01."""
    assert check_logo(LOGO) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'version="1.2"', b'version="1.1"', "version="),
        (b' baseProfile="tiny-ps"', b"", "tiny-ps"),
        (b' version="1.2"', b' version="1.2" x="0"', "no x= and y="),
        (b'viewBox="0 0 100 100"', b'viewBox="0 0 200 100"', "not square"),
        (b' viewBox="0 0 100 100"', b"", "viewBox"),
        (b"<title>Green Garden</title>", b"", "<title>"),
        (b"<circle", b"<script>alert(1)</script><circle", "a script"),
        (b"<circle", b'<image href="https://example.org/x.png"/><circle', "a picture"),
        (b"<circle", b'<animate attributeName="r"/><circle', "an animation"),
        (b"<circle", b'<circle onclick="x()"/><circle', "begins with on"),
        (b'href="#x"', b'href="https://example.org/"', "outside of the file"),
        (b'fill="#2b7f78"', b'fill="url(https://example.org/f)"', "outside of the file"),
        (b"<title>", b"<desc>" + b"x" * 40_000 + b"</desc><title>", "KB"),
        (b"<svg ", b"<!DOCTYPE svg><svg ", "document type"),
        (b"</svg>", b"", "no SVG file"),
        (b"http://www.w3.org/2000/svg", b"http://example.org", "outermost element"),
    ],
)
def test_what_keeps_a_logo_from_being_taken_is_said(old: bytes, new: bytes, words: str) -> None:
    """BI-01, evil input 19."""
    assert LOGO.count(old) == 1
    assert any(words in sentence for sentence in check_logo(LOGO.replace(old, new)))


def test_the_page_looks_at_a_logo_and_at_dmarc_and_keeps_nothing(
    door: Client, domain: Domain, server: DnsServer
) -> None:
    """BI-01."""
    server.publish(f"_dmarc.{NAME}", ["v=DMARC1; p=none"])
    file = SimpleUploadedFile("logo.svg", LOGO)
    page = door.post(page_url(domain, "logo/"), {"file": file}).content.decode()
    assert "Fits" in page
    assert "must say p=quarantine or p=reject" in page
    server.publish(f"_dmarc.{NAME}", ["v=DMARC1; p=reject"])
    file = SimpleUploadedFile("logo.svg", LOGO)
    assert "Strict enough" in door.post(page_url(domain, "logo/"), {"file": file}).content.decode()
    assert "Green Garden" not in read(door, domain, "logo/")


# --- Pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0, 1, 4, 5, 12, 99, 100, 101, 1499, 1_000_000, 10**12])
def test_columns_stay_inside_the_picture(most: int) -> None:
    days = [(NOW.date() + timedelta(days=number), most * number // 29, most // 50) for number in range(30)]
    chart = draw_columns(days, words=("passed", "failed"))
    assert all(0 <= bar.y <= bar.y + bar.height <= chart.height for bar in chart.bars)
    assert all(chart.left <= bar.x <= bar.x + bar.width <= chart.width for bar in chart.bars)
    assert next(line.label for line in chart.lines) == "0"
    assert not any(re.fullmatch(r"\d+\.\d+", line.label) for line in chart.lines)


@pytest.mark.parametrize(
    ("points", "tone"), [(0, "bad"), (59, "bad"), (60, "warn"), (84, "warn"), (85, "ok"), (100, "ok")]
)
def test_the_ring_shows_the_share_and_how_good_it_is(points: int, tone: str) -> None:
    ring = draw_ring(points)
    assert ring.tone == tone
    assert ring.arc == pytest.approx(ring.circle * points / 100, abs=0.01)


# --- verify_domains -----------------------------------------------------------------------------


def run(*arguments: str) -> tuple[str, bool]:
    """What was printed, and whether the command ended well."""
    out = StringIO()
    try:
        call_command("verify_domains", *arguments, stdout=out)
    except CommandError as error:
        # Any other end is none the caller expects.
        if error.returncode != 1 or "not verified" not in str(error):
            raise
        return out.getvalue(), False
    return out.getvalue(), True


def test_the_command_draws_a_table_and_fails_when_a_domain_is_not_verified(domain: Domain, server: DnsServer) -> None:
    text, fine = run("--nameserver", server.place)
    assert not fine
    assert re.search(rf"{NAME} .*NOT VERIFIED \({domain.account.slug}\)", text)
    assert re.search(r"ownership +│ +-- +│ +The record that proves ownership is not", text)
    assert "publish: _dmarc.news.example.org TXT" in re.sub(r"\s*│\s*", " ", text)
    whole = re.sub(r"[\s│]", "", text)
    assert all(record.value.replace(" ", "") in whole for record in expected_records(domain)[:2])


def test_the_command_ends_well_when_all_are_verified(domain: Domain, server: DnsServer) -> None:
    server.publish_all(expected_records(domain))
    text, fine = run(domain.account.slug, "--domain", "News.Example.org", "--nameserver", server.place)
    assert fine
    assert re.search(rf"{NAME} .* verified", text)
    assert re.search(r"ownership +│ +ok", text)


def test_the_command_prints_json_for_programs(domain: Domain, server: DnsServer) -> None:
    other = create_domain(domain.account, name="other.example.org")
    text, fine = run("--domain", NAME, "--nameserver", server.place, "--json")
    (line,) = text.splitlines()
    found = json.loads(line)
    assert not fine
    assert (found["domain"], found["verified"], found["account"]) == (NAME, False, domain.account.slug)
    findings = {row["record"]: row for row in found["findings"]}
    assert findings["dmarc"]["code"] == "dmarc.missing"
    assert (findings["dmarc"]["host"], findings["dmarc"]["type"]) == (f"_dmarc.{NAME}", "TXT")
    assert findings["dmarc"]["fix"] == f"v=DMARC1; p=none; rua=mailto:dmarc@{NAME}"
    assert next(iter(findings)) == "ownership"
    assert not other.findings.exists()


def test_the_command_looks_at_one_domain_of_every_account(domain: Domain, server: DnsServer) -> None:
    create_domain(make_account(), name=NAME)
    text, _ = run("--domain", NAME, "--nameserver", server.place, "--json")
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--domain", "unknown.example.net"],
        ["nobody"],
        ["--nameserver", "ns.example.com"],
        ["--nameserver", "127.0.0.1:x"],
    ],
)
def test_the_command_refuses_what_it_does_not_understand(domain: Domain, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("verify_domains", *arguments)
    assert Domain.objects.get(pk=domain.pk).checked_at is None
