"""The page of a domain in a real browser, on a desk and on a phone, in light and in dark."""

from __future__ import annotations

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
from campaigns.domains.rotation import start_rotation
from campaigns.domains.verification import verify_domain
from campaigns.models import DayCount, DkimKey, Domain, Role
from tests.browser import LOOKS, MARKS
from tests.dns_server import DnsServer
from tests.factories import make_account, make_sender, make_user

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
        for record in expected_records(self.domain):
            self.dns.publish(record.host, record.strings)

    def pass_days(self, days: int) -> None:
        verify_domain(self.domain, resolver=self.dns.resolver, now=timezone.now() + timedelta(days=days))


@pytest.fixture
def garden(monkeypatch: pytest.MonkeyPatch) -> Iterator[Garden]:
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
