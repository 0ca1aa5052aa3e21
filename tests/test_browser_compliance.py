"""An officer's way in a real browser: the second factor, what is missing, and a week to sign – on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from campaigns.models import Role
from compliance import audit
from compliance.agreements import replies
from compliance.approvals.quorum import Person
from compliance.audit import Ref
from compliance.models import ActivityReview
from compliance.oversight import emergency, incidents
from tests.browser import LOOKS, MARKS, Eyes
from tests.factories import make_account, make_user
from tests.people import code_of

pytestmark = MARKS


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_an_officer_sets_up_a_second_factor_and_looks_around(
    open_eyes: Callable[..., Eyes], width: int, scheme: str
) -> None:
    clinic = make_account(name="Harbour Clinic", baa_status="pending")
    officer, author = make_user(clinic, role=Role.COMPLIANCE), make_user(clinic, role=Role.AUTHOR)
    now = timezone.now()
    fresh = timedelta(seconds=5)
    writer, boss = Person(author.pk, frozenset({"author"}), fresh), Person(officer.pk, frozenset({"compliance"}), fresh)
    emergency.open_access(clinic, reason="The officer is on a plane, and mail goes wrong.", by=writer, now=now)
    replies.attest(
        clinic.pk, owner=str(clinic.public_id), address="appointments@harbour-clinic.example", by=boss, now=now
    )
    incident = incidents.open_incident(
        clinic, kind="access", discovered_at=now - timedelta(days=3), sends=[], reference="SEC-17", by=boss, now=now
    )
    audit.note("person.sign-in-failed", owner=str(clinic.public_id), actor=Ref("person", str(author.pk)),
               about=Ref("person", str(author.pk)), data={"part": "password"})  # fmt: skip
    week = (now - timedelta(days=14)).date()
    review = ActivityReview.objects.create(
        account=clinic, week=week, made_at=now, figures={"person.signed-in": 12, "person.sign-in-failed": 3},
        people={"person.sign-in-failed": {f"person {author.pk}": 3}},
    )  # fmt: skip

    eyes = open_eyes(width, scheme, user=officer)
    page = eyes.page
    page.goto("/admin/")
    eyes.look("factor-begin")
    page.locator("summary").click()
    page.get_by_label("Code").fill(code_of(page.locator("code.clip").inner_text()))
    eyes.press("Set up")
    eyes.look("factor-codes")
    eyes.press("I have kept them")
    eyes.look("home")
    for name in ("baa/", f"baa/account/{clinic.public_id}/", f"baa/account/{clinic.public_id}/to/active/",
                 f"baa/account/{clinic.public_id}/terms/", f"baa/account/{clinic.public_id}/record/",
                 f"baa/account/{clinic.public_id}/replies/", "auditevent/",
                 "activityreview/", f"activityreview/{review.pk}/change/", "emergencyaccess/", "incident/",
                 f"incident/{incident.public_id}/change/", f"incident/{incident.public_id}/assess/", "incident/add/",
                 "disclosure/", "shredcertificate/", "detectorhit/", "selfcheck/", "auditevent/support/"):  # fmt: skip
        page.goto(f"/admin/compliance/{name}")
        eyes.look(
            name.strip("/")
            .replace("/", "-")
            .replace(str(clinic.public_id), "clinic")
            .replace(str(incident.public_id), "x")
        )
    page.goto(f"/admin/compliance/activityreview/{review.pk}/change/")
    eyes.press("Sign this week")
    review.refresh_from_db()
    assert review.signed_by == officer


def test_what_was_being_typed_is_put_back_after_the_page_sat_idle(open_eyes: Callable[..., Eyes]) -> None:
    clinic = make_account(baa_status="active")
    eyes = open_eyes(1280, "light", user=make_user(clinic, role=Role.OPERATOR))
    page: Any = eyes.page
    page.goto("/admin/")
    page.locator("summary").click()
    page.get_by_label("Code").fill(code_of(page.locator("code.clip").inner_text()))
    eyes.press("Set up")
    page.goto("/admin/campaigns/account/")
    page.locator(f"a[href*='{clinic.public_id}']").first.click()
    page.clock.install()
    page.reload()
    page.locator("#id_postal_address").fill("A new address, half wri")
    page.clock.run_for(14 * 60_000)
    page.get_by_text("You will be signed out in two minutes.").wait_for()
    with page.expect_response("**/draft/keep/"):
        page.clock.run_for(30_000)
    page.reload()
    page.locator("#id_postal_address").fill("")
    page.get_by_role("button", name="Put it back").click()
    expect(page.locator("#id_postal_address")).to_have_value("A new address, half wri")
    eyes.look("draft-back")
