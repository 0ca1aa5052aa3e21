"""The official Python client, 6.0.0, against a server of ours: sending, reports, logs and bulks (infobip.md §7.4, §7.5, §9)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from django_q.conf import Conf
from infobip_api_client import ApiClient, Configuration
from infobip_api_client.api.email_api import EmailApi
from infobip_api_client.exceptions import (
    ApiException,
    BadRequestException,
    ConflictException,
    ForbiddenException,
    NotFoundException,
    UnauthorizedException,
)
from infobip_api_client.rest import RESTClientObject
from pydantic import ValidationError
from pytest_django.live_server_helper import LiveServer

from campaigns.models import Message
from tests.api import Program, text_of

pytestmark = pytest.mark.django_db(transaction=True)

# Its types say less than it takes: what matters here is what comes out on the wire.
wire: Any = import_module("infobip_api_client.models")


@pytest.fixture(autouse=True)
def _quiet_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "SYNC", False)


@pytest.fixture
def program() -> Program:
    return Program()


def client_of(server: LiveServer, secret: str) -> Any:
    """The client takes plain HTTP from loopback only."""
    return EmailApi(ApiClient(Configuration(host=server.url.replace("localhost", "127.0.0.1"), api_key=secret)))


@pytest.fixture
def email(live_server: LiveServer, program: Program) -> Any:
    return client_of(live_server, program.secret)


def told(refusal: pytest.ExceptionInfo[ApiException]) -> Any:
    """The envelope as the client's model; None when it does not fit that."""
    return refusal.value.data


def request_of(program: Program, *to: str, **options: object) -> Any:
    people = [wire.EmailToDestination(destination=address) for address in to or ("ann@example.com",)]
    message = wire.EmailMessage(
        sender=program.sender,
        destinations=[wire.EmailGroupDestination(to=people)],
        content=wire.EmailMessageContent(subject="Your order", text="It is on its way."),
    )
    return wire.EmailRequest(messages=[message], **options)


def later(days: float = 2, bulk_id: str = "b-1") -> Any:
    at = (timezone.now() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    schedule = wire.EmailRequestSchedulingSettings(bulk_id=bulk_id, send_at=at)
    return wire.EmailMessageRequestOptions(schedule=schedule)


def test_send_email_with_everything_the_client_can_say(email: Any, program: Program) -> None:
    """The request of infobip.md §7.2."""
    file = wire.EmailMediaBinaryAttachment(
        content=base64.b64encode(b"Hello").decode(), content_type="text/plain", file_name="a.txt"
    )
    to = [
        wire.EmailToDestination(destination="a@example.com", message_id="m-1", placeholders='{"name": "A"}'),
        wire.EmailToDestination(destination="b@example.com", placeholders='{"name": "B"}'),
    ]
    message = wire.EmailMessage(
        sender=program.sender,
        destinations=[
            wire.EmailGroupDestination(
                to=to,
                cc=[wire.EmailToDestination(destination="c@example.com")],
                bcc=[wire.EmailToDestination(destination="d@example.com")],
                reply_to="r@example.com",
            )
        ],
        content=wire.EmailMessageContent(
            subject="Hi {{name}}",
            html="<p>{{name}} {{ph1}}</p>",
            attachments=[file],
            default_placeholders='{"ph1": "x", "name": "friend"}',
            headers='{"X-Custom": "v"}',
        ),
        options=wire.EmailMessageOptions(
            platform=wire.Platform(entity_id="ent", application_id="app"),
            validity_period=wire.ValidityPeriod(amount=5, time_unit="MINUTES"),
            campaign_reference_id="camp",
        ),
        webhooks=wire.EmailWebhooks(
            delivery=wire.EmailMessageDeliveryReporting(
                url="https://cb.example.com/dlr", intermediate_report=True, notify=True
            ),
            content_type="application/json",
            callback_data="cbd",
        ),
    )
    options = wire.EmailMessageRequestOptions(
        schedule=wire.EmailRequestSchedulingSettings(bulk_id="bulk-1"),
        tracking=wire.EmailUrlOptions(
            track=True,
            track_opens=True,
            track_clicks=False,
            tracking_url="https://cb.example.com/t",
            tracking_pixel_position="BOTTOM",
        ),
        client_priority_="HIGH",
    )
    answer = email.send_email(wire.EmailRequest(messages=[message], options=options))
    assert answer.bulk_id == "bulk-1"
    assert [entry.destination for entry in answer.messages] == [f"{name}@example.com" for name in "abcd"]
    assert (answer.messages[0].message_id, answer.messages[0].status.name) == ("m-1", "PENDING_ENROUTE")
    mails = {str(mail["to"]): mail for mail in program.work()}
    mail = mails["a@example.com"]
    assert (mail["subject"], mail["reply-to"], mail["x-custom"]) == ("Hi A", "r@example.com", "v")
    assert "<p>B x</p>" in text_of(mails["b@example.com"], "html")
    (attachment,) = mail.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content()) == ("a.txt", "Hello")


