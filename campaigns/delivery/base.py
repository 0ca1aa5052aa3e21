"""What every transport takes and gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True, repr=False)
class OutgoingEmail:
    """One mail ready for the wire: envelope and CRLF bytes, not dot-stuffed. `id` comes back in the receipt."""

    id: int
    public_id: UUID
    mail_from: str
    rcpt_to: str
    data: bytes


class Outcome(StrEnum):
    """The closed vocabulary of what a hand-over can come to."""

    ACCEPTED = "accepted"  # the next hop took responsibility (250 after the final dot)
    DEFERRED = "deferred"  # a transient refusal (4yz): the same mail may be tried again later
    REJECTED = "rejected"  # a permanent refusal (5yz) of this mail or recipient: never tried again
    UNKNOWN = "unknown"  # the body left and no answer came: it may or may not have been accepted


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one mail; `code` is stable and names nobody, such as `smtp.550-5.1.1`."""

    id: int
    outcome: Outcome
    code: str = ""


class TransportError(Exception):
    """The way out itself does not work; mails not yet receipted were not accepted by anyone.

    A permanent one (wrong password, invalid certificate) needs a person, and `safe_text` tells that person;
    others pass by themselves.
    """

    def __init__(self, code: str, safe_text: str, *, permanent: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.safe_text = safe_text
        self.permanent = permanent


Keep = Callable[[Sequence[OutgoingEmail]], None]
"""Stores mails durably; given to transports that keep instead of send, because delivery sees no table."""


class Transport(Protocol):
    """A way out.

    `send` pulls mails as it has room for them and yields exactly one receipt for each it pulled, in any order, as
    answers arrive; it raises TransportError when it cannot go on, and mails without a receipt then were not handed
    over. The consumer may stop early: closing the iterator leaves nothing half sent.
    """

    def send(self, emails: Iterable[OutgoingEmail]) -> Iterator[Receipt]: ...

    def close(self) -> None: ...
