"""Providers reached through django-anymail, over real connections to loopback."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.conf import settings as django_settings
from django.core.mail import get_connection
from pytest_django import Settings

from campaigns.delivery.anymail import AnymailConfig, AnymailTransport
from campaigns.delivery.anymail_kinds import PROVIDERS
from campaigns.delivery.base import Outcome, OutgoingEmail, Receipt
from tests.content_contract import SHARED, ContentContract, make_content_email, send_until_error
from tests.http_server import Asked, LoopbackServer, Reply

CREDENTIALS = {
    "api_key": "key-1", "secret_key": "secret-1", "api_token": "token-1", "server_token": "token-2",
    "sender_domain": "mg.example.org",
}  # fmt: skip


INACTIVE = {
    "ErrorCode": 406,
    "Message": "You tried to send to recipient(s) that have been marked as inactive.\n"
    "Found inactive addresses: reader@example.org.\nInactive recipients are ones that have generated a hard bounce.",
}


class Provider(LoopbackServer):
    """Postmark's API on loopback: the local part of a recipient says how it ends."""

    def __init__(self) -> None:
        super().__init__(self._take)
        self.token = CREDENTIALS["server_token"]
        self.mails: list[dict[str, Any]] = []
        self.reply_always: Reply | None = None

    def _take(self, asked: Asked) -> Reply:
        if asked.headers.get("X-Postmark-Server-Token") != self.token:
            return Reply.of({"ErrorCode": 10, "Message": "Bad or missing Server API token."}, 401)
        if self.reply_always is not None:
            return self.reply_always
        mail = asked.json()
        local = mail["To"].partition("@")[0]
        match local:
            case "bounce":
                return Reply.of({"ErrorCode": 300, "Message": "Error parsing 'To': Illegal email domain"}, 422)
            case "defer":
                return Reply(507)
            case "lost":
                return Reply(hang_up=True)
        self.mails.append(mail)
        answer = {
            "To": mail["To"], "SubmittedAt": "2026-11-23T12:00:00Z", "MessageID": "b7bc2f4a", "ErrorCode": 0,
            "Message": "OK",
        }  # fmt: skip
        return replace(Reply.of(answer), pause=1.5 if local == "slow" else 0)


@pytest.fixture
def server(settings: Settings) -> Iterator[Provider]:
    settings.NET_ALLOW_PRIVATE = True
    with Provider() as server:
        yield server


def make_transport(url: str, kind: str = "postmark", **settings: object) -> AnymailTransport:
    values = {**CREDENTIALS, "api_url": url, "connections": 3, **settings}
    return AnymailTransport(AnymailConfig.from_mapping(kind, values))


def send_one(transport: AnymailTransport, mail: OutgoingEmail) -> Receipt:
    (receipt,) = (receipt for receipt in transport.send([mail]) if receipt is not None)
    transport.close()
    return receipt


class TestAnymail(ContentContract):
    @pytest.fixture(autouse=True)
    def _transport(self, server: Provider) -> Iterator[None]:
        self.server = server
        self.transport = make_transport(server.url)
        yield
        self.transport.close()

    def arrived(self) -> Sequence[tuple[str, str, str, str]]:
        return [(mail["To"], mail["Subject"], mail["HtmlBody"], mail["TextBody"]) for mail in self.server.mails]

    def refuse_the_key(self) -> None:
        self.server.token = "another"

    def test_each_lane_keeps_its_connection(self) -> None:
        list(self.transport.send(make_content_email(pk) for pk in range(1, 31)))
        assert self.server.connections <= 3

    def test_headers_metadata_and_tracking_go_along(self) -> None:
        """UN-01."""
        mail = make_content_email(1)
        list(self.transport.send([mail]))
        (arrived,) = self.server.mails
        headers = {entry["Name"]: entry["Value"] for entry in arrived["Headers"]}
        assert headers["List-Unsubscribe"] == "<https://mail.example.com/u/abc>"
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert headers["Feedback-ID"] == "a:b:c:sealpost"
        assert arrived["Metadata"]["message"] == str(mail.public_id)
        assert (arrived["TrackOpens"], arrived["TrackLinks"]) == (False, "None")


@pytest.mark.parametrize(
    ("reply", "outcome", "code"),
    [
        (Reply(500), Outcome.UNKNOWN, "provider.outcome-unknown"),
        (Reply(200, b"garbage"), Outcome.UNKNOWN, "provider.outcome-unknown"),
        (Reply(200, b"x" * 5_000_000), Outcome.UNKNOWN, "provider.outcome-unknown"),
        (Reply(pause=1.2), Outcome.UNKNOWN, "provider.outcome-unknown"),
        (Reply.of(INACTIVE, 422), Outcome.REJECTED, "provider.rejected"),
        (Reply.of({"ErrorCode": 999, "Message": "reader@example.org"}, 422), Outcome.REJECTED, "provider.http-422"),
        (Reply.of({}, 507), Outcome.DEFERRED, "provider.http-507"),
    ],
)  # fmt: skip
def test_every_answer_is_told_as_what_it_is(server: Provider, reply: Reply, outcome: Outcome, code: str) -> None:
    """SM-06, evil input 16."""
    server.reply_always = reply
    receipt = send_one(make_transport(server.url, silence=0.5), make_content_email(1))
    assert (receipt.outcome, receipt.code) == (outcome, code)


