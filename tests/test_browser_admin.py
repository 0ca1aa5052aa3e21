"""Every admin screen in a real browser: no complaint in its console, nothing wider than the window, light and dark."""

from __future__ import annotations

import io
import re
import zlib
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_q.conf import Conf
from playwright.sync_api import expect

from campaigns.audiences import importing
from campaigns.content.starters import starter_drafts
from campaigns.content.versions import create_version
from campaigns.domains.creation import create_domain
from campaigns.models import (
    ImportJob,
    ImportState,
    SandboxMail,
    Suppression,
    SuppressionReason,
    SuppressionScope,
    Transport,
)
from tests.browser import LOOKS, MARKS
from tests.factories import (
    make_account,
    make_campaign,
    make_contact,
    make_list,
    make_sender,
    make_template,
    make_user,
)

pytestmark = MARKS
CSV = "E-mail;First Name;Plan\nada@example.com;Ada;pro\nnobody at all;X;free\ngrace@example.com;Grace;free\n"
RAW = (
    "From: Green Garden <news@example.com>\r\nTo: {to}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
    "List-Unsubscribe: <https://example.com/u/abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz>\r\n"
    "Content-Type: text/html; charset=utf-8\r\n\r\n<html><body bgcolor='#eef'><h1>{subject}</h1>"
    "<script>document.title = 'broken out'</script><p onclick='x()'>Seeds, soil and a little patience.</p></body></html>"
)


@pytest.fixture(autouse=True)
def _quiet_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    # Rung jobs wait: the test itself says when an import goes on, so that its progress can be watched.
    monkeypatch.setattr(Conf, "SYNC", False)


class Garden:
    """An account with something on every screen."""

    def __init__(self) -> None:
        self.account = make_account(name="Green Garden", time_zone="Europe/Vilnius")
        self.user = make_user(self.account, role="operator", email="operator@example.com", is_superuser=True)
        self.news = make_list(self.account, name="Weekly news", description="Everybody who signed up at the stand")
        self.staff = make_list(self.account, name="Staff")
        people = [
            make_contact(self.account, f"reader{n}@example.com", lists=[self.news], plan="pro") for n in range(60)
        ]
        self.person = people[0]
        self.domain = create_domain(self.account, name="garden.example.org")
        self.sender = make_sender(self.account, domain=self.domain, name="Green Garden")
        self.template = make_template(self.account, name="Monthly letter")
        self.version = create_version(self.template, draft=starter_drafts()[0].draft, author=self.user)
        self.suppression = Suppression.objects.create(
            account=self.account,
            address_key=self.person.address_key,
            scope=SuppressionScope.MARKETING,
            reason=SuppressionReason.UNSUBSCRIBED,
            note="Asked by phone",
        )
        self.relay = Transport.objects.create(account=self.account, name="Office mail server", kind="smtp")
        self.mails = [self._keep(number) for number in range(30)]
        self.campaign = make_campaign(self.account, name="March letter", lists=[self.news], content=self.version)
        self.waiting = importing.start_import(
            self.account, list=self.news, file=io.BytesIO(CSV.encode()), filename="stand.csv"
        )
        self.done = self._import()

    def _keep(self, number: int) -> SandboxMail:
        to, subject = f"reader{number}@example.com", f"Spring is here, reader {number}"
        return SandboxMail.objects.create(
            account=self.account,
            message_id="12345678-1234-4234-8234-123456789012",
            recipient=to,
            subject=subject,
            raw=zlib.compress(RAW.format(to=to, subject=subject).encode()),
            received_at=timezone.now() - timedelta(minutes=number * 7),
        )

    def _import(self) -> ImportJob:
        job = importing.start_import(
            self.account, list=self.staff, file=io.BytesIO(CSV.encode()), filename="members-2026.csv"
        )
        importing.set_mapping(job, job.mapping)
        return importing.run_import(job.pk)

    def screens(self) -> dict[str, str]:
        """Every address by the name of its picture."""
        base = "/admin/campaigns"
        rows = {
            "account": self.account,
            "contact": self.person,
            "contactlist": self.news,
            "domain": self.domain,
            "emailtemplate": self.template,
            "sandboxmail": self.mails[2],
            "sender": self.sender,
            "transport": self.relay,
        }
        found = {"home": "/admin/", "password": "/admin/password_change/", "users": "/admin/auth/user/"}
        found |= {"user-add": "/admin/auth/user/add/", "user": f"/admin/auth/user/{self.user.pk}/change/"}
        for name, row in rows.items():
            found |= {f"{name}s": f"{base}/{name}/", name: f"{base}/{name}/{row.public_id}/change/"}
            if name != "sandboxmail":
                found[f"{name}-add"] = f"{base}/{name}/add/"
        for name in ("contact", "contactlist", "domain", "emailtemplate", "account"):
            found[f"{name}-delete"] = f"{base}/{name}/{rows[name].public_id}/delete/"
        return found | {
            "imports": f"{base}/importjob/",
            "import-1-upload": f"{base}/importjob/add/?list={self.news.public_id}",
            "import-2-columns": f"{base}/importjob/{self.waiting.public_id}/change/",
            "import-3-done": f"{base}/importjob/{self.done.public_id}/change/",
            "suppressions": f"{base}/suppression/",
            "suppression-add": f"{base}/suppression/add/",
            "suppression": f"{base}/suppression/{self.suppression.pk}/change/",
            "template-rename": f"{base}/emailtemplate/{self.template.public_id}/rename/",
        }


