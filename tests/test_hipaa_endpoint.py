"""The HIPAA endpoint: a host, a key lane and networks of its own, TLS only, and nothing but what is listed (hipaa.md S1–S21)."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.utils import timezone
from django_q.conf import Conf
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from infobip_api_client.exceptions import BadRequestException, ForbiddenException
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from campaigns.models import Lane, Message, RequestKey, Submission
from campaigns.outbox.dispatch import dispatch_stream
from compliance import features
from compliance.agreements import status
from compliance.models import AuditEvent, Disclosure
from tests.api_resources import PatientProgram, official_client, refusal_of, sdk
from tests.factories import make_api_key, make_domain
from tests.hipaa import Authority, Clinic, attest, make_clinic
from tests.smtp_server import RawServer, polite

pytestmark = pytest.mark.django_db

HOST = "hipaa.test"
CANARY = "PHI-5d1f2c"


@pytest.fixture(autouse=True)
def hipaa_host(settings: Settings) -> None:
    settings.HIPAA_HOSTS = [HOST]
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, HOST]


class ClinicProgram:
    """A program of an account under an agreement, which says what it is told over TLS to the HIPAA host."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.mailbox = f"office@{make_domain(clinic.account).name}"
        attest(clinic, self.mailbox)
        self.sender = f"Clinic <{self.mailbox}>"
        self.secret = clinic.key()[1]
        self.client = Client()

    def ask(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **changes: Any) -> Any:
        headers = {"host": HOST, "authorization": f"App {self.secret}", **changes.pop("headers", {})}
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        kind = changes.pop("kind", "application/json")
        return self.client.generic(method, path, data, kind, headers=headers, **{"secure": True, **changes})

    def message(self, **changes: Any) -> dict[str, Any]:
        content = {"subject": "A message from your clinic", "html": "<p>Dear {{name}}, {{news}}</p>"}
        to = [{"destination": "ann@example.org", "placeholders": {"name": "Ann", "news": CANARY}}]
        return {
            "sender": self.sender, "destinations": [{"to": to, **changes.pop("group", {})}],
            "content": {**content, **changes.pop("content", {})}, **changes,
        }  # fmt: skip

    def send(self, *, of_request: dict[str, Any] | None = None, **changes: Any) -> Any:
        body = {"messages": [self.message(**changes)], **({"options": of_request} if of_request else {})}
        return self.ask("POST", "/email/4/messages", body)


@pytest.fixture
def program() -> ClinicProgram:
    return ClinicProgram(make_clinic())


def refusal(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["errorCode"]


# --- Who comes in -------------------------------------------------------------------------------------------------


def test_the_right_host_key_network_and_encryption_come_in(program: ClinicProgram) -> None:
    response = program.send()
    assert response.status_code == 200, response.content
    assert response.headers["Cache-Control"] == "no-store"
    (told,) = response.json()["messages"]
    assert (told["status"]["groupName"], told["destination"]) == ("PENDING", "ann@example.org")


def test_what_is_stored_names_nobody_and_opens_for_its_recipient_alone(program: ClinicProgram) -> None:
    assert program.send().status_code == 200
    message = Message.objects.get()
    assert (message.recipient, message.submission.lane) == ("", Lane.HIPAA)
    rows = [*Message.objects.values_list(), *Submission.objects.values_list(), *AuditEvent.objects.values_list()]
    kept = b"".join(
        bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode() for row in rows for value in row
    )
    assert CANARY.encode() not in kept
    assert b"ann@example.org" not in kept


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"secure": False}, (403, "hipaa.https-required")),
        ({"REMOTE_ADDR": "198.51.100.9"}, (403, "hipaa.network-refused")),
    ],
)
def test_without_tls_or_from_elsewhere_nobody_comes_in_before_the_body_is_read(
    program: ClinicProgram, settings: Settings, change: dict[str, Any], told: tuple[int, str]
) -> None:
    settings.HIPAA_NETWORKS = ["127.0.0.0/8"]
    assert refusal(program.ask("POST", "/email/4/messages", raw=b"{not JSON", **change)) == told


