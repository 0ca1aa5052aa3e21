"""The official Python client, 6.0.0, against a server of ours: sending, reports, logs and bulks (infobip.md §7.4, §7.5, §9)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from django_q.conf import Conf
from infobip_api_client.exceptions import (
    ApiException,
    BadRequestException,
    ConflictException,
    ForbiddenException,
    NotFoundException,
    UnauthorizedException,
)
from pydantic import ValidationError
from pytest_django.live_server_helper import LiveServer

from campaigns.models import Message
from tests.api import text_of
from tests.api_resources import PatientProgram, official_client, sdk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _quiet_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "SYNC", False)


@pytest.fixture
def program(clock: time_machine.Traveller) -> PatientProgram:
    return PatientProgram(clock)


@pytest.fixture
def email(live_server: LiveServer, program: PatientProgram) -> Iterator[Any]:
    with official_client(live_server.url, program) as client:
        yield client


def told(refusal: pytest.ExceptionInfo[ApiException]) -> Any:
    """The envelope as the client's model; None when it does not fit that."""
    return refusal.value.data


def request_of(program: PatientProgram, *to: str, **options: object) -> Any:
    people = [sdk.EmailToDestination(destination=address) for address in to or ("ann@example.com",)]
    message = sdk.EmailMessage(
        sender=program.sender,
        destinations=[sdk.EmailGroupDestination(to=people)],
        content=sdk.EmailMessageContent(subject="Your order", text="It is on its way."),
    )
    return sdk.EmailRequest(messages=[message], **options)


def later(days: float = 2, bulk_id: str = "b-1") -> Any:
    at = (timezone.now() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    schedule = sdk.EmailRequestSchedulingSettings(bulk_id=bulk_id, send_at=at)
    return sdk.EmailMessageRequestOptions(schedule=schedule)


def test_send_email_with_everything_the_client_can_say(email: Any, program: PatientProgram) -> None:
    """The request of infobip.md §7.2."""
    file = sdk.EmailMediaBinaryAttachment(
        content=base64.b64encode(b"Hello").decode(), content_type="text/plain", file_name="a.txt"
    )
    to = [
        sdk.EmailToDestination(destination="a@example.com", message_id="m-1", placeholders='{"name": "A"}'),
        sdk.EmailToDestination(destination="b@example.com", placeholders='{"name": "B"}'),
    ]
    message = sdk.EmailMessage(
        sender=program.sender,
        destinations=[
            sdk.EmailGroupDestination(
                to=to,
                cc=[sdk.EmailToDestination(destination="c@example.com")],
                bcc=[sdk.EmailToDestination(destination="d@example.com")],
                reply_to="r@example.com",
            )
        ],
        content=sdk.EmailMessageContent(
            subject="Hi {{name}}",
            html="<p>{{name}} {{ph1}}</p>",
            attachments=[file],
            default_placeholders='{"ph1": "x", "name": "friend"}',
            headers='{"X-Custom": "v"}',
        ),
        options=sdk.EmailMessageOptions(
            platform=sdk.Platform(entity_id="ent", application_id="app"),
            validity_period=sdk.ValidityPeriod(amount=5, time_unit="MINUTES"),
            campaign_reference_id="camp",
        ),
        webhooks=sdk.EmailWebhooks(
            delivery=sdk.EmailMessageDeliveryReporting(
                url="https://cb.example.com/dlr", intermediate_report=True, notify=True
            ),
            content_type="application/json",
            callback_data="cbd",
        ),
    )
    options = sdk.EmailMessageRequestOptions(
        schedule=sdk.EmailRequestSchedulingSettings(bulk_id="bulk-1"),
        tracking=sdk.EmailUrlOptions(
            track=True,
            track_opens=True,
            track_clicks=False,
            tracking_url="https://cb.example.com/t",
            tracking_pixel_position="BOTTOM",
        ),
        client_priority_="HIGH",
    )
    answer = email.send_email(sdk.EmailRequest(messages=[message], options=options))
    assert answer.bulk_id == "bulk-1"
    assert [entry.destination for entry in answer.messages] == [f"{name}@example.com" for name in "abcd"]
    assert (answer.messages[0].message_id, answer.messages[0].status.name) == ("m-1", "PENDING_ENROUTE")
    mails = {str(mail["to"]): mail for mail in program.work()}
    mail = mails["a@example.com"]
    assert (mail["subject"], mail["reply-to"], mail["x-custom"]) == ("Hi A", "r@example.com", "v")
    assert "<p>B x</p>" in text_of(mails["b@example.com"], "html")
    (attachment,) = mail.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content()) == ("a.txt", "Hello")


