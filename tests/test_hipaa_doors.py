"""Ordinary doors are closed to accounts under an agreement, each with its code and what to do instead (hipaa.md S4, S9, S10, S19)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse

from campaigns.models import Account, Campaign, Contact, Event, Lane, Message, MessageFile, SendTerms
from compliance.features import Kind, find_capability, list_eligibility
from compliance.models import (
    AuditEvent,
    Authorization,
    DetectorException,
    DetectorHit,
    Disclosure,
    EmergencyAccess,
    Incident,
    MessageProof,
    Vote,
)
from tests import people
from tests.api import Program
from tests.factories import make_account, make_campaign, make_contact, make_user

pytestmark = pytest.mark.django_db

CANARY = "PHI-5d1f2c"
UNDER = ("pending", "active", "suspended", "ended")


def screens() -> list[tuple[str, str]]:
    """(model, code) of every screen that is not eligible."""
    found = ((model._meta.label, find_capability(Kind.SCREEN, model._meta.label)) for model in admin.site._registry)
    return sorted((label, one.code) for label, one in found if not one.is_eligible)


def url_of(label: str, view: str = "changelist", *args: Any) -> str:
    app, _, model = label.lower().partition(".")
    return reverse(f"admin:{app}_{model}_{view}", args=args)


def sign_in(*accounts: Account) -> Client:
    user = make_user(accounts[0], role="operator")
    for account in accounts[1:]:
        user.memberships.create(account=account, role="operator")
    return people.sign_in(Client(), user)


def test_the_list_of_closed_screens_is_what_it_should_be() -> None:
    assert {"campaigns.Campaign", "campaigns.Contact", "campaigns.ContactList", "campaigns.ImportJob"} <= dict(
        screens()
    ).keys()
    assert {"campaigns.SandboxMail", "campaigns.BounceMailbox"} <= dict(screens()).keys()


@pytest.mark.parametrize(("label", "code"), screens())
def test_a_screen_that_is_not_eligible_is_refused_with_its_code_and_the_way_out(label: str, code: str) -> None:
    client = sign_in(make_account(baa_status="active"))
    response = client.get(url_of(label))
    fix = find_capability(Kind.SCREEN, label).fix
    assert response.status_code == 403
    assert code in response.content.decode()
    assert fix in response.content.decode().replace("&#x27;", "'")
    assert client.post(url_of(label, "add"), {"name": CANARY}).status_code == 403
    assert not Campaign.objects.exists()


def test_who_works_in_both_uses_them_for_the_ordinary_account_alone() -> None:
    clinic, shop = make_account(baa_status="active"), make_account()
    client = sign_in(clinic, shop)
    theirs, ours = make_contact(clinic), make_contact(shop)
    assert client.get(url_of("campaigns.Contact", "change", ours.public_id)).status_code == 200
    assert client.get(url_of("campaigns.Contact", "change", theirs.public_id)).status_code == 403
    response = client.post(url_of("campaigns.Contact", "add"), {"account": clinic.pk, "email": "x@example.org"})
    assert response.status_code == 403
    assert Contact.objects.count() == 2


def test_closed_screens_are_not_in_the_menu() -> None:
    page = sign_in(make_account(baa_status="active")).get(reverse("admin:index")).content.decode()
    menu = page[page.index("<nav") : page.index("</nav>")]
    assert url_of("campaigns.Domain") in menu
    assert url_of("campaigns.Campaign") not in menu


def by_http(account: Account) -> Any:
    program = Program(account)
    return program.client.post(
        "/email/4/messages", f"{{{CANARY}".encode(), content_type="application/json", headers=program.headers
    )


def by_form(account: Account) -> Any:
    program = Program(account)
    return program.client.post("/email/3/send", {"html": CANARY}, headers=program.headers)


def by_upload(account: Account) -> Any:
    program = Program(account)
    return program.client.post("/email/1/content", {"file": CANARY}, headers=program.headers)


@pytest.mark.parametrize("status", UNDER)
@pytest.mark.parametrize("knock", [by_http, by_form, by_upload])
def test_the_ordinary_api_is_closed_before_anything_of_a_request_is_read(
    knock: Callable[[Account], Any], status: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    response = knock(make_account(baa_status=status))
    told = json.loads(response.content)
    code = told.get("errorCode") or told["requestError"]["serviceException"]["messageId"]
    assert (response.status_code, code) == (403, "hipaa.endpoint-required")
    assert CANARY not in response.content.decode() + caplog.text
    assert AuditEvent.objects.get(action="hipaa.blocked").data == {"code": "hipaa.endpoint-required"}


def test_a_key_of_the_hipaa_lane_opens_no_ordinary_door_either() -> None:
    program = Program(make_account(baa_status="active"), lane=Lane.HIPAA)
    response = program.client.post("/email/4/messages", b"{", content_type="application/json", headers=program.headers)
    assert response.status_code == 403


def test_a_broadcast_that_was_planned_before_the_agreement_sends_nothing() -> None:
    account = make_account(baa_status="pending")
    campaign = make_campaign(account)
    client = sign_in(account)
    assert client.get(url_of("campaigns.Campaign", "change", campaign.public_id)).status_code == 403


# --- The contract of refusals -------------------------------------------------------------------------------------

CODES = [
    "hipaa.active-storage",
    "hipaa.amp-ineligible",
    "hipaa.archive-storage",
    "hipaa.attributes-ineligible",
    "hipaa.broadcast-ineligible",
    "hipaa.callback-data",
    "hipaa.campaign-reference",
    "hipaa.catalogs-ineligible",
    "hipaa.channel-ineligible",
    "hipaa.click-tracking-ineligible",
    "hipaa.combination-ineligible",
    "hipaa.copies-ineligible",
    "hipaa.custom-headers",
    "hipaa.default-placeholders",
    "hipaa.endpoint-required",
    "hipaa.flow-ineligible",
    "hipaa.forms-ineligible",
    "hipaa.function-ineligible",
    "hipaa.id-format",
    "hipaa.forward-ineligible",
    "hipaa.inbound-ineligible",
    "hipaa.integration-ineligible",
    "hipaa.landing-pages",
    "hipaa.link-access",
    "hipaa.marketing-authorization",
    "hipaa.moments-ineligible",
    "hipaa.notice-ineligible",
    "hipaa.open-tracking-ineligible",
    "hipaa.placeholder-scope",
    "hipaa.preview-disabled",
    "hipaa.profile-data",
    "hipaa.reply-to-ineligible",
    "hipaa.shared-content",
    "hipaa.smtp-endpoint-required",
    "hipaa.storage-disabled",
    "hipaa.support-phi",
    "hipaa.test-send-ineligible",
    "hipaa.tracking-url",
    "hipaa.undeclared-placeholder",
]


def test_codes_of_refusals_are_a_contract() -> None:
    """Programs rely on them: none disappears or changes its name; each says what, why and what to do, of nobody's data."""
    excluded = {one.code: one for one in list_eligibility() if not one.is_eligible}
    assert sorted(set(CODES) - excluded.keys()) == []
    assert sorted(excluded.keys() - set(CODES)) == []
    for one in excluded.values():
        sentences = (one.label, one.reason, one.fix)
        assert all(sentences)
        assert not any(mark in text for text in sentences for mark in ("%s", "{", "@"))


