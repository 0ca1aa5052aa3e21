"""A mailbox on a server, as far as we need one: look what is new, read it, and take away what is done with.

The standard library's clients over sockets of our own: connected where we may go, encrypted and verified, ended after a
time however slowly the server drips, and never filled beyond a limit however much it announces.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import imaplib
import poplib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

from campaigns.errors import CampaignError
from campaigns.net.destinations import NetError, connect

SILENCE_SECONDS = 20.0
MOST_BYTES = 1024 * 1024  # of one mail; what says why it came back stands at its beginning
_MOST_ANSWER = 8 * 1024 * 1024
_TOP_LINES = 3_000


@dataclass(frozen=True, slots=True, repr=False)
class Place:
    """Where a mailbox is and how to get in; `token` is an OAuth access token, None with a password."""

    host: str
    port: int
    starts_tls: bool
    username: str
    password: str = ""
    token: str | None = None
    folder: str = "INBOX"


class MailboxTrouble(CampaignError):
    """A mailbox that cannot be read; a person must mend it unless it passes by itself."""


class Client(Protocol):
    """An open mailbox. Uids are texts that stay the same while a mail is there.

    With a `validity` they are growing numbers, good as long as it is the same; without (0) `present` has all that are
    there.
    """

    @property
    def validity(self) -> int: ...
    @property
    def present(self) -> set[str] | None: ...
    def find_new(self, *, after: int, seen: set[str]) -> list[str]: ...
    def read(self, uid: str) -> bytes: ...
    def remove(self, uid: str) -> None: ...


@contextlib.contextmanager
def open_mailbox(kind: str, place: Place, *, seconds: float) -> Iterator[Client]:
    """The mailbox, for so many seconds at most; raises MailboxTrouble, also out of its block."""
    with _explained(), _Line(place, seconds=seconds) as line:
        client = _Imap(place, line) if kind == "imap" else _Pop(place, line)
        try:
            client.enter()
            yield client
        finally:
            # The server may be gone; what counts has been said before.
            with contextlib.suppress(OSError, EOFError, imaplib.IMAP4.error, poplib.error_proto):
                client.close()


def make_context() -> ssl.SSLContext:
    """Verifies certificate and name; TLS 1.2 or newer."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Line:
    """The connection below a client. It ends when the time is up: each read may be in time and the whole never end."""

    def __init__(self, place: Place, *, seconds: float) -> None:
        self._place = place
        self.sock = connect(place.host, place.port, seconds=SILENCE_SECONDS)
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Line:
        self._timer.start()
        try:
            if not self._place.starts_tls:
                self.wrap_socket(self.sock, server_hostname=self._place.host)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self.sock.close()

    def wrap_socket(self, sock: socket.socket, *, server_hostname: str) -> socket.socket:
        """Go on over TLS; in the words of an SSLContext, for which clients that start it later take this."""
        self.sock = make_context().wrap_socket(sock, server_hostname=server_hostname)
        return self.sock

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Errors of sockets and clients in words for people. From None: a server's text may quote names and addresses."""
    try:
        yield
    except ssl.SSLCertVerificationError:
        raise MailboxTrouble(
            "mailbox.certificate-invalid", "The certificate of the mail server is not valid for its name."
        ) from None
    except NetError as error:
        if error.code == "net.address-refused":
            raise MailboxTrouble("mailbox.address-refused", "The address of the mail server cannot be used.") from None
        raise MailboxTrouble("mailbox.unreachable", "The mail server does not answer.") from None
    except (OSError, EOFError, imaplib.IMAP4.error, poplib.error_proto, ValueError):
        raise MailboxTrouble(
            "mailbox.broken", "The mail server broke the conversation off.", action="It is tried again by itself."
        ) from None


@contextlib.contextmanager
def _offered() -> Iterator[None]:
    try:
        yield
    except (imaplib.IMAP4.error, poplib.error_proto):
        raise MailboxTrouble(
            "mailbox.tls-not-offered",
            "The mail server does not offer encryption at this port.",
            action="Choose encryption from the start, usual on ports 993 and 995.",
        ) from None


def _refused() -> MailboxTrouble:
    return MailboxTrouble(
        "mailbox.login-refused",
        "The mail server refuses the user name or the password.",
        action="Enter them again. Some providers want a password made for this purpose.",
    )


def _bearer(place: Place) -> bytes:
    return f"user={_checked(place.username)}\x01auth=Bearer {place.token}\x01\x01".encode()


# --- IMAP (RFC 3501, 4315) --------------------------------------------------------------------------


class _Imap4(imaplib.IMAP4):
    """imaplib over a given socket, with an end to what a server may announce."""

    def __init__(self, line: _Line, host: str) -> None:
        self._line = line
        super().__init__(host)

    def _create_socket(self, timeout: float | None) -> socket.socket:  # noqa: ARG002 (imaplib's signature)
        return self._line.sock

    def read(self, size: int) -> bytes:
        if size > _MOST_ANSWER:
            raise self.abort("too large")
        return super().read(size)


_UIDS = re.compile(rb"\d{1,10}")


