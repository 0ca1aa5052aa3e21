"""A campaign by Infobip, from the list to the report that comes back, as far as loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from campaigns.models import Account, Campaign, ContactList, Message, MessageState, Role, Suppression, Transport
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.outbox.reports import campaign_report
from campaigns.outbox.transports import callback_url, seal_config
from campaigns.planning import fanout, sending
from tests.factories import make_account, make_campaign, make_contact, make_list, make_user
from tests.http_server import Reply
from tests.infobip_server import KEY, SCRIPT, InfobipServer, example, status

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(settings: Settings) -> Iterator[InfobipServer]:
    settings.NET_ALLOW_PRIVATE = True
    with InfobipServer() as server:
        yield server


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def way(account: Account, server: InfobipServer) -> Transport:
    account.transports.all().delete()
    way = Transport(account=account, name="Infobip", kind="infobip", is_default=True)
    way.config_sealed = seal_config(way, config={"base_url": server.url, "api_key": KEY, "connections": 2})
    way.save()
    return way


@pytest.fixture
def readers(account: Account) -> ContactList:
    return make_list(account)


def send(campaign: Campaign) -> int:
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    dispatch_slice(submission.pk)
    return submission.pk


def delivered(server: InfobipServer) -> dict[str, object]:
    """Infobip's report about everything it took."""
    row = example("delivered")["results"][0]
    return {"results": [{**row, "messageId": mail["messageId"], "to": mail["to"]} for mail in server.mails]}


def test_a_campaign_leaves_by_infobip_and_its_reports_come_back(
    account: Account, way: Transport, readers: ContactList, server: InfobipServer, client: Client
) -> None:
    for number in range(150):
        make_contact(account, f"r{number}@bücher.example", lists=[readers], first_name=f"Nr {number}")
    campaign = make_campaign(account, lists=[readers])
    send(campaign)
    assert sorted(mail["to"] for mail in server.mails) == sorted(f"r{n}@xn--bcher-kva.example" for n in range(150))
    mail = next(mail for mail in server.mails if mail["to"].startswith("r7@"))
    assert (mail["subject"], "Hello Nr 7," in mail["html"]) == ("News for Nr 7", True)
    assert mail["headers"]["List-Unsubscribe"].startswith("<http")
    assert campaign_report(campaign).sent == 150
    # The address that went along is where the report is taken.
    (address,) = {mail["report_url"] for mail in server.mails}
    assert address == callback_url(way)
    path = "/" + address.split("/", 3)[3]
    assert client.post(path, delivered(server), content_type="application/json").status_code == 200
    report = campaign_report(campaign)
    assert (report.delivered, report.sent, report.lost) == (150, 0, 0)
    client.force_login(make_user(account, role=Role.VIEWER))
    page = client.get(f"/admin/campaigns/campaign/{campaign.public_id}/").content.decode()
    assert "Sent to 150 of 150 people" in page
    assert 'Delivered to the mailbox, as the provider reports</td><td class="num">150<' in page


def test_what_infobip_says_is_what_the_ledger_says(
    account: Account, way: Transport, readers: ContactList, server: InfobipServer
) -> None:
    for local in ("bounce", "defer", "bad", "twice", "fine"):
        make_contact(account, f"{local}@example.org", lists=[readers])
    send(make_campaign(account, lists=[readers]))
    assert dict(Message.objects.values_list("recipient", "state")) == {
        "bounce@example.org": MessageState.BOUNCED,
        "defer@example.org": MessageState.QUEUED,
        "bad@example.org": MessageState.BOUNCED,
        "twice@example.org": MessageState.SENT,
        "fine@example.org": MessageState.SENT,
    }
    assert dict(Message.objects.exclude(error_code="").values_list("recipient", "error_code")) == {
        "bounce@example.org": "infobip.52",
        "defer@example.org": "infobip.20",
        "bad@example.org": "infobip.http-400",
    }


def test_a_lost_answer_is_sent_again_under_the_same_id_and_told_apart(
    account: Account, way: Transport, readers: ContactList, server: InfobipServer, client: Client
) -> None:
    """SM-06: a report that arrives first settles the doubt."""
    make_contact(account, "ann@example.org", lists=[readers])
    server.reply_first = lambda _: Reply(hang_up=True)
    campaign = make_campaign(account, lists=[readers])
    send(campaign)
    message = Message.objects.get()
    assert message.state == MessageState.QUEUED
    row = {**example("delivered")["results"][0], "messageId": str(message.public_id)}
    path = "/" + callback_url(way).split("/", 3)[3]
    client.post(path, {"results": [row]}, content_type="application/json")
    assert Message.objects.get().state == MessageState.DELIVERED


def test_a_mail_that_was_put_off_goes_again_as_one_of_its_own(
    account: Account, way: Transport, readers: ContactList, server: InfobipServer
) -> None:
    make_contact(account, "defer@example.org", lists=[readers])
    submission = send(make_campaign(account, lists=[readers]))
    SCRIPT.pop("defer")
    try:
        Message.objects.update(next_attempt_at=timezone.now())
        dispatch_slice(submission)
    finally:
        SCRIPT["defer"] = 20
    message = Message.objects.get()
    assert (message.state, message.error_code) == (MessageState.SENT, "")
    assert server.mails[0]["messageId"] == f"{message.public_id}.2"


def test_a_hard_bounce_stops_the_next_campaign_to_that_address(
    account: Account, way: Transport, readers: ContactList, server: InfobipServer, client: Client
) -> None:
    make_contact(account, "gone@example.org", lists=[readers])
    send(make_campaign(account, lists=[readers]))
    row = example("delivered")["results"][0]
    row |= {"messageId": server.mails[0]["messageId"], "status": status(9), "error": {"id": 6012, "groupId": 2}}
    path = "/" + callback_url(way).split("/", 3)[3]
    client.post(path, {"results": [row]}, content_type="application/json")
    assert Suppression.objects.get().reason == "bounce"
    with pytest.raises(sending.SendRefused):
        send(make_campaign(account, lists=[readers]))


def test_a_refused_key_stops_the_campaign_and_says_why(
    account: Account, way: Transport, readers: ContactList, server: InfobipServer
) -> None:
    make_contact(account, lists=[readers])
    server.key = "another"
    campaign = make_campaign(account, lists=[readers])
    send(campaign)
    campaign.refresh_from_db()
    assert campaign.state == "paused"
    assert "API key" in campaign.stopped_because
