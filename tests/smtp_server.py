"""Real SMTP servers on loopback: one whose answers the recipient's local part scripts, one that may do anything."""

# ruff: noqa: N802, ARG002 (aiosmtpd names the hooks and their arguments)

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

RCPT_REPLIES = {
    "bounce": "550 5.1.1 No such user bounce@example.org",
    "full": "452 4.2.2 Mailbox full",
    "defer": "451 4.3.0 Try again later",
    "block": "554 5.7.1 Blocked",
}

_MAIL_REPLIES = {"odd": "251 2.1.5 Accepted for somebody else"}


class _Peer(SMTP):
    is_gone = False

    def connection_lost(self, error: Exception | None) -> None:
        self.is_gone = True
        super().connection_lost(error)


class ScriptedServer:
    """Keeps (recipient, bytes) of every mail accepted, and its return path in `paths`; `hangup@` closes at RCPT, `unknown@` after the final dot.

    `slow@` waits before it answers, `odd@` answers the mail with a rare kind of yes.
    """

    def __init__(self) -> None:
        self.mails: list[tuple[str, bytes]] = []
        self.paths: list[str] = []
        self.connections = 0
        self.port = 0
        self._peers: list[_Peer] = []
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(60)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await self._loop.create_server(self._meet, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        # One that was accepted a moment ago gets its transport only some turns of the loop later.
        async with asyncio.timeout(50):
            while waiting := [peer for peer in self._peers if not peer.is_gone]:
                for peer in waiting:
                    if isinstance(peer.transport, asyncio.Transport):
                        peer.transport.abort()
                await asyncio.sleep(0)

    def _meet(self) -> _Peer:
        self._peers.append(_Peer(self, loop=self._loop, enable_SMTPUTF8=False))
        return self._peers[-1]

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> Any:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        local = address.partition("@")[0].partition("+")[0]
        if local == "hangup":
            assert server.transport is not None
            server.transport.close()
        if local == "slow":
            await asyncio.sleep(0.2)
        if local in RCPT_REPLIES:
            return RCPT_REPLIES[local]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        if envelope.rcpt_tos[0].startswith("unknown"):
            assert server.transport is not None
            server.transport.close()
        self.mails.append((envelope.rcpt_tos[0], envelope.content))
        self.paths.append(envelope.mail_from or "")
        return _MAIL_REPLIES.get(envelope.rcpt_tos[0].partition("@")[0], "250 2.0.0 Accepted")


@dataclass
class Conversation:
    """A server's side of one connection without its socket; `answer` decides every reply, `polite` knows the right one.

    `answer` gets the verb and the whole line, or BODY and the mail without its dots, or PART and what there is of a mail
    so far. It may return nothing to stay silent, any bytes, and `hang_up`.
    """

    answer: Answer
    offers: tuple[bytes, ...] = (b"PIPELINING",)
    number: int = 0  # of the connection, from 0
    said: list[bytes] = field(default_factory=list)  # the lines of the client, and BODY for each mail
    bodies: list[tuple[bytes, bytes]] = field(default_factory=list)  # (the last RCPT line, mail) of each final dot seen
    mails: list[tuple[bytes, bytes]] = field(default_factory=list)  # of those `polite` accepted
    mail: bytes = b""
    rcpt: bytes = b""
    is_over: bool = False
    unread: bytes = b""
    _in_data: bool = False

    def hear(self, data: bytes) -> Iterator[bytes]:
        """The replies to what arrived, one by one."""
        self.unread += data
        while not self.is_over and (unit := self._next_unit()):
            reply = self.answer(self, *unit)
            self._in_data = unit[0] == "DATA" and reply is not None and reply.startswith(b"354")
            if reply:
                yield reply
        if self._in_data and self.unread and not self.is_over and (reply := self.answer(self, "PART", self.unread)):
            yield reply

    def hang_up(self, last_words: bytes = b"") -> bytes:
        self.is_over = True
        return last_words

    def _next_unit(self) -> tuple[str, bytes] | None:
        if self._in_data:
            # A leading line end lets a dot on the very first line end the mail too.
            body, dot, rest = (b"\r\n" + self.unread).partition(b"\r\n.\r\n")
            if not dot:
                return None
            self.unread, body = rest, (body + b"\r\n")[2:]
            data = (b"\r\n" + body).replace(b"\r\n.", b"\r\n")[2:]
            self.said.append(b"BODY")
            rcpt = next(line for line in reversed(self.said) if line.startswith(b"RCPT"))
            self.bodies.append((rcpt, data))
            return "BODY", data
        line, end, rest = self.unread.partition(b"\r\n")
        if not end:
            return None
        self.unread = rest
        self.said.append(line)
        return line.split(b" ", 1)[0].upper().decode("latin-1"), line


Answer = Callable[[Conversation, str, bytes], bytes | None]


def polite(peer: Conversation, verb: str, what: bytes) -> bytes | None:
    """What a correct server says."""
    if verb == "PART":
        return None
    if verb == "EHLO":
        return b"".join(b"250-%b\r\n" % offer for offer in (b"raw.test", *peer.offers)) + b"250 HELP\r\n"
    if (verb, bool(peer.mail), bool(peer.rcpt)) in _OUT_OF_ORDER:
        return b"503 5.5.1 Bad sequence of commands\r\n"
    if verb == "MAIL":
        peer.mail = what
    elif verb == "RCPT":
        peer.rcpt = what
    elif verb == "BODY":
        peer.mails.append((peer.rcpt, what))
    if verb in {"BODY", "RSET"}:
        peer.mail = peer.rcpt = b""
    if verb == "QUIT":
        peer.is_over = True
    return _PLAIN_ANSWERS.get(verb, b"250 2.0.0 Ok\r\n")


_OUT_OF_ORDER = {("MAIL", True, rcpt) for rcpt in (False, True)} | {("RCPT", False, False), ("DATA", False, False)}
_OUT_OF_ORDER |= {("DATA", True, False)}
_PLAIN_ANSWERS = {
    "CONNECT": b"220 raw.test ESMTP\r\n",
    "STARTTLS": b"220 2.0.0 Ready\r\n",
    "AUTH": b"235 2.7.0 Welcome\r\n",
    "DATA": b"354 Go on\r\n",
    "QUIT": b"221 2.0.0 Bye\r\n",
}


class RawServer:
    """Conversations over sockets, a thread each; `answer` may be changed at any time.

    `context` encrypts from the start, or after STARTTLS when that is among the offers.
    """

    def __init__(
        self, answer: Answer = polite, *offers: bytes, context: ssl.SSLContext | None = None, split: int = 65536
    ) -> None:
        self.answer = answer
        self.conversations: list[Conversation] = []
        self._offers, self._context, self._split = offers, context, split
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> RawServer:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone would not wake the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(10)
        self.hang_up()
        for thread in self._threads:
            thread.join(10)

    @property
    def connections(self) -> int:
        return len(self.conversations)

    @property
    def mails(self) -> list[tuple[bytes, bytes]]:
        """(RCPT line, mail) of all that was politely accepted."""
        return [mail for conversation in self.conversations for mail in conversation.mails]

    @property
    def said(self) -> list[bytes]:
        return [line for conversation in self.conversations for line in conversation.said]

    def hang_up(self, last_words: bytes = b"") -> None:
        """End every connection there is."""
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                sock.sendall(last_words)
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.append(sock)
                peer = Conversation(self._answer, self._offers, number=self.connections)
                self.conversations.append(peer)
                self._threads.append(threading.Thread(target=self._serve, args=(sock, peer), daemon=True))
                self._threads[-1].start()

    def _serve(self, sock: socket.socket, peer: Conversation) -> None:
        with contextlib.suppress(OSError):
            if self._context is not None and b"STARTTLS" not in self._offers:
                sock = self._encrypt(sock)
            self._say(sock, self.answer(peer, "CONNECT", b"") or b"")
            while not peer.is_over and (data := sock.recv(65536)):
                for reply in peer.hear(data):
                    self._say(sock, reply)
                if self._context is not None and peer.said[-1:] == [b"STARTTLS"]:
                    sock = self._encrypt(sock)
        sock.close()

    def _answer(self, peer: Conversation, verb: str, what: bytes) -> bytes | None:
        return self.answer(peer, verb, what)

    def _encrypt(self, sock: socket.socket) -> socket.socket:
        assert self._context is not None
        place = self._sockets.index(sock)
        self._sockets[place] = self._context.wrap_socket(sock, server_side=True)
        return self._sockets[place]

    def _say(self, sock: socket.socket, reply: bytes) -> None:
        for start in range(0, len(reply), self._split):
            sock.sendall(reply[start : start + self._split])
