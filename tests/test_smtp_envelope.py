"""What MAIL and RCPT say, and which mail never reaches the wire."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.delivery.base import OutgoingEmail
from campaigns.delivery.smtp_envelope import Offers, Unsendable, write_envelope

NOTHING = Offers()
EVERYTHING = Offers(pipelining=True, dsn=True, smtputf8=True, eight_bit=True, size=True, largest=1000)
PUBLIC_ID = UUID("12345678-90ab-cdef-1234-567890abcdef")


def make_email(
    to: str = "reader@example.org", sender: str = "b+token@bounces.example", data: bytes = b"x\r\n"
) -> OutgoingEmail:
    return OutgoingEmail(1, PUBLIC_ID, sender, to, data)


def refusal(email: OutgoingEmail, offers: Offers) -> str:
    with pytest.raises(Unsendable) as caught:
        write_envelope(email, offers)
    return caught.value.code


def test_nothing_is_asked_for_that_is_not_offered() -> None:
    """DS-01: no DSN parameters unless DSN is offered."""
    assert write_envelope(make_email(), NOTHING) == (
        b"MAIL FROM:<b+token@bounces.example>\r\n",
        b"RCPT TO:<reader@example.org>\r\n",
    )


def test_bounces_are_asked_for_with_our_id_and_the_original_recipient() -> None:
    """DS-01."""
    mail, rcpt = write_envelope(make_email(to="reader+a=b@example.org"), Offers(dsn=True))
    assert mail == b"MAIL FROM:<b+token@bounces.example> RET=HDRS ENVID=1234567890abcdef1234567890abcdef\r\n"
    assert rcpt == (
        b"RCPT TO:<reader+a=b@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;reader+2Ba+3Db@example.org\r\n"
    )


def test_a_notification_has_the_null_sender() -> None:
    """SM-10."""
    mail, _ = write_envelope(make_email(sender=""), NOTHING)
    assert mail == b"MAIL FROM:<>\r\n"


def test_the_size_of_the_mail_is_told_where_it_is_asked() -> None:
    mail, _ = write_envelope(make_email(data=b"." * 998 + b"\r\n"), Offers(size=True))
    assert mail.endswith(b"> SIZE=1000\r\n")


def test_a_mail_above_the_offered_size_is_refused_here() -> None:
    """RFC 1870 §6.1."""
    assert refusal(make_email(data=b"x" * 1001), EVERYTHING) == "smtp.552-5.3.4"
    write_envelope(make_email(data=b"x" * 1000), EVERYTHING)


@pytest.mark.parametrize("size", ["0", "", "many", "-5", "1" * 30, "٣"])
def test_a_size_that_limits_nothing_refuses_nothing(size: str) -> None:
    offers = Offers.from_features({"size": size})
    assert write_envelope(make_email(), offers)[0].endswith(b" SIZE=3\r\n")


def test_offers_are_read_from_the_ehlo_keywords() -> None:
    features = {"pipelining": "", "dsn": "", "smtputf8": "", "8bitmime": "", "size": "1000", "xclient": "NAME"}
    assert Offers.from_features(features) == EVERYTHING
    assert Offers.from_features({}) == NOTHING


def test_an_international_address_is_refused_where_nobody_can_carry_it() -> None:
    """IN-02."""
    assert refusal(make_email(to="üser@example.org"), NOTHING) == "smtp.553-5.6.7"
    assert refusal(make_email(sender="b+ü@bounces.example"), NOTHING) == "smtp.553-5.6.7"


def test_an_international_address_goes_as_utf8_where_it_is_offered() -> None:
    """IN-02, DS-01: RFC 6531 §3.4 and, for the original recipient, RFC 6533 §3."""
    mail, rcpt = write_envelope(make_email(to="ü+1\\@example.org"), EVERYTHING)
    assert b" BODY=8BITMIME SMTPUTF8" in mail
    assert rcpt.endswith("ORCPT=utf-8;ü\\x{2B}1\\x{5C}@example.org\r\n".encode())
    mail, _ = write_envelope(make_email(to="ü@example.org"), Offers(smtputf8=True))
    assert mail == b"MAIL FROM:<b+token@bounces.example> SMTPUTF8\r\n"


def test_headers_beyond_ascii_need_smtputf8_whoever_gets_the_mail() -> None:
    """IN-02: a finished mail may show an address that is not ASCII to a reader whose own one is."""
    mail = make_email(data="To: 用户@example.org\r\n\r\nx\r\n".encode())
    assert refusal(mail, NOTHING) == "smtp.553-5.6.7"
    line, recipient = write_envelope(mail, EVERYTHING)
    assert b" SMTPUTF8" in line
    assert b"ORCPT=rfc822;reader@example.org" in recipient


def test_utf8_is_asked_for_only_where_an_address_needs_it() -> None:
    """IN-03."""
    mail, _ = write_envelope(make_email(to="user@xn--bcher-kva.example"), EVERYTHING)
    assert b"SMTPUTF8" not in mail
    assert b"BODY" not in mail


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example>\r\nRCPT TO:<victim@example.org",
        "a b@example.org",
        "<a@example.org>",
        "a@example.org\n",
        "a@example.org\r",
        "a\x00@example.org",
        "a\t@example.org",
        "a\x7f@example.org",
        "\ud800@example.org",
        "nobody",
        "@example.org",
        "a@",
        "",
    ],
)
def test_an_address_that_could_end_its_command_never_reaches_the_wire(address: str) -> None:
    """MF-09."""
    assert refusal(make_email(to=address), EVERYTHING) == "smtp.553-5.1.3"
    if address:
        assert refusal(make_email(sender=address), EVERYTHING) == "smtp.553-5.1.7"


def test_addresses_longer_than_smtp_carries_are_refused() -> None:
    """SM-01: 64 octets before the at sign, 254 in all."""
    longest = "a" * 64 + "@" + "b" * 185 + ".org"
    assert len(longest) == 254
    write_envelope(make_email(to=longest), NOTHING)
    assert refusal(make_email(to="a" * 65 + "@example.org"), NOTHING) == "smtp.553-5.1.3"
    assert refusal(make_email(to="a" + "@" + "b" * 249 + ".org"), NOTHING) == "smtp.553-5.1.3"
    assert refusal(make_email(to="ü" * 33 + "@example.org"), EVERYTHING) == "smtp.553-5.1.3"


def test_command_lines_stay_within_what_every_server_reads() -> None:
    """SM-01: 512 octets, and 500 more for the parameters of RFC 3461."""
    longest = "a+" * 32 + "@" + "b=" * 92 + ".org"
    mail, rcpt = write_envelope(make_email(to=longest, sender=longest, data=b"x" * 1000), EVERYTHING)
    assert len(mail) <= 512
    assert len(rcpt) <= 1012


ADDRESSES = st.one_of(
    st.text(max_size=80),
    st.builds("{}@{}".format, *[st.text("ab+=\\.ü", min_size=1, max_size=20)] * 2),
    st.builds("{}@{}".format, *[st.text("a<>\r\n\0 @;ü", min_size=1, max_size=4)] * 2),
)


@given(ADDRESSES, ADDRESSES, st.builds(Offers, *[st.booleans()] * 5))
def test_whatever_the_addresses_are_the_lines_are_two(sender: str, to: str, offers: Offers) -> None:
    """MF-09."""
    try:
        lines = write_envelope(make_email(to=to, sender=sender), offers)
    except Unsendable:
        return
    for line, verb in zip(lines, (b"MAIL FROM:<", b"RCPT TO:<"), strict=True):
        assert re.fullmatch(re.escape(verb) + rb"[^<>\x00-\x20]*>( [^<>\x00-\x20]+)*\r\n", line)