def test_send_mime_email(email: Any, program: PatientProgram) -> None:
    mail = f"From: {program.sender}\r\nTo: ann@example.com\r\nSubject: Finished\r\n\r\nAs it is.\r\n"
    schema = sdk.EmailSendMimeRequestSchema(
        mime_message=base64.b64encode(mail.encode()).decode(), message_id="m-1", callback_data="cbd"
    )
    answer = email.send_mime_email(schema)
    (entry,) = answer.messages
    assert (entry.to, entry.message_id, entry.status.name) == ("ann@example.com", "m-1", "PENDING_ACCEPTED")
    (sent,) = program.work()
    assert (sent["subject"], text_of(sent)) == ("Finished", "As it is.\n")


def test_the_key_with_a_blank_behind_it_is_read(email: Any, program: PatientProgram) -> None:
    """§7.4 item 1: the client writes "clientPriority "."""
    options = sdk.EmailMessageRequestOptions(client_priority_=sdk.EmailClientPriority.LOW)
    assert list(options.to_dict()) == ["clientPriority "]
    assert email.send_email(request_of(program, options=options)).messages


def test_a_key_written_with_its_scheme_is_let_in(live_server: LiveServer, program: PatientProgram) -> None:
    """The client then sends "App App KEY" (infobip.md §7.1)."""
    program.secret = f"App {program.secret}"
    with official_client(live_server.url, program) as client:
        assert client.get_email_delivery_reports().results == []


def test_reports_come_once(email: Any, program: PatientProgram) -> None:
    """§9 item 3."""
    sent = email.send_email(request_of(program)).messages[0]
    program.work()
    (report,) = email.get_email_delivery_reports(message_id=sent.message_id, limit=10).results
    assert (report.message_id, report.to) == (sent.message_id, "ann@example.com")
    assert (report.status.group_name, report.error.name) == ("DELIVERED", "NO_ERROR")
    assert (report.price.price_per_message, report.message_count) == (0, 1)
    assert report.sent_at.tzinfo is not None
    assert email.get_email_delivery_reports().results == []


def test_a_report_of_a_failure_has_a_group_the_client_knows(email: Any, program: PatientProgram) -> None:
    """§7.4 item 6: the client raises on any group of errors but four."""
    email.send_email(request_of(program, "bounce@example.com"))
    program.work()
    (report,) = email.get_email_delivery_reports().results
    assert (report.error.group_name, report.error.permanent) == ("USER_ERRORS", True)


def test_logs_come_again_filtered_and_page_by_page(email: Any, program: PatientProgram) -> None:
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


def test_logs_and_reports_end_after_two_days(email: Any, program: PatientProgram) -> None:
    """§9 item 3: the window of 48 hours."""
    email.send_email(request_of(program))
    program.work()
    with time_machine.travel(timezone.now() + timedelta(hours=49)):
        assert email.get_email_delivery_reports().results == []
        assert email.get_email_logs().results == []


