"""Any bytes are a mail: nothing a stranger writes breaks the parser, or keeps it busy."""

from __future__ import annotations

import json
import time
import tracemalloc
import zipfile
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.inbound.parse import MOST_HEADERS, MOST_PARTS, Mail, read_mail
from campaigns.inbound.reports import Kind, read_report

NOTICE = b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nSubject: failure notice\r\n"


def text_of(mail: Mail) -> str:
    return "\n".join(part.read_text() for part in mail.parts if part.is_text)


# --- What mails look like ---------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_lines_may_end_in_any_way(end: bytes) -> None:
    """DS-08: also in a lone CR."""
    raw = b"Subject: Hello\r\n folded\r\nTo: a@b.example\r\n\r\nOne\r\nTwo".replace(b"\r\n", end)
    mail = read_mail(raw)
    assert (mail.headers.get("subject"), mail.headers.get("to")) == ("Hello folded", "a@b.example")
    assert text_of(mail) == "One\nTwo"


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("utf-8", "naïve €"), ("uft-8", "naïve €"), ("iso-2022-jp", "配信できません"), ("shift_jis", "配信できません"),
        ("euc-jp", "配信できません"), ("gb2312", "投递失败"), ("koi8-r", "не доставлено"), ("windows-1252", "don’t"),
        ("utf-7", "können"), ("unicode-1-1-utf-7", "können"), ("iso-8859-15", "naïve €"),
    ],
)  # fmt: skip
def test_texts_of_all_charsets_are_read(charset: str, text: str) -> None:
    """DS-08, evil input 37."""
    wire = {"uft-8": "utf-8", "unicode-1-1-utf-7": "utf-7"}.get(charset, charset)
    raw = f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + text.encode(wire)
    assert text_of(read_mail(raw)) == text


@pytest.mark.parametrize(
    "charset", ["", "x-nobody-knows", "rot13", "zlib", "base64", "\x00", "a" * 5000, "none; charset="]
)
def test_a_charset_nobody_knows_is_guessed(charset: str) -> None:
    """Evil input 37."""
    raw = f'Content-Type: text/plain; charset="{charset}"\r\n\r\nnaïve'.encode()
    assert "na" in text_of(read_mail(raw))


def test_a_text_labelled_wrongly_is_read_by_what_it_is() -> None:
    raw = b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + "送信できません".encode("euc_jp")
    assert text_of(read_mail(raw)) == "送信できません"


def test_encoded_words_and_eight_bit_headers_are_texts() -> None:
    """Evil input 37."""
    raw = b"Subject: =?utf-8?B?RMOp?= =?iso-8859-1?Q?j=E0=5Fvu?= x\r\nFrom: J\xc3\xb6rg <j@x.example>\r\nX-A: =?x?b?!!!!?=\r\n\r\n"
    headers = read_mail(raw).headers
    assert headers.get("subject") == "Déjà_vu x"
    assert headers.get("from") == "Jörg <j@x.example>"
    assert headers.get("missing") == ""


def test_parts_come_in_order_and_mails_inside_stay_closed() -> None:
    raw = (
        b'Content-Type: multipart/mixed; boundary="a"\r\n\r\npreamble\r\n--a\r\n\r\none\r\n--a\r\n'
        b"Content-Type: multipart/alternative; boundary=a-2\r\n\r\n--a-2\r\n\r\ntwo\r\n--a-2--\r\n--a\r\n"
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\n--a-3\r\n--a--\r\nepilogue\r\n"
    )
    mail = read_mail(raw)
    assert [part.content_type for part in mail.parts] == ["text/plain", "text/plain", "message/rfc822"]
    assert text_of(mail) == "one\ntwo"
    assert read_mail(mail.parts[2].read_bytes()).headers.get("subject") == "inner"
    assert not mail.is_partial


def test_html_is_read_without_tags_styles_and_comments() -> None:
    raw = (
        b"Content-Type: text/html\r\n\r\n<html><head><style>a{}</style></head><!-- x > y --><p>One &amp;<br>two</p>"
        b"<script>1<2</script>three < four</html>"
    )
    assert " ".join(text_of(read_mail(raw)).split()) == "One & two three < four"


# --- What breaks others (evil input 37) -------------------------------------------------------------

