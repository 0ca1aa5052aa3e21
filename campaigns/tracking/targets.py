"""From the address in a mail to where it leads: the token is ours, the link is the submission's, the host is its account's.

Links never change, so each process keeps those it has seen, and with them a redirect needs no database.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError

from campaigns import tokens
from campaigns.content.links import may_track
from campaigns.content.markers import MARK
from campaigns.errors import CampaignError, NotFound
from campaigns.outbox import link_book
from campaigns.outbox.link_book import LinkBook
from campaigns.tokens import VisitClaim
from campaigns.tracking.verdicts import DECOY

_BOOKS_KEPT = 512
_ASK_AGAIN = 5.0  # seconds before a number that is not known is asked for once more


class TargetUnknown(CampaignError):
    """The link may be ours, but where it leads cannot be looked up at this moment."""

    def __init__(self) -> None:
        super().__init__("visit.unavailable", "This link cannot be followed right now.", status=503)


@dataclass(frozen=True, slots=True, repr=False)
class Click:
    """A good link of a mail: whose it is, its number, and where it leads."""

    claim: VisitClaim
    link: int
    url: str


def read_click(path: str, *, host_accounts: frozenset[int] | None) -> Click:
    """The click in `<token>.<number>` or `<token>.<number>.<seal>`; raises NotFound for what is not ours.

    `host_accounts` are the accounts whose host was asked, None for one that serves all. Raises TargetUnknown.
    """
    token, _, rest = path.partition(".")
    number, _, seal = rest.partition(".")
    claim = tokens.read_visit_token(token)
    if claim is None or not (number.isascii() and number.isdigit() and len(number) < 6) or number != str(int(number)):
        raise NotFound("page")
    book = _BOOKS.find(claim.submission_id, number=int(number))
    if book is None or (host_accounts is not None and book.account_id not in host_accounts):
        raise NotFound("page")
    # Whatever follows the link that nobody sees gets what the first one leads to (TR-03).
    url = book.links.get(int(number) if int(number) != DECOY else 1)
    return Click(claim, int(number), _fill(url, token=token, seal=seal, number=int(number)))


def _fill(url: str | None, *, token: str, seal: str, number: int) -> str:
    """The address with the reader's own values from its seal; exactly what was sent, or NotFound."""
    if url is None:
        raise NotFound("page")
    count = len(MARK.findall(url))
    if number == DECOY and count:
        return settings.PUBLIC_URL
    if not count:
        if seal:
            raise NotFound("page")
        return url
    values = tokens.open_link_values(token, seal, number=number if MARK.match(url) else 0)
    if values is None or len(values) != count:
        raise NotFound("page")
    found = iter(values)
    filled = MARK.sub(lambda _: next(found), url)
    if not may_track(filled):
        raise NotFound("page")
    return filled


class _Books:
    """The links of the submissions that were asked for last; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._books: OrderedDict[int, tuple[LinkBook, float]] = OrderedDict()

    def find(self, submission_id: int, *, number: int) -> LinkBook | None:
        with self._lock:
            kept = self._books.get(submission_id)
            if kept is not None:
                self._books.move_to_end(submission_id)
        if kept is not None and (number in kept[0].links or time.monotonic() - kept[1] < _ASK_AGAIN):
            return kept[0]
        book = self._load(submission_id, kept[0] if kept else None)
        if book is not None:
            self._keep(submission_id, book)
        return book

    def _load(self, submission_id: int, kept: LinkBook | None) -> LinkBook | None:
        try:
            return link_book.load_book(submission_id)
        except DatabaseError:
            shared = kept or link_book.read_shared(submission_id)
            if shared is None:
                raise TargetUnknown from None
            return shared

    def _keep(self, submission_id: int, book: LinkBook) -> None:
        with self._lock:
            self._books[submission_id] = book, time.monotonic()
            self._books.move_to_end(submission_id)
            while len(self._books) > _BOOKS_KEPT:
                self._books.popitem(last=False)

    def forget(self) -> None:
        with self._lock:
            self._books.clear()


_BOOKS = _Books()
forget_targets = _BOOKS.forget
"""Ask the database again for everything; for tests and for whoever deletes an account."""