@pytest.mark.parametrize(
    ("status", "code", "permanent"),
    [(401, "transport.login-refused", True), (402, "transport.provider-refuses", True),
     (404, "transport.misconfigured", True), (302, "transport.misconfigured", True)],
)  # fmt: skip
def test_what_concerns_all_mail_needs_a_person(server: Provider, status: int, code: str, permanent: bool) -> None:
    server.reply_always = Reply.of({"ErrorCode": 1, "Message": "token-2"}, status)
    receipts, error = send_until_error(make_transport(server.url), [make_content_email(1)])
    assert error is not None
    assert (error.code, error.permanent) == (code, permanent)
    assert [r.outcome for r in receipts if r] == [Outcome.DEFERRED]
    assert "token" not in f"{error} {error.safe_text}"


def test_being_asked_to_wait_is_waited_for(server: Provider) -> None:
    replies = iter([Reply.of({}, 429, Retry_After="0"), Reply.of({}, 503, Retry_After="0")])
    take = server.answer
    server.answer = lambda asked: next(replies, None) or take(asked)
    assert send_one(make_transport(server.url), make_content_email(1)).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("kind", [kind for kind, provider in PROVIDERS.items() if provider.reads_braces])
def test_braces_are_not_left_to_a_provider_that_reads_them(server: Provider, kind: str) -> None:
    """Evil input 12."""
    mail = make_content_email(1, name="{{ contact.EMAIL }}")
    receipt = send_one(make_transport(server.url, kind), mail)
    assert (receipt.outcome, receipt.code) == (Outcome.REJECTED, "provider.braces")
    assert server.asked == []


def test_a_header_the_provider_cannot_write_is_a_refusal_of_this_mail(server: Provider) -> None:
    mail = replace(make_content_email(1), shared=replace(SHARED, headers=(("X-Name", "Bücher"),)))
    receipt = send_one(make_transport(server.url, "brevo"), mail)
    assert (receipt.outcome, receipt.code) == (Outcome.REJECTED, "provider.unsupported")


# --- Every provider: what it is asked, with recorded answers ------------------------------------


def ok(kind: str, asked: Asked) -> Reply:
    """The answer of the provider's documentation to one accepted mail."""
    to = "reader@example.org"
    match kind:
        case "brevo":
            return Reply.of({"messageId": "<201798300811.5787683@relay.domain.com>"}, 201)
        case "mailgun":
            return Reply.of({"id": "<20160306015544.116301.25145@mg.example.org>", "message": "Queued. Thank you."})
        case "mailjet":
            sent = {
                "Status": "success",
                "To": [{"Email": to, "MessageUUID": "cb92", "MessageID": 7, "MessageHref": "x"}],
            }
            return Reply.of({"Messages": [sent]})
        case "mailtrap":
            return Reply.of({"success": True, "message_ids": ["0c7fd939-02cf-11ed-88c2-0a58a9feac02"]})
        case "resend":
            return Reply.of({"id": "ed43773d-ffb5-4a5c-b56c-0c0d1f3f1d0e"})
        case "sparkpost":
            results = {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": "11668787484950529"}
            return Reply.of({"results": results})
        case _:
            return Reply.of({"To": to, "MessageID": "b7bc", "ErrorCode": 0, "Message": "OK", "SubmittedAt": "x"})


def secrets_in(asked: Asked) -> str:
    """All of a request as text, with its basic login opened."""
    login = asked.headers.get("Authorization", "")
    opened = base64.b64decode(login.removeprefix("Basic ")).decode() if login.startswith("Basic ") else login
    return json.dumps([asked.path, dict(asked.headers), opened, asked.body.decode("utf-8", "replace")])


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_mail_is_accepted_by_each_provider_with_its_own_credentials(kind: str, settings: Settings) -> None:
    settings.NET_ALLOW_PRIVATE = True
    mail = make_content_email(1)
    with LoopbackServer(lambda asked: ok(kind, asked)) as server:
        receipt = send_one(make_transport(server.url, kind), mail)
    assert (receipt.outcome, receipt.code) == (Outcome.ACCEPTED, "")
    (asked,) = server.asked
    text = secrets_in(asked)
    for entry in PROVIDERS[kind].credentials:
        assert CREDENTIALS[entry.name] in text
    body = asked.body.decode("utf-8")
    if asked.headers["Content-Type"].startswith("application/x-www-form-urlencoded"):
        body = json.dumps(parse_qs(body))
    assert str(mail.public_id) in body
    assert "List-Unsubscribe" in body
    assert "Hello Ada" in body
    assert "reader@example.org" in body


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_missing_credential_never_falls_back_to_anything(kind: str, settings: Settings) -> None:
    settings.ANYMAIL = {f"{kind.upper()}_{name.upper()}": value for name, value in CREDENTIALS.items()}
    for entry in PROVIDERS[kind].credentials:
        values = {name: value for name, value in CREDENTIALS.items() if name != entry.name}
        with pytest.raises(KeyError):
            AnymailConfig.from_mapping(kind, values)
        with pytest.raises(ValueError, match="credential"):
            AnymailConfig.from_mapping(kind, values | {entry.name: ""})


def test_the_settings_hold_no_credential_of_anybody() -> None:
    assert django_settings.ANYMAIL == {}
    assert [name for name in dir(django_settings) if name.startswith("ANYMAIL_")] == []


def test_every_backend_of_the_table_exists_and_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for provider in PROVIDERS.values():
            names = {entry.name for entry in provider.credentials}
            options: dict[str, Any] = dict.fromkeys(names, "x")
            assert get_connection(provider.backend, **options) is not None


def test_a_config_does_not_show_its_credentials() -> None:
    assert "token-2" not in repr(AnymailConfig.from_mapping("postmark", CREDENTIALS))
