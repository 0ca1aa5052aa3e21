"""The door of providers: what they tell arrives once, and nobody else can tell anything."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import uuid
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns.delivery import infobip_codes
from campaigns.delivery.anymail_kinds import PROVIDERS
from campaigns.models import (
    Account,
    Event,
    Message,
    MessageState,
    Suppression,
    SuppressionScope,
    TrackingLevel,
    Transport,
)
from campaigns.outbox import transports
from campaigns.outbox.transports import callback_url, seal_config
from campaigns.planning import fanout, sending
from config.logging import redact
from tests.factories import make_account, make_campaign, make_contact, make_list
from tests.infobip_server import example, status

pytestmark = pytest.mark.django_db

SIGNING_KEY = "signing-key-1"


@pytest.fixture
def account() -> Account:
    # Its readers may be known by what they open.
    return make_account(tracking=TrackingLevel.INDIVIDUAL, tracking_needs_consent=False)


def make_way(account: Account, kind: str = "infobip", **config: str) -> Transport:
    transport = Transport(account=account, name=f"{kind} {uuid.uuid4().hex[:6]}", kind=kind)
    transport.config_sealed = seal_config(transport, config=config)
    transport.save()
    return transport


def make_message(transport: Transport, *, state: MessageState = MessageState.SENT) -> Message:
    """A message that left by the transport."""
    account = transport.account
    readers = make_list(account)
    make_contact(account, lists=[readers])
    submission = sending.send_now(make_campaign(account, lists=[readers], transport=transport))
    fanout.plan_submission(submission.pk)
    Message.objects.filter(submission=submission).update(state=state, attempts=1)
    return Message.objects.get(submission=submission)


def path_of(transport: Transport) -> str:
    return callback_url(transport).partition("//")[2].partition("/")[2].join(("/", ""))


def post(client: Client, transport: Transport, content: object, **extra: Any) -> HttpResponse:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    extra = {"content_type": "application/json", **extra}
    return client.post(path_of(transport), body, **extra)  # type: ignore[return-value]


def report(message: Message, *, status_id: int = 5, error_id: int = 0, **fields: object) -> dict[str, Any]:
    """Infobip's example, about this message."""
    row = example("delivered")["results"][0]
    error = {**row["error"], "id": error_id, "name": "x", "groupId": 1 if error_id else 0}
    row |= {"messageId": str(message.public_id), "status": status(status_id), "error": error, **fields}
    return {"results": [row]}


def event(message: Message, kind: str, **fields: object) -> dict[str, Any]:
    return {**example("clicked"), "notificationType": kind, "messageId": str(message.public_id), **fields}


def state_of(message: Message) -> tuple[str, str]:
    fresh = Message.objects.get(pk=message.pk)
    return fresh.state, fresh.error_code


def kinds(message: Message) -> list[str]:
    return list(message.events.order_by("pk").values_list("kind", flat=True))


# --- Who may tell -------------------------------------------------------------------------------


def test_a_delivery_report_arrives(client: Client, account: Account) -> None:
    transport = make_way(account)
    message = make_message(transport)
    response = post(client, transport, report(message))
    assert (response.status_code, state_of(message)) == (200, (MessageState.DELIVERED, ""))
    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies


def test_a_replay_changes_nothing(client: Client, account: Account) -> None:
    transport = make_way(account)
    message = make_message(transport)
    for _ in range(3):
        assert post(client, transport, report(message)).status_code == 200
    assert kinds(message) == ["delivered"]


@pytest.mark.parametrize("token", ["", "x", "A" * 32, "Ä" * 32, "../../u/x", "a" * 65])
def test_a_wrong_secret_is_a_plain_404(client: Client, account: Account, token: str) -> None:
    """Evil input 40."""
    transport = make_way(account)
    message = make_message(transport)
    url = f"/callbacks/{transport.public_id}/{token}/"
    response = client.post(url, report(message), content_type="application/json")
    assert (response.status_code, response.content) == (404, b"Not Found\n")
    assert kinds(message) == []


def test_the_secret_of_one_way_out_does_not_open_another(client: Client, account: Account) -> None:
    """Evil input 40."""
    transport, other = make_way(account), make_way(account)
    message = make_message(transport)
    token = transports.callback_token(other.public_id)
    assert client.post(f"/callbacks/{transport.public_id}/{token}/").status_code == 404
    assert post(client, other, report(message)).status_code == 200
    assert state_of(message) == (MessageState.SENT, "")