def test_on_ones_own_machine_under_debug_tls_is_not_asked_for(program: ClinicProgram, settings: Settings) -> None:
    settings.DEBUG = True
    body = {"messages": [program.message()]}
    assert program.ask("POST", "/email/4/messages", body, secure=False).status_code == 200
    response = program.ask("POST", "/email/4/messages", body, secure=False, REMOTE_ADDR="192.0.2.4")
    assert refusal(response) == (403, "hipaa.https-required")


def test_the_proxy_says_what_was_encrypted_when_it_is_trusted(program: ClinicProgram, settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.BEHIND_PROXY = True
    headers = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.4"}
    body = {"messages": [program.message()]}
    assert program.ask("POST", "/email/4/messages", body, secure=False, headers=headers).status_code == 200


def test_keys_of_the_other_lane_and_of_other_networks_do_not_come_in(program: ClinicProgram) -> None:
    for fields, code in (
        ({"lane": Lane.STANDARD}, 403),
        ({"networks": ["192.0.2.0/24"]}, 401),
        ({"scopes": ["email:logs:read"]}, 403),
    ):
        program.secret = make_api_key(program.clinic.account, **{"lane": Lane.HIPAA, **fields})[1]
        assert program.ask("POST", "/email/4/messages", raw=b"{not JSON").status_code == code


def test_an_account_that_is_suspended_or_stopped_sends_nothing(program: ClinicProgram) -> None:
    clinic = program.clinic
    status.change_status(
        clinic.account.pk, to="suspended", reason="breach", by=clinic.officer, now=timezone.now()
    )  # fmt: skip
    assert program.ask("POST", "/email/4/messages", raw=b"{not JSON").status_code == 403


def test_nothing_else_answers_at_the_hipaa_host_and_nothing_of_it_elsewhere(program: ClinicProgram) -> None:
    for path in ("/admin/", "/docs", "/u/x", "/email/4/templates", "/email/1/domains", "/email/1/content", "/"):
        assert program.ask("GET", path).status_code == 404, path
    assert program.ask("POST", "/email/4/messages", raw=b"{", headers={"host": "testserver"}).status_code == 403


def test_what_is_eligible_is_told_at_the_hipaa_host_over_tls_from_its_networks(
    program: ClinicProgram, settings: Settings
) -> None:
    """D7."""
    ask = partial(program.ask, "GET", "/hipaa/v1/eligibility")
    answer = ask()
    assert answer.status_code == 200
    assert "hipaa.endpoint" in {one["key"] for one in answer.json()["capabilities"]}
    assert refusal(ask(secure=False)) == (403, "hipaa.https-required")
    settings.HIPAA_NETWORKS = ["192.0.2.0/24"]
    assert refusal(ask()) == (403, "hipaa.network-refused")
    assert Client().get("/hipaa/v1/eligibility").status_code == 404


# --- What may be asked for ----------------------------------------------------------------------------------------

JSON_REFUSED: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"webhooks": {"callbackData": CANARY}}, "hipaa.callback-data", "messages[0].webhooks.callbackData"),
    ({"webhooks": {"delivery": {"url": f"https://{CANARY}.test"}}}, "hipaa.integration-ineligible", "messages[0].webhooks.delivery.url"),
    ({"content": {"defaultPlaceholders": {"x": CANARY}}}, "hipaa.default-placeholders", "messages[0].content.defaultPlaceholders"),
    ({"content": {"defaultPlaceholders": json.dumps({"x": CANARY})}}, "hipaa.default-placeholders", "messages[0].content.defaultPlaceholders"),
    ({"content": {"landingPagePlaceholders": {"x": CANARY}}}, "hipaa.landing-pages", "messages[0].content.landingPagePlaceholders"),
    ({"content": {"optoutLandingPageId": CANARY}}, "hipaa.landing-pages", "messages[0].content.optoutLandingPageId"),
    ({"content": {"ampHtml": CANARY}}, "hipaa.amp-ineligible", "messages[0].content.ampHtml"),
    ({"content": {"headers": {"X-Patient": CANARY}}}, "hipaa.custom-headers", "messages[0].content.headers"),
    ({"group": {"cc": [{"destination": "b@example.org"}]}}, "hipaa.copies-ineligible", "messages[0].destinations[0].cc"),
    ({"group": {"bcc": [{"destination": "b@example.org"}]}}, "hipaa.copies-ineligible", "messages[0].destinations[0].bcc"),
    ({"group": {"preserveRecipients": True}}, "hipaa.copies-ineligible", "messages[0].destinations[0].preserveRecipients"),
    ({"options": {"campaignReferenceId": CANARY}}, "hipaa.campaign-reference", "messages[0].options.campaignReferenceId"),
    ({"options": {"platform": {"entityId": CANARY}}}, "hipaa.id-format", "messages[0].options.platform.entityId"),
    ({"storage": {"skipActive": False}}, "hipaa.storage-disabled", "messages[0].storage.skipActive"),
    ({"content": {CANARY: "x"}}, "hipaa.feature-ineligible", "messages[0].content"),
    ({CANARY: "x"}, "hipaa.feature-ineligible", "messages[0]"),
    # Listed, and not here.
    ({"subject": CANARY}, "hipaa.feature-ineligible", "messages[0].subject"),
)  # fmt: skip


