"""Headers on the wire, read back by Python's parser (standards.md 1.2 to 1.5)."""

import email
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.content import mime
from campaigns.content.mime import MailFrame, MailRecipient
from campaigns.content.problems import RenderError
from campaigns.errors import CampaignError

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
FRAME = MailFrame("News", "news@example.com")
names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=120)


def write(frame: MailFrame = FRAME, *, subject: str = "Hello", **fields: str) -> bytes:
    recipient = replace(MailRecipient("ada@example.net", {}, "1@example.com"), **fields)  # type: ignore[arg-type]
    head = mime.frame_head(frame) + mime.recipient_head(recipient, allow_utf8=frame.allow_utf8, date=NOW)
    return head + mime.subject_header(subject) + mime.text_entity_head("plain") + b"x\r\n"


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    return message


def header_lines(raw: bytes) -> list[bytes]:
    return raw.partition(b"\r\n\r\n")[0].split(b"\r\n")


def test_every_required_header_is_there_once() -> None:
    """MF-01."""
    message = read(write(MailFrame("News", "news@example.com", reply_to="help@example.com", is_bulk=True)))
    for header in ("Date", "From", "To", "Message-ID", "MIME-Version", "Subject", "Reply-To", "Content-Type"):
        assert len(message.get_all(header, [])) == 1
    assert "Bcc" not in message


def test_the_date_has_a_numeric_zone() -> None:
    """MF-02."""
    zone = timezone(timedelta(hours=2))
    recipient = MailRecipient("ada@example.net", {}, "1@example.com")
    head = mime.recipient_head(recipient, allow_utf8=False, date=NOW.astimezone(zone))
    assert b"\r\nDate: Mon, 23 Nov 2026 11:30:00 +0200\r\n" in head
    assert parsedate_to_datetime("Mon, 23 Nov 2026 11:30:00 +0200") == NOW


def test_a_naive_date_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        mime.recipient_head(
            MailRecipient("ada@example.net", {}, "1@example.com"), allow_utf8=False, date=NOW.replace(tzinfo=None)
        )


def test_the_message_id_is_written_as_given() -> None:
    """MF-03."""
    assert read(write(message_id="abc.1@mail.example.com"))["Message-ID"] == "<abc.1@mail.example.com>"


@pytest.mark.parametrize("bad", ["", "no-domain", "a b@c", "a@b>\r\nBcc: x@y", "a" * 250 + "@b"])
def test_a_message_id_that_is_not_a_dot_atom_is_refused(bad: str) -> None:
    """MF-03."""
    with pytest.raises(RenderError):
        write(message_id=bad)


@pytest.mark.parametrize("length", [20, 80, 200, 500, 900])
def test_the_unsubscribe_url_stays_byte_for_byte(length: int) -> None:
    """UN-01, UN-03: raw on one line, one https URI, one-click partner."""
    url = "https://u.example.com/"[:20].ljust(length, "x")
    raw = write(unsubscribe_url=url)
    assert b"\r\nList-Unsubscribe: <%b>\r\n" % url.encode() in raw
    message = read(raw)
    assert message.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    assert max(len(line) for line in header_lines(raw)) <= 998


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://x/ y", "https://x/>\r\nBcc: a@b", "https://x/é", "https://x/" + "y" * 990]
)
def test_an_unsubscribe_url_that_cannot_stand_raw_is_refused(url: str) -> None:
    with pytest.raises(RenderError):
        write(unsubscribe_url=url)


def test_a_mail_without_an_unsubscribe_url_has_no_list_headers() -> None:
    assert b"List-" not in write()


def test_only_bulk_mail_says_so() -> None:
    """LH-04."""
    assert read(write(MailFrame("News", "news@example.com", is_bulk=True)))["Precedence"] == "bulk"
    assert "Precedence" not in read(write())


@pytest.mark.parametrize(
    ("given_id", "written"),
    [
        ("readers.example.com", "<readers.example.com>"),
        ("Readers <readers.acme.example.com>", '"Readers" <readers.acme.example.com>'),
    ],
)
def test_a_list_id_may_have_a_name(given_id: str, written: str) -> None:
    """LH-01."""
    frame = MailFrame("News", "news@example.com", list_id=given_id)
    assert re.sub(r"\s+", " ", read(write(frame))["List-ID"]) == written


def test_the_feedback_id_is_written_raw() -> None:
    """FB-05."""
    frame = MailFrame("News", "news@example.com", feedback_id="a1:list-2:acme:sealpost")
    assert b"\r\nFeedback-ID: a1:list-2:acme:sealpost\r\n" in write(frame)


@pytest.mark.parametrize("field", ["list_id", "feedback_id", "reply_to", "from_name", "from_mailbox"])
@pytest.mark.parametrize("evil", ["x\r\nBcc: v@example.com", "x\nBcc: v@example.com", "x\0y@z"])
def test_a_line_break_or_nul_in_the_frame_is_refused(field: str, evil: str) -> None:
    """MF-09, evil input 9."""
    with pytest.raises(CampaignError):
        write(replace(FRAME, **{field: evil}))  # type: ignore[arg-type]


