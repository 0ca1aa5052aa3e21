"""Copies of the mails of one slice: what left is held until its outcome is known, and written down with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from django.utils import timezone

from campaigns.delivery.base import OutgoingEmail
from campaigns.errors import CampaignError
from campaigns.models import Account, KeptMail, Submission
from campaigns.outbox.claim import Claimed
from campaigns.storage.finding import measure
from campaigns.storage.keeping import Original, make_copy, write_copies
from campaigns.storage.terms import Terms, terms_of

MOST_BYTES = 16 * 1024 * 1024  # of sealed copies in memory, before they are written down
_LOOK_EVERY = 60.0  # seconds between looks at what an account has in storage already

Copy = Callable[[Claimed], bytes]


class _Held(NamedTuple):
    message: Claimed
    submission: Submission
    terms: Terms
    data: bytes


class Keeper:
    """Nothing but a look into a dictionary for accounts that keep no copies."""

    def __init__(self, copy: Copy) -> None:
        """`copy` gives the bytes of a mail that another system puts together from its content."""
        self._copy = copy
        self._terms: dict[int, Terms | None] = {}
        self._held: dict[int, _Held] = {}
        self._copies: list[KeptMail] = []
        self._bytes = 0
        self._full: dict[int, tuple[bool, float]] = {}

    @property
    def is_full(self) -> bool:
        return self._bytes >= MOST_BYTES

    def hold(self, message: Claimed, email: OutgoingEmail, submission: Submission) -> None:
        """This mail is about to leave."""
        if submission.pk not in self._terms:
            self._terms[submission.pk] = terms_of(submission)
        terms = self._terms[submission.pk]
        if terms is not None:
            self._held[message.id] = _Held(message, submission, terms, email.data)

    def settle(self, message_id: int, *, accepted: bool) -> None:
        """The next hop took it, or not: then there is no copy of this attempt."""
        held = self._held.pop(message_id, None)
        if held is None or not accepted or self._has_enough(held.submission.account):
            return
        try:
            data = held.data or self._copy(held.message)
        except CampaignError:
            return  # it was made once; what it was made of is gone in this moment
        account, message = held.submission.account, held.message
        original = Original(message.public_id, message.address_key, held.submission.sender_address, data)
        made = make_copy(account, original, terms=held.terms, now=timezone.now())
        if made is not None:
            self._copies.append(made)
            self._bytes += made.sealed_size

    def write(self) -> None:
        """Write down the copies of what is being recorded, in its transaction."""
        if self._copies:
            write_copies(self._copies)

    def forget_written(self) -> None:
        """That transaction is durable."""
        self._copies, self._bytes = [], 0

    def _has_enough(self, account: Account) -> bool:
        """Whether the account's room for copies is used up; asked about once a minute."""
        if account.storage_limit_mb is None:
            return False
        now = time.monotonic()
        known = self._full.get(account.pk)
        if known is None or now >= known[1]:
            is_full = measure(account).all_bytes >= account.storage_limit_mb * 1024 * 1024
            known = self._full[account.pk] = is_full, now + _LOOK_EVERY
        return known[0]
