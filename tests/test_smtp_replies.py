"""Reading what servers say, however oddly they say it (SM-09)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.delivery.smtp_replies import LONGEST, MALFORMED, Reply, ReplyParser, reply_code


def read(*pieces: bytes) -> list[Reply]:
    parser = ReplyParser()
    return [reply for piece in pieces for reply in parser.feed(piece)]


def test_several_replies_come_in_their_order() -> None:
    assert read(b"250 2.1.0 Ok\r\n550 5.1.1 Who?\r\n354 Go on\r\n") == [Reply(250), Reply(550, "5.1.1"), Reply(354)]


def test_a_reply_in_several_lines_is_one_reply() -> None:
    assert read(b"550-5.7.1 Our policy\r\n550-5.7.1 says no\r\n550 5.7.1 for now\r\n") == [Reply(550, "5.7.1")]


def test_a_code_alone_is_a_reply() -> None:
    """RFC 5321 §4.2 lets a server leave out the text."""
    assert read(b"250\r\n451\r\n452-\r\n452\r\n") == [Reply(250), Reply(451), Reply(452)]


def test_a_bare_line_feed_ends_a_line() -> None:
    assert read(b"250-one\n250 two\n354 go\n") == [Reply(250), Reply(354)]


def test_a_refusal_without_an_enhanced_code_has_none() -> None:
    (reply,) = read(b"550 No such user here\r\n")
    assert reply == Reply(550)
    assert reply_code(reply) == "smtp.550"


def test_the_first_enhanced_code_of_a_reply_counts() -> None:
    (reply,) = read(b"552-Sorry\r\n552-5.2.2 full\r\n552 5.7.1 other\r\n")
    assert reply_code(reply) == "smtp.552-5.2.2"


@pytest.mark.parametrize("text", [b"2.1.1 odd", b"4.2.2 odd", b"5.1", b"5.1.1234 x", b"5.x.1 x", b"V5.1.1"])
def test_an_enhanced_code_that_does_not_fit_is_left_out(text: bytes) -> None:
    """RFC 2034 §4: its class is that of the code."""
    assert read(b"550 " + text + b"\r\n") == [Reply(550)]


@pytest.mark.parametrize(
    "line",
    [b"", b"ok", b"25", b"2x0 ok", b"650 ok", b"150 ok", b"050 ok", b"2500 ok", b"250_ok", b" 250 ok", b"\xb2\xb50 ok"],
)
def test_what_is_no_reply_is_malformed_and_ends_the_reading(line: bytes) -> None:
    assert read(line + b"\r\n250 ok\r\n") == [MALFORMED]


def test_lines_of_one_reply_that_disagree_are_malformed() -> None:
    assert read(b"250-yes\r\n550 no\r\n250 ok\r\n") == [MALFORMED]


def test_lines_that_disagree_within_one_class_go_by_the_last() -> None:
    assert read(b"550-no\r\n554 no\r\n") == [Reply(554)]


def test_eight_bit_text_is_no_trouble() -> None:
    assert read("550-Postfach unbekannt: müller\r\n550 日本\r\n".encode() + b"\xff\xfe\r\n") == [Reply(550), MALFORMED]


def test_lines_of_four_kilobytes_are_read() -> None:
    assert read(b"550-" + b"x" * 4096 + b"\r\n550 5.1.1 " + b"y" * 4096 + b"\r\n") == [Reply(550, "5.1.1")]


def test_a_reply_without_end_is_malformed_before_it_fills_the_memory() -> None:
    assert read(b"250 " + b"x" * LONGEST) == [MALFORMED]
    assert read(*[b"250-" + b"x" * 996 + b"\r\n"] * 1000) == [MALFORMED]


def test_many_long_replies_are_not_one_long_reply() -> None:
    assert read(*[b"250-" + b"x" * 996 + b"\r\n250 x\r\n"] * 1000) == [Reply(250)] * 1000


LINES = st.one_of(
    st.sampled_from(
        [b"250 ok", b"354 go", b"250-more", b"550-5.1.1 no", b"550 5.1.1 no", b"421", b"250\xff", b"nonsense"]
    ),
    st.binary(max_size=12),
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\r\n", b"\n", b""])), max_size=12).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@given(STREAMS, st.lists(st.integers(0, 200), max_size=8))
@example(b"250-" + b"x" * (LONGEST - 5) + b"\n250 y\n", [10, LONGEST])
@example(b"250 " + b"x" * LONGEST + b"\n", [LONGEST])
@example(b"250 " + b"x" * (LONGEST - 5) + b"\n", [LONGEST - 1])
def test_any_split_of_the_stream_gives_the_same_replies(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(places)]
    whole = read(stream)
    assert read(*pieces) == whole
    if len(stream) < 200:
        assert read(*(stream[n : n + 1] for n in range(len(stream)))) == whole


@given(st.binary(max_size=300))
def test_any_bytes_give_replies_whose_code_is_short_and_names_nobody(stream: bytes) -> None:
    for reply in read(stream):
        assert reply is MALFORMED or 200 <= reply.code < 600
        assert len(reply_code(reply)) <= 55
        assert set(reply_code(reply)) <= set("smtp.-0123456789")
