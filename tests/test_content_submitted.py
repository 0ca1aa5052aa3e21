"""Finished mails handed in by programs: what is mended, what is refused, what leaves (standards.md 1.4, 1.7, evil inputs)."""

import base64
import contextlib
import email
import io
import time
import zipfile
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, default

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaigns.content.mail_mailboxes import NotMailboxes, read_mailboxes
from campaigns.content.submitted import Submitted, read_submitted
from campaigns.errors import CampaignError

NOW = datetime(2026, 11, 30, 9, 30, tzinfo=UTC)
LARGEST = 10 * 1024 * 1024
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def take(raw: bytes) -> Submitted:
    return read_submitted(raw, now=NOW, largest=LARGEST)


def refusal(raw: bytes) -> str:
    with pytest.raises(CampaignError) as caught:
        take(raw)
    return caught.value.code


def mail(*lines: str, body: str = "Hello\r\n", sender: str = "From: Ada <ada@ours.example.com>") -> bytes:
    head = [sender, "To: bob@example.net", "Subject: Hi", *lines]
    return ("\r\n".join(filter(None, head)) + "\r\n\r\n" + body).encode()


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def texts(message: EmailMessage) -> list[str]:
    parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
    return ["\n".join(part.get_content().splitlines()) for part in parts]


# --- What is mended -----------------------------------------------------------------------------------------------


def test_a_whole_mail_stays_as_it_is() -> None:
    raw = mail("Date: Mon, 30 Nov 2026 09:00:00 +0200", "Message-ID: <1@ours.example.com>", "MIME-Version: 1.0")
    assert take(raw).raw == raw.replace(b"From: Ada <", b'From: "Ada" <')


def test_what_every_mail_must_have_is_added_su_06_mf_01() -> None:
    message = read(take(b"From: ada@ours.example.com\r\n\r\nHello\r\n").raw)
    for header in ("Date", "From", "Message-ID", "MIME-Version", "Subject", "To"):
        assert len(message.get_all(header, [])) == 1
    assert message["Date"].datetime == NOW
    assert message["Message-ID"].endswith("@ours.example.com>")


@pytest.mark.parametrize("line", ["Date: yesterday", "Message-ID: two <a@b> <c@d>", "Message-ID:"])
def test_a_date_or_an_id_nobody_can_read_is_replaced_su_06(line: str) -> None:
    name = line.partition(":")[0]
    assert f"{line}\r\n".encode() not in take(mail(line)).raw
    assert len(read(take(mail(line)).raw).get_all(name, [])) == 1


@pytest.mark.parametrize(
    "line",
    [
        "Bcc: secret@example.net", "Return-Path: <x@example.net>", "Received: from a by b; Mon, 30 Nov 2026 09:00:00 +0000",
        "DKIM-Signature: v=1; a=rsa-sha1", "Authentication-Results: x; dkim=pass", "ARC-Seal: i=1", "Resent-From: x@example.net",
        "Delivered-To: bob@example.net", "Feedback-ID: a:b:c:d", "CFBL-Address: x@example.net", "X-IB-bulk-id: 7",
        "X-Infobip-TrackOpens: false", "X-IB-something-new: x",
    ],
)  # fmt: skip
def test_forged_trace_bcc_and_controls_do_not_leave_su_06_lh_03(line: str) -> None:
    assert line.partition(":")[0].lower().encode() not in take(mail(line)).raw.lower()


def test_headers_of_the_caller_leave() -> None:
    kept = [
        "List-Unsubscribe: <https://ours.example.com/u>",
        "In-Reply-To: <2@a.example>",
        "X-Order: 17",
        "Precedence: bulk",
    ]
    raw = take(mail(*kept)).raw
    assert all(line.encode() in raw for line in kept)


def test_every_line_end_becomes_crlf_sm_03_mf_05() -> None:
    raw = take(mail(body="one\ntwo\rthree\r\n\n.\n\r.\r").replace(b"Subject: Hi\r\n", b"Subject: Hi\n")).raw
    assert raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r")
    assert raw.endswith(b"one\r\ntwo\r\nthree\r\n\r\n.\r\n\r\n.\r\n")


