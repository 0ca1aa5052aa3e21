"""The page of a domain in a real browser, on a desk and on a phone, in light and in dark."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from campaigns.admin import domains as domain_screens
from campaigns.domains.creation import create_domain
from campaigns.domains.expected import expect_key, expected_records
from campaigns.domains.reports import take_reports
from campaigns.domains.rotation import start_rotation
from campaigns.domains.verification import verify_domain
from campaigns.models import DayCount, DkimKey, Domain, Role
from tests.browser import LOOKS, MARKS
from tests.dns_server import DnsServer
from tests.factories import make_account, make_sender, make_user
from tests.provider_reports import make_dmarc_xml, make_tls_json, write_traffic

pytestmark = MARKS


@dataclass
class Garden:
    """A domain whose keys are on the move, somebody who may change it, and the DNS it is published in."""

    domain: Domain
    user: User
    dns: DnsServer

    @property
    def url(self) -> str:
        return f"/admin/campaigns/domain/{self.domain.public_id}/change/"

    def publish(self) -> None:
        self.dns.publish_all(expected_records(self.domain))

    def fill(self) -> None:
        """A domain as most are: some records wrong, campaigns that were read and complained about, reports."""
        self.publish()
        name, today = self.domain.name, timezone.now().date()
        bounce = f"bounces.{name}"
        Domain.objects.update(
            return_path=f"bounces@{bounce}", tracking_host=f"click.{name}", spf_terms="include:spf.relay.example"
        )
        self.domain.refresh_from_db()
        self.dns.publish(bounce, ["v=spf1 ", *(f"include:s{n}.example.net " for n in range(11)), "-all"])
        for number in range(11):
            self.dns.publish(f"s{number}.example.net", ["v=spf1 ip4:192.0.2.0/24 -all"])
        self.dns.alias(f"click.{name}", "gone.example.net")
        self.dns.mail_servers(bounce, "10 mx.example.net")
        self.dns.address("mx.example.net", "192.0.2.7")
        self.dns.publish(f"_dmarc.{name}", [f"v=DMARC1; p=none; pct=50; rua=mailto:dmarc@{name}"])
        self.pass_days(-1)
        write_traffic(self.domain)
        for back in range(1, 28):
            day = today - timedelta(days=back)
            rows = [
                ("192.0.2.25", 900 + 37 * back % 400),
                ("2001:db8::25", 300),
                ("198.51.100.66", 40 if back % 5 else 260),
            ]
            xml = make_dmarc_xml(name, day=day, rows=rows, failing={"198.51.100.66"})
            take_reports(xml, domains=[self.domain], now=timezone.now())
            take_reports(
                make_tls_json(bounce, day=day, good=80, bad=back % 4), domains=[self.domain], now=timezone.now()
            )

    def pass_days(self, days: int) -> None:
        verify_domain(self.domain, resolver=self.dns.resolver, now=timezone.now() + timedelta(days=days))


@pytest.fixture
def garden(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Garden]:
    settings.PUBLIC_URL = "http://mail.sealpost.example"
    with DnsServer() as dns:
        monkeypatch.setattr(domain_screens, "make_resolver", lambda: dns.resolver)
        account = make_account(name="Green Garden")
        domain = create_domain(account, name="news.greengarden.example.org")
        make_sender(account, domain=domain, name="Anna from Green Garden")
        yield Garden(domain, make_user(account, role=Role.OPERATOR), dns)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_page_of_a_domain_in_every_state(open_eyes: Any, garden: Garden, width: int, scheme: str) -> None:
    eyes = open_eyes(width, scheme, user=garden.user)
    page = eyes.page
    page.goto(garden.url)
    eyes.look("domain-new")
    garden.publish()
    garden.pass_days(-14)
    start_rotation(garden.domain)
    garden.publish()
    garden.pass_days(-13)
    start_rotation(garden.domain)
    garden.publish()
    garden.pass_days(-3)
    start_rotation(garden.domain)
    start_rotation(garden.domain, algorithm=DkimKey.Algorithm.ED25519)
    garden.pass_days(0)
    today = timezone.localdate()
    Domain.objects.update(warmup_started_on=today - timedelta(days=9), return_path="bounces@greengarden.example.org")
    DayCount.objects.create(key=f"domain:{garden.domain.pk}", day=today, used=12_345)
    page.goto(garden.url)
    expect(page.get_by_text("at most 35,000 mails today, 12,345 of them used")).to_be_visible()
    expect(page.get_by_role("heading", name="Records you may remove")).to_be_visible()
    eyes.look("domain-moving")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_page_of_a_domain_that_sent_and_was_reported_about(
    open_eyes: Any, garden: Garden, width: int, scheme: str
) -> None:
    garden.fill()
    eyes = open_eyes(width, scheme, user=garden.user)
    page = eyes.page
    page.goto(garden.url)
    expect(page.get_by_role("heading", name="So that more of your mail arrives")).to_be_visible()
    eyes.look("domain-wrong")
    eyes.press("Deliverability")
    expect(page.get_by_role("heading", name="Put right first")).to_be_visible()
    eyes.look("domain-health")
    eyes.press("Reports")
    expect(page.get_by_role("img", name="encrypted")).to_be_visible()
    eyes.look("domain-reports")
    eyes.press("Logo")
    eyes.look("domain-logo")
    page.locator("input[type=file]").set_input_files(
        {"name": "logo.svg", "mimeType": "image/svg+xml", "buffer": b"<svg/>"}
    )
    eyes.press("Look at it")
    expect(page.get_by_text("The outermost element has to be")).to_be_visible()
    eyes.look("domain-logo-checked")
    Domain.objects.update(verified_at=None, lost_at=timezone.now())
    page.goto(garden.url)
    expect(page.get_by_text("This domain is not verified any more.")).to_be_visible()
    eyes.look("domain-lost")
    page.goto("/admin/")
    expect(page.get_by_text("mail from it has stopped")).to_be_visible()
    eyes.look("home-domain-lost")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_report_is_brought_in_by_hand(open_eyes: Any, garden: Garden, scripts: bool) -> None:
    eyes = open_eyes(390, "light", user=garden.user, scripts=scripts)
    page = eyes.page
    page.goto(garden.url.replace("change/", "reports/"))
    eyes.look("domain-reports-empty")
    report = make_dmarc_xml(garden.domain.name, day=timezone.now().date() - timedelta(days=1), rows=[("192.0.2.1", 12)])
    page.locator("input[type=file]").set_input_files(
        [
            {"name": "report.xml.gz", "mimeType": "application/gzip", "buffer": gzip.compress(report)},
            {"name": "holiday.xml", "mimeType": "application/xml", "buffer": b"no report"},
        ]
    )
    eyes.press("Take them in")
    expect(page.get_by_text("Reports: 1 new.")).to_be_visible()
    expect(page.get_by_text("holiday.xml")).to_be_visible()
    expect(page.get_by_role("rowheader", name="192.0.2.1")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_question_before_a_key_is_made(open_eyes: Any, garden: Garden, width: int, scheme: str) -> None:
    garden.publish()
    garden.pass_days(0)
    eyes = open_eyes(width, scheme, user=garden.user)
    eyes.page.goto(garden.url)
    eyes.press("Change this key")
    eyes.look("domain-change-key")
    eyes.page.goto(garden.url)
    eyes.press("Add an Ed25519 signature")
    eyes.look("domain-add-second")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_key_is_changed_by_hand_from_end_to_end(open_eyes: Any, garden: Garden, scripts: bool) -> None:
    """DK-06."""
    garden.publish()
    garden.pass_days(0)
    eyes = open_eyes(390, "light", user=garden.user, scripts=scripts)
    page = eyes.page
    page.goto(garden.url)
    eyes.press("Change this key")
    eyes.press("Make the key")
    new = garden.domain.dkim_keys.get(state=DkimKey.State.NEW)
    expect(page.get_by_text(expect_key(garden.domain, new).host)).to_be_visible()
    eyes.press("Check DNS now")
    assert garden.domain.dkim_keys.get(pk=new.pk).state == DkimKey.State.NEW
    garden.publish()
    eyes.press("Check DNS now")
    expect(page.get_by_role("heading", name="Old signature key")).to_be_visible()
    assert garden.domain.dkim_keys.get(pk=new.pk).state == DkimKey.State.SIGNING


def test_what_cannot_be_saved_stays_typed(open_eyes: Any, garden: Garden) -> None:
    eyes = open_eyes(390, "light", user=garden.user)
    page = eyes.page
    page.goto(garden.url)
    page.get_by_label("Return path").fill("bounces@elsewhere.example.com")
    page.get_by_label("Warm-up begins on").fill("2026-12-01")
    eyes.press("^Save$")
    expect(page.get_by_role("alert")).to_contain_text("Not saved yet")
    expect(page.get_by_label("Return path")).to_have_value("bounces@elsewhere.example.com")
    expect(page.get_by_label("Warm-up begins on")).to_have_value("2026-12-01")
    eyes.look("domain-not-saved")
