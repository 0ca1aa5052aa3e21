"""The campaign screens, through the door: the list, composing, and the page of one campaign."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.models import Campaign, CampaignState, Door, Submission
from tests.factories import make_campaign, make_template, make_transport, make_user, make_version
from tests.office import Office, make_run, squeeze

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Office:
    return Office()


# --- The list -------------------------------------------------------------------------------------


def test_the_list_shows_name_state_people_and_outcome(office: Office) -> None:
    submission = make_run(office, sent=2, refused=1)
    assert submission.planned == 3
    text = squeeze(office.client.get(reverse("admin:campaigns_campaign_changelist")))
    assert "Spring seeds" in text
    assert "2 sent , 1 not" in text or "2 sent, 1 not" in text


def test_the_list_leads_straight_to_the_page_of_a_campaign(office: Office) -> None:
    page = office.client.get(reverse("admin:campaigns_campaign_changelist")).content.decode()
    assert f'href="{office.url("page")}' in page


def test_the_list_takes_the_same_number_of_queries_for_many_campaigns(
    office: Office, django_assert_max_num_queries: Any
) -> None:
    for _ in range(12):
        make_campaign(office.account, lists=[office.news])
    with django_assert_max_num_queries(20):
        assert office.client.get(reverse("admin:campaigns_campaign_changelist")).status_code == 200


# --- Composing ------------------------------------------------------------------------------------


def test_a_campaign_is_made_with_the_latest_version_pinned(office: Office) -> None:
    template = make_template(office.account)
    make_version(template)
    latest = make_version(template)
    office.client.post(reverse("admin:campaigns_campaign_add"), office.form(name="Fresh", template=template.pk))
    made = Campaign.objects.get(name="Fresh")
    assert made.content == latest
    assert made.created_by == office.user
    assert list(made.lists.all()) == [office.news]


def test_saving_a_draft_keeps_the_pinned_version_until_asked(office: Office) -> None:
    pinned = office.campaign.content
    assert pinned is not None
    newer = make_version(pinned.template)
    assert f"version {newer.number} is newer" in office.text("page")
    office.post("edit", **office.form())
    office.campaign.refresh_from_db()
    assert (office.campaign.name, office.campaign.content) == ("Summer", pinned)
    office.post("edit", **office.form(use_latest="on"))
    office.campaign.refresh_from_db()
    assert office.campaign.content == newer


def test_lists_are_offered_with_their_number_of_people(office: Office) -> None:
    assert "Weekly news · 3 people" in office.text("edit")


def test_a_list_cannot_be_chosen_and_excluded(office: Office) -> None:
    assert "not in both places" in squeeze(office.post("edit", **office.form(excluded_lists=[office.news.pk])))


def test_the_way_out_is_asked_only_when_there_is_a_choice(office: Office) -> None:
    assert 'name="transport"' not in office.get("edit").content.decode()
    make_transport(office.account)
    assert 'name="transport"' in office.get("edit").content.decode()


def test_parts_of_another_account_are_not_offered_and_not_taken(office: Office) -> None:
    other = Office()
    theirs = {"lists": [other.news.pk], "sender": other.campaign.sender_id}
    assert other.news.name * 2 not in office.text("edit")
    office.post("edit", **office.form(**theirs))
    office.campaign.refresh_from_db()
    assert office.campaign.name == "Spring seeds"


def test_only_a_draft_can_be_changed(office: Office) -> None:
    make_run(office, state=CampaignState.SENDING, queued=1)
    assert "Only a draft can be changed" in squeeze(office.post("edit", **office.form()))
    office.campaign.refresh_from_db()
    assert office.campaign.name == "Spring seeds"


def test_a_person_with_several_accounts_chooses_first() -> None:
    first, second = Office(), Office()
    boss = make_user(is_superuser=True)
    client = Client()
    client.force_login(boss)
    page = client.get(reverse("admin:campaigns_campaign_add"))
    assert f"?account={first.account.slug}" in page.content.decode()
    chosen = client.get(reverse("admin:campaigns_campaign_add"), {"account": second.account.slug})
    assert 'name="lists"' in chosen.content.decode()


# --- One campaign ---------------------------------------------------------------------------------


def test_a_ready_campaign_says_so_and_counts_its_people(office: Office) -> None:
    text = office.text("page")
    assert "Nothing stops this campaign" in text
    assert "3 on the lists" in text
    assert "3 will receive it" in text


def test_everything_that_stops_it_is_listed_with_a_way_to_put_it_right(office: Office) -> None:
    office.account.postal_address = ""
    office.account.save()
    office.campaign.lists.clear()
    page = office.get("page").content.decode()
    assert "Not ready" in page
    assert reverse("admin:campaigns_account_change", args=[office.account.public_id]) in page
    assert f"{office.url('edit')}#id_lists" in page
    assert "Send now" not in page


def test_a_campaign_that_is_not_ready_cannot_be_sent(office: Office) -> None:
    office.campaign.lists.clear()
    assert "cannot be sent yet" in squeeze(office.post("send", seen="x"))
    assert office.state() == CampaignState.DRAFT


def test_the_preview_can_run_nothing(office: Office) -> None:
    policy = office.get("preview").headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy


def test_the_preview_shows_sample_values(office: Office) -> None:
    assert "Hello Ada" in office.text("preview")


def test_a_test_is_sent_to_one_address(office: Office) -> None:
    assert "The test is on its way" in squeeze(office.post("test", to="me@example.com"))
    assert Submission.objects.get(door=Door.TEST).planned == 1


def test_a_wrong_test_address_is_explained_beside_the_field(office: Office) -> None:
    assert "This is not a valid email address" in squeeze(office.post("test", to="nobody"))
    assert not Submission.objects.exists()