def test_the_key_with_a_blank_behind_it_is_read(email: Any, program: Program) -> None:
    """§7.4 item 1: the client writes "clientPriority "."""
    options = wire.EmailMessageRequestOptions(client_priority_=wire.EmailClientPriority.LOW)
    assert list(options.to_dict()) == ["clientPriority "]
    assert email.send_email(request_of(program, options=options)).messages


def test_a_key_written_with_its_scheme_is_let_in(live_server: LiveServer, program: Program) -> None:
    """The client then sends "App App KEY" (infobip.md §7.1)."""
    assert client_of(live_server, f"App {program.secret}").get_email_delivery_reports().results == []


def test_reports_come_once(email: Any, program: Program) -> None:
    """§9 item 3."""
    sent = email.send_email(request_of(program)).messages[0]
    program.work()
    (report,) = email.get_email_delivery_reports(message_id=sent.message_id, limit=10).results
    assert (report.message_id, report.to) == (sent.message_id, "ann@example.com")
    assert (report.status.group_name, report.error.name) == ("DELIVERED", "NO_ERROR")
    assert (report.price.price_per_message, report.message_count) == (0, 1)
    assert report.sent_at.tzinfo is not None
    assert email.get_email_delivery_reports().results == []


def test_a_report_of_a_failure_has_a_group_the_client_knows(email: Any, program: Program) -> None:
    """§7.4 item 6: the client raises on any group of errors but four."""
    email.send_email(request_of(program, "bounce@example.com"))
    program.work()
    (report,) = email.get_email_delivery_reports().results
    assert (report.error.group_name, report.error.permanent) == ("USER_ERRORS", True)


def test_logs_come_again_filtered_and_page_by_page(email: Any, program: Program) -> None:
    """§9 item 3; lists as repeated parameters, times with six digits."""
    sent = email.send_email(request_of(program, "a@example.com", "b@example.com", "c@example.com"))
    program.work()
    ids = [entry.message_id for entry in sent.messages]
    now = timezone.now()
    for _ in range(2):
        found = email.get_email_logs(
            message_id=ids[:2],
            bulk_id=[sent.bulk_id],
            general_status="DELIVERED",
            sent_since=now - timedelta(hours=1),
            sent_until=now + timedelta(hours=1),
        )
        assert {entry.destination for entry in found.results} == {"a@example.com", "b@example.com"}
    first = email.get_email_logs(limit=2, use_cursor=True)
    second = email.get_email_logs(limit=2, use_cursor=True, cursor=first.cursor.next_cursor)
    assert len(first.results) + len(second.results) == 3
    assert second.cursor.next_cursor is None


def test_logs_and_reports_end_after_two_days(email: Any, program: Program) -> None:
    """§9 item 3: the window of 48 hours."""
    email.send_email(request_of(program))
    program.work()
    with time_machine.travel(timezone.now() + timedelta(hours=49)):
        assert email.get_email_delivery_reports().results == []
        assert email.get_email_logs().results == []


