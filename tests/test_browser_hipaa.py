"""The walk of a HIPAA send through a real browser: written, uploaded, submitted, reviewed, approved, stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from campaigns.models import HipaaSend
from compliance.models import Approval, ApprovalPolicy
from tests.browser import LOOKS, MARKS, Eyes
from tests.hipaa_office import HipaaOffice, review, sheet, url

pytestmark = MARKS


def enter(eyes: Eyes, client: Client, live_server: LiveServer) -> Eyes:
    """Sit down as whoever has signed in there."""
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    eyes.page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    return eyes


def tick_everything(eyes: Eyes) -> None:
    for box in eyes.page.locator(".statement input[type=checkbox]").all():
        box.check()
    eyes.page.locator("select[name=A2-authorization]").select_option("not-required-treatment")
    for name in ("substance", "psychotherapy", "minors"):
        eyes.page.locator(f"select[name=A4-{name}]").select_option("none")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_one_writes_and_submits_another_approves(
    open_eyes: Callable[..., Eyes], live_server: LiveServer, tmp_path: Path, width: int, scheme: str
) -> None:
    office = HipaaOffice()
    User.objects.filter(pk=office.clinic.author.id).update(first_name="Ada", last_name="Author")
    User.objects.filter(pk=office.clinic.approver.id).update(first_name="Amir", last_name="Approver")
    (tmp_path / "people.csv").write_bytes(sheet(480))

    author = enter(open_eyes(width, scheme), office.author, live_server)
    author.page.goto(reverse("admin:campaigns_hipaasend_add"))
    author.page.get_by_label("Name", exact=True).fill("November appointments")
    author.page.get_by_label("Template", exact=True).select_option(label="Appointments")
    author.page.get_by_label("From", exact=True).select_option(index=1)
    author.page.get_by_label("Why is it permitted?").select_option("treatment")
    for name, answer in (("promotes", "no"), ("paid", "no"), ("refill", "no"), ("care", "yes")):
        author.page.locator(f"input[name={name}][value={answer}]").check()
    author.look("1-content")
    author.press("Save")
    for name, kind, purpose in (("first_name", "name", "to greet them"), ("visit", "date", "to be there on the day")):
        author.page.locator(f"select[name={name}-kind]").select_option(kind)
        author.page.locator(f"input[name={name}-purpose]").fill(purpose)
    author.look("2-values")
    author.press("Save")
    author.press("^Upload$")
    author.page.get_by_label("Recipients (CSV or Excel .xlsx)").set_input_files(tmp_path / "people.csv")
    author.look("3-recipients")
    author.press("Check and seal")
    author.look("4-masked")
    author.press("Yes, they belong together")
    author.press("Submit for approval")
    tick_everything(author)
    author.look("5-submit")
    author.press("Submit 480 people")
    author.look("6-submitted")

    approval = Approval.objects.get()
    approver = enter(open_eyes(width, scheme), office.approver, live_server)
    approver.page.goto(reverse("admin:compliance_approval_changelist"))
    approver.look("7-queue")
    approver.page.goto(review(approval))
    tick_everything(approver)
    approver.page.evaluate("scrollTo(0, 0)")
    approver.look("8-review")
    approver.press("Approve sending to 480 people")
    approver.look("9-approved")
    author.page.goto(url(HipaaSend.objects.get()))
    author.look("10-first-sent")
    author.press("^Send the other 460")
    author.look("10-release")
    author.press("^Yes, send the other 460$")
    author.look("10-sent")
    author.press("^Messages$")
    author.look("11-messages")
    for name in ("admin:compliance_stop_add", "eligibility", "admin:compliance_authorization_changelist"):
        author.page.goto(reverse(name))
        author.look(name.rpartition(":")[2])


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_what_all_approved_is_made_routine_and_that_is_ended(
    open_eyes: Callable[..., Eyes], live_server: LiveServer, width: int, scheme: str
) -> None:
    office = HipaaOffice()
    ApprovalPolicy.objects.update(approvals=2)
    full = office.submitted()
    office.approve(full)
    office.approve(full, office.officer)
    officer = enter(open_eyes(width, scheme), office.officer, live_server)
    officer.page.goto(review(full))
    officer.look("protocol-1-approved")
    officer.press("Make it routine")
    officer.look("protocol-2-question")
    officer.press("^Make it routine$")
    officer.look("protocol-3-made")
    run = office.submitted(name="December appointments")
    officer.page.goto(review(run))
    officer.look("protocol-4-run")
    officer.page.goto(reverse("admin:compliance_sendprotocol_changelist"))
    officer.look("protocol-5-list")
    officer.press("November appointments")
    officer.look("protocol-6-page")
    officer.press("^End it$")
    officer.look("protocol-7-ended")