def test_a_stranger_learns_nothing_of_our_mails(client: Client, account: Account) -> None:
    """Evil input 40: the answer is the same for mails of others and for none."""
    message = make_message(make_way(account))
    theirs = make_way(make_account())
    known = post(client, theirs, report(message, status_id=9, error_id=6012))
    unknown = post(client, theirs, report(message, messageId=str(uuid.uuid4())))
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (200, b"OK\n")
    assert (kinds(message), Suppression.objects.count()) == ([], 0)


@pytest.mark.parametrize("ending", ["", "/"])
def test_the_address_works_with_and_without_its_last_slash(client: Client, account: Account, ending: str) -> None:
    """UN-09: a redirect would lose the body."""
    transport = make_way(account)
    message = make_message(transport)
    url = path_of(transport).rstrip("/") + ending
    assert client.post(url, report(message), content_type="application/json").status_code == 200


def test_other_addresses_below_are_nobodys(client: Client, account: Account) -> None:
    for path in ("/callbacks/", "/callbacks/x", f"/callbacks/{uuid.uuid4()}/", f"{path_of(make_way(account))}more"):
        assert client.post(path).status_code == 404


def test_looking_is_allowed_and_changing_otherwise_is_not(client: Client, account: Account) -> None:
    path = path_of(make_way(account))
    assert [client.get(path).status_code, client.head(path).status_code] == [200, 200]
    assert [client.put(path).status_code, client.delete(path).status_code] == [405, 405]


def test_no_check_of_forms_stands_in_the_way(account: Account) -> None:
    client = Client(enforce_csrf_checks=True)
    transport = make_way(account)
    message = make_message(transport)
    assert post(client, transport, report(message)).status_code == 200


def test_the_sandbox_is_told_nothing(client: Client, account: Account) -> None:
    assert post(client, account.transports.get(), {"results": []}).status_code == 404


def test_neither_the_secret_nor_the_news_are_in_the_log(
    client: Client, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make_way(account)
    with caplog.at_level(logging.DEBUG):
        post(client, transport, b'{"results": "ann@example.com"}')
    assert caplog.records
    assert "ann@" not in caplog.text
    assert transports.callback_token(transport.public_id) not in redact(caplog.text)


# --- What is told -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"[]", b"null", b"7", b'"results"', b"{}", b'{"results": 7}', b'{"results": "x"}', b"\xff\xfe", b"[" * 99_999,
     b"<results/>"],
)  # fmt: skip
def test_what_is_no_report_is_refused_without_an_echo(client: Client, account: Account, body: bytes) -> None:
    response = post(client, make_way(account), body)
    assert (response.status_code, response.content) == (400, b"Bad Request\n")


def test_a_body_without_end_is_refused_unread(client: Client, account: Account) -> None:
    """Evil input 16."""
    assert post(client, make_way(account), b" " * (5 * 1024 * 1024 + 1)).status_code == 413


def test_the_type_of_content_does_not_matter(client: Client, account: Account) -> None:
    transport = make_way(account)
    message = make_message(transport)
    assert post(client, transport, report(message), content_type="text/plain").status_code == 200
    assert kinds(message) == ["delivered"]


@pytest.mark.parametrize("number", sorted(infobip_codes.STATUSES))
def test_each_status_in_a_report_means_one_thing(client: Client, account: Account, number: int) -> None:
    transport = make_way(account)
    message = make_message(transport)
    assert post(client, transport, report(message, status_id=number)).status_code == 200
    name = infobip_codes.STATUSES[number].name
    if number == 5:
        expected = (MessageState.DELIVERED, "")
    elif name.startswith(("PENDING", "DELIVERED")) or number == 23:
        expected = (MessageState.SENT, "")
    else:
        expected = (MessageState.BOUNCED, f"infobip.{number}")
    assert state_of(message) == expected


@pytest.mark.parametrize("number", sorted(infobip_codes.ERRORS))
def test_each_error_in_a_report_means_one_thing(client: Client, account: Account, number: int) -> None:
    transport = make_way(account)
    message = make_message(transport)
    post(client, transport, report(message, status_id=9, error_id=number))
    error = infobip_codes.ERRORS[number]
    assert state_of(message) == (MessageState.BOUNCED, f"infobip.{number}")
    assert kinds(message) == ["bounced", *([error.also] if error.also else [])]
    scopes = list(Suppression.objects.values_list("scope", flat=True))
    expected = {"": [], "complained": ["marketing"], "unsubscribed": ["marketing"]}[error.also]
    assert scopes == ([SuppressionScope.EVERYTHING] if error.is_dead else expected)


def test_an_intermediate_report_is_a_delay(client: Client, account: Account) -> None:
    transport = make_way(account)
    message = make_message(transport)
    for attempt in (1, 2, 2):
        post(client, transport, report(message, status_id=3, error_id=6007, attemptCount=attempt))
    assert (kinds(message), state_of(message)[0]) == (["deferred", "deferred"], MessageState.SENT)