def test_the_four_operations_of_bulks(email: Any, program: Program) -> None:
    email.send_email(request_of(program, options=later()))
    found = email.get_scheduled_emails("b-1")
    assert (found.external_bulk_id, found.bulks[0].bulk_id) == ("b-1", "b-1")
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    moved = email.reschedule_emails("b-1", wire.EmailBulkRescheduleRequest(send_at=at))
    assert (moved.bulk_id, moved.send_at) == ("b-1", at)
    assert email.get_scheduled_email_statuses("b-1").bulks[0].status == "PENDING"
    for status in ("PAUSED", "PROCESSING", "CANCELED"):
        changed = email.update_scheduled_email_statuses("b-1", wire.EmailBulkUpdateStatusRequest(status=status))
        assert changed.bulk_id == "b-1"
    assert Message.objects.get().state == "cancelled"


def test_a_bulk_that_nobody_has_and_one_that_is_over(email: Any, program: Program) -> None:
    with pytest.raises(NotFoundException) as missing:
        email.get_scheduled_emails("b-9")
    assert told(missing).request_error.service_exception.text == "Bulk not found"
    email.send_email(request_of(program, options=later()))
    cancel = wire.EmailBulkUpdateStatusRequest(status="CANCELED")
    email.update_scheduled_email_statuses("b-1", cancel)
    with pytest.raises(ConflictException) as over:
        email.update_scheduled_email_statuses("b-1", cancel)
    assert told(over).request_error.service_exception.text == "Update not allowed for bulk"


def test_the_newer_envelope_is_the_clients_model(email: Any, program: Program) -> None:
    """§9 item 4; `messages: []` is sent happily (§7.4 item 8)."""
    with pytest.raises(BadRequestException) as refused:
        email.send_email(wire.EmailRequest(messages=[]))
    error = told(refused)
    assert (error.error_code, error.violations[0].var_property) == ("E400", "messages")
    assert error.resources[0].url == "/docs"


def test_the_older_envelope_is_the_clients_model(email: Any) -> None:
    """§9 item 4."""
    past = wire.EmailBulkRescheduleRequest(send_at=datetime(2099, 1, 1, tzinfo=UTC))
    with pytest.raises(BadRequestException) as refused:
        email.reschedule_emails("b-1", past)
    exception = told(refused).request_error.service_exception
    assert (exception.message_id, list(exception.validation_errors)) == ("BAD_REQUEST", ["sendAt"])


def test_no_key_and_a_key_without_the_scope(live_server: LiveServer, program: Program) -> None:
    """§9 item 4: 401, and 403 on a missing scope."""
    with pytest.raises(UnauthorizedException) as unknown:
        client_of(live_server, "nobody").get_email_logs()
    assert told(unknown).error_code == "E401"
    sender = Program(program.account, scopes=["email:message:send"])
    with pytest.raises(ForbiddenException) as lacking:
        client_of(live_server, sender.secret).get_email_logs()
    assert told(lacking).error_code == "E403"


def test_too_many_requests_say_how_long_to_wait(live_server: LiveServer, program: Program) -> None:
    """§9 item 4: 429 with Retry-After, which the client left alone would wait for by itself."""
    slow = client_of(live_server, Program(program.account, max_per_second=0.01).secret)
    slow.api_client.configuration.retries = 0
    slow.api_client.rest_client = RESTClientObject(slow.api_client.configuration)
    slow.get_email_logs()
    with pytest.raises(ApiException) as limited:
        slow.get_email_logs()
    assert limited.value.status == 429
    assert int((limited.value.headers or {})["Retry-After"]) >= 1


def test_faults_of_the_client_that_no_server_can_mend_are_still_there() -> None:
    """§7.4 items 2 and 4. When this fails the client was mended: say so in docs/http-api.md."""
    uploaded = wire.EmailMediaUploadedReference(content_id="x")
    with pytest.raises(ValidationError):
        wire.EmailMessageContent(subject="Hi", text="x", attachments=[uploaded])
    with pytest.raises(ValidationError):
        wire.EmailWebhookTrackResponse.from_dict({"messageId": "an-id-with-letters"})
