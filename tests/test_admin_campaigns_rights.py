"""Who may do what on the campaign screens; strangers see nothing at all."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from campaigns.models import Campaign, CampaignState, Role
from tests.factories import make_sender
from tests.office import VIEWS, Office, make_run, squeeze

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Office:
    return Office()


# --- Rights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_cannot_tell_a_campaign_from_none(office: Office, view: str, method: str) -> None:
    stranger = Office()
    assert getattr(stranger.client, method)(office.url(view)).status_code == 404
    missing = office.url(view).replace(str(office.campaign.public_id), "0c7c5f6e-0000-4000-8000-000000000000")
    assert getattr(stranger.client, method)(missing).status_code == 404
    assert office.state() == CampaignState.DRAFT


def test_a_stranger_sees_no_campaign_of_others_in_the_list(office: Office) -> None:
    stranger = Office()
    Campaign.objects.filter(pk=stranger.campaign.pk).update(name="Mine")
    text = squeeze(stranger.client.get(reverse("admin:campaigns_campaign_changelist")))
    assert "Mine" in text
    assert "Spring seeds" not in text


def test_a_stranger_cannot_write_into_another_account(office: Office) -> None:
    stranger = Office()
    address = reverse("admin:campaigns_campaign_add") + f"?account={office.account.slug}"
    assert stranger.client.get(address).status_code == 404
    assert stranger.client.post(address, office.form()).status_code == 404


def test_a_stranger_cannot_reach_a_campaign_by_the_addresses_of_the_admin(office: Office) -> None:
    stranger = Office()
    for name in ("change", "delete"):
        for key in (office.campaign.public_id, office.campaign.pk):
            url = reverse(f"admin:campaigns_campaign_{name}", args=[key])
            assert stranger.client.get(url).status_code == 404
    url = reverse("admin:campaigns_campaign_change", args=[office.campaign.public_id])
    assert office.client.get(url).headers["Location"] == office.url("page")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR, Role.COMPLIANCE])
@pytest.mark.parametrize("view", ["edit", "test", "schedule", "send", "pause", "resume", "cancel"])
def test_a_role_that_only_looks_changes_nothing(role: str, view: str) -> None:
    office = Office(role)
    assert office.get("page").status_code == 200
    assert office.client.post(office.url(view), {"to": "me@example.com"}).status_code == 403
    assert "Send now" not in office.text("page")


def test_an_approver_sends_and_does_not_write() -> None:
    office = Office(Role.APPROVER)
    assert office.get("edit").status_code == 403
    assert "Send to 3 people" in office.text("send")


@pytest.mark.parametrize("view", VIEWS)
def test_nobody_gets_in_without_signing_in(office: Office, view: str) -> None:
    answer = Client().get(office.url(view))
    assert answer.status_code == 302
    assert "/login/" in answer.headers["Location"]


def test_only_a_draft_can_be_deleted(office: Office) -> None:
    url = reverse("admin:campaigns_campaign_delete", args=[office.campaign.public_id])
    make_run(office, sent=1)
    assert office.client.post(url, {"post": "yes"}).status_code == 403
    assert Campaign.objects.filter(pk=office.campaign.pk).exists()


def test_names_are_escaped_everywhere_evil_40() -> None:
    office = Office()
    evil = "<script>alert(1)</script>"
    Campaign.objects.update(name=evil)
    type(office.news).objects.update(name=evil)
    for view in ("page", "edit", "send", "schedule"):
        assert evil not in office.get(view).content.decode()
    assert evil not in office.client.get(reverse("admin:campaigns_campaign_changelist")).content.decode()


def test_a_user_is_named_nowhere_in_the_address(office: Office) -> None:
    assert isinstance(office.user, User)
    assert str(office.campaign.pk) not in office.url("page").split("/")


def test_a_sender_of_the_account_can_be_chosen(office: Office) -> None:
    sender = make_sender(office.account, name="The Gardener")
    office.post("edit", **office.form(sender=sender.pk))
    office.campaign.refresh_from_db()
    assert office.campaign.sender == sender


def test_a_draft_can_be_deleted(office: Office) -> None:
    url = reverse("admin:campaigns_campaign_delete", args=[office.campaign.public_id])
    assert office.client.get(url).status_code == 200
    office.client.post(url, {"post": "yes"})
    assert not Campaign.objects.filter(pk=office.campaign.pk).exists()


def test_a_refusal_is_said_in_words() -> None:
    office = Office(Role.VIEWER)
    assert "Your role in this account does not allow it" in squeeze(office.client.post(office.url("send")))