def test_news_out_of_order_only_move_forward(client: Client, account: Account) -> None:
    transport = make_way(account)
    message = make_message(transport)
    post(client, transport, event(message, "LATE_BOUNCE"))
    post(client, transport, report(message))
    post(client, transport, report(message, status_id=3, error_id=6007))
    assert state_of(message) == (MessageState.BOUNCED, "infobip.late-bounce")


@pytest.mark.parametrize("kind", ["OPENED", "CLICKED", "COMPLAINED", "UNSUBSCRIBED"])
def test_events_are_recorded_at_their_time(client: Client, account: Account, kind: str) -> None:
    transport = make_way(account)
    message = make_message(transport)
    for _ in range(2):
        assert post(client, transport, event(message, kind)).status_code == 200
    (recorded,) = message.events.all()
    assert (recorded.kind, recorded.at.timestamp()) == (kind.lower(), 1704106800)
    assert state_of(message)[0] == MessageState.SENT


def test_events_of_the_whole_account_are_taken_and_about_nobody(client: Client, account: Account) -> None:
    warning = {"eventId": "x", "createdAt": 1, "eventDetails": {"type": "HIGH_BOUNCE_RATE_WARNING"}}
    assert post(client, make_way(account), warning).status_code == 200
    assert not Event.objects.exists()


def test_a_message_on_the_wire_asks_the_provider_to_come_back(client: Client, account: Account) -> None:
    transport = make_way(account)
    message = make_message(transport, state=MessageState.SENDING)
    response = post(client, transport, report(message))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "60")
    Message.objects.update(state=MessageState.SENT)
    assert post(client, transport, report(message)).status_code == 200
    assert state_of(message)[0] == MessageState.DELIVERED


@pytest.mark.parametrize(
    ("suffix", "attempts", "expected"),
    [
        ("", 1, "bounced"),
        ("", 2, "bounced"),
        (".2", 2, "bounced"),
        ("", 3, "sent"),
        (".2", 3, "sent"),
        (".3", 3, "bounced"),
    ],
)
def test_a_report_about_an_attempt_that_was_refused_and_made_again_is_old_news(
    client: Client, account: Account, suffix: str, attempts: int, expected: str
) -> None:
    transport = make_way(account)
    message = make_message(transport)
    Message.objects.update(attempts=attempts)
    row = report(message, status_id=20, messageId=f"{message.public_id}{suffix}")
    assert post(client, transport, row).status_code == 200
    assert state_of(message)[0] == expected


@pytest.mark.parametrize("suffix", [".", ".x", ".-1", ".99999999", ".²", "x", ".1.1"])
def test_an_id_that_is_nearly_ours_is_not_ours(client: Client, account: Account, suffix: str) -> None:
    transport = make_way(account)
    message = make_message(transport)
    assert post(client, transport, report(message, messageId=f"{message.public_id}{suffix}")).status_code == 200
    assert kinds(message) == [] or suffix == "."


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
rows = st.dictionaries(
    st.sampled_from(["messageId", "status", "error", "doneAt", "sentAt", "attemptCount", "eventId", "sendDateTime",
                     "notificationType", "id", "groupId"]),
    json_values | st.dictionaries(st.sampled_from(["id", "groupId"]), json_values),
)  # fmt: skip
known = st.sampled_from(["OPENED", "CLICKED", "LATE_BOUNCE", "COMPLAINED", "UNSUBSCRIBED", "x"])
payloads = st.one_of(
    json_values,
    st.fixed_dictionaries({"results": st.lists(rows, max_size=3) | json_values}),
    rows.flatmap(lambda row: known.map(lambda kind: {**row, "notificationType": kind})),
)


@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=payloads, ours=st.booleans())
def test_any_json_is_taken_or_refused_and_breaks_nothing(
    payload: Any, ours: bool, client: Client, account: Account
) -> None:
    transport = account.transports.filter(kind="infobip").first() or make_way(account)
    message = Message.objects.filter(submission__transport=transport).first() or make_message(transport)
    if ours and isinstance(payload, dict):
        payload = {**payload, "messageId": str(message.public_id)}
        if isinstance(payload.get("results"), list):
            payload["results"] = [
                {**row, "messageId": str(message.public_id)} if isinstance(row, dict) else row
                for row in payload["results"]
            ]
    assert post(client, transport, payload).status_code in {200, 400}


# --- Providers through anymail ------------------------------------------------------------------