@pytest.mark.parametrize("evil", ["Bob\r\nBcc: v@x", "Bob\nBcc: v@x", "Bob\rBcc: v@x", "Bob\0", "Bob\u2028Bcc: v@x"])
def test_a_line_break_or_nul_in_a_name_or_subject_is_refused(evil: str) -> None:
    """MF-09, evil inputs 9 and 10."""
    with pytest.raises(RenderError):
        write(name=evil)
    with pytest.raises(RenderError):
        write(subject=evil)


@pytest.mark.parametrize(
    "name",
    [
        'Doe, "Jane"', "a@evil", "<x@y>", "Group: a;", "back\\slash", "(comment)", "Łukasz 👩‍👩‍👧", "=?utf-8?q?x?=", "n" * 300,
        "מרים",
    ],
)  # fmt: skip
def test_any_display_name_reads_back_as_one_mailbox(name: str) -> None:
    """MF-08, evil input 11."""
    raw = write(MailFrame(name, "news@example.com"), name=name)
    message = read(raw)
    for header in ("From", "To"):
        assert len(message[header].addresses) == 1
        # The older decoder: the newer one puts blanks between the encoded words of a phrase.
        phrase = email.message_from_bytes(raw)[header].rpartition("<")[0].strip()
        shown = str(make_header(decode_header(phrase)))
        assert name == (shown if phrase.startswith("=?") else re.sub(r"\\(.)", r"\1", shown[1:-1]))
    assert message["From"].addresses[0].addr_spec == "news@example.com"
    assert message["To"].addresses[0].addr_spec == "ada@example.net"


@given(names)
def test_display_names_and_subjects_survive_the_wire(text: str) -> None:
    """MF-04, MF-07, MF-08, IN-05."""
    raw = write(MailFrame(text, "news@example.com"), subject=text, name=text)
    message = read(raw)
    assert len(message["From"].addresses) == len(message["To"].addresses) == 1
    assert message["To"].addresses[0].addr_spec == "ada@example.net"
    if text.isprintable() and text.strip() == text:
        assert message["Subject"] == text
    for line in header_lines(raw):
        assert len(line) <= 76
        assert line.strip()
        assert line.isascii()
        for word in re.findall(rb"=\?\S+\?=", line):
            assert len(word) <= 75


@pytest.mark.parametrize(
    "subject",
    [
        "=?utf-8?q?not_encoded?=", "Früchte 👩‍👩‍👧 מבצע " * 20, "word " * 60, "x" * 2000, "two  blanks   in " * 12, "50% off: a_b",
    ],
)  # fmt: skip
def test_a_subject_reads_back_as_written(subject: str) -> None:
    """MF-07, evil input 10: folded or encoded, and literal encoded-word text stays literal."""
    assert read(write(subject=subject))["Subject"] == subject.strip()


def test_encoded_words_are_parted_by_white_space_and_hold_whole_characters() -> None:
    """MF-07, MP-09."""
    raw = mime.subject_header("é€𝄞" * 60)
    words = re.findall(rb"=\?utf-8\?b\?([^?]*)\?=", raw)
    assert b"?==?" not in raw
    for word in words:
        decode_header(f"=?utf-8?b?{word.decode()}?=")[0][0].decode("utf-8")


def test_a_local_part_beyond_ascii_needs_smtputf8() -> None:
    """IN-02."""
    with pytest.raises(RenderError) as caught:
        write(mailbox="žąsis@example.net")
    assert caught.value.code == "address.needs-smtputf8"
    assert "žąsis" not in str(caught.value)


def test_a_local_part_beyond_ascii_goes_out_when_the_next_hop_takes_it() -> None:
    """IN-02."""
    frame = MailFrame("News", "news@example.com", allow_utf8=True)
    assert "To: žąsis@example.net\r\n".encode() in write(frame, mailbox="žąsis@example.net")


def test_an_international_domain_is_written_as_a_label() -> None:
    """IN-01, IN-03."""
    assert b"To: u@xn--fa-hia.de\r\n" in write(mailbox="u@faß.de")


@pytest.mark.parametrize("bad", ["", "x", "a@b, c@d", "a b@c.de", "<a@b.de>", "a@b.de\r\nBcc: v@x.de", " a@b.de"])
def test_what_is_not_one_mailbox_is_refused(bad: str) -> None:
    with pytest.raises(RenderError) as caught:
        write(mailbox=bad)
    assert caught.value.code == "address.invalid"


def test_a_recipient_shows_nothing_in_its_repr() -> None:
    assert "ada" not in repr(MailRecipient("ada@example.net", {"name": "Ada"}, "1@example.com"))
