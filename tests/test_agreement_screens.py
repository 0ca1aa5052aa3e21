"""The screens of agreements: what is missing is said, steps say what they do, and strangers see nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from campaigns.models import Account, Message, Role
from compliance.agreements import terms
from compliance.models import Acknowledgement, ApprovalPolicy, AuditEvent, Baa, Terms
from tests.factories import make_account, make_user
from tests.hipaa_office import HipaaOffice
from tests.office import squeeze
from tests.people import sign_in

pytestmark = pytest.mark.django_db

BAA = "/admin/compliance/baa/"
TODAY = timezone.now().date().isoformat()


@pytest.fixture
def account() -> Account:
    return make_account(name="Harbour Clinic")


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    return sign_in(client, make_user(account, role=Role.COMPLIANCE))


def page(account: Account, *rest: str) -> str:
    return "/".join([f"{BAA}account/{account.public_id}", *rest, ""])


def agreement(**changes: Any) -> dict[str, Any]:
    document = SimpleUploadedFile("agreement.pdf", b"%PDF signed")
    known = {"counterparty": "Harbour Clinic", "signed_on": TODAY, "effective_from": TODAY, "document": document}
    return known | changes


def test_an_officer_walks_from_nothing_to_an_active_account(door: Client, account: Account) -> None:
    assert "5 things are missing" in squeeze(door.get(page(account)))
    asked = squeeze(door.get(page(account, "to", "pending")))
    assert "There is no way back to an ordinary account" in asked
    door.post(page(account, "to", "pending"), {"reason": "onboarding"})
    too_early = door.post(page(account, "to", "active"), {"reason": "onboarding"})
    assert "Not yet" in squeeze(too_early)
    door.post(page(account, "record"), agreement())
    newest = terms.current_terms(now=timezone.now())
    assert newest.text.splitlines()[0] in door.get(page(account, "terms")).content.decode()
    door.post(page(account, "terms"), {"version": newest.version, "agreed": "on"})
    door.post(page(account, "policy"), {"approvals": 2, "valid_days": 7})
    door.post(page(account, "to", "active"), {"reason": "onboarding"})
    account.refresh_from_db()
    assert account.baa_status == "active"
    row = Baa.objects.get()
    assert len(row.document_sha256) == 64
    assert ApprovalPolicy.objects.get().approvals == 2
    assert Acknowledgement.objects.get().network == "127.0.0.0/24"


def test_suspending_says_what_is_held_and_takes_a_reason(door: Client, account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(baa_status="active")
    asked = squeeze(door.get(page(account, "to", "suspended")))
    assert "waiting HIPAA mails are held at once" in asked
    assert "This field is required" in squeeze(door.post(page(account, "to", "suspended"), {"reason": ""}))
    door.post(page(account, "to", "suspended"), {"reason": "breach"})
    account.refresh_from_db()
    assert account.baa_status == "suspended"
    assert AuditEvent.objects.filter(action="baa.status-changed", data__reason="breach").exists()


def test_nobody_does_it_without_a_fresh_second_factor(client: Client, account: Account) -> None:
    sign_in(client, make_user(account, role=Role.COMPLIANCE), factor_age=11 * 60)
    assert client.get(page(account)).status_code == 200
    for url, data in (
        (page(account, "record"), agreement()),
        (page(account, "policy"), {"approvals": 1, "valid_days": 7}),
    ):
        assert client.get(url).headers["Location"].startswith("/admin/second-factor/confirm/")
        assert client.post(url, data).headers["Location"].startswith("/admin/second-factor/confirm/")
    assert not Baa.objects.exists()
    assert not ApprovalPolicy.objects.exists()


def test_an_officer_sees_how_the_account_stands_and_is_told_before_its_agreement_ends(client: Client) -> None:
    """§3.5: what ends, what is due, what waits and why."""
    office = HipaaOffice()
    office.submitted()
    Message.objects.filter(pk=Message.objects.values("pk")[:1]).update(state="held", error_code="hipaa.integrity")
    screen = squeeze(office.officer.get(page(office.clinic.account)))
    for words in (
        "In effect, without an end",
        "1 to review, the oldest since",
        "Held mail",
        "to be shredded on their day",
    ):
        assert words in screen, words
    assert "ends on" not in screen
    last = timezone.now().date() + timedelta(days=20)
    Baa.objects.filter(account=office.clinic.account).update(effective_to=last)
    assert f"The agreement with {office.clinic.account} ends on {last:%-d %b %Y}" in squeeze(
        office.officer.get("/admin/")
    )
    assert "ends on" not in squeeze(office.author.get("/admin/"))


def test_an_auditor_looks_and_changes_nothing(client: Client, account: Account) -> None:
    sign_in(client, make_user(account, role=Role.AUDITOR))
    assert client.get(page(account)).status_code == 200
    assert client.post(page(account, "record"), agreement()).status_code == 404
    assert client.post(page(account, "to", "pending"), {"reason": "onboarding"}).status_code == 404


@pytest.mark.parametrize("role", [Role.AUTHOR, Role.OPERATOR, "stranger"])
def test_others_see_no_agreement(client: Client, account: Account, role: str) -> None:
    owner = make_account() if role == "stranger" else account
    sign_in(client, make_user(owner, role=Role.COMPLIANCE if role == "stranger" else role))
    assert client.get(page(account)).status_code == 404
    assert client.get(f"{BAA}host/").status_code == 404
    if role != "stranger":
        assert client.get(BAA).status_code == 404


def test_hosts_and_terms_are_the_superusers(client: Client, account: Account) -> None:
    sign_in(client, make_user(is_superuser=True))
    client.post(f"{BAA}host/", agreement(host="smtp.relay.example", counterparty="Relay", onward="tls-only"))
    client.post(f"{BAA}host/without-data/", {"host": "status.example", "counterparty": "Us", "because": "Only pings."})
    assert "smtp.relay.example" in squeeze(client.get(BAA))
    refused = client.post(f"{BAA}host/", agreement(host="smtp.sendgrid.net", counterparty="Relay", onward="tls-only"))
    assert "signs no agreement for it" in squeeze(refused)
    host = Baa.objects.get(host="smtp.relay.example")
    client.post(f"{BAA}{host.public_id}/end/", {"on": TODAY})
    host.refresh_from_db()
    assert host.effective_to is not None
    client.post(f"{BAA}terms/", {"text": "Other terms."})
    assert Terms.objects.order_by("-version")[0].text == "Other terms."


def test_the_account_screen_sets_no_state(client: Client, account: Account) -> None:
    sign_in(client, make_user(is_superuser=True))
    assert "baa_status" not in client.get(f"/admin/campaigns/account/{account.public_id}/change/").content.decode()