def postmark(message: Message, record: str, **fields: object) -> dict[str, Any]:
    times = {"Delivery": "DeliveredAt", "Bounce": "BouncedAt", "SpamComplaint": "BouncedAt"}
    return {
        "RecordType": record, "MessageID": "883953f4", "Recipient": "john@example.com", "Email": "john@example.com",
        times.get(record, "ReceivedAt"): "2026-02-05T16:33:54.9070259Z", "Tag": "x",
        "Metadata": {"message": str(message.public_id)}, **fields,
    }  # fmt: skip


def test_a_provider_reports_a_delivery(client: Client, account: Account) -> None:
    transport = make_way(account, "postmark", server_token="x")
    message = make_message(transport)
    for _ in range(2):
        assert post(client, transport, postmark(message, "Delivery")).status_code == 200
    assert (state_of(message)[0], kinds(message)) == (MessageState.DELIVERED, ["delivered"])


@pytest.mark.parametrize(
    ("fields", "suppressed"),
    [
        ({"Type": "HardBounce", "ID": 7}, ["everything"]),
        ({"Type": "SoftBounce", "ID": 7, "Details": "smtp;552 5.2.2 mailbox full"}, []),
        ({"Type": "SoftBounce", "ID": 7, "Details": "smtp;550 5.1.1 no such user"}, ["everything"]),
    ],
)
def test_a_provider_reports_a_bounce(
    client: Client, account: Account, fields: dict[str, object], suppressed: list[str]
) -> None:
    transport = make_way(account, "postmark", server_token="x")
    message = make_message(transport)
    post(client, transport, postmark(message, "Bounce", **fields))
    assert state_of(message) == (MessageState.BOUNCED, "provider.bounced")
    assert list(Suppression.objects.values_list("scope", flat=True)) == suppressed


def test_a_provider_reports_a_complaint(client: Client, account: Account) -> None:
    """FB-02."""
    transport = make_way(account, "postmark", server_token="x")
    message = make_message(transport)
    post(client, transport, postmark(message, "SpamComplaint", Type="SpamComplaint", ID=42))
    assert kinds(message) == ["complained"]
    assert Suppression.objects.get().scope == SuppressionScope.MARKETING


def mailgun(message: Message, *, key: str) -> dict[str, Any]:
    signature = hmac.new(key.encode(), b"1700000000token", hashlib.sha256).hexdigest()
    return {
        "signature": {"timestamp": "1700000000", "token": "token", "signature": signature},
        "event-data": {
            "event": "delivered", "timestamp": 1700000000.5, "id": "event-1", "recipient": "john@example.com",
            "user-variables": {"message": str(message.public_id)}, "message": {"headers": {"message-id": "x"}},
        },
    }  # fmt: skip


def test_a_signature_is_checked_where_the_provider_signs(client: Client, account: Account) -> None:
    transport = make_way(account, "mailgun", api_key="x", sender_domain="x", webhook_signing_key=SIGNING_KEY)
    message = make_message(transport)
    assert post(client, transport, mailgun(message, key="another")).status_code == 400
    assert kinds(message) == []
    assert post(client, transport, mailgun(message, key=SIGNING_KEY)).status_code == 200
    assert kinds(message) == ["delivered"]


def test_a_signature_nobody_can_check_yet_is_asked_for_later(client: Client, account: Account) -> None:
    transport = make_way(account, "mailgun", api_key="x", sender_domain="x")
    message = make_message(transport)
    assert post(client, transport, mailgun(message, key=SIGNING_KEY)).status_code == 503
    assert kinds(message) == []


def test_a_signing_key_of_another_account_is_worth_nothing(client: Client, account: Account) -> None:
    """Evil input 40."""
    theirs = make_way(make_account(), "mailgun", api_key="x", sender_domain="x", webhook_signing_key="theirs")
    message = make_message(make_way(account, "mailgun", api_key="x", sender_domain="x", webhook_signing_key="ours"))
    assert post(client, theirs, mailgun(message, key="theirs")).status_code == 200
    assert kinds(message) == []


@pytest.mark.parametrize("kind", PROVIDERS)
@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"{}", b"7", b"[7]", b'{"a": [1]}', b"null", b"\xff"])
def test_what_a_provider_does_not_send_breaks_nothing(client: Client, account: Account, kind: str, body: bytes) -> None:
    keys = {"webhook_signing_key": SIGNING_KEY} if PROVIDERS[kind].must_sign else {}
    transport = make_way(account, kind, **keys)
    assert post(client, transport, body).status_code in {200, 400}
    assert not Event.objects.exists()


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=json_values, kind=st.sampled_from(sorted(PROVIDERS)))
def test_any_json_breaks_no_reader_of_a_provider(payload: Any, kind: str, client: Client, account: Account) -> None:
    transport = account.transports.filter(kind=kind).first() or make_way(account, kind, webhook_signing_key="x")
    assert post(client, transport, payload).status_code in {200, 400}