def test_a_bare_line_end_cannot_hide_a_second_from_su_04() -> None:
    assert refusal(mail("X-A: b\rFrom: ceo@example.net")) == "sender.not-one"


def test_header_lines_of_blanks_are_taken_out_mf_05() -> None:
    assert b"\r\n \t\r\n" not in take(mail("X-A: b\r\n \t\r\n c")).raw


@pytest.mark.parametrize("policy", [SMTP, SMTPUTF8, SMTP.clone(cte_type="8bit")])
def test_eight_bits_become_seven_and_say_the_same_mf_06(policy: email.policy.EmailPolicy) -> None:
    sent = EmailMessage()
    sent["From"], sent["To"] = "Žygis Ąžuolas <ada@ours.example.com>", "Jonas Šš <bob@example.net>, carl@example.net"
    sent["Subject"] = "Labas, pasauli – ąčęėįšųūž"
    sent.set_content("Ąžuolas\r\n--not a boundary\r\n" + "ž" * 300 + "\r\n")
    sent.add_alternative("<p>Ąžuolas</p>", subtype="html")
    sent.add_attachment(PNG, maintype="image", subtype="png", filename="žygis 1.png")
    taken = take(sent.as_bytes(policy=policy))
    assert taken.raw.isascii()
    assert b"8bit" not in taken.raw
    got = read(taken.raw)
    for header in ("From", "To", "Subject"):
        assert got[header] == sent[header]
    assert texts(got) == texts(sent)
    (picture,) = got.iter_attachments()
    assert (picture.get_filename(), picture.get_content()) == ("žygis 1.png", PNG)


def test_a_soft_break_cannot_bring_a_delimiter_to_the_start_of_a_line() -> None:
    text = "ž" * 20 + "-" * 400
    raw = mail(
        "Content-Type: multipart/mixed; boundary=---",
        body=f"-----\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n-------\r\n",
    )
    (part,) = read(take(raw).raw).iter_parts()
    assert part.get_content().rstrip("\n") == text


def test_old_charsets_stay_what_they_are() -> None:
    raw = mail("Content-Type: text/plain; charset=windows-1257", "Content-Transfer-Encoding: 8bit").decode().encode()
    raw = raw.replace(b"Hello", "Ąžuolas".encode("windows-1257"))
    assert read(take(raw).raw).get_content().strip() == "Ąžuolas"


def test_text_that_names_no_charset_is_read_as_utf8() -> None:
    assert read(take(mail(body="Ąžuolas\r\n")).raw).get_content().strip() == "Ąžuolas"


def test_idn_domains_become_a_labels_in_01_in_03() -> None:
    taken = take(mail(sender="From: Ada <ada@faß.de>").replace(b"bob@example.net", "Bob <bob@bücher.de>".encode()))
    assert (taken.sender.domain, taken.needs_smtputf8) == ("xn--fa-hia.de", False)
    assert b"<bob@xn--bcher-kva.de>" in taken.raw


def test_a_recipient_beyond_ascii_needs_smtputf8_in_02() -> None:
    taken = take(mail().replace(b"bob@example.net", "用户@example.net".encode()))
    assert taken.needs_smtputf8
    assert "用户@example.net".encode() in taken.raw
    assert taken.recipients()[0][1].needs_smtputf8


def test_taking_what_was_taken_changes_nothing() -> None:
    once = take(mail(body="Ąžuolas\r\n")).raw
    assert take(once).raw == once