# Every column of letters in a table with a row for each person, or with words of people about them. What names somebody is
# sealed, which is bytes; `recipient` is empty in the HIPAA lane, and notes and references are checked before they are kept.
LETTERS: dict[type[models.Model], str] = {
    Message: "recipient recipient_domain address_key state claimed_by error_code client_id",
    MessageFile: "",
    SendTerms: "answers legal_basis reference variables recipients",
    MessageProof: "",
    Event: "kind code",
    Disclosure: "owner address_key purpose legal_basis categories tls_version tls_cipher tls_fingerprint peer_host",
    Authorization: "address_key reference purpose",
    DetectorHit: "send rule digest",
    DetectorException: "send rule digest reason",
    EmergencyAccess: "",
    Incident: "kind reference sends affected factors decision",
    Vote: "verdict reason note digest signature",
}


@pytest.mark.parametrize("model", LETTERS, ids=lambda model: model.__name__)
def test_no_table_about_people_gets_a_column_of_letters_unseen(model: type[models.Model]) -> None:
    """§7.2: whoever adds one says here why it holds nothing about anybody."""
    kinds = (models.CharField, models.TextField, models.JSONField)
    found = [field.name for field in model._meta.local_fields if isinstance(field, kinds)]
    assert sorted(found) == sorted(LETTERS[model].split())
