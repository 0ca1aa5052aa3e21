"""Real IMAP and POP3 servers on loopback, over TLS, with one mailbox that a test fills and looks into."""

# ruff: noqa: ARG002 (the commands of a protocol have one signature)

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import Self

import trustme

USERNAME, PASSWORD, TOKEN = 'bounces@example.org"\\', "pass word", "access-token-1"


@dataclass
class Mailbox:
    """What is in it: uid -> mail. `deleted` are those that are gone for good."""

    mails: dict[int, bytes] = field(default_factory=dict)
    deleted: list[int] = field(default_factory=list)
    validity: int = 7
    folder: str = "INBOX"

    def add(self, *mails: bytes) -> None:
        for raw in mails:
            self.mails[max([*self.mails, *self.deleted, 0]) + 1] = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class MailboxServer:
    """Use as a context manager. `announces` is the size of a literal that lies; `drips` answers byte by byte, for ever."""

    def __init__(
        self,
        protocol: str,
        mailbox: Mailbox,
        *,
        authority: trustme.CA,
        name: str = "localhost",
        starts_tls: bool = False,
        offers_tls: bool = True,
    ) -> None:
        self.mailbox, self.protocol = mailbox, protocol
        self.said: list[str] = []  # every command, without its tag
        self.connections = 0
        self.announces = 0
        self.drips = False
        self.extensions = "UIDPLUS"
        self._starts_tls, self._offers_tls = starts_tls, offers_tls
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self._context)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            # A client that goes away, or that does not like our certificate, is no business of the next one.
            with contextlib.suppress(OSError, ValueError):
                self._serve(connection)
            connection.close()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        if not self._starts_tls:
            connection = self._context.wrap_socket(connection, server_side=True)
        talk = _Imap(self, connection) if self.protocol == "imap" else _Pop(self, connection)
        try:
            talk.run()
        finally:
            talk.close()


class _Talk:
    def __init__(self, server: MailboxServer, connection: socket.socket) -> None:
        self.server, self.connection = server, connection
        self.file = connection.makefile("rb")
        self.is_over = False

    def close(self) -> None:
        self.file.close()
        self.connection.close()

    def say(self, line: str | bytes) -> None:
        raw = line.encode("latin-1") if isinstance(line, str) else line
        self.connection.sendall(raw + b"\r\n")

    def hear(self) -> str:
        line = self.file.readline()
        if not line:
            raise ValueError("gone")
        return line.decode("latin-1").rstrip("\r\n")

    def start_tls(self) -> None:
        self.file.close()
        self.connection = self.server._context.wrap_socket(self.connection, server_side=True)
        self.file = self.connection.makefile("rb")

    def drip(self) -> None:
        while not self.server._stopped.wait(0.05):
            self.connection.sendall(b"x")


