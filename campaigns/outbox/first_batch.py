"""The circuit breaker of a HIPAA send: its first messages leave, the others are held until these have arrived or a person says so.

What is held is held from the moment the send is opened, by one statement: however many workers hand over, none of them can
claim more than the first. At any time a send pauses in which too much comes back or a mail cannot be made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from campaigns import jobs
from campaigns.models import (
    Door,
    Event,
    EventKind,
    FirstBatch,
    Lane,
    Message,
    MessageState,
    Submission,
    SubmissionState,
)
from campaigns.outbox import control, due
from campaigns.outbox.windows import VALID_FOR
from compliance import audit
from compliance.approvals import starting
from compliance.audit import SYSTEM, Ref

PAUSED = "hipaa.batch-paused"
"""The code of messages that wait for the first, and of a send that paused by itself."""

DISPATCH_JOB = "campaigns.tasks.dispatch_submission"
STOP_AT_BOUNCE_PERCENT = 3.0
# Fewer that ended say nothing about the others; of the first ones each counts.
ENOUGH_SETTLED = 20
_ARRIVED = (MessageState.SENT, MessageState.DELIVERED)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the first messages of a send stand, and how many others wait for them."""

    batch: FirstBatch
    held: int
    left: int
    delivered: int
    bounced: int
    failed: int
    complained: int

    @property
    def needed(self) -> int:
        """So many must have arrived before the others follow by themselves."""
        return min(settings.HIPAA_FIRST_DELIVERED, self.batch.size)

    @property
    def is_clean(self) -> bool:
        """Whether nothing speaks against the others."""
        few_bounces = self.bounced * 100 <= STOP_AT_BOUNCE_PERCENT * self.left
        return few_bounces and not self.failed and not self.complained

    @property
    def is_enough(self) -> bool:
        return self.delivered >= self.needed and self.is_clean


def begin(submission: Submission, *, now: datetime) -> None:
    """Hold back all but the first messages; belongs into the transaction that opens the submission.

    After another approval there is a first batch again, of what still waits. What had been tried already goes on.
    """
    _held(submission.pk).update(state=MessageState.QUEUED, error_code="")
    queued = Message.objects.filter(submission=submission, state=MessageState.QUEUED)
    first = list(queued.order_by("pk").values_list("pk", flat=True)[: settings.HIPAA_FIRST_MESSAGES])
    FirstBatch.objects.filter(submission=submission).delete()
    if not first:
        return
    rest = queued.filter(pk__gt=first[-1], error_code="")
    if held := rest.update(state=MessageState.HELD, error_code=PAUSED):
        FirstBatch.objects.create(submission=submission, size=len(first), began_at=now)
        numbers = {"first": len(first), "count": held}
        _tell("send.batch-paused", submission, data={"code": PAUSED, "because": "first-batch", **numbers}, now=now)


def find_waiting(submission_id: int) -> FirstBatch | None:
    """The first batch others wait for; None when none do."""
    return FirstBatch.objects.filter(submission=submission_id, released_at=None).first()


def describe(batch: FirstBatch) -> Standing:
    """How it stands, counted from the ledger."""
    ours = Message.objects.filter(submission=batch.submission_id)
    ended = ours.filter(done_at__gte=batch.began_at)
    delivered = ended.filter(state=MessageState.DELIVERED).count()
    bounced = ended.filter(state=MessageState.BOUNCED).count()
    complaints = Event.objects.filter(
        message__submission=batch.submission_id, kind=EventKind.COMPLAINED, at__gte=batch.began_at
    )
    return Standing(
        batch=batch,
        held=_held(batch.submission_id).count(),
        left=delivered + bounced + ended.filter(state=MessageState.SENT).count(),
        delivered=delivered,
        bounced=bounced,
        failed=ended.filter(state=MessageState.FAILED).count(),
        complained=complaints.values("message").distinct().count(),
    )