@pytest.mark.parametrize(("changes", "code", "field"), JSON_REFUSED)
def test_what_could_carry_data_elsewhere_is_refused_by_its_code_kept_and_never_told_back(
    program: ClinicProgram, caplog: pytest.LogCaptureFixture, changes: dict[str, Any], code: str, field: str
) -> None:
    """S1, S12–S16: one refusal for each carrier, with its place and not its value."""
    caplog.set_level(logging.DEBUG)
    response = program.send(**changes)
    assert refusal(response) == (400, code)
    assert [entry["property"] for entry in response.json()["violations"]] == [field]
    event = AuditEvent.objects.filter(action="hipaa.blocked").latest("pk")
    assert event.data == {"code": code, "field": field.replace("[", ".").replace("]", "")}
    assert CANARY not in response.content.decode() + caplog.text + str(event.data)
    assert not Message.objects.exists()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(min_size=1, max_size=20),
    place=st.sampled_from(("", "group", "content", "options", "webhooks", "schedule")),
)
def test_whatever_a_field_nobody_listed_is_called_it_is_refused(program: ClinicProgram, name: str, place: str) -> None:
    """S1, §7.2."""
    assume(name not in features.fields.TAGS)
    unknown = {name: CANARY}
    message = program.message(**{place: unknown}) if place else program.message() | unknown
    response = program.ask("POST", "/email/4/messages", {"messages": [message]})
    assert refusal(response) == (400, "hipaa.feature-ineligible")
    assert CANARY not in response.content.decode()
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"schedule": {"bulkId": CANARY}}, "hipaa.id-format"),
        ({"tracking": {"trackOpens": True}}, "hipaa.open-tracking-ineligible"),
        ({"tracking": {"track": True}}, "hipaa.click-tracking-ineligible"),
        ({"tracking": {"trackingUrl": f"https://{CANARY}.test"}}, "hipaa.tracking-url"),
    ],
)
def test_options_of_the_request_are_no_way_around(program: ClinicProgram, options: dict[str, Any], code: str) -> None:
    response = program.send(of_request=options)
    assert refusal(response) == (400, code)
    assert CANARY not in response.content.decode()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"subject": "Result for {{name}}"}, "hipaa.placeholder-scope"),
        ({"subject": "Your HIV test results"}, "hipaa.placeholder-scope"),
        ({"html": "<p>SSN 536-22-8145</p>"}, "hipaa.placeholder-scope"),
        ({"html": '<a href="https://clinic.test/?p={{news}}">x</a>'}, "hipaa.placeholder-scope"),
        ({"html": '<img src="https://cdn.test/a.png">'}, "hipaa.shared-content"),
        ({"html": '<!--[if mso]><v:image src="https://cdn.test/a.png"/><![endif]-->'}, "hipaa.shared-content"),
    ],
)
def test_what_everybody_gets_holds_nothing_about_anybody(
    program: ClinicProgram, content: dict[str, str], code: str
) -> None:
    """S6, S13, §5: no value outside of what is read, nothing protected in static text, nothing loaded from elsewhere."""
    assert refusal(program.send(content=content)) == (403, code)


