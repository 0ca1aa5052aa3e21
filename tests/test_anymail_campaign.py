"""A campaign by a provider through anymail, from the list to the event that comes back, as far as loopback."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from campaigns.models import Message, MessageState, Suppression, Transport
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.outbox.reports import campaign_report
from campaigns.outbox.transports import callback_url, seal_config
from campaigns.planning import fanout, sending
from tests.factories import make_account, make_campaign, make_contact, make_list
from tests.test_anymail import CREDENTIALS, Provider

pytestmark = pytest.mark.django_db


def test_a_campaign_leaves_by_a_provider_and_its_events_come_back(client: Client, settings: Settings) -> None:
    settings.NET_ALLOW_PRIVATE = True
    account = make_account()
    account.transports.all().delete()
    readers = make_list(account)
    for local in ("ann", "bob", "gone", "bounce", "defer"):
        make_contact(account, f"{local}@example.org", lists=[readers], first_name=local.title())
    with Provider() as server:
        way = Transport(account=account, name="Postmark", kind="postmark", is_default=True)
        way.config_sealed = seal_config(way, config={**CREDENTIALS, "api_url": server.url, "connections": 2})
        way.save()
        campaign = make_campaign(account, lists=[readers])
        submission = sending.send_now(campaign)
        fanout.plan_submission(submission.pk)
        dispatch_slice(submission.pk)
    assert sorted((mail["To"], mail["Subject"]) for mail in server.mails) == [
        ("ann@example.org", "News for Ann"), ("bob@example.org", "News for Bob"), ("gone@example.org", "News for Gone"),
    ]  # fmt: skip
    for mail in server.mails:
        record = {"RecordType": "Delivery", "Recipient": mail["To"], "Metadata": mail["Metadata"]}
        if mail["To"].startswith("gone@"):
            record |= {"RecordType": "Bounce", "Type": "HardBounce", "ID": 7}
        path = "/" + callback_url(way).split("/", 3)[3]
        assert client.post(path, record, content_type="application/json").status_code == 200
    assert dict(Message.objects.values_list("recipient", "state")) == {
        "ann@example.org": MessageState.DELIVERED,
        "bob@example.org": MessageState.DELIVERED,
        "gone@example.org": MessageState.BOUNCED,
        "bounce@example.org": MessageState.BOUNCED,
        "defer@example.org": MessageState.QUEUED,
    }
    assert campaign_report(campaign).delivered == 2
    assert Suppression.objects.count() == 1
