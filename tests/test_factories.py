"""The factories make rows that are valid as they stand."""

import pytest

from tests import factories


@pytest.mark.django_db
def test_a_campaign_and_everything_around_it_is_valid() -> None:
    account = factories.make_account()
    people = factories.make_list(account)
    contact = factories.make_contact(account, "ada@example.com", lists=[people], first_name="Ada")
    campaign = factories.make_campaign(account, lists=[people])
    member = factories.make_user(account)
    for row in (account, people, contact, campaign, campaign.sender, campaign.content, member):
        assert row is not None
        row.full_clean(exclude={"created_by"})
    assert contact.subscriptions.get().list == people
    assert member.memberships.get().account == account