def test_a_value_the_mail_has_no_place_for_is_refused(program: ClinicProgram) -> None:
    """S13, S35: no more than is needed is even taken in."""
    values = {"name": "Ann", "news": "x", "mrn": CANARY}
    response = program.send(group={"to": [{"destination": "ann@example.org", "placeholders": values}]})
    assert refusal(response) == (403, "hipaa.undeclared-placeholder")
    assert CANARY not in response.content.decode()
    assert not Message.objects.exists()


def test_what_says_nothing_or_what_is_done_anyway_is_taken(program: ClinicProgram) -> None:
    response = program.send(
        webhooks={"callbackData": ""}, storage={"skipActive": True, "skipPassive": True}, group={"preserveRecipients": False},
        content={"defaultPlaceholders": {}}, of_request={"schedule": {"bulkId": str(uuid4())}, "tracking": {"track": False}},
    )  # fmt: skip
    assert response.status_code == 200, response.content


def test_a_mailing_for_marketing_is_no_matter_of_programs(program: ClinicProgram) -> None:
    program.secret = program.clinic.key(purpose="marketing")[1]
    assert refusal(program.send()) == (403, "hipaa.marketing-authorization")


def test_addresses_nobody_can_write_to_are_not_told_back(program: ClinicProgram) -> None:
    body = {"messages": [program.message()]}
    body["messages"][0]["destinations"][0]["to"][0]["destination"] = f"{CANARY} no address"
    response = program.ask("POST", "/email/4/messages", body)
    assert response.status_code == 400
    assert CANARY not in response.content.decode()


def test_repetitions_are_recognised_by_uuids_only(program: ClinicProgram) -> None:
    body = {"messages": [program.message()]}
    response = program.ask("POST", "/email/4/messages", body, headers={"idempotency-key": CANARY})
    assert refusal(response) == (400, "hipaa.id-format")
    key = {"idempotency-key": str(uuid4())}
    first, second = (program.ask("POST", "/email/4/messages", body, headers=key) for _ in range(2))
    assert (first.status_code, first.content) == (200, second.content)
    assert Message.objects.count() == 1
    assert b"ann@example.org" not in bytes(RequestKey.objects.get().answer_sealed)


def form(program: ClinicProgram, **parts: Any) -> Any:
    to = json.dumps({"to": "ann@example.org", "placeholders": {"news": CANARY}})
    given = {
        "from": program.sender,
        "to": to,
        "subject": "A message from your clinic",
        "html": "<p>{{news}}</p>",
        **parts,
    }
    return program.ask("POST", "/email/3/send", raw=encode_multipart(BOUNDARY, given), kind=MULTIPART_CONTENT)


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"callbackData": CANARY}, "hipaa.callback-data"),
        ({"CALLBACKDATA": CANARY}, "hipaa.callback-data"),
        ({"bulkId": CANARY}, "hipaa.id-format"),
        ({"skipActiveStorage": "false"}, "hipaa.storage-disabled"),
        ({"cc": "b@example.org"}, "hipaa.copies-ineligible"),
        ({CANARY: "x"}, "hipaa.feature-ineligible"),
    ],
)
def test_a_form_is_refused_the_same(program: ClinicProgram, parts: dict[str, str], code: str) -> None:
    response = form(program, **parts)
    assert (response.status_code, response.json()["requestError"]["serviceException"]["messageId"]) == (400, code)
    assert CANARY not in response.content.decode()


