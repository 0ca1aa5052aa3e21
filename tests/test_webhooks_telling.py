"""What programs are told, by real calls to a receiver on loopback: each thing, in its shape, where it belongs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from infobip_api_client.models.email_webhook_dlr_report_response import EmailWebhookDLRReportResponse
from infobip_api_client.models.email_webhook_track_response import EmailWebhookTrackResponse

from campaigns.models import (
    Account,
    BaaStatus,
    EventKind,
    Lane,
    Message,
    Submission,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookFormat,
    WebhookKind,
    WebhookSecurity,
)
from campaigns.outbox.deliveries import forget_old
from campaigns.tracking import news
from campaigns.webhooks import bell, notices
from campaigns.webhooks.endpoints import Wish, create_endpoint
from tests.api import Program
from tests.factories import make_account, make_transport
from tests.receiver import ALL_KINDS, Receiver, happen, listen, receiver, states, tell_all
from tests.tracked import SHOP, TrackedSend

__all__ = ["receiver"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def program() -> Program:
    return Program()


def send(program: Program, *to: str, url: str = "", tracking: str = "", **webhooks: Any) -> Message:
    """One mail that has left; `url` and `tracking` are addresses of the request."""
    delivery: dict[str, Any] = {
        name: webhooks.pop(name) for name in ("intermediateReport", "notify") if name in webhooks
    }
    if url:
        delivery["url"] = url
    options = {"tracking": {"trackingUrl": tracking}} if tracking else None
    program.send(*(to or ("ann@example.com",)), options=options, webhooks={"delivery": delivery, **webhooks})
    program.work()
    return Message.objects.latest("pk")


def test_a_delivery_report_has_infobips_shape(program: Program, receiver: Receiver) -> None:
    """infobip.md §2.1: their SDK reads it."""
    message = send(program, url=f"{receiver.url}/dlr?x=1", callbackData="order-7")
    tell_all()
    (asked,) = receiver.asked
    assert (asked.method, asked.path, asked.headers["Content-Type"]) == ("POST", "/dlr?x=1", "application/json")
    (report,) = asked.json()["results"]
    assert report == {
        "messageId": str(message.public_id),
        "to": "ann@example.com",
        "sentAt": report["sentAt"],
        "doneAt": report["doneAt"],
        "smsCount": 1,
        "price": {"pricePerMessage": 0, "currency": "UNKNOWN"},
        "status": {
            "id": 2,
            "groupId": 3,
            "groupName": "DELIVERED",
            "name": "DELIVERED_TO_OPERATOR",
            "description": "Message delivered to operator",
        },
        "error": {
            "id": 0,
            "name": "NO_ERROR",
            "description": "No Error",
            "groupId": 0,
            "groupName": "OK",
            "permanent": False,
        },
        "attemptCount": 1,
        "timeToFirstAttempt": report["timeToFirstAttempt"],
        "callbackData": "order-7",
    }
    parsed = EmailWebhookDLRReportResponse.from_json(asked.body.decode())
    assert parsed is not None
    assert parsed.results is not None
    assert (parsed.results[0].sms_count, parsed.results[0].to) == (1, "ann@example.com")
    assert message.sent_at is not None
    assert parsed.results[0].done_at == message.sent_at.replace(microsecond=message.sent_at.microsecond // 1000 * 1000)


def test_a_report_has_the_browser_link_of_a_mail_that_has_one(receiver: Receiver) -> None:
    """infobip.md §2.1: `browserLink`, only if view-in-browser is used; H5: never about health mail."""
    shop = Program(make_account(active_storage_days=5))
    listen(shop, receiver.url)
    content = {"subject": "Hi", "html": '<p>Hello Ann</p><a href="{$browserlink}">Read online</a>'}
    shop.send(content=content)
    shop.send("bo@example.com")
    shop.work()
    tell_all()
    news, plain = receiver.results()
    assert "browserLink" not in plain
    path = news["browserLink"].removeprefix(settings.PUBLIC_URL)
    assert b"Hello Ann" in Client().get(path).content
    shop.send(content=content)
    shop.work()
    Account.objects.filter(pk=shop.account.pk).update(baa_status=BaaStatus.ACTIVE)
    tell_all()
    assert len(receiver.results()) == 3
    assert "browserLink" not in receiver.results()[2]


def test_a_report_of_a_campaign_has_it_too(receiver: Receiver) -> None:
    """Their SDK reads it."""
    shop = Program(make_account())
    listen(shop, receiver.url)
    page = '<p><a href="{{ browser_url }}">Read online</a></p>'
    TrackedSend(shop.account, source=page + '{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a>')
    tell_all()
    parsed = EmailWebhookDLRReportResponse.from_json(receiver.asked[0].body.decode())
    assert parsed is not None
    assert parsed.results is not None
    link = str(parsed.results[0].browser_link)
    assert b"Read online" in Client().get(link.removeprefix(settings.PUBLIC_URL)).content


def test_reports_of_one_address_travel_together(program: Program, receiver: Receiver) -> None:
    program.send("ann@example.com", "bo@example.com", webhooks={"delivery": {"url": receiver.url}})
    send(program, "cy@example.com", url=receiver.url)
    tell_all()
    assert len(receiver.asked) == 1
    assert [entry["to"] for entry in receiver.results()] == ["ann@example.com", "bo@example.com", "cy@example.com"]


def test_a_request_that_names_an_address_is_not_told_to_the_accounts_endpoints(
    program: Program, receiver: Receiver
) -> None:
    """infobip.md §2: per request wins."""
    listen(program, f"{receiver.url}/account")
    send(program, "ann@example.com", url=f"{receiver.url}/request")
    send(program, "bo@example.com")
    tell_all()
    assert sorted((asked.path, asked.json()["results"][0]["to"]) for asked in receiver.asked) == [
        ("/account", "bo@example.com"),
        ("/request", "ann@example.com"),
    ]


def test_an_endpoint_takes_no_more_reports_at_once_than_it_wants(program: Program, receiver: Receiver) -> None:
    listen(program, receiver.url, max_bucket=2)
    send(program, *(f"p{number}@example.com" for number in range(5)))
    tell_all()
    assert sorted(len(asked.json()["results"]) for asked in receiver.asked) == [1, 2, 2]
    assert len({entry["to"] for entry in receiver.results()}) == 5


def test_each_tracking_event_is_one_flat_object(program: Program, receiver: Receiver) -> None:
    """infobip.md §2.2; their SDK reads all of it but the id, which is a string in every example of theirs."""
    message = send(program, tracking=f"{receiver.url}/events", callbackData="order-7")
    for kind in (EventKind.OPENED, EventKind.CLICKED, EventKind.UNSUBSCRIBED, EventKind.COMPLAINED):
        happen(kind, message)
    tell_all()
    told = receiver.events()
    assert {event["notificationType"] for event in told} == {"OPENED", "CLICKED", "UNSUBSCRIBED", "COMPLAINED"}
    for event in told:
        assert event["messageId"] == str(message.public_id)
        assert event["recipient"] == "ann@example.com"
        assert event["domain"] == program.domain.name
        assert event["sendDateTime"] == int(message.sent_at.timestamp() * 1000) if message.sent_at else False
        assert event["callbackData"] == "order-7"
        assert ("sender" in event) == (event["notificationType"] == "COMPLAINED")
        assert EmailWebhookTrackResponse.from_dict({**event, "messageId": 1}) is not None
    assert len({event["eventId"] for event in told}) == 4


def test_a_click_is_told_at_once_and_with_the_address_it_led_to(
    receiver: Receiver, django_capture_on_commit_callbacks: Any
) -> None:
    """infobip.md §2.2: `url` of CLICKED, `recipientInfo`; a reader's own values in an address stay where they are."""
    send = TrackedSend()
    wish = Wish(url=receiver.url, name="CRM", kinds=[WebhookKind.CLICKED])
    create_endpoint(send.account, wish)
    bell.forget_listeners()
    with django_capture_on_commit_callbacks() as rung:
        send.click(0)
    assert rung == [bell._call]
    send.click(3)
    tell_all()
    told = receiver.events()
    assert [event["url"] for event in told] == [SHOP, "https://me.example/?who="]
    assert told[0]["recipientInfo"] == {"deviceType": "Desktop", "os": "Windows"}
    read = EmailWebhookTrackResponse.from_dict({**told[0], "messageId": 1})
    assert read is not None
    assert read.to_dict()["recipientInfo"] == told[0]["recipientInfo"]