def judge(submission: Submission, *, now: datetime) -> bool:
    """Let the rest of a running HIPAA send follow, or pause it when something went wrong; whether it was paused."""
    because, data = _find_trouble(submission)
    if because:
        return _pause(submission, because=because, data=data, now=now)
    batch = find_waiting(submission.pk)
    if batch is None:
        return False
    # Its time stands still meanwhile: nothing expires because a person had a weekend.
    due.extend_submission(submission.pk, until=_last_moment(submission, now=now))
    standing = describe(batch)
    if standing.is_enough and starting.find_sending(submission.campaign_id or 0) is not None:
        release(standing, actor=SYSTEM, person_id=None, now=now)
    return False


def judge_running(*, now: datetime) -> None:
    """Look at all HIPAA sends that are under way."""
    running = Submission.objects.filter(door=Door.CAMPAIGN, lane=Lane.HIPAA, state=SubmissionState.OPEN)
    for submission in running.select_related("account", "campaign__terms").order_by("pk"):
        judge(submission, now=now)


def release(standing: Standing, *, actor: Ref, person_id: int | None, now: datetime) -> bool:
    """Let the held messages leave; False when somebody was first."""
    batch = standing.batch
    submission = Submission.objects.select_related("account", "campaign__terms").get(pk=batch.submission_id)
    with transaction.atomic():
        control.lock_campaigns([submission.pk])
        waiting = FirstBatch.objects.filter(pk=batch.pk, released_at=None)
        if not waiting.update(released_at=now, released_by_id=person_id):
            return False
        count = _held(submission.pk).update(state=MessageState.QUEUED, error_code="", next_attempt_at=now)
        due.extend_submission(submission.pk, until=_last_moment(submission, now=now))
        jobs.ring(DISPATCH_JOB, submission.pk, times=settings.WORKERS)
        data = {
            "count": count, "first": batch.size, "left": standing.left, "delivered": standing.delivered,
            "bounced": standing.bounced, "failed": standing.failed, "complained": standing.complained,
        }  # fmt: skip
        _tell("send.batch-released", submission, actor=actor, data=data, now=now)
    return True


def _find_trouble(submission: Submission) -> tuple[str, dict[str, audit.Value]]:
    """Why a send must not go on, as a sentence and as values for the trail; since somebody last let it go on."""
    ended = Message.objects.filter(submission=submission.pk, done_at__gt=F("submission__resumed_at"))
    if failed := ended.filter(state=MessageState.FAILED).count():
        mails = "1 mail" if failed == 1 else f"{failed:,} mails"
        text = (
            f"{mails} could not be made: a value is missing or does not fit the template. Nothing more leaves for now."
        )
        return text, {"because": "render-error", "count": failed}
    limit = min(submission.account.stop_at_bounce_percent, STOP_AT_BOUNCE_PERCENT)
    bounced = ended.filter(state=MessageState.BOUNCED).count()
    if bounced * 100 <= limit * ENOUGH_SETTLED:
        return "", {}
    settled = bounced + ended.filter(state__in=_ARRIVED).count()
    if settled < ENOUGH_SETTLED or bounced * 100 <= limit * settled:
        return "", {}
    text = f"{bounced:,} of {settled:,} mails came back, and a HIPAA send stops above {limit:g} %. Look at where these addresses come from."
    return text, {"because": "bounces", "count": bounced, "of": settled}


def _pause(submission: Submission, *, because: str, data: Mapping[str, audit.Value], now: datetime) -> bool:
    with transaction.atomic():
        if not control.stop_submission(submission, because=because):
            return False
        _tell("send.batch-paused", submission, data={"code": PAUSED, **data}, now=now)
    return True


def _held(submission_id: int) -> QuerySet[Message]:
    return Message.objects.filter(submission=submission_id, state=MessageState.HELD, error_code=PAUSED)


def _last_moment(submission: Submission, *, now: datetime) -> datetime:
    """As long as its mails may try from now on, within the days their key lives."""
    campaign = submission.campaign
    assert campaign is not None
    until = now + VALID_FOR
    keep_until = campaign.terms.keep_until
    return until if keep_until is None else min(until, keep_until)


def _tell(
    action: str, submission: Submission, *, actor: Ref = SYSTEM, data: Mapping[str, audit.Value], now: datetime
) -> None:
    assert submission.campaign is not None
    about = Ref("campaign", str(submission.campaign.public_id))
    audit.record(action, owner=str(submission.account.public_id), actor=actor, about=about, data=data, now=now)