def test_a_form_with_a_file_is_taken(program: ClinicProgram, tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear Ann")
    with file.open("rb") as attachment:
        response = form(program, attachment=attachment, skipActiveStorage="true")
    assert response.status_code == 200, response.content


@pytest.mark.parametrize(
    "path", ["/email/4/logs?destination=ann@example.org", "/email/1/logs?to=a@b.test", "/email/4/reports?x=1"]
)
def test_nobody_is_asked_for_by_address(program: ClinicProgram, path: str) -> None:
    assert program.ask("GET", path).status_code == 400


def finished(program: ClinicProgram, **changes: Any) -> Any:
    head = {
        "From": program.sender,
        "To": "ann@example.org",
        "Subject": "A message from your clinic",
        **changes.pop("head", {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    raw = base64.b64encode(f"{lines}\r\n{CANARY}{changes.pop('more', '')}\r\n".encode()).decode()
    return program.ask("POST", "/email/4/mime", {"mimeMessage": raw, **changes})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"callbackData": CANARY}, "hipaa.callback-data"),
        ({"destinations": ["ann@example.org", "ben@example.org"]}, "hipaa.copies-ineligible"),
        ({"head": {"Cc": "ben@example.org"}}, "hipaa.copies-ineligible"),
        ({"head": {"X-IB-callback-data": CANARY}}, "hipaa.callback-data"),
        ({"head": {"Subject": "Your HIV test results"}}, "hipaa.placeholder-scope"),
        ({"head": {"Content-Type": "text/html"}, "more": '<img src="https://cdn.test/a.png">'}, "hipaa.shared-content"),
        ({}, ""),
    ],
)
def test_a_finished_mail_is_one_persons_and_its_head_says_nothing(
    program: ClinicProgram, changes: dict[str, Any], code: str
) -> None:
    response = finished(program, **changes)
    if not code:
        assert response.status_code == 200, response.content
        assert Message.objects.get().recipient == ""
        return
    assert response.json()["requestError"]["serviceException"]["messageId"] == code
    assert CANARY not in response.content.decode()
    assert not Message.objects.exists()


# --- The official client, and the mail that leaves ----------------------------------------------------------------


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    context = Authority(tmp_path, monkeypatch).server()
    with RawServer(polite, b"STARTTLS", context=context) as running:
        yield running


@pytest.mark.django_db(transaction=True)
def test_the_official_client_changes_its_address_and_key_alone(
    live_server: LiveServer,
    settings: Settings,
    clock: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
    relay: RawServer,
) -> None:
    """Sending, a refusal, reports and logs by the real SDK over a real server; the mail leaves over TLS."""
    monkeypatch.setattr(Conf, "SYNC", False)
    settings.HIPAA_HOSTS = ["localhost"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    clinic = make_clinic()
    clinic.aim(relay.port)
    program = PatientProgram(clock, account=clinic.account, lane=Lane.HIPAA)
    attest(clinic, f"shop@{program.domain.name}")
    with official_client(live_server.url, program) as email:
        email.api_client.default_headers["X-Forwarded-Proto"] = "https"
        answer = email.send_email(request_of(program))
        assert answer.messages[0].status.group_name == "PENDING"
        with pytest.raises(BadRequestException) as caught:
            email.send_email(request_of(program, webhooks=sdk.EmailWebhooks(callback_data=CANARY)))
        assert refusal_of(caught).error_code == "hipaa.callback-data"
        dispatch_stream(clinic.account.transports.get().pk, linger=timedelta(0))
        report = email.get_email_delivery_reports().results[0]
        log = email.get_email_logs().results[0]
        assert (report.message_id, report.status.group_name) == (answer.messages[0].message_id, "DELIVERED")
        assert (log.message_id, log.destination, log.text) == (report.message_id, "", "")
        email.api_client.default_headers["X-Forwarded-Proto"] = "http"
        with pytest.raises(ForbiddenException):
            email.send_email(request_of(program))
    ((rcpt, mail),) = relay.mails
    assert rcpt == b"RCPT TO:<ann@example.org>"
    assert CANARY.encode() in mail
    assert Disclosure.objects.get().tls_version == "TLSv1.3"
    # Content is wiped once it has left.
    assert not Message.objects.exclude(placeholders_sealed=None).exists()


def request_of(program: PatientProgram, **changes: Any) -> Any:
    to = sdk.EmailToDestination(destination="ann@example.org", placeholders=json.dumps({"news": CANARY}))
    file = sdk.EmailMediaBinaryAttachment(
        content=base64.b64encode(b"Hello").decode(), content_type="text/plain", file_name="a.txt"
    )
    message = sdk.EmailMessage(
        sender=program.sender,
        destinations=[sdk.EmailGroupDestination(to=[to])],
        content=sdk.EmailMessageContent(subject="A message", html="<p>{{news}}</p>", attachments=[file]),
        **changes,
    )
    return sdk.EmailRequest(messages=[message])