EVIL = {
    "nothing": b"",
    "NUL": b"\0" * 1000,
    "one line end": b"\r",
    "1000 levels": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1000)),
    "mails in mails": b"Content-Type: message/rfc822\n\n" * 2000,
    "reports in reports": b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n" * 500,
    "200k headers": b"".join(b"X-%d: y\n" % n for n in range(200_000)) + b"\nbody",
    "200k parts": b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\ny\n" * 200_000,
    "one long header": b"Subject: " + b"x " * 500_000 + b"\n\n",
    "a header folded for ever": b"Subject: a" + b"\n b" * 500_000 + b"\n\n",
    "brackets in addresses": b"From: " + b"(" * 100_000 + b"\nTo: " + b"<" * 100_000 + b"\n\nundeliverable",
    "no boundary": b"Content-Type: multipart/mixed\n\n--x\n\ny\n",
    "an empty boundary": b'Content-Type: multipart/mixed; boundary=""\n\n--\n\ny\n--\n',
    "the boundary twice": b"Content-Type: multipart/mixed; boundary=x; boundary=y\n\n--x\n\ny\n",
    "no blank line": b"Subject: x\nthis is no header\nTo: y",
    "only addresses": NOTICE + b"\n" + b"a@b.example" * 100_000,
    "only at signs": NOTICE + b"\n" + b"@" * 1_000_000,
    "base64 that is none": b"Content-Transfer-Encoding: base64\n\n=?=?" * 10_000,
    "half a surrogate": b"Content-Type: text/plain; charset=utf-7\n\n+2D0-",
    "tags without end": NOTICE + b"Content-Type: text/html\n\n" + b"<style><!--<a" * 100_000,
    "a type without end": b"Content-Type: " + b'; x="' * 100_000 + b"\n\n",
    "winmail": b"Content-Type: application/ms-tnef; name=winmail.dat\n\n\x78\x9f\x3e\x22",
}


@pytest.mark.parametrize("name", EVIL)
def test_hostile_mails_are_read_as_far_as_they_go(name: str) -> None:
    """Evil input 37."""
    began = time.process_time()
    report = read_report(EVIL[name])
    assert time.process_time() - began < 5
    assert report.kind in {Kind.OTHER, Kind.BOUNCE}


def test_limits_are_said() -> None:
    """Evil input 37: a partial parse is flagged."""
    mail = read_mail(EVIL["200k headers"])
    assert (len(mail.headers.fields), mail.is_partial) == (MOST_HEADERS, True)
    mail = read_mail(EVIL["200k parts"])
    assert (len(mail.parts), mail.is_partial) == (MOST_PARTS, True)
    assert read_mail(EVIL["1000 levels"]).is_partial
    assert read_mail(EVIL["no boundary"]).is_partial


def test_nothing_packed_is_unpacked() -> None:
    """Evil input 18."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 20_000_000)
    raw = NOTICE + b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nundeliverable a@b.example\n--x\n"
    raw += b"Content-Type: application/zip\n\n" + packed.getvalue() + b"\n--x--\n"
    tracemalloc.start()
    read_report(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_memory_is_a_few_times_the_mail() -> None:
    raw = NOTICE + b"\n" + b"x" * 5_000_000
    tracemalloc.start()
    read_report(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * len(raw)


pieces = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b"\0", b" ", b"--x", b"--x--", b"Content-Type: ", b"multipart/mixed; boundary=x", b"text/html",
     b"message/rfc822", b"message/delivery-status", b"message/feedback-report", b"charset=uft-8", b"Final-Recipient: ",
     b"rfc822;", b"Status: 5.1.1", b"Action: failed", b"<a@b.example>:", b"550 5.1.1", b"MAILER-DAEMON", b"From: ",
     b"Subject: failure notice", b"could not be delivered", b"=?utf-8?q?=FF?=", b"\xff\xfe", b"<p>", b"&#x110000;",
     b'{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{}]}}', b"X-Failed-Recipients: ", b"To: "]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(pieces | st.binary(max_size=30), max_size=60).map(b"".join))
def test_any_bytes_are_read(raw: bytes) -> None:
    """Evil input 37."""
    assert read_report(raw).kind in Kind


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_any_body_of_a_notice_is_read(body: bytes) -> None:
    """Evil input 37."""
    assert read_report(NOTICE + b"\r\n" + body).kind in Kind


def test_the_command_has_a_line_for_every_file_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "mail").write_bytes(NOTICE + b"\r\n<ann@example.com>: user unknown")
    # Cannot be read, by nobody.
    (tmp_path / "memory").symlink_to("/proc/self/mem")
    out, err = StringIO(), StringIO()
    call_command("parse_bounces", tmp_path, jsonl=True, stdout=out, stderr=err)
    assert [(row["file"], row["kind"]) for row in map(json.loads, out.getvalue().splitlines())] == [
        ("below/mail", "bounce"), ("empty", "other"), ("memory", "other"),
    ]  # fmt: skip
    assert err.getvalue().startswith("memory: cannot be read")
