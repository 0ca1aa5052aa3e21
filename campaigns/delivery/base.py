"""What every transport takes and gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from campaigns.replies.meaning import Reason


@dataclass(frozen=True, slots=True, repr=False)
class EnclosedFile:
    """An attachment; with a `content_id` an image that the HTML shows as `cid:<content_id>`."""

    name: str
    media_type: str
    data: bytes
    content_id: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class SharedContent:
    """What the mails of one request have in common, for transports that build the mail elsewhere.

    `subject`, `html` and `text` hold `{{name}}` where `OutgoingEmail.values` has a value, already escaped for its place.
    """

    from_name: str
    from_mailbox: str
    reply_to: str
    subject: str
    html: str
    text: str
    headers: tuple[tuple[str, str], ...] = ()
    files: tuple[EnclosedFile, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class OutgoingEmail:
    """One mail ready to leave. `id` comes back in the receipt.

    `data` is the mail as CRLF bytes, not dot-stuffed; empty for a transport that `takes_content`, which gets `shared`
    (the same object for mails that may go in one request), the recipient's `values` and own `headers` instead. There
    `attempt` counts from 1, and `in_doubt` says that nobody knows what became of the attempt before. With `needs_tls` it
    leaves over a verified TLS connection or not at all, and with `asks_receipt` whoever delivers it is asked to say so.
    """

    id: int
    public_id: UUID
    mail_from: str
    rcpt_to: str
    data: bytes
    shared: SharedContent | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    attempt: int = 1
    in_doubt: bool = False
    needs_tls: bool = False
    asks_receipt: bool = False


class Outcome(StrEnum):
    """The closed vocabulary of what a hand-over can come to."""

    ACCEPTED = "accepted"  # the next hop took responsibility (250 after the final dot)
    DEFERRED = "deferred"  # a transient refusal (4yz): the same mail may be tried again later
    REJECTED = "rejected"  # a permanent refusal (5yz) of this mail or recipient: never tried again
    UNKNOWN = "unknown"  # the body left and no answer came: it may or may not have been accepted


@dataclass(frozen=True, slots=True)
class TlsProof:
    """How a connection was encrypted whose certificate and name were verified.

    `version` and `cipher` as the TLS library names them, `fingerprint` the SHA-256 of the peer's certificate in hex, `host`
    the name it was verified for.
    """

    version: str
    cipher: str
    fingerprint: str
    host: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one mail; `code` is stable and names nobody, such as `smtp.550-5.1.1`; at most 55 characters.

    `reason` is what a real mail server's refusal means; None where nobody was asked, or a provider tells later.
    `tls` says how an accepted mail travelled, None for what was not encrypted or not by SMTP.
    """

    id: int
    outcome: Outcome
    code: str = ""
    reason: Reason | None = None
    tls: TlsProof | None = None


class TransportError(Exception):
    """The way out itself does not work; mails not yet receipted were not accepted by anyone.

    A permanent one (wrong password, invalid certificate) needs a person, and `safe_text` tells that person;
    others pass by themselves. `detail` is a number or word that narrows the code down, such as the verifier's.
    """

    def __init__(self, code: str, safe_text: str, *, permanent: bool = False, detail: str = "") -> None:
        super().__init__(code)
        self.detail = detail
        self.code = code
        self.safe_text = safe_text
        self.permanent = permanent


Keep = Callable[[Sequence[OutgoingEmail]], None]
"""Stores mails durably; given to transports that keep instead of send, because delivery sees no table."""


# Mails that `leaving` was told of and that have no receipt yet, of one transport: who keeps a journal has room for them.
MOST_UNANSWERED = 3_000
Leaving = Callable[[Sequence[int]], None]
"""Told the ids of mails right before they may become accepted: the first byte of a body, the start of a request."""


def note_nothing(ids: Sequence[int]) -> None:
    """A `Leaving` for when nobody keeps a journal."""


class Transport(Protocol):
    """A way out.

    `send` pulls mails as it has room for them and yields exactly one receipt for each it pulled, in any order, as
    answers arrive: the receipt of a mail before the next one leaves on the same connection. While it waits for
    answers it yields None about once a second, so that the consumer can look around. It raises TransportError when it
    cannot go on; mails without a receipt then were not handed over, unless `leaving` was told of them: then nobody
    knows. The source of mails may end at any time: what was pulled is finished. Closing the iterator gives up at once.
    """

    takes_content: bool

    def send(self, emails: Iterable[OutgoingEmail], *, leaving: Leaving = ...) -> Iterator[Receipt | None]: ...

    def close(self) -> None: ...