# --- Who it comes from (SU-04, evil inputs 11 and 34) ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "mailbox"),
    [
        ("From: ada@ours.example.com", "ada@ours.example.com"),
        ("from: Ada Lovelace <ada@ours.example.com>", "ada@ours.example.com"),
        ('From: "Lovelace, Ada" <ada@OURS.example.com>', "ada@ours.example.com"),
        ("From: Ada\r\n Lovelace\r\n <ada@ours.example.com>", "ada@ours.example.com"),
        ("From: =?utf-8?q?Ad=C3=A0?= <ada@ours.example.com>", "ada@ours.example.com"),
        ('From: "info@ours.example.com" <ada@ours.example.com>', "ada@ours.example.com"),
        ('From: "ceo@ours.example.com" <x@ours.example.com>', "x@ours.example.com"),
    ],
)
def test_plain_forms_of_from_are_read(sender: str, mailbox: str) -> None:
    taken = take(mail(sender=sender))
    assert taken.sender.mailbox == mailbox
    (found,) = read(taken.raw)["From"].addresses
    assert found.addr_spec == mailbox


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "From:",
        "From: a@ours.example.com, b@ours.example.com",
        "From: a@ours.example.com\r\nFrom: b@ours.example.com",
        "From: a@ours.example.com\r\nFROM: b@ours.example.com",
        "From: Team: a@ours.example.com;",
        "From: (a@ours.example.com) b@ours.example.com",
        "From: ceo@ours.example.com <x@evil.example.org>",
        "From: a@ours.example.com b@evil.example.org",
        "From: <a@ours.example.com> <b@evil.example.org>",
        "From: <@relay.example:a@ours.example.com>",
        'From: "ceo@bank.example.org" <x@ours.example.com>',
        "From: =?utf-8?q?ceo=40bank=2Eexample=2Eorg?= <x@ours.example.com>",
        "From: =?utf-8?q?ceo=40ours=2Eexample=2Ecom?=",
        "From: <=?utf-8?q?ceo?=@ours.example.com>",
        'From: "a b"@ours.example.com',
        "From: a@ours.example.com\\",
        "From: ceo＠bank.example.org <x@ours.example.com>",
        "From: A\u202eda <a@ours.example.com>",
        "From: žygis@ours.example.com",
        "From: a@ours.example.com\r\nSender: b@evil.example.org",
        "From : a@ours.example.com",
    ],
)
def test_anything_but_one_mailbox_in_from_is_refused_su_04(sender: str) -> None:
    assert refusal(mail(sender=sender)) in {"sender.not-one", "mail.header-broken"}


def test_a_look_alike_domain_is_another_domain_su_04() -> None:
    assert take(mail(sender="From: a@оurs.example.com")).sender.domain == "xn--urs-red.example.com"


# --- What is refused ------------------------------------------------------------------------------------------------

BROKEN = "mail.structure-broken"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (mail(body="a\0b"), "mail.nul"),
        (mail(body="x" * 999), "mail.line-too-long"),
        (mail("X-A: " + "x" * 999), "mail.line-too-long"),
        (mail("no header at all"), "mail.header-broken"),
        (mail("X-A: a\x07b"), "mail.header-broken"),
        (mail("Subject: again"), "mail.header-twice"),
        (mail("List-Unsubscribe: <https://a.example>", "List-Unsubscribe: <https://b.example>"), "mail.header-twice"),
        (mail("Content-Type: text/plain", "Content-Type: text/html"), BROKEN),
        (mail("Content-Type: multipart/mixed; boundary=a; boundary=b"), "mail.header-broken"),
        (mail("Content-Type: multipart/mixed"), BROKEN),
        (mail("Content-Type: multipart/mixed; boundary=a"), BROKEN),
        (mail("Content-Type: multipart/mixed; boundary=a", "Content-Transfer-Encoding: base64"), BROKEN),
        (mail("Content-Type: wrong"), BROKEN),
        (mail("Content-Transfer-Encoding: x-uuencode"), BROKEN),
        (mail("Content-Type: image/png", "Content-Transfer-Encoding: base64", body="aGk=aGk=\r\n"), BROKEN),
        (mail("Message-ID: <ž@a.example>"), "mail.header-not-ascii"),
        (mail("X-IB-notify-url: file:///etc/passwd"), "control.invalid"),
        (mail("X-IB-bulk-id: 1", "X-IB-bulk-id: 2"), "control.invalid"),
        (mail("X-IB-track: perhaps"), "control.invalid"),
        (mail("X-IB-callback-data: " + "\r\n ".join(["x" * 900] * 5)), "control.invalid"),
        (b"", "sender.not-one"),
    ],
)
def test_what_cannot_be_mended_is_refused(raw: bytes, code: str) -> None:
    assert refusal(raw) == code


