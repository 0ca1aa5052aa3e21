"""Single contacts and lists, as a form or a command makes them."""

import pytest
from django.utils import timezone

from campaigns.audiences import consent, contacts, suppression
from campaigns.errors import AddressError, CampaignError
from campaigns.models import Contact, Subscription
from tests.factories import make_account, make_contact, make_list

pytestmark = pytest.mark.django_db


def test_saving_a_contact_twice_keeps_one_and_merges_what_is_known() -> None:
    account = make_account()
    contacts.save_contact(account, email="Ann@Example.com", attributes={"city": "Rome", "plan": "free"})
    again = contacts.save_contact(account, email="ann@example.com", attributes={"plan": "pro"})
    assert Contact.objects.get(account=account) == again
    assert again.attributes == {"city": "Rome", "plan": "pro"}


def test_a_contact_needs_an_address() -> None:
    with pytest.raises(AddressError):
        contacts.save_contact(make_account(), email="nobody")


def test_a_list_is_made_once() -> None:
    account = make_account()
    first = contacts.create_list(account, slug="Spring-news")
    assert (first.slug, first.name) == ("spring-news", "Spring news")
    assert contacts.create_list(account, slug="spring-news", name="Other") == first


def test_a_list_needs_a_short_name_that_can_stand_in_a_header() -> None:
    for slug in ("", "two words", "x\r\nBcc: y", "ü"):
        with pytest.raises(CampaignError, match=r"list\.slug-invalid"):
            contacts.create_list(make_account(), slug=slug)


def test_500_people_are_judged_by_one_query(django_assert_num_queries: pytest.FixtureRequest) -> None:
    account = make_account()
    weekly, offers = make_list(account), make_list(account)
    people = [make_contact(account, lists=[weekly] if n % 2 else []) for n in range(100)]
    suppression.suppress(account, address_key=people[1].address_key, scope="marketing", reason="complaint")
    keys = [person.address_key for person in people] + [f"{n:043d}" for n in range(400)]
    ids = [person.pk for person in people]
    with django_assert_num_queries(1):  # type: ignore[operator]
        found = suppression.blocked(
            account.pk, keys=keys, contact_ids=ids, purpose="marketing", list_ids=[weekly.pk, offers.pk]
        )
    assert found[people[1].address_key] == "suppressed"
    assert found[people[0].address_key] == found[keys[-1]] == "list-unsubscribed"
    assert people[3].address_key not in found
    assert len(found) == 451


def test_un_12_transactional_mail_passes_all_but_a_suppression_of_everything() -> None:
    account = make_account()
    weekly = make_list(account)
    left, gone = make_contact(account, lists=[weekly]), make_contact(account)
    consent.unsubscribe_marketing(account.pk, address_key=left.address_key, now=timezone.now())
    suppression.suppress(account, address_key=gone.address_key, scope="everything", reason="bounce")
    keys = [left.address_key, gone.address_key]
    found = suppression.blocked(account.pk, keys=keys, purpose="transactional", list_ids=[weekly.pk])
    assert found == {gone.address_key: "suppressed"}


def test_who_left_one_list_and_who_left_all_marketing_are_told_apart() -> None:
    account = make_account()
    weekly = make_list(account)
    one, both = make_contact(account, lists=[weekly]), make_contact(account, lists=[weekly])
    for person in (one, both):
        consent.unsubscribe_lists(account.pk, address_key=person.address_key, list_ids=[weekly.pk], now=timezone.now())
    consent.unsubscribe_marketing(account.pk, address_key=both.address_key, now=timezone.now())
    keys = [one.address_key, both.address_key]
    found = suppression.blocked(account.pk, keys=keys, purpose="marketing", list_ids=[weekly.pk])
    assert found == {one.address_key: "list-unsubscribed", both.address_key: "unsubscribed"}


def test_leaving_one_list_leaves_the_other() -> None:
    account = make_account()
    weekly, offers = make_list(account), make_list(account)
    person = make_contact(account, lists=[weekly, offers])
    consent.unsubscribe_lists(account.pk, address_key=person.address_key, list_ids=[weekly.pk], now=timezone.now())
    assert Subscription.objects.get(contact=person, list=offers).state == "subscribed"

    def blocked_on(*ids: int) -> bool:
        found = suppression.blocked(
            account.pk, keys=[person.address_key], contact_ids=[person.pk], purpose="marketing", list_ids=ids
        )
        return bool(found)

    assert blocked_on(weekly.pk)
    assert not blocked_on(offers.pk)
    assert not blocked_on(weekly.pk, offers.pk)
