"""An SMTP server that counts: python -m bench.lab.counter PORT FILE [MILLISECONDS].

For each mail it takes it appends `recipient message-id` to the file, then thinks for a while, then says 250: a client that
dies meanwhile cannot know. It offers PIPELINING and 8BITMIME and accepts everything.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from typing import ClassVar

_MESSAGE_ID = re.compile(rb"^Message-ID:\s*<([^>]*)>", re.IGNORECASE | re.MULTILINE)
_END = b"\r\n.\r\n"


class _Session(asyncio.Protocol):
    file: ClassVar[int]
    thinking: ClassVar[float]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer, self._replies = bytearray(), bytearray()
        self._recipient = b""
        self._in_data = self._is_thinking = False
        transport.write(b"220 counter ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while not self._is_thinking and (self._take_mail() if self._in_data else self._take_command()):
            pass
        self._transport.write(bytes(self._replies))
        self._replies.clear()

    def _take_command(self) -> bool:
        line, end, rest = bytes(self._buffer).partition(b"\r\n")
        if not end:
            return False
        self._buffer = bytearray(rest)
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._recipient = line.partition(b"<")[2].partition(b">")[0]
        self._in_data = verb == b"DATA"
        self._replies += _REPLIES.get(verb, b"250 2.0.0 Ok\r\n")
        if self._in_data:
            # So that the end is found in a mail without lines too.
            self._buffer = bytearray(b"\r\n") + self._buffer
        if verb == b"QUIT":
            self._transport.write(bytes(self._replies))
            self._transport.close()
            return False
        return True

    def _take_mail(self) -> bool:
        end = self._buffer.find(_END)
        if end < 0:
            return False
        mail = bytes(self._buffer[2:end])
        del self._buffer[: end + len(_END)]
        found = _MESSAGE_ID.search(mail)
        os.write(self.file, b"%b %b\n" % (self._recipient, found[1] if found else b"-"))
        self._in_data, self._is_thinking = False, True
        asyncio.get_running_loop().call_later(self.thinking, self._accept)
        return True

    def _accept(self) -> None:
        self._is_thinking = False
        if not self._transport.is_closing():
            self._replies += b"250 2.0.0 Ok: counted\r\n"
            self._go_on()


_REPLIES = {
    b"EHLO": b"250-counter\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
    b"DATA": b"354 Go on\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}


async def serve(port: int, file: str, *, seconds: float) -> None:
    _Session.file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    _Session.thinking = seconds
    server = await asyncio.get_running_loop().create_server(_Session, "127.0.0.1", port, backlog=1000)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], seconds=float(sys.argv[3]) / 1000 if len(sys.argv) > 3 else 0.0))