@pytest.fixture
def garden() -> Garden:
    return Garden()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_screen_fits_and_its_console_stays_empty(open_eyes: Any, garden: Garden, width: int, scheme: str) -> None:
    eyes = open_eyes(width, scheme, user=garden.user)
    for name, address in garden.screens().items():
        eyes.page.goto(address)
        eyes.look(name)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_door_fits_and_its_console_stays_empty(open_eyes: Any, db: None, width: int, scheme: str) -> None:
    eyes = open_eyes(width, scheme)
    eyes.page.goto("/admin/")
    eyes.look("login")


def test_signing_in_and_out(open_eyes: Any, garden: Garden) -> None:
    eyes = open_eyes(1280, "light")
    page = eyes.page
    page.goto("/admin/")
    page.get_by_label("Username").fill(garden.user.username)
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Home")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    eyes.look("signed-out")


def test_the_theme_can_be_chosen_by_hand(open_eyes: Any, garden: Garden) -> None:
    eyes = open_eyes(1280, "light", user=garden.user)
    page = eyes.page
    page.goto("/admin/")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.locator(".theme-toggle").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(paper) != light


def test_the_navigation_folds_on_a_phone(open_eyes: Any, garden: Garden) -> None:
    eyes = open_eyes(390, "light", user=garden.user)
    page = eyes.page
    page.goto("/admin/")
    link = page.get_by_role("link", name="Templates", exact=True)
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    eyes.look("menu")
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Templates")


def test_an_import_from_the_file_to_its_result(open_eyes: Any, garden: Garden) -> None:
    eyes = open_eyes(390, "light", user=garden.user)
    page = eyes.page
    page.goto(f"/admin/campaigns/importjob/add/?list={garden.staff.public_id}")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": CSV.encode()}
    )
    page.get_by_role("button", name="Upload and look").click()
    expect(page.get_by_label("Use E-mail as")).to_have_value("email")
    page.get_by_label("Use Plan as").select_option("skip")
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_text("Choose what fits best")).to_be_visible()
    expect(page.get_by_label("Use Plan as")).to_have_value("skip")
    page.get_by_label("They signed up or ticked a box").check()
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_role("heading", name="Waiting for its turn")).to_be_visible()
    eyes.look("import-running")
    job = ImportJob.objects.latest("pk")
    assert job.mapping["Plan"] == ""
    importing.run_import(job.pk)
    expect(page.get_by_role("heading", name="Done: 3 rows read")).to_be_visible()
    expect(page.get_by_text("This is not a valid email address.")).to_be_visible()
    job.refresh_from_db()
    assert (job.state, job.rejected, job.consent_kind) == (ImportState.DONE, 1, "express")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert "nobody at all" in download.value.path().read_text("utf-8-sig")


def test_nothing_typed_into_a_template_is_lost_when_it_cannot_be_saved(open_eyes: Any, garden: Garden) -> None:
    eyes = open_eyes(1280, "light", user=garden.user)
    page = eyes.page
    page.goto(garden.screens()["emailtemplate"])
    page.get_by_label("Subject").fill("Hello {{ unknown_word }}")
    page.get_by_label("Content").fill("<p>\nHello {{ first_name </p>")
    page.get_by_role("button", name="Add a row").click()
    page.locator("[data-rows] tr").last.get_by_label("Name").fill("kept_word")
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.get_by_role("alert")).to_contain_text("everything you typed is still here")
    expect(page.get_by_label("Subject")).to_have_value("Hello {{ unknown_word }}")
    expect(page.get_by_label("Content")).to_have_value("<p>\nHello {{ first_name </p>")
    expect(page.locator("input[value=kept_word]")).to_have_count(1)
    eyes.look("template-problems")
    page.get_by_role("button", name=re.compile("^Line ")).first.click()
    assert page.evaluate("document.activeElement.name") == "source"
    assert garden.template.versions.count() == 1


def test_the_preview_shows_what_is_typed_without_saving_it(open_eyes: Any, garden: Garden) -> None:
    eyes = open_eyes(1280, "light", user=garden.user)
    page = eyes.page
    page.goto(garden.screens()["emailtemplate"])
    page.get_by_label("Content").fill("<p>Only typed, {{ first_name }}</p>")
    page.get_by_role("button", name="Show the mail as typed").click()
    frame = page.frame_locator("iframe[name=preview]")
    expect(frame.get_by_text("Only typed, Ada")).to_be_visible()
    page.get_by_role("button", name="Phone").click()
    assert page.locator("iframe[name=preview]").bounding_box()["width"] <= 380
    assert garden.template.versions.count() == 1


def test_a_mail_in_the_sandbox_cannot_act(open_eyes: Any, garden: Garden) -> None:
    eyes = open_eyes(1280, "light", user=garden.user)
    page = eyes.page
    page.goto(garden.screens()["sandboxmail"])
    frame = page.frame_locator("iframe[name=mail]")
    expect(frame.get_by_role("heading", name="Spring is here, reader 2")).to_be_visible()
    assert page.locator("iframe[name=mail]").get_attribute("sandbox") == ""
    assert "broken out" not in page.title()
    page.get_by_role("link", name="Plain text").click()
    expect(frame.get_by_text("no text part")).to_be_visible()


def test_a_template_is_saved_without_any_script(open_eyes: Any, garden: Garden) -> None:
    eyes = open_eyes(1280, "light", user=garden.user, scripts=False)
    page = eyes.page
    page.goto(garden.screens()["emailtemplate"])
    page.get_by_label("Subject").fill("A plain hello")
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.get_by_text("Saved as version 2.")).to_be_visible()