def test_an_endpoint_hears_of_what_it_wants_and_of_nothing_else(program: Program, receiver: Receiver) -> None:
    listen(program, receiver.url, kinds=[WebhookKind.CLICKED])
    message = send(program)
    happen(EventKind.OPENED, message)
    happen(EventKind.CLICKED, message)
    tell_all()
    assert [event["notificationType"] for event in receiver.events()] == ["CLICKED"]
    assert receiver.results() == []


def test_what_machines_did_is_not_told(program: Program, receiver: Receiver) -> None:
    listen(program, receiver.url, kinds=[WebhookKind.OPENED])
    message = send(program)
    happen(EventKind.OPENED, message, is_machine=True)
    happen(EventKind.OPENED, message, is_machine=False)
    happen(EventKind.OPENED, message, is_machine=None)
    tell_all()
    assert len(receiver.events()) == 2


def test_notify_false_means_no_reports_at_all(program: Program, receiver: Receiver) -> None:
    listen(program, receiver.url)
    send(program, notify=False)
    send(program, url=receiver.url, notify=False)
    tell_all()
    assert receiver.asked == []


def test_intermediate_reports_come_only_when_asked_for(program: Program, receiver: Receiver) -> None:
    """infobip.md §2.1: before the outcome a report without doneAt, in the group PENDING."""
    plain = send(program, "ann@example.com", url=f"{receiver.url}/plain")
    asked = send(program, "bo@example.com", url=f"{receiver.url}/all", intermediateReport=True)
    for message in (plain, asked):
        happen(EventKind.DEFERRED, message, code="smtp.452-4.2.2")
    tell_all()
    told = {call.path: call.json()["results"] for call in receiver.asked}
    assert [report["status"]["groupName"] for report in told["/plain"]] == ["DELIVERED"]
    (middle,) = [report for report in told["/all"] if report["status"]["groupName"] == "PENDING"]
    assert middle["error"]["name"] == "EC_RECIPIENT_INBOX_FULL"
    assert middle["smtp"] == {"response": "452 4.2.2"}
    assert "doneAt" not in middle