def test_the_four_operations_of_bulks(email: Any, program: PatientProgram) -> None:
    email.send_email(request_of(program, options=later()))
    found = email.get_scheduled_emails("b-1")
    assert (found.external_bulk_id, found.bulks[0].bulk_id) == ("b-1", "b-1")
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    moved = email.reschedule_emails("b-1", sdk.EmailBulkRescheduleRequest(send_at=at))
    assert (moved.bulk_id, moved.send_at) == ("b-1", at)
    assert email.get_scheduled_email_statuses("b-1").bulks[0].status == "PENDING"
    for status in ("PAUSED", "PROCESSING", "CANCELED"):
        changed = email.update_scheduled_email_statuses("b-1", sdk.EmailBulkUpdateStatusRequest(status=status))
        assert changed.bulk_id == "b-1"
    assert Message.objects.get().state == "cancelled"


def test_a_bulk_that_nobody_has_and_one_that_is_over(email: Any, program: PatientProgram) -> None:
    with pytest.raises(NotFoundException) as missing:
        email.get_scheduled_emails("b-9")
    assert told(missing).request_error.service_exception.text == "Bulk not found"
    email.send_email(request_of(program, options=later()))
    cancel = sdk.EmailBulkUpdateStatusRequest(status="CANCELED")
    email.update_scheduled_email_statuses("b-1", cancel)
    with pytest.raises(ConflictException) as over:
        email.update_scheduled_email_statuses("b-1", cancel)
    assert told(over).request_error.service_exception.text == "Update not allowed for bulk"


def test_the_newer_envelope_is_the_clients_model(email: Any, program: PatientProgram) -> None:
    """§9 item 4; `messages: []` is sent happily (§7.4 item 8)."""
    with pytest.raises(BadRequestException) as refused:
        email.send_email(sdk.EmailRequest(messages=[]))
    error = told(refused)
    assert (error.error_code, error.violations[0].var_property) == ("E400", "messages")
    assert error.resources[0].url == "/docs"


def test_the_older_envelope_is_the_clients_model(email: Any) -> None:
    """§9 item 4."""
    past = sdk.EmailBulkRescheduleRequest(send_at=datetime(2099, 1, 1, tzinfo=UTC))
    with pytest.raises(BadRequestException) as refused:
        email.reschedule_emails("b-1", past)
    exception = told(refused).request_error.service_exception
    assert (exception.message_id, list(exception.validation_errors)) == ("BAD_REQUEST", ["sendAt"])


def test_no_key_and_a_key_without_the_scope(live_server: LiveServer, program: PatientProgram) -> None:
    """§9 item 4: 401, and 403 on a missing scope."""
    sender = PatientProgram(program.clock, account=program.account, scopes=["email:message:send"])
    with official_client(live_server.url, sender) as client, pytest.raises(ForbiddenException) as lacking:
        client.get_email_logs()
    assert told(lacking).error_code == "E403"
    program.secret = "nobody"
    with official_client(live_server.url, program) as client, pytest.raises(UnauthorizedException) as unknown:
        client.get_email_logs()
    assert told(unknown).error_code == "E401"


def test_too_many_requests_say_how_long_to_wait(live_server: LiveServer, program: PatientProgram) -> None:
    """§9 item 4: 429 with Retry-After, which the client left alone would wait for by itself."""
    slow = PatientProgram(program.clock, account=program.account, max_per_second=0.01)
    with official_client(live_server.url, slow) as client:
        client.api_client.rest_client.pool_manager.connection_pool_kw["retries"] = 0
        client.get_email_logs()
        with pytest.raises(ApiException) as limited:
            client.get_email_logs()
    assert limited.value.status == 429
    assert int((limited.value.headers or {})["Retry-After"]) >= 1


def test_faults_of_the_client_that_no_server_can_mend_are_still_there() -> None:
    """§7.4 items 2 and 4. When this fails the client was mended: say so in docs/http-api.md."""
    uploaded = sdk.EmailMediaUploadedReference(content_id="x")
    with pytest.raises(ValidationError):
        sdk.EmailMessageContent(subject="Hi", text="x", attachments=[uploaded])
    with pytest.raises(ValidationError):
        sdk.EmailWebhookTrackResponse.from_dict({"messageId": "an-id-with-letters"})
