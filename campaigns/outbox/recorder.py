"""Results on their way into the ledger: noted in the journal at once, in the database in batches."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from campaigns.delivery.base import Outcome, Receipt
from campaigns.models import Submission
from campaigns.outbox import accounting, breaker, record, refusals
from campaigns.outbox.accounting import HandedOver
from campaigns.outbox.journal import Journal
from campaigns.outbox.keeper import Keeper
from campaigns.outbox.prepare import Prepares
from campaigns.outbox.record import Result
from campaigns.outbox.refusals import OwnFaults, Refusal
from campaigns.outbox.slowing import Slowdowns
from campaigns.outbox.work import Work
from campaigns.webhooks import bell
from compliance import gate

FLUSH_EVERY = 0.2  # seconds between records
FLUSH_SIZE = 500


class Recorder:
    """Collects what became of messages and writes it down together with the decisions about them."""

    def __init__(
        self, work: Work, *, journal: Journal, preparer: Prepares, keeper: Keeper, slowdowns: Slowdowns
    ) -> None:
        self._work, self._journal, self._preparer = work, journal, preparer
        self._keeper, self._slowdowns = keeper, slowdowns
        self._results: list[Result] = []
        self._touched: set[int] = set()
        self._outcomes: Counter[Outcome] = Counter()
        self._refusals: list[Refusal] = []
        self._own_faults = OwnFaults()
        self._handed_over: list[tuple[HandedOver, Receipt]] = []
        self._altered: list[tuple[Submission, UUID]] = []
        self._flushed_at = time.monotonic()

    def note(
        self, result: Result, *, submission_id: int, outcome: Outcome | None = None, refusal: Refusal | None = None
    ) -> None:
        """A message's end or its next try; `outcome` says what the way out made of it, None when it was not asked.

        `refusal` is what a mail server said, where one said no.
        """
        self._results.append(result)
        self._touched.add(submission_id)
        if refusal is not None:
            self._refusals.append(refusal)
        # A destination that takes no more for now says nothing about the way out.
        if outcome is not None and not (refusal is not None and refusal.is_throttle):
            self._outcomes[outcome] += 1

    def note_disclosure(self, handed_over: HandedOver, receipt: Receipt) -> None:
        """A protected mail the next server took."""
        self._handed_over.append((handed_over, receipt))

    def note_altered(self, submission: Submission, public_id: UUID) -> None:
        """A protected mail that is not what was approved, and is held."""
        self._altered.append((submission, public_id))

    def flush_when_due(self, now: float) -> None:
        """`now` is time.monotonic()."""
        if len(self._results) >= FLUSH_SIZE or self._keeper.is_full or now - self._flushed_at >= FLUSH_EVERY:
            self.flush()

    def flush(self) -> None:
        """Write down results and decisions together; they are forgotten only once they are written."""
        self._flushed_at, now = time.monotonic(), timezone.now()
        decided = self._preparer.decisions()
        if not self._results and not decided:
            return
        with transaction.atomic():
            record.record_results(self._results, worker=self._journal.worker, now=now, counted=self._work.counted)
            gate.record(decided, now=now)
            refusals.act_on_addresses(self._refusals, transport=self._work.transport, now=now)
            self._keeper.write()
            # Last: from here on the account's audit trail is locked until the commit.
            if self._altered:
                accounting.note_integrity(self._altered, now=now)
            if self._handed_over:
                accounting.note_disclosures(self._handed_over, now=now)
        self._keeper.forget_written()
        self._preparer.forget_decisions()
        self._journal.forget(result.id for result in self._results)
        self._results, self._handed_over, self._altered = [], [], []
        touched, self._touched = self._touched, set()
        self._work.note_recorded(touched)
        bell.note_news(self._work.transport.account_id)
        self._tell_breaker(now)
        self._act_on_refusals(now)

    def _act_on_refusals(self, now: datetime) -> None:
        told, self._refusals = self._refusals, []
        if refusals.slow_destinations(told, transport=self._work.transport, now=now):
            self._slowdowns.look_again()
        self._own_faults.note(told)

    def _tell_breaker(self, now: datetime) -> None:
        answered = self._outcomes[Outcome.ACCEPTED] + self._outcomes[Outcome.REJECTED]
        failed = self._outcomes[Outcome.DEFERRED] + self._outcomes[Outcome.UNKNOWN]
        self._outcomes.clear()
        breaker.note_outcomes(
            self._work.transport, failed=failed, succeeded=answered, now=now, because=breaker.KEEPS_DEFERRING
        )
