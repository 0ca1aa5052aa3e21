"""Does a mail server offer encryption that can be verified? Asked with nothing to send: EHLO, STARTTLS and QUIT (RFC 3207)."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import threading
from enum import StrEnum

from campaigns.delivery.smtp_connect import say_who_we_are

SECONDS = 10.0  # for each answer
SECONDS_IN_ALL = 30.0  # however slowly it drips


class Offer(StrEnum):
    """What a server offers; of one that did not answer nothing is known."""

    VERIFIED = "verified"
    NOT_OFFERED = "not-offered"
    INVALID = "invalid"  # a certificate that is expired, of another name, or of nobody known
    FAILED = "failed"  # none that is good enough
    UNREACHABLE = "unreachable"


class _Connection(smtplib.SMTP):
    """To an address that was looked up and judged before, under the name its certificate must have."""

    def __init__(self, name: str, address: str, port: int) -> None:
        self._address = address
        super().__init__(name, port, local_hostname="localhost", timeout=SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        del host
        return socket.create_connection((self._address, port), timeout)


def probe(name: str, address: str, *, port: int = 25, context: ssl.SSLContext) -> Offer:
    """What the server of this name at this address offers; `context` verifies. Nobody's address is said to it."""
    try:
        connection = _Connection(name, address, port)
    except (OSError, ValueError):
        return Offer.UNREACHABLE
    watch = threading.Timer(SECONDS_IN_ALL, _hang_up, [connection])
    watch.daemon = True
    watch.start()
    try:
        return _ask(connection, context)
    except ssl.SSLCertVerificationError:
        return Offer.INVALID
    except (ssl.SSLError, smtplib.SMTPResponseException):
        return Offer.FAILED
    # smtplib's other errors are OSErrors too.
    except (OSError, ValueError):
        return Offer.UNREACHABLE
    finally:
        watch.cancel()
        connection.close()


def _ask(connection: smtplib.SMTP, context: ssl.SSLContext) -> Offer:
    say_who_we_are(connection)
    connection.ehlo_or_helo_if_needed()
    if not connection.has_extn("starttls"):
        found = Offer.NOT_OFFERED
    else:
        connection.starttls(context=context)
        found = Offer.VERIFIED
    with contextlib.suppress(OSError):
        connection.quit()
    return found


def _hang_up(connection: smtplib.SMTP) -> None:
    with contextlib.suppress(OSError):
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)
