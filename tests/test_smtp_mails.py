"""Mails handed in by SMTP: who may send them, what is stored of them, what is said about them (standards.md 1.6, 1.7)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone
from django_q.conf import Conf

from campaigns import addresses, tokens
from campaigns.audiences import suppression
from campaigns.content.submitted import read_submitted
from campaigns.models import Door as WayIn
from campaigns.models import Lane, Message, MessageState, SandboxMail, Submission, Transport
from campaigns.outbox.finished import compose_batch
from campaigns.outbox.payload import open_payload, open_webhook
from campaigns.smtp import callers
from campaigns.smtp.commands import write_authorization
from campaigns.smtp.intake import Handed, NotStored, store_group
from tests.api import Program, refusing, text_of
from tests.factories import make_domain
from tests.smtp_door import QUICK, Client, Door, open_door, plain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with open_door() as found:
        yield found


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    # The bell is rung, and nobody hears it: tests hand over themselves.
    monkeypatch.setattr(Conf, "SYNC", False)
    return Program()


@pytest.fixture
def sender(program: Program) -> str:
    return f"shop@{program.domain.name}"


@pytest.fixture
def client(door: Door, program: Program) -> Iterator[Client]:
    with Client(door.plain) as found:
        assert found.log_in("App", program.secret).startswith("235")
        yield found


def letter(sender: str, *lines: str, body: str = "Hello\r\n") -> bytes:
    head = [f"From: {sender}", "To: bob@example.net", "Subject: Hi", *lines]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def told_id(reply: str) -> str:
    start, _, message_id = reply.rpartition(" ")
    assert start == "250 2.6.0 Message queued as", reply
    return message_id


# --- What is stored -------------------------------------------------------------------------------------------------


def test_the_id_in_the_reply_is_the_messages_su_07(client: Client, program: Program, sender: str) -> None:
    message_id = told_id(client.mail(letter(sender), sender=sender, to=["bob@example.net"]))
    message = Message.objects.select_related("submission").get()
    assert (str(message.public_id), message.state, message.recipient) == (message_id, "queued", "bob@example.net")
    assert (message.submission.door, message.submission.domain) == (WayIn.SMTP, program.domain)
    (mail,) = program.work()
    assert (mail["from"], mail["to"], mail["subject"], text_of(mail)) == (sender, "bob@example.net", "Hi", "Hello\n")


def test_everybody_in_the_envelope_gets_the_mail_under_one_id(client: Client, program: Program, sender: str) -> None:
    people = ["ann@example.net", "bob@example.net", "ann@example.net", "carl@example.net"]
    message_id = told_id(client.mail(letter(sender), sender=sender, to=people))
    rows = Message.objects.order_by("pk").values_list("recipient", "public_id", "client_id")
    assert [row[0] for row in rows] == ["ann@example.net", "bob@example.net", "carl@example.net"]
    assert {str(row[1]) if not row[2] else row[2] for row in rows} == {message_id}
    assert {mail["to"] for mail in program.work()} == {"bob@example.net"}


def test_controls_say_how_it_is_sent_and_do_not_leave(client: Client, program: Program, sender: str) -> None:
    lines = [
        "X-IB-bulk-id: autumn", "X-IB-message-id: order-17", "X-IB-notify-url: https://ours.example.com/told",
        "X-IB-callback-data: 17", "X-IB-intermediate-report: true", "X-Infobip-TrackOpens: false",
        "X-IB-campaign-reference-id: ref", "X-IB-entity-id: lt", "X-IB-application-id: shop",
    ]  # fmt: skip
    assert told_id(client.mail(letter(sender, *lines), sender=sender, to=["bob@example.net"])) == "order-17"
    submission = Submission.objects.get()
    payload, webhook = open_payload(submission), open_webhook(submission)
    assert (submission.bulk_id, submission.campaign_reference) == ("autumn", "ref")
    assert (submission.entity_id, submission.application_id) == ("lt", "shop")
    assert (webhook.delivery_url, webhook.callback_data) == ("https://ours.example.com/told", "17")
    assert (webhook.intermediate, payload.track_opens, payload.track_clicks) == (True, False, None)
    program.work()
    assert b"X-I" not in zlib.decompress(SandboxMail.objects.get().raw)


def test_a_mail_repeated_under_its_id_is_the_same_mail_su_07_su_08_evil_23(client: Client, sender: str) -> None:
    first = letter(sender, "X-IB-message-id: once")
    replies = {client.mail(first, sender=sender, to=["bob@example.net"]) for _ in range(3)}
    assert replies == {"250 2.6.0 Message queued as once"}
    assert Message.objects.count() == 1
    other = letter(sender, "X-IB-message-id: once", body="Something else\r\n")
    assert client.mail(other, sender=sender, to=["bob@example.net"]).startswith("554 5.5.4")
    assert client.mail(first, sender=sender, to=["eve@example.net"]).startswith("554 5.5.4")
    assert Message.objects.count() == 1


def test_a_suppressed_person_is_accepted_and_gets_no_mail_su_08(client: Client, program: Program, sender: str) -> None:
    key = tokens.address_key(addresses.parse("bob@example.net"), account=program.account.public_id)
    suppression.suppress(program.account, address_key=key, scope="everything", reason="bounce")
    told_id(client.mail(letter(sender), sender=sender, to=["bob@example.net", "ann@example.net"]))
    assert len(program.work()) == 1
    states = dict(Message.objects.values_list("recipient", "state"))
    assert states == {"bob@example.net": MessageState.REFUSED, "ann@example.net": MessageState.SENT}


def test_what_was_handed_in_is_sealed_and_wiped(client: Client, program: Program, sender: str) -> None:
    client.mail(letter(sender, body="pineapple\r\n"), sender=sender, to=["bob@example.net"])
    sealed = Submission.objects.get().payload_sealed
    assert sealed is not None
    assert b"pineapple" not in bytes(sealed)
    program.work()
    assert Submission.objects.get().payload_sealed is None


def test_several_mails_go_over_one_connection_pipelined_su_10(client: Client, sender: str) -> None:
    envelope = f"MAIL FROM:<{sender}> SIZE=500 BODY=8BITMIME\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n".encode()
    client.send(envelope)
    assert [client.hear()[:9] for _ in range(3)] == ["250 2.1.0", "250 2.1.5", "354 End d"]
    client.send(letter(sender, body="one\r\n") + b".\r\n" + envelope)
    assert [client.hear()[:9] for _ in range(4)] == ["250 2.6.0", "250 2.1.0", "250 2.1.5", "354 End d"]
    client.send(letter(sender, body="two\r\n") + b".\r\nQUIT\r\n")
    assert [client.hear()[:9] for _ in range(2)] == ["250 2.6.0", "221 2.0.0"]
    assert Message.objects.count() == 2


# --- Smuggling and shapes (SM-02, SM-03, SM-04, evil inputs 31 and 32) -----------------------------------------------


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n"])
def test_a_hidden_second_mail_stays_part_of_the_first_sm_03_evil_31(
    client: Client, program: Program, sender: str, end: bytes
) -> None:
    hidden = f"MAIL FROM:<{sender}>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nFrom: ceo@example.org\r\n\r\nPay\r\n"
    client.start_mail(sender=sender)
    told_id(client.say(letter(sender, body="first") + end + hidden.encode() + b"."))
    assert Message.objects.get().recipient == "bob@example.net"
    program.work()
    raw = zlib.decompress(SandboxMail.objects.get().raw)
    # What leaves has one kind of line end, and a lone dot only where our client stuffs it.
    assert raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r")
    assert b"victim@example.org" in raw


def test_dots_arrive_as_they_were_sm_02(client: Client, program: Program, sender: str) -> None:
    body = ".\r\n..\r\n.hidden\r\nlast.\r\n"
    told_id(client.mail(letter(sender, body=body), sender=sender, to=["bob@example.net"]))
    (mail,) = program.work()
    assert text_of(mail) == body.replace("\r\n", "\n")


def test_a_declared_size_above_the_limit_is_refused_at_once_sm_04_evil_16(client: Client, sender: str) -> None:
    assert client.say(f"MAIL FROM:<{sender}> SIZE=10485761").startswith("552 5.3.4")
    assert client.say(f"MAIL FROM:<{sender}> SIZE=10485760").startswith("250 2.1.0")


def test_an_undeclared_size_above_the_limit_is_refused_in_data_sm_04_evil_32(program: Program, sender: str) -> None:
    with open_door(replace(QUICK, message_bytes=100_000)) as door, Client(door.plain) as client:
        client.log_in("App", program.secret)
        client.start_mail(sender=sender)
        for _ in range(1_000):
            client.send(b"x" * 1_000 + b"\r\n")
        assert client.say(".") == "552 5.3.4 Message too large"
        told_id(client.mail(letter(sender), sender=sender, to=["bob@example.net"]))
    assert Message.objects.count() == 1


def test_a_long_line_is_refused_sm_04(client: Client, sender: str) -> None:
    reply = client.mail(letter(sender, body="x" * 999 + "\r\n"), sender=sender, to=["bob@example.net"])
    assert reply.startswith("500 5.5.2")


def test_without_room_for_it_a_mail_is_put_off(program: Program, sender: str) -> None:
    with open_door(replace(QUICK, bytes_in_flight=1_000)) as door, Client(door.plain) as client:
        client.log_in("App", program.secret)
        big = letter(sender, body="x" * 70 + "\r\n" * 2_000)
        assert (
            client.mail(big, sender=sender, to=["bob@example.net"]) == "452 4.3.1 No room for this mail now, try again"
        )
        told_id(client.mail(letter(sender), sender=sender, to=["bob@example.net"]))


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["X-IB-notify-url: gopher://x"], "554 5.5.4"),
        (["X-IB-notify-url: https://169.254.169.254/latest"], "554 5.5.4"),  # evil input 26
        (["X-IB-tracking-url: https://127.1/"], "554 5.5.4"),
        (["Subject: twice"], "554 5.6.0"),
        (["Content-Type: multipart/mixed; boundary=a"], "554 5.6.0"),
        (["no header"], "554 5.6.0"),
    ],
)
def test_a_mail_that_cannot_be_sent_is_refused_for_good(
    client: Client, sender: str, lines: list[str], code: str
) -> None:
    assert client.mail(letter(sender, *lines), sender=sender, to=["bob@example.net"]).startswith(code)
    assert not Message.objects.exists()


def test_a_program_dressed_as_a_document_is_refused_at_once_evil_17(client: Client, sender: str) -> None:
    lines = ["Content-Type: application/pdf; name=invoice.pdf", "Content-Disposition: attachment; filename=invoice.pdf"]
    mail = letter(sender, *lines, "Content-Transfer-Encoding: base64", body="TVqQAAMAAAAEAAAA//8AALgAAAA=\r\n")
    assert client.mail(mail, sender=sender, to=["bob@example.net"]).startswith("554 5.7.1 Attachment 1")


# --- Who may send (SU-03, SU-04, evil input 34) ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "<a@evil.example.org>", "<@relay.example:a@{domain}>", '<"a@evil"@{domain}>', "<a@[127.0.0.1]>", "<a@localhost>", "<>",
        "<a>", "a@{domain}", "<a@{domain}", "<a@{domain}> WHAT=1", "<a@{domain}> SIZE=x", "<a@{domain}> RET=ALL",
        "<a@{domain}> BODY=BINARYMIME", "<ž@{domain}>", "<a@sub.{domain}>",
    ],
)  # fmt: skip
def test_senders_that_are_not_the_accounts_are_refused_at_mail_su_04(
    client: Client, program: Program, path: str
) -> None:
    reply = client.say(f"MAIL FROM:{path.replace('{domain}', program.domain.name)}")
    assert reply[:3] in {"501", "550", "553", "555"}, reply
    assert client.say("RCPT TO:<bob@example.net>").startswith("503 5.5.1")


@pytest.mark.parametrize(
    "path",
    [
        "<bob%example.org@example.net>", "<@example.net:bob@example.org>", '<"bob@example.org"@example.net>',
        "<example.org!bob@example.net>", "<bob@[192.0.2.1]>", "<bob>", "<>", "bob@example.net", "<bob@example.net> NOTIFY=MAYBE",
        "<bob@example.net> ORCPT=x", "<žmogus@example.net>", "<bob@@example.net>", "<" + "b" * 65 + "@example.net>",
    ],
)  # fmt: skip
def test_routes_and_what_is_no_mailbox_are_refused_at_rcpt_su_03_sm_01(client: Client, sender: str, path: str) -> None:
    client.say(f"MAIL FROM:<{sender}>")
    reply = client.say(f"RCPT TO:{path}")
    assert reply[:3] in {"501", "553", "555"}, reply
    assert client.say("DATA").startswith("503 5.5.1")


@pytest.mark.parametrize(
    "written",
    [
        "x@evil.example.org", "ceo@{domain} <x@evil.example.org>", "\"ceo@{domain}\" <x@evil.example.org>",
        "a@{domain}, b@evil.example.org", "a@{domain}\r\nFrom: b@evil.example.org", "Team: a@{domain};",
        "a@{domain}\r\nSender: x@evil.example.org", "=?utf-8?q?a=40{domain}?= <x@evil.example.org>",
        "<=?utf-8?q?a?=@{domain}>", "(a@{domain}) x@evil.example.org", "a@\r\n evil.example.org",
        "a@{lookalike}", "a@sub.{domain}",
    ],
)  # fmt: skip
def test_a_from_that_is_not_the_accounts_is_refused_at_data_su_04_evil_34(
    client: Client, program: Program, sender: str, written: str
) -> None:
    domain = program.domain.name
    written = written.replace("{domain}", domain).replace("{lookalike}", domain.replace("a", "а"))
    reply = client.mail(letter(written), sender=sender, to=["bob@example.net"])
    assert reply[:9] in {"550 5.7.1", "553 5.7.1"}, reply
    assert not Message.objects.exists()


def test_another_accounts_domain_is_a_strangers_su_04(client: Client, sender: str) -> None:
    other = Program()
    assert client.say(f"MAIL FROM:<a@{other.domain.name}>").startswith("550 5.7.1")
    assert client.mail(letter(f"a@{other.domain.name}"), sender=sender, to=["bob@example.net"]).startswith("550 5.7.1")


def test_an_unverified_domain_sends_in_the_sandbox_only_su_04(door: Door, program: Program) -> None:
    domain = make_domain(program.account, verified_at=None)
    with Client(door.plain) as client:
        client.log_in("App", program.secret)
        told_id(client.mail(letter(f"a@{domain.name}"), sender=f"a@{domain.name}", to=["bob@example.net"]))
    Transport.objects.filter(account=program.account).update(kind="smtp")
    with Client(door.plain) as client:
        client.log_in("App", program.secret)
        reply = client.say(f"MAIL FROM:<a@{domain.name}>")
        assert reply.startswith("550 5.7.1 The sender's domain is not verified.")


def test_smtputf8_is_asked_for_and_then_supported_in_02_su_10(client: Client, program: Program, sender: str) -> None:
    client.say(f"MAIL FROM:<{sender}> SMTPUTF8")
    assert client.say("RCPT TO:<用户@例子.广告>").startswith("250 2.1.5")
    client.say("DATA")
    told_id(client.say(f"From: {sender}\r\nTo: 用户@例子.广告\r\nSubject: 你好\r\n\r\n你好\r\n.".encode()))
    message = Message.objects.get()
    assert (message.recipient, message.recipient_domain) == ("用户@例子.广告", "xn--fsqu00a.xn--4rr70v")
    (mail,) = program.work()
    assert (mail["subject"], text_of(mail)) == ("你好", "你好\n")


def test_a_key_for_marketing_sends_no_finished_mails(door: Door, program: Program, sender: str) -> None:
    type(program.key).objects.update(purpose="marketing")
    with Client(door.plain) as client:
        client.log_in("App", program.secret)
        reply = client.mail(letter(sender), sender=sender, to=["bob@example.net"])
    assert reply.startswith("554 5.7.1 A key for marketing")


# --- When something is broken ---------------------------------------------------------------------------------------


def test_without_a_way_to_send_mails_are_put_off(client: Client, program: Program, sender: str) -> None:
    Transport.objects.filter(account=program.account).delete()
    assert client.mail(letter(sender), sender=sender, to=["bob@example.net"]).startswith("451 4.3.5")


def test_a_limit_on_requests_holds_for_mails_too_su_08(door: Door, program: Program, sender: str) -> None:
    type(program.key).objects.update(max_per_second=1)
    with Client(door.plain) as client:
        client.log_in("App", program.secret)
        replies = [client.mail(letter(sender), sender=sender, to=["bob@example.net"])[:9] for _ in range(3)]
    assert replies[0] == "250 2.6.0"
    assert "451 4.7.1" in replies


def test_while_the_database_is_away_the_answer_is_later_and_the_peer_learns_nothing_su_07(
    client: Client, sender: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def be_away(self: object, *args: object, **kwargs: object) -> None:
        raise OperationalError("connection to zq-secret-host failed")

    with monkeypatch.context() as patch:
        patch.setattr(BaseDatabaseWrapper, "cursor", be_away)
        reply = client.mail(letter(sender), sender=sender, to=["bob@example.net"])
    assert reply == "451 4.3.0 Not possible now, try again later"
    assert "zq-secret" not in caplog.text
    told_id(client.mail(letter(sender), sender=sender, to=["bob@example.net"]))


def test_what_goes_wrong_inside_is_nobodys_to_see(
    door: Door, program: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: object, *args: object, **kwargs: object) -> None:
        raise RuntimeError("zq-secret")

    with Client(door.plain) as client:
        client.hear()
        client.say("EHLO client.test")
        with monkeypatch.context() as patch:
            patch.setattr(BaseDatabaseWrapper, "cursor", fail)
            assert (
                client.say(f"AUTH PLAIN {plain('App', program.secret)}")
                == "421 4.3.0 Not possible now, try again later"
            )
        assert client.hear() == ""
    assert "A conversation failed: RuntimeError" in caplog.text
    assert "zq-secret" not in caplog.text


def test_one_mail_the_database_does_not_take_costs_the_others_nothing(program: Program, sender: str) -> None:
    caller = callers.let_in(
        write_authorization(b"App", program.secret.encode()), remote="127.0.0.1", lane=Lane.STANDARD, now=timezone.now()
    )
    mail = read_submitted(letter(sender), now=timezone.now(), largest=10_000)
    people = [f"{name}@example.net" for name in ("ann", "poison", "carl")]
    handed = [
        Handed(
            compose_batch(mail, origin=caller.origin, recipients=[("", addresses.parse(person))], now=timezone.now()),
            caller.credential,
        )
        for person in people
    ]
    with refusing("poison@example.net"):
        store_group(handed)
    ann, poison, carl = (entry.stored for entry in handed)
    assert {ann.result(), carl.result()} == {str(row.public_id) for row in Message.objects.all()}
    with pytest.raises(NotStored):
        poison.result()
