"""Where lines and mails end, whatever pieces they arrive in (SM-02, SM-03, evil input 31)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.smtp.wire import LineTooLong, TooMuch, Wire

_Answer = TypeVar("_Answer")
BITS = st.lists(st.sampled_from([b".", b"..", b"\r", b"\n", b"\r\n", b"\r\n.", b"\n.\n", b"a", b"From x"]), max_size=12)
LIMIT = 10_000


def fed(pieces: list[bytes], read: Callable[[Wire], Coroutine[None, None, _Answer]]) -> _Answer:
    """What is read when these pieces arrive one by one, and then nothing more."""

    async def run() -> _Answer:
        reader = asyncio.StreamReader()
        task = asyncio.ensure_future(read(Wire(reader)))
        for piece in pieces:
            reader.feed_data(piece)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        reader.feed_eof()
        return await task

    return asyncio.run(run())


async def read_all(wire: Wire) -> tuple[bytes, bytes]:
    mail = await wire.read_mail(largest=LIMIT, take=lambda _: True, arrived=lambda: None)
    return mail, await wire.read_line(longest=100)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


@settings(max_examples=150)
@given(BITS.map(b"".join), st.lists(st.integers(0, 400), max_size=6))
def test_a_dotted_body_arrives_unchanged_in_any_pieces_sm_02(body: bytes, places: list[int]) -> None:
    # What a correct client does with it (RFC 5321 §4.5.2), with the next command behind it.
    stuffed = (b"\r\n" + body + b"\r\n").replace(b"\r\n.", b"\r\n..")[2:] + b".\r\nQUIT\r\n"
    assert fed(cut(stuffed, places), read_all) == (body + b"\r\n", b"QUIT")


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n.\n\r\n"])
def test_nothing_but_crlf_dot_crlf_ends_a_mail_sm_03(end: bytes) -> None:
    hidden = b"first" + end + b"MAIL FROM:<x@y.z>\r\nRCPT TO:<a@b.c>\r\nDATA\r\nsecond\r\n"
    mail, line = fed([hidden + b".\r\nNOOP\r\n"], read_all)
    assert b"MAIL FROM" in mail
    assert line == b"NOOP"


def test_an_empty_mail_is_a_mail() -> None:
    assert fed([b".\r\n", b"NOOP\r\n"], read_all) == (b"", b"NOOP")


def test_too_much_is_read_to_its_end_and_not_kept_sm_04() -> None:
    taken: list[int] = []

    def take(count: int) -> bool:
        taken.append(count)
        return True

    async def read(wire: Wire) -> bytes:
        with pytest.raises(TooMuch):
            await wire.read_mail(largest=LIMIT, take=take, arrived=lambda: None)
        return await wire.read_line(longest=100)

    assert fed([*[b"x" * 1000 + b"\r\n"] * 1000, b".\r\nNOOP\r\n"], read) == b"NOOP"
    assert sum(taken) < LIMIT * 3


def test_without_room_a_mail_is_read_to_its_end() -> None:
    async def read(wire: Wire) -> bytes:
        with pytest.raises(TooMuch):
            await wire.read_mail(largest=LIMIT, take=lambda _: False, arrived=lambda: None)
        return await wire.read_line(longest=100)

    assert fed([b"a\r\n", b"b\r\n.\r\nNOOP\r\n"], read) == b"NOOP"


def test_a_long_line_is_read_to_its_end() -> None:
    async def read(wire: Wire) -> bytes:
        with pytest.raises(LineTooLong):
            await wire.read_line(longest=100)
        return await wire.read_line(longest=100)

    assert fed([b"x" * 60, b"y" * 60, b"z\r\nNO", b"OP\r\n"], read) == b"NOOP"


def test_a_peer_that_goes_in_the_middle_leaves_nothing() -> None:
    with pytest.raises(EOFError):
        fed([b"half a mail\r\n"], read_all)
