"""The switches of opens and clicks on the screens of account, domain, campaign, list and person."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.models import Account, Campaign, ContactList, Domain, Role, Submission, TrackingChoice, TrackingLevel
from tests.factories import make_account, make_domain, make_user
from tests.office import Office, squeeze
from tests.tracked import TrackedSend

pytestmark = pytest.mark.django_db
OFF, AGGREGATE, INDIVIDUAL = TrackingLevel.OFF, TrackingLevel.AGGREGATE, TrackingLevel.INDIVIDUAL


@pytest.fixture
def office() -> Office:
    return Office()


def change(client: Client, url: str, **data: Any) -> Any:
    """Post a page's own form with some fields changed."""
    page = client.get(url)
    form = page.context["adminform"].form
    filled = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    for formset in page.context["inline_admin_formsets"]:
        filled |= {f"{formset.formset.prefix}-{part}_FORMS": 0 for part in ("TOTAL", "INITIAL")}
    answer = client.post(url, {**filled, **data}, follow=True)
    assert not (answer.context.get("errors")), answer.context["errors"]
    return answer


def test_an_account_starts_careful_and_its_operator_may_change_that(office: Office) -> None:
    assert (office.account.tracking, office.account.tracking_needs_consent) == (AGGREGATE, True)
    url = reverse("admin:campaigns_account_change", args=[office.account.public_id])
    change(office.client, url, tracking=INDIVIDUAL.value, tracking_transactional=OFF.value)
    account = Account.objects.get(pk=office.account.pk)
    assert (account.tracking, account.tracking_transactional) == (INDIVIDUAL, OFF)


def test_a_list_has_its_own_switch(office: Office) -> None:
    url = reverse("admin:campaigns_contactlist_change", args=[office.news.public_id])
    change(office.client, url, tracking="0")
    assert ContactList.objects.get(pk=office.news.pk).tracking == OFF
    change(office.client, url, tracking="")
    assert ContactList.objects.get(pk=office.news.pk).tracking is None


def test_a_domain_has_its_own_switches(office: Office) -> None:
    domain = make_domain(office.account)
    url = reverse("admin:campaigns_domain_tracking", args=[domain.public_id])
    assert office.client.get(url).status_code == 200
    office.client.post(url, {"tracking": "1", "track_clicks": "on"})
    domain.refresh_from_db()
    assert (domain.tracking, domain.track_opens, domain.track_clicks) == (AGGREGATE, False, True)


def test_a_strangers_domain_is_not_there(office: Office) -> None:
    theirs = make_domain(make_account())
    url = reverse("admin:campaigns_domain_tracking", args=[theirs.public_id])
    assert office.client.post(url, {"tracking": "0"}).status_code == 404
    assert Domain.objects.get(pk=theirs.pk).track_opens


def test_a_viewer_may_not_change_a_domains_switches() -> None:
    office = Office(role=Role.VIEWER)
    domain = make_domain(office.account)
    url = reverse("admin:campaigns_domain_tracking", args=[domain.public_id])
    assert office.client.post(url, {"tracking": "0"}).status_code == 403


def test_a_campaign_keeps_what_was_chosen_and_hands_it_to_what_is_sent(office: Office) -> None:
    form = office.form(
        tracking="1", track_clicks="on", pixel_position="bottom", utm_source="news letter", utm_campaign="spring"
    )
    office.post("edit", **form)
    text = office.text("page")
    assert "Opens and clicks Counted without names Only clicks" in text
    assert "source news letter, campaign spring" in text
    office.confirm("send")
    assert Submission.objects.get().options["tracking"] == {
        "level": 1,
        "opens": False,
        "clicks": True,
        "pixel": "bottom",
        "utm": [["utm_source", "news letter"], ["utm_campaign", "spring"]],
    }


def test_a_campaign_that_chose_nothing_goes_by_the_account(office: Office) -> None:
    office.post("edit", **office.form(tracking="", track_opens="on", track_clicks="on"))
    campaign = Campaign.objects.get(pk=office.campaign.pk)
    assert (campaign.tracking, campaign.track_opens, campaign.track_clicks) == (None, True, True)
    page = office.get("edit")
    assert "As the account says (counted without names)" in squeeze(page)
    assert not page.context["form"].tracking_is_open


def test_changing_the_switches_makes_a_confirmation_stale(office: Office) -> None:
    asked = office.get("send")
    seen = asked.content.decode().partition('name="seen" value="')[2].partition('"')[0]
    Campaign.objects.update(tracking=INDIVIDUAL)
    answer = office.client.post(office.url("send"), {"seen": seen})
    assert answer.status_code == 409


def test_a_utm_name_with_a_line_break_is_refused(office: Office) -> None:
    answer = office.post("edit", **office.form(utm_source="a\nb"))
    assert "Write it on one line" in squeeze(answer)


def test_too_many_links_stop_a_campaign_only_where_clicks_are_counted(office: Office) -> None:
    links = "".join(f'<a href="https://x.example/{number}">x</a>' for number in range(151))
    assert office.campaign.content is not None
    source = f'{links}{{{{ postal_address }}}} <a href="{{{{ unsubscribe_url }}}}">Unsubscribe</a>'
    version = office.campaign.content.template.versions.create(
        number=2, subject="x", source_kind="html", source=source, digest="d" * 64
    )
    Campaign.objects.update(content=version)
    assert "This mail has 151 links, and clicks can be counted on 150 at most." in office.text("page")
    Campaign.objects.update(track_clicks=False)
    assert "151 links" not in office.text("page")


class TestPerson:
    def test_what_a_person_said_is_written_down_and_holds(self) -> None:
        sent = TrackedSend()
        client = Client()
        client.force_login(make_user(sent.account))
        contact = sent.account.contacts.get()
        page = reverse("admin:campaigns_contact_change", args=[contact.public_id])
        assert "Was not asked" in squeeze(client.get(page))
        url = reverse("admin:campaigns_contact_tracking", args=[contact.public_id])
        assert client.post(url, {"level": "0", "source": "by phone"}).status_code == 302
        assert "Wants nothing of it counted" in squeeze(client.get(page))
        sent.click(0)
        assert sent.events() == []
        choice = TrackingChoice.objects.get()
        assert (choice.level, choice.source) == (OFF, "by phone")
        client.post(url, {"level": ""})
        assert not TrackingChoice.objects.exists()

    def test_a_stranger_and_a_viewer_may_not(self) -> None:
        sent = TrackedSend()
        url = reverse("admin:campaigns_contact_tracking", args=[sent.account.contacts.get().public_id])
        for user, status in ((make_user(make_account()), 404), (make_user(sent.account, role=Role.VIEWER), 403)):
            client = Client()
            client.force_login(user)
            assert client.post(url, {"level": "0"}).status_code == status
        assert not TrackingChoice.objects.exists()

    def test_looking_changes_nothing(self) -> None:
        sent = TrackedSend()
        client = Client()
        client.force_login(make_user(sent.account))
        url = reverse("admin:campaigns_contact_tracking", args=[sent.account.contacts.get().public_id])
        assert client.get(url).status_code == 405
