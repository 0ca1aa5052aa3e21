"""Unsubscribing by token: the room behind the public page."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from campaigns import tokens
from campaigns.audiences import suppression
from campaigns.errors import NotFound
from campaigns.models import (
    Account,
    Campaign,
    Contact,
    ContactList,
    Door,
    Event,
    EventKind,
    Message,
    Submission,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionScope,
)
from campaigns.tracking import unsubscribe
from tests.factories import make_account, make_campaign, make_contact, make_list

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def make_submission(account: Account, *, campaign: Campaign | None = None, **options: object) -> Submission:
    return Submission.objects.create(
        account=account,
        campaign=campaign,
        door=Door.CAMPAIGN,
        purpose="marketing",
        transport=account.transports.get(),
        options=options,
        send_at=NOW,
        valid_until=NOW + timedelta(days=2),
    )


def make_message(submission: Submission, contact: Contact) -> Message:
    return Message.objects.create(
        submission=submission,
        contact=contact,
        recipient=contact.email,
        recipient_domain=contact.domain,
        address_key=contact.address_key,
        next_attempt_at=NOW,
    )


def token_for(submission: Submission, contact: Contact) -> str:
    return tokens.unsubscribe_token(
        tokens.UnsubscribeClaim(submission.account_id, submission.pk, contact.address_key),
    )


class Sent:
    """One person on two lists, and the submission that wrote to the first of them."""

    def __init__(self) -> None:
        self.account = make_account(name="Green Garden")
        self.weekly: ContactList = make_list(self.account, name="Weekly news")
        self.offers: ContactList = make_list(self.account, name="Offers")
        self.contact = make_contact(self.account, lists=[self.weekly, self.offers])
        self.submission = make_submission(self.account, lists=[self.weekly.pk])
        self.message = make_message(self.submission, self.contact)
        self.token = token_for(self.submission, self.contact)

    def stop(self, *, all_marketing: bool = False, now: datetime = NOW) -> None:
        unsubscribe.unsubscribe(self.token, all_marketing=all_marketing, now=now)

    def blocked(self, *lists: ContactList, purpose: str = "marketing") -> bool:
        key = self.contact.address_key
        ids = [entry.pk for entry in lists]
        people = Contact.objects.filter(account=self.account, address_key=key).values_list("pk", flat=True)
        found = suppression.blocked(
            self.account.pk, keys=[key], contact_ids=list(people), purpose=purpose, list_ids=ids
        )
        return key in found

    def scopes(self) -> list[tuple[str, int | None]]:
        rows = Suppression.objects.filter(account=self.account, address_key=self.contact.address_key)
        return list(rows.order_by("scope", "list_id").values_list("scope", "list_id"))


@pytest.fixture
def sent() -> Sent:
    return Sent()


def test_unsubscribing_stops_the_list_the_mail_went_to_and_no_other(sent: Sent) -> None:
    sent.stop()
    assert sent.scopes() == [(SuppressionScope.LIST, sent.weekly.pk)]
    assert sent.blocked(sent.weekly)
    assert not sent.blocked(sent.offers)


def test_unsubscribing_from_a_list_does_not_stop_transactional_mail_un_12(sent: Sent) -> None:
    sent.stop()
    assert not sent.blocked(sent.weekly, purpose="transactional")


def test_all_marketing_stops_every_list_un_12(sent: Sent) -> None:
    sent.stop(all_marketing=True)
    assert sent.blocked(sent.weekly)
    assert sent.blocked(sent.offers)
    assert not sent.blocked(purpose="transactional")


def test_the_subscription_says_unsubscribed_since_when(sent: Sent) -> None:
    sent.stop(now=NOW)
    row = Subscription.objects.get(contact=sent.contact, list=sent.weekly)
    assert (row.state, row.changed_at) == (SubscriptionState.UNSUBSCRIBED, NOW)
    assert Subscription.objects.get(contact=sent.contact, list=sent.offers).state == SubscriptionState.SUBSCRIBED


def test_unsubscribing_twice_is_the_same_as_once_un_05(sent: Sent) -> None:
    sent.stop(now=NOW)
    before = (sent.scopes(), list(Subscription.objects.order_by("pk").values()), Event.objects.count())
    sent.stop(now=NOW + timedelta(days=400))
    assert (sent.scopes(), list(Subscription.objects.order_by("pk").values()), Event.objects.count()) == before


def test_the_message_gets_one_event(sent: Sent) -> None:
    sent.stop()
    sent.stop(all_marketing=True)
    assert list(sent.message.events.values_list("kind", flat=True)) == [EventKind.UNSUBSCRIBED]


def test_a_submission_without_frozen_lists_falls_back_to_its_campaign(sent: Sent) -> None:
    campaign = make_campaign(sent.account, lists=[sent.offers])
    token = token_for(make_submission(sent.account, campaign=campaign), sent.contact)
    unsubscribe.unsubscribe(token, all_marketing=False, now=NOW)
    assert sent.scopes() == [(SuppressionScope.LIST, sent.offers.pk)]


def test_later_changes_of_the_campaign_do_not_change_what_the_link_stops(sent: Sent) -> None:
    campaign = make_campaign(sent.account, lists=[sent.weekly])
    submission = make_submission(sent.account, campaign=campaign, lists=[sent.weekly.pk])
    campaign.lists.set([sent.offers])
    unsubscribe.unsubscribe(token_for(submission, sent.contact), all_marketing=False, now=NOW)
    assert sent.scopes() == [(SuppressionScope.LIST, sent.weekly.pk)]


def test_the_link_works_after_the_contact_is_deleted_un_07(sent: Sent) -> None:
    sent.contact.delete()
    sent.stop()
    assert sent.blocked(sent.weekly)


def test_the_link_works_after_the_message_is_deleted_un_07(sent: Sent) -> None:
    sent.message.delete()
    sent.stop()
    assert sent.blocked(sent.weekly)


def test_the_link_of_a_deleted_submission_stops_all_marketing_un_07(sent: Sent) -> None:
    sent.submission.delete()
    sent.stop()
    assert sent.scopes() == [(SuppressionScope.MARKETING, None)]
    assert sent.blocked(sent.offers)


def test_the_link_of_a_deleted_list_stops_all_marketing_un_07(sent: Sent) -> None:
    sent.weekly.delete()
    sent.stop()
    assert sent.scopes() == [(SuppressionScope.MARKETING, None)]


def test_a_mail_without_lists_stops_all_marketing_un_13(sent: Sent) -> None:
    token = token_for(make_submission(sent.account, lists=[]), sent.contact)
    unsubscribe.unsubscribe(token, all_marketing=False, now=NOW)
    assert sent.scopes() == [(SuppressionScope.MARKETING, None)]


def test_the_suppression_outlives_the_contact_un_12(sent: Sent) -> None:
    sent.stop()
    address = sent.contact.email
    sent.contact.delete()
    again = make_contact(sent.account, address, lists=[sent.weekly])
    assert again.address_key == sent.contact.address_key
    assert sent.blocked(sent.weekly)


def test_the_link_of_a_deleted_account_is_not_found(sent: Sent) -> None:
    Submission.objects.all().delete()
    Account.objects.filter(pk=sent.account.pk).delete()
    with pytest.raises(NotFound):
        sent.stop()


def test_a_link_never_reaches_into_another_account(sent: Sent) -> None:
    other = Sent()
    token = tokens.unsubscribe_token(
        tokens.UnsubscribeClaim(other.account.pk, sent.submission.pk, sent.contact.address_key)
    )
    unsubscribe.unsubscribe(token, all_marketing=False, now=NOW)
    assert sent.scopes() == []
    assert not sent.message.events.exists()


def test_the_page_names_the_account_and_the_lists_and_no_address_un_04(sent: Sent) -> None:
    page = unsubscribe.read_claim(sent.token)
    assert page == unsubscribe.UnsubscribePage(page.account, "Green Garden", ("Weekly news",), False, False)


def test_the_page_knows_what_is_already_stopped(sent: Sent) -> None:
    sent.stop()
    page = unsubscribe.read_claim(sent.token)
    assert (page.lists_stopped, page.marketing_stopped) == (True, False)
    sent.stop(all_marketing=True)
    page = unsubscribe.read_claim(sent.token)
    assert (page.lists_stopped, page.marketing_stopped) == (True, True)


@pytest.mark.parametrize("token", ["", "x", "ä" * 76, "A" * 76, "../../etc/passwd", "0" * 5000, "\0", "%00"])
def test_a_wrong_token_is_not_found_un_04(token: str) -> None:
    with pytest.raises(NotFound):
        unsubscribe.read_claim(token)
    with pytest.raises(NotFound):
        unsubscribe.unsubscribe(token, all_marketing=True, now=NOW)


def test_every_changed_character_of_a_token_makes_it_wrong_un_04(sent: Sent) -> None:
    for place, letter in enumerate(sent.token):
        forged = sent.token[:place] + ("A" if letter != "A" else "B") + sent.token[place + 1 :]
        assert tokens.read_unsubscribe_token(forged) is None
