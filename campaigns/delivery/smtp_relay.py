"""An SMTP relay over one kept connection, one recipient per transaction (RFC 5321, 3207, 8314)."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from campaigns.delivery.base import Leaving, Outcome, OutgoingEmail, Receipt, TransportError, note_nothing

_ENHANCED = re.compile(rb"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_LOST = (smtplib.SMTPServerDisconnected, OSError)


class Tls(StrEnum):
    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True, repr=False)
class RelayConfig:
    """Where the relay is and how to log in; certificates are always verified when TLS is on."""

    host: str
    port: int = 587
    tls: Tls = Tls.STARTTLS
    username: str = ""
    password: str = ""
    timeout: float = 60.0  # seconds without an answer to one command

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> RelayConfig:
        return cls(
            host=str(values["host"]),
            port=int(values.get("port", 587)),
            tls=Tls(values.get("tls", Tls.STARTTLS)),
            username=str(values.get("username", "")),
            password=str(values.get("password", "")),
            timeout=float(values.get("timeout", 60.0)),
        )


class SmtpRelayTransport:
    """Sends one mail after the other; a lost connection is opened again for the next mail.

    When no connection can be opened it raises TransportError: the mails still to come are somebody's to retry.
    """

    takes_content = False

    def __init__(self, config: RelayConfig) -> None:
        self._config = config
        self._connection: smtplib.SMTP | None = None

    def send(self, emails: Iterable[OutgoingEmail], *, leaving: Leaving = note_nothing) -> Iterator[Receipt]:
        for email in emails:
            leaving([email.id])
            connection = self._connection or self._connect()
            self._connection = connection
            yield self._transact(connection, email)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.quit()
            except (smtplib.SMTPException, OSError):
                connection.close()

    def _connect(self) -> smtplib.SMTP:
        try:
            return self._log_in()
        # From None everywhere: the server's text may quote names and addresses.
        except smtplib.SMTPAuthenticationError as error:
            permanent = 500 <= error.smtp_code < 600
            text = "The relay refuses the user name or the password."
            raise TransportError("transport.login-refused", text, permanent=permanent) from None
        except smtplib.SMTPNotSupportedError:
            text = "The relay offers no encryption or no login, as its settings ask for."
            raise TransportError("transport.tls-or-login-not-offered", text, permanent=True) from None
        except ssl.SSLCertVerificationError:
            text = "The certificate of the relay is not valid for its name."
            raise TransportError("transport.certificate-invalid", text, permanent=True) from None
        except (smtplib.SMTPException, OSError):
            raise TransportError("transport.unreachable", "The relay does not answer.") from None
        except ValueError:
            # A host name that is none, a password no login command can carry.
            text = "The host, user name or password of the relay cannot be used."
            raise TransportError("transport.misconfigured", text, permanent=True) from None

    def _log_in(self) -> smtplib.SMTP:
        config, context = self._config, ssl.create_default_context()
        connection: smtplib.SMTP
        if config.tls is Tls.IMPLICIT:
            connection = smtplib.SMTP_SSL(config.host, config.port, timeout=config.timeout, context=context)
        else:
            connection = smtplib.SMTP(config.host, config.port, timeout=config.timeout)
        try:
            connection.ehlo_or_helo_if_needed()
            if config.tls is Tls.STARTTLS:
                connection.starttls(context=context)
                connection.ehlo()
            if config.username:
                connection.login(config.username, config.password)
        except BaseException:
            connection.close()
            raise
        return connection

    def _transact(self, connection: smtplib.SMTP, email: OutgoingEmail) -> Receipt:
        utf8 = not (email.rcpt_to.isascii() and email.mail_from.isascii())
        if utf8 and not connection.has_extn("smtputf8"):
            return Receipt(email.id, Outcome.REJECTED, "smtp.553-5.6.7")  # RFC 6531 §3.5: the next hop cannot carry it
        try:
            for reply in self._envelope(connection, email, utf8=utf8):
                if reply[0] // 100 != 2:
                    return self._refused(email, *reply)
            code, text = connection.docmd("DATA")
            if code != 354:
                return self._refused(email, code, text)
        except _LOST:
            self._drop()
            return Receipt(email.id, Outcome.DEFERRED, "smtp.connection-lost")
        return self._body(connection, email)

    def _envelope(self, connection: smtplib.SMTP, email: OutgoingEmail, *, utf8: bool) -> Iterator[tuple[int, bytes]]:
        options = ["SMTPUTF8"] if utf8 else []
        if connection.has_extn("size"):
            options.append(f"SIZE={len(email.data)}")
        connection.command_encoding = "utf-8" if utf8 else "ascii"
        yield connection.mail(email.mail_from, options)
        yield connection.rcpt(email.rcpt_to)

    def _body(self, connection: smtplib.SMTP, email: OutgoingEmail) -> Receipt:
        try:
            connection.send(stuff_dots(email.data) + b".\r\n")
        except _LOST:
            self._drop()  # the final dot never left, so nobody accepted anything
            return Receipt(email.id, Outcome.DEFERRED, "smtp.connection-lost")
        try:
            code, text = connection.getreply()
        except _LOST:
            # The whole body may have arrived: neither "sent" nor "not sent" is true (RFC 5321 §4.5.3.2.6, SM-06).
            self._drop()
            return Receipt(email.id, Outcome.UNKNOWN, "smtp.outcome-unknown")
        if code // 100 == 2:  # the first digit decides (RFC 5321 §4.2.1)
            return Receipt(email.id, Outcome.ACCEPTED)
        return self._refused(email, code, text)

    def _refused(self, email: OutgoingEmail, code: int, text: bytes) -> Receipt:
        if code == 421 or not 400 <= code < 600:
            self._drop()  # the server closes, or speaks something that is not SMTP
        else:
            self._reset()
        outcome = Outcome.REJECTED if 500 <= code < 600 else Outcome.DEFERRED
        return Receipt(email.id, outcome, reply_code(code, text))

    def _reset(self) -> None:
        try:
            if self._connection is not None:
                self._connection.rset()
        except _LOST:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def stuff_dots(data: bytes) -> bytes:
    """Lines that begin with a dot get a second one (RFC 5321 §4.5.2); the result ends with CRLF."""
    if data.startswith(b"."):
        data = b"." + data
    if b"\r\n." in data:
        data = data.replace(b"\r\n.", b"\r\n..")
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def reply_code(code: int, text: bytes) -> str:
    """`smtp.550-5.1.1`, or `smtp.550` when the reply has no enhanced code (RFC 3463); never the reply's words."""
    if not 200 <= code < 600:
        return "smtp.malformed-reply"
    found = _ENHANCED.match(text)
    return f"smtp.{code}-{found[1].decode('ascii')}" if found else f"smtp.{code}"
