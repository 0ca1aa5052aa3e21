"""What a slice works at: one submission, or the stream of a way out, which is the mails of many requests."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from django.utils import timezone

from campaigns.models import Door, Lane, Submission, SubmissionState, Transport
from campaigns.outbox import control, counts, due, first_batch, holds, rates
from campaigns.outbox.claim import Claimed
from campaigns.outbox.intake import Intake, Intakes
from campaigns.outbox.prepare import Preparer, Prepares
from campaigns.outbox.windows import VALID_FOR
from compliance.approvals import ending, starting
from compliance.audit import SYSTEM
from compliance.standing import Hold

JUDGE_EVERY = 5.0  # seconds between looks at its bounces and complaints
JUDGE_REST = 50  # times as long as a look took, at least: it counts mails, and a campaign has a million of them


class Work(Protocol):
    """One kind of work; the slice claims, prepares, hands over and records for all of them alike."""

    transport: Transport
    is_protected: bool  # mail under HIPAA

    @property
    def counted(self) -> int | None:
        """The submission whose messages are counted as they end; None when none is."""
        ...

    def open_intake(self, *, worker: str) -> Intakes: ...
    def open_preparer(self, *, takes_content: bool) -> Prepares:
        """Raises CampaignError when nothing of it can be prepared at all."""
        ...

    def find_hold(self) -> Hold | None:
        """What keeps protected mail from leaving for now; None for ordinary mail, which costs no question."""
        ...

    def refusal(self, preparer: Prepares) -> str:
        """Why all of it would be refused; '' when that is not so."""
        ...

    def may_go_on(self, now: float) -> bool:
        """Asked about once a second (time.monotonic()); False ends the slice."""
        ...

    def is_stopped(self, message: Claimed) -> bool:
        """Whether somebody paused or cancelled what this message belongs to, as far as `may_go_on` has seen."""
        ...

    def note_recorded(self, submission_ids: Collection[int]) -> None:
        """Messages of these have ended."""
        ...

    def void_approval(self) -> None:
        """What is sent is not what was approved: it must be approved anew."""
        ...

    def wait(self, until: datetime, because: str) -> None:
        """Nothing of it leaves before then; `because` is a sentence for people."""
        ...

    def stop(self, because: str) -> None:
        """A person must mend something first."""
        ...

    def close(self) -> None:
        """The slice is over and has put back what it did not hand over."""
        ...


class SubmissionWork:
    """One submission."""

    def __init__(self, submission: Submission) -> None:
        self._submission, self.transport = submission, submission.transport
        self.is_protected = submission.lane == Lane.HIPAA
        self.counted: int | None = submission.pk if counts.is_counted(submission) else None
        self._is_send = self.is_protected and submission.door == Door.CAMPAIGN
        self._judge_at = time.monotonic() + JUDGE_EVERY

    def open_intake(self, *, worker: str) -> Intakes:
        return Intake(self._submission, worker=worker)

    def open_preparer(self, *, takes_content: bool) -> Preparer:
        return Preparer(self._submission, takes_content=takes_content)

    def find_hold(self) -> Hold | None:
        now = timezone.now()
        hold = holds.find_send_hold(self._submission, now=now)
        if hold is not None and self._submission.campaign_id is not None:
            # Its time stands still meanwhile: nothing expires because an agreement was being renewed.
            due.extend_submission(self._submission.pk, until=now + VALID_FOR)
        return hold

    def refusal(self, preparer: Prepares) -> str:
        # A test is refused like any mail: its one message says why.
        is_campaign = self._submission.door == Door.CAMPAIGN
        return preparer.refusal() if is_campaign and isinstance(preparer, Preparer) else ""

    def may_go_on(self, now: float) -> bool:
        if now >= self._judge_at and self._submission.door == Door.CAMPAIGN:
            rates.check_rates(self._submission, now=timezone.now())
            done = time.monotonic()
            self._judge_at = done + max(JUDGE_EVERY, (done - now) * JUDGE_REST)
        if self._is_send:
            first_batch.judge(self._submission, now=timezone.now())
        is_open = Submission.objects.filter(pk=self._submission.pk, state=SubmissionState.OPEN).exists()
        return is_open and self.find_hold() is None

    def is_stopped(self, message: Claimed) -> bool:
        del message
        return False  # then the slice has ended

    def note_recorded(self, submission_ids: Collection[int]) -> None:
        del submission_ids

    def void_approval(self) -> None:
        assert self._submission.campaign_id is not None
        approval = starting.find_sending(self._submission.campaign_id)
        if approval is not None:
            ending.void(approval, because="integrity", actor=SYSTEM, now=timezone.now())

    def wait(self, until: datetime, because: str) -> None:
        due.postpone_submission(self._submission.pk, until=until, because=because)

    def stop(self, because: str) -> None:
        control.stop_submission(self._submission, because=because)

    def close(self) -> None:
        control.cancel_released(now=timezone.now(), only=[self._submission.pk])
        if self._is_send:
            # A slice may be over before it was looked at once.
            first_batch.judge(self._submission, now=timezone.now())
