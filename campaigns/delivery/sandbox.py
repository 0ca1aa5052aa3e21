"""The sandbox keeps every mail; nothing leaves the machine.

Magic local parts script the outcome, with any domain and any +tag: bounce@ (550 5.1.1), full@ (452 4.2.2),
defer@ (451 4.3.0), block@ (554 5.7.1), unknown@ (kept, but the answer gets lost).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from campaigns.delivery.base import Keep, Leaving, Outcome, OutgoingEmail, Receipt, note_nothing

SCRIPT = {
    "bounce": (Outcome.REJECTED, "smtp.550-5.1.1"),
    "full": (Outcome.DEFERRED, "smtp.452-4.2.2"),
    "defer": (Outcome.DEFERRED, "smtp.451-4.3.0"),
    "block": (Outcome.REJECTED, "smtp.554-5.7.1"),
    "unknown": (Outcome.UNKNOWN, "smtp.outcome-unknown"),
}
_KEPT = {Outcome.ACCEPTED, Outcome.UNKNOWN}
_CHUNK = 100  # mails stored in one commit


class SandboxTransport:
    """Keeps mails through `keep` before it receipts them, as a real next hop does before its 250."""

    takes_content = False

    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    def send(self, emails: Iterable[OutgoingEmail], *, leaving: Leaving = note_nothing) -> Iterator[Receipt]:
        source = iter(emails)
        while chunk := list(islice(source, _CHUNK)):
            receipts = [scripted_receipt(email) for email in chunk]
            leaving([email.id for email in chunk])
            self._keep([e for e, r in zip(chunk, receipts, strict=True) if r.outcome in _KEPT])
            yield from receipts

    def close(self) -> None:
        """Nothing to close."""


def scripted_receipt(email: OutgoingEmail) -> Receipt:
    """The outcome the recipient's local part asks for; accepted for everyone else."""
    local = email.rcpt_to.rpartition("@")[0].partition("+")[0].lower()
    outcome, code = SCRIPT.get(local, (Outcome.ACCEPTED, ""))
    return Receipt(email.id, outcome, code)
