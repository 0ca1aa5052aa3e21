"""Sending by POST /email/4/messages: what goes in, what comes out of the sandbox."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from campaigns.audiences import suppression
from campaigns.models import Lane, Message, MessageState, Submission, SubmissionState
from campaigns.outbox.dispatch import dispatch_stream
from tests.api import Program, text_of

pytestmark = pytest.mark.django_db

PDF = base64.b64encode(b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n").decode()
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
def program() -> Program:
    return Program()


def violations(response: Any) -> dict[str, str]:
    assert response.status_code == 400, response.content
    return {entry["property"]: entry["violation"] for entry in response.json()["violations"]}


def test_a_mail_to_one_person_is_accepted_stored_and_sent(program: Program) -> None:
    answer = program.send("ann@example.com")
    (told,) = answer["messages"]
    assert told["destination"] == "ann@example.com"
    assert (told["status"]["groupName"], told["status"]["name"]) == ("PENDING", "PENDING_ENROUTE")
    message = Message.objects.get()
    assert (str(message.public_id), message.state) == (told["messageId"], MessageState.QUEUED)
    (mail,) = program.work()
    assert (mail["subject"], mail["to"], text_of(mail)) == ("Your order", "ann@example.com", "It is on its way.\n")
    assert mail["from"] == f"Shop <shop@{program.domain.name}>"
    message.refresh_from_db()
    assert message.state == MessageState.SENT


def test_what_was_handed_in_is_sealed_while_it_waits_and_wiped_when_it_has_left(program: Program) -> None:
    program.send(content={"text": "The secret word is pineapple."})
    submission = Submission.objects.get()
    assert submission.payload_sealed is not None
    assert b"pineapple" not in bytes(submission.payload_sealed)
    program.work()
    submission.refresh_from_db()
    assert submission.state == SubmissionState.DONE
    assert submission.payload_sealed is None


def test_each_recipient_gets_a_mail_and_an_id_of_their_own(program: Program) -> None:
    answer = program.send("ann@example.com", "bob@example.com")
    assert len({entry["messageId"] for entry in answer["messages"]}) == 2
    assert answer["bulkId"]
    assert sorted(str(mail["to"]) for mail in program.work()) == ["ann@example.com", "bob@example.com"]


def test_ids_of_callers_are_kept_to_the_letter(program: Program) -> None:
    names = ['a "quoted" one', "back\\slash", "{braces},commas", "NULL", "é\u2028 ", "{}"]
    people = [{"destination": f"p{number}@example.com", "messageId": name} for number, name in enumerate(names)]
    answer = program.send(destinations=[{"to": people}])
    assert [entry["messageId"] for entry in answer["messages"]] == names
    assert list(Message.objects.order_by("pk").values_list("client_id", flat=True)) == names


def test_with_preserved_recipients_everybody_sees_the_list_and_one_id_is_told(program: Program) -> None:
    group = {
        "to": [{"destination": "Ann <ann@example.com>"}, {"destination": "bob@example.com"}],
        "cc": [{"destination": "cc@example.com"}],
        "bcc": [{"destination": "bcc@example.com"}],
        "preserveRecipients": True,
        "replyTo": "help@example.com",
    }
    answer = program.send(destinations=[group])
    assert [entry["destination"] for entry in answer["messages"]] == [
        "ann@example.com", "cc@example.com", "bcc@example.com",
    ]  # fmt: skip
    mails = program.work()
    assert len(mails) == 4
    assert {(str(mail["to"]), str(mail["cc"]), str(mail["reply-to"])) for mail in mails} == {
        ("Ann <ann@example.com>, bob@example.com", "cc@example.com", "help@example.com")
    }
    assert all("bcc@example.com" not in str(mail["to"]) + str(mail["cc"]) and mail["bcc"] is None for mail in mails)


def test_without_it_nobody_sees_another_recipient(program: Program) -> None:
    group = {
        "to": [{"destination": "ann@example.com"}, {"destination": "bob@example.com"}],
        "cc": [{"destination": "cc@example.com"}],
    }
    program.send(destinations=[group])
    assert {str(mail["to"]) for mail in program.work()} == {
        "ann@example.com", "bob@example.com", "undisclosed-recipients:;",
    }  # fmt: skip


def test_placeholders_of_a_recipient_win_over_the_defaults(program: Program) -> None:
    group = {
        "to": [
            {"destination": "ann@example.com", "placeholders": '{"name": "Ann <3", "city": "Oslo"}'},
            {"destination": "bob@example.com"},
        ]
    }
    content = {
        "subject": "Hi {{name}}",
        "html": "<p>{{ name }} of {{city}}</p>",
        "text": None,
        "defaultPlaceholders": '{"name": "friend", "city": "somewhere"}',
    }
    program.send(destinations=[group], content=content)
    mails = {str(mail["to"]): mail for mail in program.work()}
    assert mails["ann@example.com"]["subject"] == "Hi Ann <3"
    assert "<p>Ann &lt;3 of Oslo</p>" in text_of(mails["ann@example.com"], "html")
    assert "friend of somewhere" in text_of(mails["bob@example.com"])


def test_a_value_that_looks_like_a_template_stays_text(program: Program) -> None:
    """Evil input 12."""
    evil = "{{ settings.SECRET_KEY }}{% include 'x' %}${7*7}"
    to = {"destination": "ann@example.com", "placeholders": {"name": evil}}
    program.send(destinations=[{"to": [to]}], content={"text": "Hello {{name}}"})
    (mail,) = program.work()
    assert text_of(mail) == f"Hello {evil}\n"


def test_a_value_that_looks_like_markup_is_escaped_and_an_evil_link_fails_this_mail_only(program: Program) -> None:
    """Evil input 13."""
    people = [
        {"destination": "ann@example.com", "placeholders": {"name": '"><img onerror=x>', "link": "https://x.example/"}},
        {"destination": "bob@example.com", "placeholders": {"name": "Bob", "link": "javascript:alert(1)"}},
    ]
    html = '<p title="{{name}}">{{name}}</p><a href="{{link}}">go</a>'
    program.send(destinations=[{"to": people}], content={"html": html})
    (mail,) = program.work()
    assert "<img" not in text_of(mail, "html")
    assert Message.objects.get(recipient="bob@example.com").error_code == "content.unsafe-link"


def test_a_missing_value_fails_this_recipient_only(program: Program) -> None:
    """Evil input 15."""
    people = [{"destination": "ann@example.com", "placeholders": {"name": "Ann"}}, {"destination": "bob@example.com"}]
    program.send(destinations=[{"to": people}], content={"text": "Hello {{name}}"})
    (mail,) = program.work()
    assert mail["to"] == "ann@example.com"
    failed = Message.objects.get(recipient="bob@example.com")
    assert (failed.state, failed.error_code) == (MessageState.FAILED, "content.value-missing")


def test_language_2_has_conditions_and_loops(program: Program) -> None:
    content = {
        "text": "{% for item in items %}{{ item }}, {% endfor %}{% if vip %}thanks{% else %}bye{% endif %}",
        "templateLanguageVersion": "2",
    }
    to = {"destination": "ann@example.com", "placeholders": {"items": ["tea", "milk"], "vip": True}}
    program.send(destinations=[{"to": [to]}], content=content)
    (mail,) = program.work()
    assert text_of(mail) == "tea, milk, thanks\n"


def test_a_template_in_a_language_nobody_can_read_is_reported_later(program: Program) -> None:
    program.send(content={"text": "{% if %}", "templateLanguageVersion": "2"})
    assert program.work() == []
    assert Message.objects.get().error_code == "content.syntax"


def test_attachments_and_inline_images_arrive(program: Program) -> None:
    content = {
        "html": '<p>See <img src="cid:dot.png"></p>',
        "attachments": [{"type": "binary", "content": PDF, "contentType": "application/pdf", "fileName": "rēķins.pdf"}],
        "inlineImages": [{"type": "binary", "content": PNG, "contentType": "image/png", "fileName": "dot.png"}],
    }
    program.send(content=content)
    (mail,) = program.work()
    (attachment,) = mail.iter_attachments()
    assert attachment.get_filename() == "rēķins.pdf"
    assert base64.b64encode(attachment.get_content()).decode() == PDF
    image = next(part for part in mail.walk() if part.get_content_type() == "image/png")
    assert image["content-id"] == "<dot.png>"


@pytest.mark.parametrize(
    ("name", "data"),
    [("invoice.pdf", b"MZ\x90\x00 not a pdf"), ("invoice.pdf.exe", b"MZ"), ("fdp\u202eexe.pdf", b"%PDF-1.4")],
)
def test_a_file_that_is_not_what_it_says_is_refused_at_once(program: Program, name: str, data: bytes) -> None:
    """Evil input 17."""
    file = {"type": "binary", "content": base64.b64encode(data).decode(), "fileName": name}
    body = {"messages": [program.message(content={"attachments": [file]})]}
    response = program.post("/email/4/messages", body)
    assert response.status_code == 400
    assert name.encode() not in response.content
    assert not Submission.objects.exists()


def test_more_than_ten_megabytes_of_files_are_a_413(program: Program) -> None:
    """Evil input 16."""
    data = base64.b64encode(b"%PDF-1.4" + b"0" * 8_000_000).decode()
    file = {"type": "binary", "content": data, "fileName": "big.pdf"}
    response = program.post("/email/4/messages", {"messages": [program.message(content={"attachments": [file]})]})
    assert (response.status_code, response.json()["errorCode"]) == (413, "E413")


def test_a_body_larger_than_any_mail_is_a_413_and_never_parsed(program: Program) -> None:
    """Evil input 16."""
    body = {"messages": [program.message(content={"text": "x" * 17_000_000})]}
    assert program.post("/email/4/messages", body).status_code == 413


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("Bob\r\nBcc: v@example.com <b@example.com>", "messages[0].destinations[0].to[0].destination"),
        ("Bob\u2028x <b@example.com>", "messages[0].destinations[0].to[0].destination"),
        ("B" * 5000 + " <b@example.com>", "messages[0].destinations[0].to[0].destination"),
    ],
)
def test_a_name_that_could_break_a_header_is_a_400_with_its_path(program: Program, name: str, path: str) -> None:
    """MF-09, evil input 9."""
    response = program.post("/email/4/messages", {"messages": [program.message(name)]})
    assert path in violations(response)
    assert b"v@example.com" not in response.content


def test_a_subject_with_a_line_break_never_makes_a_header(program: Program) -> None:
    """MF-09, evil input 10."""
    program.send(content={"subject": "Hi\r\nBcc: v@example.com"})
    assert program.work() == []
    assert Message.objects.get().state == MessageState.FAILED


def test_odd_subjects_arrive_as_they_are(program: Program) -> None:
    """Evil input 10, MF-07."""
    for subject in ("Ą 🎉 " * 200, "=?utf-8?q?literal?="):
        program.send(content={"subject": subject[:1000]})
    first, second = program.work()
    assert str(first["subject"]).strip() == ("Ą 🎉 " * 200)[:1000].strip()
    assert second["subject"] == "=?utf-8?q?literal?="


@pytest.mark.parametrize("sender", ['"support@bank.com" <x@{d}>', "a@b.example, c@{d}", "", "nobody"])
def test_a_sender_that_pretends_or_is_none_is_refused(program: Program, sender: str) -> None:
    """Evil input 11, MP-07."""
    message = program.message() | {"sender": sender.format(d=program.domain.name)}
    assert "messages[0].sender" in violations(program.post("/email/4/messages", {"messages": [message]}))


@pytest.mark.parametrize(
    "header", ["Bcc", "List-Unsubscribe", "DKIM-Signature", "Return-Path", "Message-ID", "Feedback-ID", "X-IB-track"]
)
def test_headers_that_are_not_the_callers_are_refused(program: Program, header: str) -> None:
    """LH-03."""
    message = program.message(content={"headers": f'{{"{header}": "v"}}'})
    found = violations(program.post("/email/4/messages", {"messages": [message]}))
    assert list(found) == ["messages[0].content.headers"]


def test_headers_of_their_own_leave_with_the_mail(program: Program) -> None:
    program.send(content={"headers": '{"X-Order": "4711 ą", "In-Reply-To": "<a@example.com>"}'})
    (mail,) = program.work()
    assert (mail["x-order"], mail["in-reply-to"]) == ("4711 ą", "<a@example.com>")


def test_an_address_that_is_none_is_told_in_the_answer_and_stops_nobody_else(program: Program) -> None:
    answer = program.send("ann@example.com", "no address")
    assert [entry["status"]["name"] for entry in answer["messages"]] == ["PENDING_ENROUTE", "REJECTED_DESTINATION"]
    assert Message.objects.count() == 1


def test_a_thousand_recipients_are_counted_over_to_cc_and_bcc(program: Program) -> None:
    people = [{"destination": f"p{number}@example.com"} for number in range(999)]
    group = {"to": people, "cc": [{"destination": "cc@example.com"}]}
    assert len(program.send(destinations=[group])["messages"]) == 1000
    group["bcc"] = [{"destination": "bcc@example.com"}]
    response = program.post("/email/4/messages", {"messages": [program.message(destinations=[group])]})
    assert response.status_code == 400


def test_a_mail_for_later_waits(program: Program) -> None:
    at = (timezone.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    answer = program.send(options={"schedule": {"sendAt": at, "bulkId": "b-1"}})
    assert answer["bulkId"] == "b-1"
    assert program.work() == []
    with time_machine.travel(timezone.now() + timedelta(days=2, minutes=1)):
        assert len(program.work()) == 1


def test_six_days_are_too_far_ahead(program: Program) -> None:
    at = (timezone.now() + timedelta(days=6)).isoformat()
    body = {"messages": [program.message()], "options": {"schedule": {"sendAt": at}}}
    assert violations(program.post("/email/4/messages", body)) == {
        "options.schedule.sendAt": "must be at most 5 days ahead"
    }


def test_a_mail_outside_its_days_waits_for_them(program: Program) -> None:
    window = {"days": ["MONDAY"], "from": {"hour": 9, "minute": 0}, "to": {"hour": 17, "minute": 0}}
    with time_machine.travel("2026-11-28T12:00:00Z"):  # a Saturday
        body = {"messages": [program.message() | {"options": {"deliveryTimeWindow": window}}]}
        assert program.post("/email/4/messages", body).status_code == 200
        assert program.work() == []
        assert Message.objects.get().next_attempt_at.isoformat() == "2026-11-30T09:00:00+00:00"


def test_a_suppressed_recipient_is_accepted_and_then_refused(program: Program) -> None:
    program.send("ann@example.com")
    key = Message.objects.get().address_key
    suppression.suppress(program.account, address_key=key, scope="everything", reason="bounce")
    assert program.work() == []
    message = Message.objects.get()
    assert (message.state, message.error_code) == (MessageState.REFUSED, "recipient.suppressed")


def test_one_address_named_twice_gets_one_mail(program: Program) -> None:
    answer = program.send("ann@example.com", "ANN@example.com")
    assert len({entry["messageId"] for entry in answer["messages"]}) == 1
    assert len(program.work()) == 1


def test_values_are_masked_in_the_mail(program: Program) -> None:
    to = {"destination": "ann@example.com", "placeholders": {"card": "4711-0815-1234", "mail": "ann@example.com"}}
    masks = [
        {"name": "card", "visibleChars": 4, "maskChar": "x", "skipChars": ["-"]},
        {"name": "mail", "side": "L", "delimiter": "@"},
    ]
    program.send(
        destinations=[{"to": [to]}], content={"text": "{{card}} {{mail}}"}, placeholdersMasking=masks,
    )  # fmt: skip
    (mail,) = program.work()
    assert text_of(mail) == "xxxx-xxxx-1234 ***@example.com\n"


def test_keys_with_blanks_around_them_are_read(program: Program) -> None:
    """infobip.md §7.4: an official SDK sends "clientPriority "."""
    body = {"messages": [program.message()], "options": {"clientPriority ": "HIGH"}}
    assert program.post("/email/4/messages", body).status_code == 200


def test_an_unknown_priority_is_told_by_its_trimmed_path(program: Program) -> None:
    body = {"messages": [program.message()], "options": {"clientPriority ": "NOW"}}
    assert list(violations(program.post("/email/4/messages", body))) == ["options.clientPriority"]


def test_a_paused_stream_sends_nothing_and_a_resumed_one_does(program: Program) -> None:
    program.send()
    Submission.objects.update(state=SubmissionState.PAUSED)
    assert program.work() == []
    Submission.objects.update(state=SubmissionState.OPEN)
    assert len(program.work()) == 1


def test_a_key_of_the_hipaa_lane_is_refused_here_before_the_body_is_read(program: Program) -> None:
    other = Program(program.account, lane=Lane.HIPAA)
    response = other.client.post(
        "/email/4/messages", b"{not even JSON", content_type="application/json", headers=other.headers
    )
    assert response.status_code == 403


def test_mails_of_many_requests_leave_in_one_pass(program: Program) -> None:
    for number in range(5):
        program.send(f"p{number}@example.com", content={"text": f"Mail {number}"})
    assert dispatch_stream(program.account.transports.get().pk, linger=timedelta(0)).claimed == 5
    assert len(program.mails()) == 5
