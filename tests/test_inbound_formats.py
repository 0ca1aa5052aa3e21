"""Notices of mail systems that follow no standard, each as its system writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from campaigns.inbound.reports import Kind, read_report
from campaigns.replies.meaning import Class

# One notice a file; its first line says the class and the recipients.
NOTICES = sorted((Path(__file__).resolve().parent / "data" / "notices").glob("*.eml"))


def make(sender: str, subject: str, text: str, *, headers: str = "", returns: str = "<>") -> bytes:
    head = f"Return-Path: {returns}\nFrom: {sender}\nTo: news@example.org\nSubject: {subject}\n{headers}\n"
    return (head + text).encode()


@pytest.mark.parametrize("file", NOTICES, ids=lambda file: file.stem)
def test_notices_of_many_systems_name_their_recipients_and_reasons(file: Path) -> None:
    """DS-08."""
    raw = file.read_bytes()
    expected, *recipients = raw.partition(b"\n")[0].decode().removeprefix("X-Expected: ").split()
    report = read_report(raw)
    assert (report.kind, [failure.address for failure in report.failures]) == (Kind.BOUNCE, recipients)
    assert {failure.verdict.bounce_class for failure in report.failures} == {Class(expected)}


def test_each_recipient_of_a_notice_has_a_reason_of_its_own() -> None:
    text = (
        "Hi. This is the qmail-send program at example.net.\nI'm afraid I wasn't able to deliver your message to the"
        " following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        "<ann@example.com>:\nuser is over quota\n\n<bob@example.com>:\n192.0.2.9 does not like recipient.\n"
        "Remote host said: 550 no such user (#5.1.1)\nGiving up on 192.0.2.9.\n\n"
        "--- Below this line is a copy of the message.\n\nReceived: x\nTo: eve@example.com\n"
    )
    report = read_report(make("MAILER-DAEMON@example.net", "failure notice", text))
    assert [(failure.address, str(failure.verdict.reason)) for failure in report.failures] == [
        ("ann@example.com", "mailbox-full"),
        ("bob@example.com", "no-mailbox"),
    ]


def test_a_reply_that_repeats_an_address_is_no_list_of_recipients() -> None:
    text = (
        "A message that you sent could not be delivered to one or more of its\nrecipients. The following address(es) failed:"
        "\n\n  ann@example.com\n    SMTP error from remote mail server after RCPT TO:<ann@example.com>:\n"
        "    550 5.1.1 <ann@example.com>: Recipient address rejected: User unknown\n"
        "  bob@example.net\n    mailbox is full: retry timeout exceeded\n"
    )
    headers = "X-Failed-Recipients: bob@example.net,\n  ann@example.com\n"
    report = read_report(make("Mailer-Daemon@example.org", "Mail delivery failed", text, headers=headers))
    assert [(failure.address, str(failure.verdict.reason)) for failure in report.failures] == [
        ("bob@example.net", "mailbox-full"),
        ("ann@example.com", "no-mailbox"),
    ]


AUTOMATIC = [
    "Autosvar: Hej", "Automatiskt svar: Hej", "Automatisk svar: Hei", "Automaattinen vastaus: Moi", "Odpowiedź automatyczna: x",
    "Automatická odpověď: x", "Automatikus válasz: x", "Otomatik yanıt: x", "Автоматический ответ: x",
    "Automatinis atsakymas: x", "자동 회신: x", "Absent(e) du bureau : x", "Afwezigheidsbericht", "Urlaub bis 12.3.",
    "Yahoo! Auto Response", "[Auto-Reply] x", "OOO Re: x", "Mensaje automático",
]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "subject", "text", "kind"),
    [
        ("Auto-Submitted: auto-replied\n", "Re: Hello", "I am away. My mailbox may be full.", Kind.AUTOREPLY),
        ("", "Automatic reply: Hello", "Write to bob@example.com, my address does not exist any more", Kind.AUTOREPLY),
        ("", "Out of office: back on Monday", "bye", Kind.AUTOREPLY),
        ("", "Abwesenheitsnotiz", "bis Montag", Kind.AUTOREPLY),
        ("X-Autoreply: yes\n", "Hello", "bye", Kind.AUTOREPLY),
        ("Precedence: auto_reply\n", "Hello", "bye", Kind.AUTOREPLY),
        ("Auto-Submitted: no\n", "Re: Hello", "My parcel could not be delivered!", Kind.OTHER),
        ("", "Re: Your order", "Could not be delivered to a@b.example?", Kind.OTHER),
        ("", "Re: Undeliverable: News", "It bounced: 550 5.1.1 <bob@example.com>: user unknown", Kind.OTHER),
        ("", "WG: Mail delivery failed", "why? 550 5.1.1 <bob@example.com>: user unknown", Kind.OTHER),
        ("X-Auto-Response-Suppress: All\n", "Re: Hello", "This address is not used any more", Kind.AUTOREPLY),
        *(("", subject, "bye", Kind.AUTOREPLY) for subject in AUTOMATIC),
    ],
)
def test_answers_of_people_and_their_programs_are_no_bounces(headers: str, subject: str, text: str, kind: Kind) -> None:
    """DS-07, RFC 3834."""
    raw = make("Ann <ann@example.com>", subject, text, headers=headers, returns="<ann@example.com>")
    report = read_report(raw)
    assert (report.kind, report.failures) == (kind, ())


CHALLENGE = "Your message has not been delivered yet: it is held until you confirm your address."
RECEIPT = (
    'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=disposition-notification; boundary="b"\n\n--b\n\n'
    "Your message was deleted without being read: delivery failed?\n--b\nContent-Type: message/disposition-notification\n\n"
    "Final-Recipient: rfc822;ann@example.com\nDisposition: automatic-action/MDN-sent-automatically; deleted\n--b--\n"
)


@pytest.mark.parametrize(
    ("headers", "subject", "text"),
    [
        ("Auto-Submitted: auto-replied\n", "Please confirm your message", CHALLENGE),
        ("Auto-Submitted: auto-replied\n", "[boxbe] News (Action Required)", CHALLENGE),
        (RECEIPT, "Not read: News", ""),
    ],
)
def test_challenges_and_receipts_without_a_sender_are_no_bounces(headers: str, subject: str, text: str) -> None:
    """DS-07, RFC 8098."""
    report = read_report(make("Ann <ann@example.com>", subject, text, headers=headers))
    assert (report.kind, report.failures) == (Kind.AUTOREPLY, ())


def test_who_a_mail_came_from_is_what_its_envelope_says() -> None:
    """A person's mail has no Return-Path header yet when it comes over the wire, and a forged one counts for nothing."""
    raw = make("Ann <ann@example.com>", "Parcel", "My parcel could not be delivered: user unknown, 550 5.1.1")
    assert read_report(raw).kind == Kind.BOUNCE
    assert read_report(raw, mail_from="").kind == Kind.BOUNCE
    assert read_report(raw, mail_from="ann@example.com").kind == Kind.OTHER
    # In a mailbox that keeps no envelopes, an answer is one by its subject.
    answer = raw.replace(b"Return-Path: <>\n", b"").replace(b"Subject: ", b"Subject: Re: ")
    assert read_report(answer).kind == Kind.OTHER


@pytest.mark.parametrize("field", ["notificationType", "eventType"])
def test_notices_of_amazon_ses_in_both_forms_are_read(field: str) -> None:
    told = {
        field: "Bounce",
        "bounce": {
            "bounceType": "Permanent", "bounceSubType": "NoEmail",
            "bouncedRecipients": [{"emailAddress": "ann@example.com", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 no such user"}],
        },
    }  # fmt: skip
    report = read_report(make("AWS Notifications <no-reply@sns.example>", "Notification", json.dumps(told)))
    assert report.kind == Kind.BOUNCE
    assert [(failure.address, str(failure.verdict.reason)) for failure in report.failures] == [
        ("ann@example.com", "no-mailbox")
    ]
