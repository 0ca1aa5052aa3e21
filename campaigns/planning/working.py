"""Working without the queue: a command plans and hands over in its own process, safely beside running workers."""

from __future__ import annotations

import time
from datetime import timedelta

from django.utils import timezone

from campaigns.models import Campaign, Submission, SubmissionState
from campaigns.outbox import claim, due, recovery, stream
from campaigns.outbox.dispatch import dispatch_slice, dispatch_stream
from campaigns.outbox.reports import campaign_report
from campaigns.planning import fanout, sending

_PAUSE = 0.1


def work_once() -> tuple[bool, int]:
    """Plan and hand over a slice of everything due now; (whether there was anything to do, messages claimed)."""
    now = timezone.now()
    recovery.recover(now=now)
    sending.start_due(now=now)
    waiting = due.find_due(now=now)
    claim.expire_overdue(waiting.overdue, now=now)
    for submission_id in waiting.to_plan:
        fanout.plan_submission(submission_id)
    claimed = sum(dispatch_slice(submission_id).claimed for submission_id in waiting.to_dispatch)
    claimed += sum(
        dispatch_stream(transport_id, linger=timedelta(0)).claimed for transport_id in stream.find_due(now=now)
    )
    return bool(claimed or waiting.to_plan), claimed


def finish_sending(campaign: Campaign) -> None:
    """Work on one campaign until nothing of it is due now and no worker holds any of it."""
    for submission_id in campaign.submissions.values_list("pk", flat=True):
        while Submission.objects.filter(pk=submission_id, state=SubmissionState.PLANNING).exists():
            if not fanout.plan_submission(submission_id):
                time.sleep(_PAUSE)
        while dispatch_slice(submission_id).claimed or campaign_report(campaign).sending:
            time.sleep(_PAUSE)