def test_a_way_out_that_reports_later_has_its_outcome_then(program: Program, receiver: Receiver) -> None:
    message = send(program, url=receiver.url)
    WebhookDelivery.objects.all().delete()
    provider = make_transport(program.account, kind="infobip")
    Submission.objects.update(transport=provider)
    tell_all()
    assert receiver.asked == []
    happen(EventKind.DELIVERED, message)
    tell_all()
    (report,) = receiver.results()
    assert report["status"]["name"] == "DELIVERED_TO_HANDSET"


def test_a_late_bounce_is_an_event_and_a_second_report(program: Program, receiver: Receiver) -> None:
    listen(program, receiver.url, kinds=[WebhookKind.DELIVERY, WebhookKind.LATE_BOUNCE])
    message = send(program)
    tell_all()
    happen(EventKind.BOUNCED, message, code="smtp.550-5.1.1")
    tell_all()
    assert [report["status"]["groupName"] for report in receiver.results()] == ["DELIVERED", "UNDELIVERABLE"]
    (event,) = receiver.events()
    assert (event["notificationType"], event["sender"]) == ("LATE_BOUNCE", f"shop@{program.domain.name}")


def test_a_bounce_at_hand_over_is_no_late_one(program: Program, receiver: Receiver) -> None:
    listen(program, receiver.url, kinds=ALL_KINDS)
    send(program, "bounce@example.com")
    tell_all()
    assert receiver.events() == []
    (report,) = receiver.results()
    assert report["error"]["permanent"] is True


@pytest.mark.parametrize("words", ["plain", "<b>&amp;", "\x08 bell \x0b", "ž 🌱", "]]>"])
def test_reports_come_as_xml_when_asked_for(program: Program, receiver: Receiver, words: str) -> None:
    send(program, url=receiver.url, contentType="application/xml", callbackData=words)
    tell_all()
    (asked,) = receiver.asked
    assert asked.headers["Content-Type"] == "application/xml"
    root = ElementTree.fromstring(asked.body)  # noqa: S314 - our own
    assert root.tag == "reportResponse"
    assert root.findtext("results/result/status/groupName") == "DELIVERED"
    assert root.findtext("results/result/to") == "ann@example.com"
    assert root.findtext("results/result/smsCount") == "1"
    assert (root.findtext("results/result/callbackData") or "").strip() == words.translate(
        dict.fromkeys(b"\x08\x0b")
    ).strip()


def test_campaigns_are_told_to_the_accounts_endpoints(program: Program, receiver: Receiver) -> None:
    listen(program, receiver.url, form=WebhookFormat.JSON)
    message = send(program)
    Submission.objects.update(door="campaign")
    tell_all()
    assert [report["messageId"] for report in receiver.results()] == [str(message.public_id)]


def test_tests_that_people_send_themselves_are_no_news(program: Program, receiver: Receiver) -> None:
    listen(program, receiver.url)
    send(program)
    Submission.objects.update(door="test")
    tell_all()
    assert receiver.asked == []


def test_a_stranger_hears_nothing(program: Program, receiver: Receiver) -> None:
    """Evil input 24: another account's endpoint, even when a submission bears its number."""
    stranger = Program()
    theirs, _ = listen(stranger, f"{receiver.url}/stranger", kinds=ALL_KINDS)
    message = send(program)
    Submission.objects.update(reports_to=theirs.pk, events_to=theirs.pk)
    happen(EventKind.OPENED, message)
    tell_all()
    assert receiver.asked == []
    assert WebhookDelivery.objects.count() == 0


