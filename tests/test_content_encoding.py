"""Quoted-printable by whole lines."""

import quopri
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.content.encoding import break_lines, encode_chars, quoted_printable, split_head

lines = st.lists(
    st.text(
        st.one_of(st.sampled_from(" .=F\tro m%é"), st.characters(codec="utf-8", exclude_characters="\r\n")),
        max_size=300,
    ),
    max_size=6,
)


@given(lines)
def test_any_text_decodes_to_itself(text: list[str]) -> None:
    whole = "".join(line + "\n" for line in text)
    assert quopri.decodestring(quoted_printable(whole)) == whole.replace("\n", "\r\n").encode()


@given(lines)
def test_a_text_is_encoded_line_by_line(text: list[str]) -> None:
    whole = "".join(line + "\n" for line in text)
    assert quoted_printable(whole) == b"".join(quoted_printable(line + "\n") for line in text)


@given(lines, lines)
def test_the_settled_head_of_a_line_is_what_the_whole_line_begins_with(first: list[str], rest: list[str]) -> None:
    head, left = split_head(encode_chars("".join(first)))
    whole = "".join(first + rest) + "\n"
    assert head + break_lines(left + encode_chars("".join(rest)) + "\r\n") == quoted_printable(whole)


@given(lines)
def test_encoded_lines_are_short_plain_and_safe_for_smtp(text: list[str]) -> None:
    """MF-04, MF-05, MF-06, SM-02."""
    encoded = quoted_printable("".join(line + "\n" for line in text))
    assert encoded.isascii()
    for line in encoded.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))
        assert not re.search(rb"[\r\n\0]", line)


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        (".\n", b"=2E\r\n"),
        ("From here\n", b"=46rom here\r\n"),
        ("blank \n", b"blank=20\r\n"),
        ("a=b\n", b"a=3Db\r\n"),
        ("é\n", b"=C3=A9\r\n"),
        ("\n\n", b"\r\n\r\n"),
    ],
)
def test_what_mail_systems_change_is_encoded(text: str, encoded: bytes) -> None:
    assert quoted_printable(text) == encoded
