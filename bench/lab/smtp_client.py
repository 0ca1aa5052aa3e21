"""So many mails over so many kept connections: python -m bench.lab.smtp_client PORT CONNECTIONS MAILS [KEY]."""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Mapping
from typing import Any

from bench.lab.children import work_on_signal

_TEXT = "".join(f"Line {number:03}: {'so it goes, ' * 5}\r\n" for number in range(140))
MAIL = (
    "From: Shop <shop@news.example.com>\r\nTo: reader@example.net\r\nSubject: Your order has left\r\n"
    "Date: Mon, 30 Nov 2026 09:00:00 +0200\r\nMessage-ID: <{number}@news.example.com>\r\nMIME-Version: 1.0\r\n"
    f"Content-Type: text/plain; charset=utf-8\r\n\r\n{_TEXT}.\r\n"
)


async def _talk(port: int, mails: range, key: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def say(data: bytes, expected: bytes) -> None:
        writer.write(data)
        while True:
            line = await reader.readline()
            if line[3:4] != b"-":
                break
        if not line.startswith(expected):
            raise RuntimeError(f"{data[:20]!r} was answered {line!r}")

    await say(b"", b"220")
    await say(b"EHLO client.test\r\n", b"250")
    if key:
        await say(b"AUTH PLAIN " + base64.b64encode(b"\0App\0" + key.encode()) + b"\r\n", b"235")
    for number in mails:
        await say(b"MAIL FROM:<shop@news.example.com>\r\n", b"250")
        await say(b"RCPT TO:<reader@example.net>\r\n", b"250")
        await say(b"DATA\r\n", b"354")
        await say(MAIL.replace("{number}", str(number)).encode(), b"250")
    writer.close()
    return len(mails)


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