@pytest.mark.parametrize("how", ["lane", "agreement"])
def test_of_health_mail_only_ids_times_and_statuses_are_told(program: Program, receiver: Receiver, how: str) -> None:
    """hipaa.md S14, B10: no address, no word of the caller, no answer of a server, no link."""
    listen(program, receiver.url, kinds=ALL_KINDS)
    program.send(
        webhooks={"callbackData": "diagnosis"}, options={"schedule": {"bulkId": "bulk-of-diagnosis"}}
    )  # fmt: skip
    program.work()
    message = Message.objects.get()
    happen(EventKind.OPENED, message)
    happen(EventKind.BOUNCED, message, code="smtp.550-5.1.1")
    Message.objects.update(client_id="diagnosis-of-ann")
    Submission.objects.update(campaign_reference="diagnosis", entity_id="diagnosis", application_id="diagnosis")
    if how == "lane":
        Submission.objects.update(lane=Lane.HIPAA)
    else:
        Account.objects.update(baa_status=BaaStatus.ACTIVE)
    tell_all()
    body = b"".join(asked.body for asked in receiver.asked)
    for word in (b"diagnosis", b"ann@", b"example", b"5.1.1", b"shop@"):
        assert word not in body
    for report in receiver.results():
        assert set(report) == {"messageId", "sentAt", "doneAt", "smsCount", "status", "error"}
        assert report["messageId"] == str(message.public_id)
    events = receiver.events()
    assert {event["notificationType"] for event in events} == {"OPENED", "LATE_BOUNCE"}
    assert all(
        set(event) == {"notificationType", "eventId", "sendDateTime", "messageId"} for event in events
    )  # fmt: skip


def test_what_is_told_lies_nowhere_until_then(program: Program, receiver: Receiver) -> None:
    send(program, url=f"{receiver.url}/secret-path", callbackData="order-7")
    news.collect_news(now=timezone.now())
    kept = str(list(WebhookDelivery.objects.values())) + str(list(WebhookEndpoint.objects.values()))
    assert WebhookDelivery.objects.count() == 1
    for word in ("ann@", "order-7", "secret-path"):
        assert word not in kept


def test_a_mail_that_is_gone_is_not_told_and_holds_up_nobody(program: Program, receiver: Receiver) -> None:
    listen(program, receiver.url)
    gone = send(program, "gone@example.com")
    send(program, "here@example.com")
    news.collect_news(now=timezone.now())
    gone.delete()
    tell_all()
    assert [report["to"] for report in receiver.results()] == ["here@example.com"]
    assert states() == [("Delivery reports", "Given up", 1), ("Delivery reports", "Told", 1)]


def test_an_address_of_a_request_is_kept_for_a_month_for_its_opens(program: Program, receiver: Receiver) -> None:
    message = send(program, tracking=receiver.url)
    forget_old(now=timezone.now() + timedelta(days=20))
    happen(EventKind.OPENED, message)
    tell_all()
    assert len(receiver.events()) == 1
    forget_old(now=timezone.now() + timedelta(days=40))
    happen(EventKind.OPENED, message)
    tell_all()
    assert len(receiver.events()) == 1
    assert states()[-1] == ("Opens", "Given up", 1)


def test_nothing_is_told_of_the_time_before_anybody_listened(program: Program, receiver: Receiver) -> None:
    send(program, "before@example.com")
    news.collect_news(now=timezone.now())
    listen(program, receiver.url)
    send(program, "after@example.com")
    tell_all()
    assert [report["to"] for report in receiver.results()] == ["after@example.com"]


def test_a_signed_call_says_who_makes_it(program: Program, receiver: Receiver) -> None:
    listen(program, receiver.url, security=WebhookSecurity.BASIC, username="ann", password="pass word")
    send(program)
    tell_all()
    (asked,) = receiver.asked
    assert asked.headers["Authorization"] == "Basic YW5uOnBhc3Mgd29yZA=="


def test_a_bounce_rate_is_told_in_infobips_shape(program: Program, receiver: Receiver) -> None:
    """infobip.md §2.4."""
    listen(program, receiver.url, kinds=[WebhookKind.BOUNCE_RATE_BLOCKED])
    now = timezone.now()
    notices.note_bounce_rate(
        program.account.pk, kind=WebhookKind.BOUNCE_RATE_BLOCKED, submission_id=7, domain="example.org",
        threshold=5, rate=8.406, now=now,
    )  # fmt: skip
    tell_all()
    (event,) = receiver.events()
    assert event == {
        "eventId": event["eventId"],
        "createdAt": int(now.timestamp() * 1000),
        "eventDetails": {
            "type": "HIGH_BOUNCE_RATE_BLOCKED",
            "accountKey": program.account.public_id.hex,
            "domain": "example.org",
            "blockThreshold": 5,
            "bounceRate": 8.41,
            "scope": "DAILY",
        },
    }