def test_a_mail_above_the_limit_is_refused_evil_16() -> None:
    with pytest.raises(CampaignError) as caught:
        read_submitted(mail(body="x\r\n" * 100), now=NOW, largest=200)
    assert (caught.value.code, caught.value.status) == ("mail.too-large", 413)


# --- Controls -------------------------------------------------------------------------------------------------------


def test_controls_are_read_in_both_spellings() -> None:
    controls = take(
        mail(
            "X-IB-Bulk-Id: autumn", "X-IB-message-id: m-1", "X-IB-notify-url: https://ours.example.com/told",
            "X-IB-callback-data: {\"order\":\r\n 17}", "X-IB-intermediate-report: TRUE", "X-Infobip-TrackOpens: false",
            "X-IB-track-clicks: true", "X-IB-application-id: shop", "X-IB-entity-id: lt", "X-IB-ip-pool-id: slow",
            "X-IB-campaign-reference-id: ref", "X-IB-notify-content-type: application/xml",
        )
    ).controls  # fmt: skip
    assert (controls.bulk_id, controls.message_id, controls.notify_url) == (
        "autumn",
        "m-1",
        "https://ours.example.com/told",
    )
    assert (controls.callback_data, controls.intermediate_report) == ('{"order": 17}', True)
    assert (controls.track_opens, controls.track_clicks) == (False, True)
    assert (controls.application_id, controls.entity_id, controls.campaign_reference) == ("shop", "lt", "ref")
    assert (controls.pool, controls.notify_content_type) == ("slow", "application/xml")


def test_track_speaks_for_opens_and_clicks_until_they_speak_themselves() -> None:
    controls = take(mail("X-IB-track: false", "X-IB-track-clicks: true")).controls
    assert (controls.track_opens, controls.track_clicks) == (False, True)


# --- Files (evil input 17) ------------------------------------------------------------------------------------------


def with_file(data: bytes, *, head: str) -> bytes:
    encoded = base64.encodebytes(data).decode().replace("\n", "\r\n")
    part = f"--b\r\n{head}\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--b--\r\n"
    return mail("Content-Type: multipart/mixed; boundary=b", body="--b\r\n\r\nText\r\n" + part)


def test_files_are_named_and_known_by_their_content_evil_17() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", "b")
    (file,) = take(with_file(packed.getvalue(), head="Content-Type: application/pdf; name=invoice.pdf")).files
    assert (file.name, file.detected_type) == ("invoice.pdf", "application/zip")


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ('Content-Disposition: attachment; filename="a.png"', ["a.png"]),
        ("Content-Disposition: attachment; filename=my picture.png", ["my picture.png"]),
        ("Content-Disposition: attachment; filename*0=a.p; filename*1=ng", ["a.png"]),
        ("Content-Disposition: attachment; filename*=utf-8''%C5%BE.png", ["ž.png"]),
        ('Content-Disposition: attachment; filename="=?utf-8?q?=C5=BE?=.png"', ["ž.png"]),
        ("Content-Type: image/png; name=b.exe\r\nContent-Disposition: attachment; filename=a.png", ["a.png", "b.exe"]),
        ("Content-Disposition: attachment; filename*=utf-8''a.png; filename=b.exe", ["a.png", "b.exe"]),
        ("Content-Type: image/png\r\nContent-ID: <x@y>", ["part.png"]),
        ("Content-Type: application/x-msdownload", ["part.bin"]),
        ("Content-Type: message/rfc822", ["part.bin"]),
        ("Content-Type: text/html\r\nContent-Disposition: attachment", ["part.html"]),
    ],
)
def test_every_name_a_reader_may_see_is_listed_evil_17(head: str, names: list[str]) -> None:
    files = take(with_file(PNG, head=head)).files
    assert [file.name for file in files] == names
    assert {file.size for file in files} == {len(PNG)}


def test_texts_are_no_files() -> None:
    sent = EmailMessage()
    sent["From"] = "ada@ours.example.com"
    sent.set_content("a")
    sent.add_alternative("<p>a</p>", subtype="html")
    assert take(sent.as_bytes(policy=SMTP)).files == ()


# --- Recipients of the headers --------------------------------------------------------------------------------------


