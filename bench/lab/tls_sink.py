"""An SMTP server over TLS from the first byte that takes everything: python -m bench.lab.tls_sink PORT CERTIFICATE KEY."""

from __future__ import annotations

import asyncio
import ssl
import sys

_END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """One connection; replies to what arrived together leave together."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._unread, self._in_mail = b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._unread += data
        replies = []
        while (reply := self._next()) is not None:
            replies.append(reply)
        if replies:
            self._transport.write(b"".join(replies))

    def _next(self) -> bytes | None:
        if self._in_mail:
            end = self._unread.find(_END)
            if end < 0:
                return None
            self._unread, self._in_mail = self._unread[end + len(_END) :], False
            return b"250 2.0.0 Ok\r\n"
        line, found, rest = self._unread.partition(b"\r\n")
        if not found:
            return None
        self._unread, verb = rest, line[:4].upper()
        self._in_mail = verb == b"DATA"
        if verb == b"EHLO":
            return b"250-sink\r\n250-PIPELINING\r\n250 SIZE 20000000\r\n"
        return b"354 Go on\r\n" if self._in_mail else b"250 2.0.0 Ok\r\n"


async def serve(port: int, certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port, ssl=context)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
