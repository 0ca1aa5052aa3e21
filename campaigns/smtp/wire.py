"""What a peer sends: command lines and mails, out of one stream of bytes (RFC 5321 §2.3.8, §4.5.2)."""

from __future__ import annotations

from asyncio import StreamReader
from collections.abc import Callable

_CHUNK = 64 * 1024
_END = b"\r\n.\r\n"


class LineTooLong(Exception):
    """The line is longer than anybody's command; it was read to its end."""


class TooMuch(Exception):
    """There is no room for this mail, or it is longer than any may be; it was read to its end."""


class Wire:
    """Reads from a stream; what a mail's last piece held beyond its end stays for the next line."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._unread = b""

    def forget(self) -> None:
        """Throw away what was read ahead: nothing sent before TLS counts after it (SU-05)."""
        self._unread = b""

    async def read_line(self, *, longest: int) -> bytes:
        """The next line without its end; raises LineTooLong, and EOFError when the peer is gone."""
        line, is_long = b"", False
        while True:
            head, end, rest = self._unread.partition(b"\n")
            self._unread = rest
            line = b"" if is_long else line + head
            is_long = is_long or len(line) > longest
            if end:
                break
            self._unread = await self._read()
        if is_long:
            raise LineTooLong
        return line.removesuffix(b"\r")

    async def read_mail(self, *, largest: int, take: Callable[[int], bool], arrived: Callable[[], None]) -> bytes:
        """A mail up to CRLF.CRLF and nothing else (SM-03), its dots unstuffed (SM-02), with its last CRLF.

        `take` is asked for room for each piece, `arrived` told of it. Raises TooMuch and EOFError.
        """
        # The line end before the first line makes a dot at its start like any other.
        mail, is_too_much = bytearray(b"\r\n"), False
        while True:
            scanned = max(len(mail) - len(_END) + 1, 0)
            mail += self._unread
            end = mail.find(_END, scanned)
            if end >= 0:
                self._unread = bytes(mail[end + len(_END) :])
                del mail[end + 2 :]
                break
            if is_too_much or len(mail) > largest + 2:
                # No need to keep it: only its end matters now.
                is_too_much = True
                del mail[: -len(_END)]
            self._unread = await self._read()
            is_too_much = is_too_much or not take(len(self._unread))
            arrived()
        if is_too_much or len(mail) > largest + 2:
            raise TooMuch
        return bytes(mail.replace(b"\r\n.", b"\r\n")[2:])

    async def _read(self) -> bytes:
        data = await self._reader.read(_CHUNK)
        if not data:
            raise EOFError
        return data