class _Imap:
    present = None

    def __init__(self, place: Place, line: _Line) -> None:
        self.validity = 0
        self._place, self._line = place, line
        self._imap = _Imap4(line, place.host)

    def enter(self) -> None:
        """Encrypt, log in and open the folder."""
        if self._place.starts_tls:
            with _offered():
                self._imap.starttls(cast("Any", self._line))
        self._log_in(self._place)
        answer, _ = self._imap.select(_quote(self._place.folder))
        if answer != "OK":
            raise MailboxTrouble(
                "mailbox.folder-missing", "This folder does not exist.", action="Correct its name; INBOX always exists."
            )
        found = self._imap.response("UIDVALIDITY")[1]
        # A server has to say it; one that does not numbers its mails the same for ever.
        self.validity = int(found[0]) if found and isinstance(found[0], bytes) and found[0].isdigit() else 1

    def _log_in(self, place: Place) -> None:
        try:
            if place.token is None:
                self._imap.login(_quote(place.username), _checked(place.password))
                return
            said = [_bearer(place)]
            # Asked again, it wants an empty line before it says no.
            self._imap.authenticate("XOAUTH2", lambda _: said.pop() if said else b"")
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            raise _refused() from None

    def find_new(self, *, after: int, seen: set[str]) -> list[str]:  # noqa: ARG002 (a client's signature)
        _, found = self._imap.uid("SEARCH", f"UID {after + 1}:*")
        uids = sorted(int(uid) for row in found if isinstance(row, bytes) for uid in _UIDS.findall(row))
        # "n:*" names the last mail even when it is older than n.
        return [str(uid) for uid in uids if uid > after]

    def read(self, uid: str) -> bytes:
        # PEEK: whoever reads the mailbox, too, still sees what is new to them.
        _, found = self._imap.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MOST_BYTES}>)")
        return next((row[1] for row in found if isinstance(row, tuple) and len(row) > 1), b"")

    def remove(self, uid: str) -> None:
        self._imap.uid("STORE", uid, "+FLAGS.SILENT", "(\\Deleted)")
        # Without UIDPLUS only a plain EXPUNGE is left, which takes along what others marked.
        if "UIDPLUS" in self._imap.capabilities:
            self._imap.uid("EXPUNGE", uid)

    def close(self) -> None:
        try:
            self._imap.logout()
        finally:
            self._imap.shutdown()


def _quote(text: str) -> str:
    return '"' + _checked(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _checked(text: str) -> str:
    """A text that is no end of a line; raises ValueError."""
    if re.search(r"[\x00\r\n]", text):
        raise ValueError("a line end in a login")
    return text


# --- POP3 (RFC 1939, 2595) --------------------------------------------------------------------------


class _Pop3(poplib.POP3):
    """poplib over a given socket, with room for the lines real mails have, and an end to what a server may send."""

    def __init__(self, line: _Line, host: str) -> None:
        self._line, self._left = line, _MOST_ANSWER
        try:
            super().__init__(host, timeout=SILENCE_SECONDS)
        except BaseException:
            self.close()
            raise

    def _create_socket(self, timeout: float) -> socket.socket:  # noqa: ARG002 (poplib's signature)
        return self._line.sock

    def _getline(self) -> tuple[bytes, int]:
        # RFC 5322 ends lines at 998 octets, and poplib the conversation at 2,048; real mails know neither.
        line: bytes = self.file.readline(self._left + 1)
        self._left -= len(line)
        if not line or self._left < 0:
            raise poplib.error_proto("too large, or nothing")
        return line.rstrip(b"\r\n"), len(line)

    def ask(self, command: str) -> bytes:
        """One command with a one-line answer."""
        self._left = _MOST_ANSWER
        answer: bytes = self._shortcmd(command)  # type: ignore[attr-defined]
        return answer

    def ask_lines(self, command: str) -> list[bytes]:
        """One command with an answer of many lines."""
        self._left = _MOST_ANSWER
        lines: list[bytes] = self._longcmd(command)[1]  # type: ignore[attr-defined]
        return lines


class _Pop:
    validity = 0

    def __init__(self, place: Place, line: _Line) -> None:
        self._place, self._line = place, line
        self._numbers: dict[str, int] = {}
        self._sizes: dict[int, bytes] = {}
        self._pop = _Pop3(line, place.host)

    def enter(self) -> None:
        """Encrypt and log in."""
        if self._place.starts_tls:
            with _offered():
                self._pop.stls(cast("Any", self._line))
        try:
            self._log_in(self._place)
        except poplib.error_proto:
            raise _refused() from None

    def _log_in(self, place: Place) -> None:
        if place.token is None:
            self._pop.ask(f"USER {_checked(place.username)}")
            self._pop.ask(f"PASS {_checked(place.password)}")
            return
        answer = base64.b64encode(_bearer(place)).decode("ascii")
        # In two steps: as one line it is longer than the 255 octets a server has to take (RFC 2449 §4).
        self._pop.ask("AUTH XOAUTH2")
        self._pop.ask(answer)

    def find_new(self, *, after: int, seen: set[str]) -> list[str]:  # noqa: ARG002 (a client's signature)
        self._numbers = {_digest(uid): number for number, uid in self._ask_table("UIDL").items()}
        self._sizes = self._ask_table("LIST")
        return [uid for uid in self._numbers if uid not in seen]

    @property
    def present(self) -> set[str]:
        """All mails that are there, read or not."""
        return set(self._numbers)

    def _ask_table(self, command: str) -> dict[int, bytes]:
        rows = [line.split() for line in self._pop.ask_lines(command)]
        return {int(row[0]): row[1] for row in rows if len(row) == 2 and row[0].isdigit()}

    def read(self, uid: str) -> bytes:
        number = self._numbers[uid]
        size = self._sizes.get(number, b"")
        # TOP: a bounce may return a whole mail with everything attached to it. Of one that is huge the headers do.
        lines = _TOP_LINES if size.isdigit() and int(size) < _MOST_ANSWER else 0
        return b"\n".join(self._pop.ask_lines(f"TOP {number} {lines}"))[:MOST_BYTES]

    def remove(self, uid: str) -> None:
        self._pop.ask(f"DELE {self._numbers[uid]}")

    def close(self) -> None:
        try:
            # What was deleted goes with this word only.
            self._pop.quit()
        finally:
            self._pop.close()


def _digest(uid: bytes) -> str:
    return hashlib.sha256(uid).hexdigest()