def test_recipients_of_all_three_headers_are_read_and_bcc_is_gone() -> None:
    taken = take(mail('Cc: Team: c@example.net, "D, E" <d@example.net>;', "Bcc: e@example.net"))
    assert [address.mailbox for _, address in taken.recipients()] == [
        "bob@example.net", "c@example.net", "d@example.net", "e@example.net",
    ]  # fmt: skip
    assert b"e@example.net" not in taken.raw


@pytest.mark.parametrize("text", ["a@b.example, <c@d.example", '"a', "a (b", "x <a@b> y", "a: b: c@d;", "<@x:a@b>"])
def test_broken_lists_of_mailboxes_are_no_lists(text: str) -> None:
    with pytest.raises(NotMailboxes):
        read_mailboxes(text)


# --- Hostile shapes (evil inputs 31, 32, 37) ------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    body = "".join(f"--b{n}\r\nContent-Type: multipart/mixed; boundary=b{n + 1}\r\n\r\n" for n in range(depth))
    return mail("Content-Type: multipart/mixed; boundary=b0", body=body)


@pytest.mark.parametrize(
    "raw",
    [
        nested(1_000),
        mail(*["X-A: b"] * 200_000),
        mail("X-A: " + "\r\n b" * 200_000),
        mail("To: " + "(\r\n " * 50_000),
        mail("Content-Type: multipart/mixed; boundary=b", body="--b\r\n" * 300_000),
        mail("Content-Type: multipart/mixed; boundary=b", body="--b" * 300 + "\r\n--bx" * 300_000),
        mail(sender="From: " + "\r\n ".join(["=?utf-8?q?=40?=" * 60] * 200) + " <a@ours.example.com>"),
        mail("Content-Type: text/plain" + ";\r\n a=b" * 30_000),
        mail(body="x\n" * 4_000_000),
        mail(body="\r" * 8_000_000),
        mail("Content-Type: text/plain; charset=utf-8", body="ž\r\n" * 1_500_000),
    ],
    ids=[
        "1,000 deep", "200k headers", "one header of 200k lines", "comments", "300k parts", "near delimiters", "words",
        "parameters", "bare LF", "bare CR", "8 bits",
    ],
)  # fmt: skip
def test_time_is_bounded_whatever_is_inside(raw: bytes) -> None:
    began = time.process_time()
    with contextlib.suppress(CampaignError):
        take(raw)
    assert time.process_time() - began < 3


ALPHABET = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"From: ", b"From: a@ours.example.com\r\n", b"Sender: ", b"To: ", b"--b", b"--b--", b" ",
    b"\t", b"\0", b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: text/plain; charset=utf-8\r\n", b":",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: 8bit\r\n", b"\xc5\xbe", b"\xff", b"<a@b.example>",
    b"=?utf-8?q?", b"?=", b"Subject: x", b"X-IB-track: true\r\n", b"Content-Disposition: attachment; filename=", b"=", b".", b"a",
    b"Message-ID: ", b"\"", b"(", b";", b"filename*0*=utf-8''%ff",
]  # fmt: skip


@settings(max_examples=150)
@given(st.lists(st.sampled_from(ALPHABET), max_size=40).map(b"".join), st.binary(max_size=60))
@example(b"From: a@ours.example.com\r\n\r\n", b"")
def test_nothing_but_our_errors_comes_out_and_what_leaves_is_in_order(pieces: bytes, noise: bytes) -> None:
    for raw in (pieces, b"From: a@ours.example.com\r\n" + pieces + noise):
        try:
            taken = take(raw)
        except CampaignError:
            continue
        assert taken.raw.isascii() or taken.needs_smtputf8
        assert taken.raw.count(b"\r\n") == taken.raw.count(b"\n") == taken.raw.count(b"\r")
        assert max(map(len, taken.raw.split(b"\r\n"))) <= 998
        message = email.message_from_bytes(taken.raw, policy=default)
        assert [found.addr_spec for found in message["From"].addresses] == [taken.sender.mailbox]
        assert len(message.get_all("From", [])) == 1
        assert b"\r\n\r\n" in taken.raw
        assert take(taken.raw).raw == taken.raw