class _Imap(_Talk):
    def run(self) -> None:
        self.say("* OK ready")
        while not self.is_over:
            tag, _, command = self.hear().partition(" ")
            self.server.said.append(command)
            self.say(f"{tag} {self.answer(command)}")
            if command == "STARTTLS":
                self.start_tls()

    def answer(self, command: str) -> str:
        verb = command.split()[0].upper()
        return {"UID": self.uid, "LOGIN": self.login, "AUTHENTICATE": self.authenticate}.get(verb, self.other)(command)

    def other(self, command: str) -> str:
        box = self.server.mailbox
        if command == "CAPABILITY":
            tls = " STARTTLS" if self.server._offers_tls else ""
            self.say(f"* CAPABILITY IMAP4REV1 {self.server.extensions}{tls}")
        elif command.startswith("SELECT"):
            if command != f'SELECT "{box.folder}"':
                return "NO no such folder"
            self.say(f"* OK [UIDVALIDITY {box.validity}] ok")
        elif command == "LOGOUT":
            self.say("* BYE")
            self.is_over = True
        return "OK done"

    def login(self, command: str) -> str:
        quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in (USERNAME, PASSWORD)]
        return "OK in" if command == f'LOGIN "{quoted[0]}" "{quoted[1]}"' else "NO [AUTHENTICATIONFAILED] no"

    def authenticate(self, command: str) -> str:
        self.say("+ ")
        if base64.b64decode(self.hear()).decode() == f"user={USERNAME}\x01auth=Bearer {TOKEN}\x01\x01":
            return "OK in"
        self.say("+ " + base64.b64encode(b'{"status":"400"}').decode())
        assert self.hear() == ""
        return "NO no"

    def uid(self, command: str) -> str:
        box, words = self.server.mailbox, command.split()
        if words[1] == "SEARCH":
            first = int(words[3].partition(":")[0])
            found = [uid for uid in box.mails if uid >= first] or list(box.mails)[-1:]
            self.say(f"* SEARCH {' '.join(map(str, found))}")
        elif words[1] == "FETCH":
            self.fetch(int(words[2]), command)
        elif words[1] == "EXPUNGE":
            box.mails.pop(int(words[2]))
            box.deleted.append(int(words[2]))
        return "OK done"

    def fetch(self, uid: int, command: str) -> None:
        size = re.search(r"BODY\.PEEK\[\]<0\.(\d+)>", command)
        assert size is not None
        if self.server.drips:
            self.drip()
        raw = self.server.mailbox.mails[uid][: int(size[1])]
        self.say(
            f"* 1 FETCH (UID {uid} BODY[]<0> {{{self.server.announces or len(raw)}}}".encode() + b"\r\n" + raw + b")"
        )


class _Pop(_Talk):
    def run(self) -> None:
        self.gone: list[int] = []
        self.user = ""
        self.say("+OK ready")
        while not self.is_over:
            command = self.hear()
            self.server.said.append(command)
            verb, _, rest = command.partition(" ")
            getattr(self, f"do_{verb.lower()}")(rest)

    def do_capa(self, rest: str) -> None:
        for line in ("+OK", "UIDL", "TOP", *(["STLS"] if self.server._offers_tls else []), "."):
            self.say(line)

    def do_stls(self, rest: str) -> None:
        self.say("+OK go" if self.server._offers_tls else "-ERR no")
        if self.server._offers_tls:
            self.start_tls()

    def do_user(self, rest: str) -> None:
        self.user = rest
        self.say("+OK")

    def do_pass(self, rest: str) -> None:
        self.say("+OK" if (self.user, rest) == (USERNAME, PASSWORD) else "-ERR no")

    def do_auth(self, rest: str) -> None:
        self.say("+ ")
        answer = base64.b64decode(self.hear()).decode()
        self.say("+OK" if answer == f"user={USERNAME}\x01auth=Bearer {TOKEN}\x01\x01" else "-ERR no")

    def do_uidl(self, rest: str) -> None:
        self.say("+OK")
        for number, uid in enumerate(self.server.mailbox.mails, 1):
            self.say(f"{number} uid-{uid}")
        self.say(".")

    def do_list(self, rest: str) -> None:
        self.say("+OK")
        for number, raw in enumerate(self.server.mailbox.mails.values(), 1):
            self.say(f"{number} {len(raw)}")
        self.say(".")

    def do_top(self, rest: str) -> None:
        if self.server.drips:
            self.say("+OK")
            self.drip()
        number, count = map(int, rest.split())
        head, _, body = list(self.server.mailbox.mails.values())[number - 1].partition(b"\r\n\r\n")
        self.say("+OK")
        for line in [*head.split(b"\r\n"), b"", *body.split(b"\r\n")[:count]]:
            self.say(b"." + line if line.startswith(b".") else line)
        self.say(".")

    def do_dele(self, rest: str) -> None:
        self.gone.append(list(self.server.mailbox.mails)[int(rest) - 1])
        self.say("+OK")

    def do_quit(self, rest: str) -> None:
        for uid in self.gone:
            self.server.mailbox.mails.pop(uid)
            self.server.mailbox.deleted.append(uid)
        self.say("+OK")
        self.is_over = True
