"""So many mails over so many kept connections: python -m bench.lab.smtp_client PORT CONNECTIONS MAILS [KEY]."""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from collections.abc import Mapping
from typing import Any

from bench.lab.api_load import Tally
from bench.lab.children import work_on_signal

_PAUSE = 0.05  # seconds after a conversation that was refused or broken

_TEXT = "".join(f"Line {number:03}: {'so it goes, ' * 5}\r\n" for number in range(140))
MAIL = (
    "From: Shop <shop@news.example.com>\r\nTo: reader@example.net\r\nSubject: Your order has left\r\n"
    "Date: Mon, 30 Nov 2026 09:00:00 +0200\r\nMessage-ID: <{number}@news.example.com>\r\nMIME-Version: 1.0\r\n"
    f"Content-Type: text/plain; charset=utf-8\r\n\r\n{_TEXT}.\r\n"
)


class _Talk:
    """One conversation, logged in when there is a key."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int, key: str) -> _Talk:
        talk = cls(*await asyncio.open_connection("127.0.0.1", port))
        await talk._say(b"", b"220")
        await talk._say(b"EHLO client.test\r\n", b"250")
        if key:
            await talk._say(b"AUTH PLAIN " + base64.b64encode(b"\0App\0" + key.encode()) + b"\r\n", b"235")
        return talk

    async def hand_in(self, mail: bytes) -> None:
        """Returns when it was taken; raises RuntimeError for any other answer and for none."""
        await self._say(b"MAIL FROM:<shop@news.example.com>\r\n", b"250")
        await self._say(b"RCPT TO:<reader@example.net>\r\n", b"250")
        await self._say(b"DATA\r\n", b"354")
        await self._say(mail, b"250")

    def close(self) -> None:
        self._writer.close()

    async def _say(self, data: bytes, expected: bytes) -> None:
        self._writer.write(data)
        while True:
            line = await self._reader.readline()
            if line[3:4] != b"-":
                break
        if not line.startswith(expected):
            raise RuntimeError(f"{data[:20]!r} was answered {line!r}")


async def _talk(port: int, mails: range, key: str) -> int:
    talk = await _Talk.open(port, key)
    for number in mails:
        await talk.hand_in(MAIL.replace("{number}", str(number)).encode())
    talk.close()
    return len(mails)


async def run_stubborn_client(number: int, port: int, *, key: str, until: float, tally: Tally) -> None:
    """Hand in mail after mail, each with an id of its own, and each again and again until it is taken or time is over."""
    count, name = 0, f"s{number}-0"
    while time.monotonic() < until:
        try:
            async with asyncio.timeout(30):
                talk = await _Talk.open(port, key)
                while time.monotonic() < until:
                    mail = f"X-IB-message-id: {name}\r\n{MAIL.replace('{number}', name)}"
                    await talk.hand_in(mail.encode())
                    tally.answered.append(name)
                    count += 1
                    name = f"s{number}-{count}"
                talk.close()
        except (OSError, RuntimeError, TimeoutError):
            tally.broken += 1
            await asyncio.sleep(_PAUSE)


async def _send(port: int, connections: int, mails: int, key: str) -> int:
    share = mails // connections
    talks = [_talk(port, range(place * share, (place + 1) * share), key) for place in range(connections)]
    return sum(await asyncio.gather(*talks))


def main() -> None:
    port, connections, mails = map(int, sys.argv[1:4])
    key = sys.argv[4] if len(sys.argv) > 4 else ""

    def work() -> Mapping[str, Any]:
        return {"mails": asyncio.run(_send(port, connections, mails, key))}

    work_on_signal(work)


if __name__ == "__main__":
    main()
