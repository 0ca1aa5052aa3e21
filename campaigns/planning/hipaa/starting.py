"""Beginning what was approved, once its time has come and only as it was approved; and ending it."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from campaigns import jobs
from campaigns.errors import CampaignError
from campaigns.models import Campaign, CampaignState, HipaaSend, Lane, Submission, SubmissionState, Transport
from campaigns.outbox import control, first_batch, stream
from campaigns.outbox.leaves import read_leaves
from campaigns.outbox.windows import valid_for
from campaigns.planning import sending
from campaigns.planning.hipaa.checking import find_submission
from campaigns.planning.hipaa.drafting import check_may_write
from campaigns.planning.hipaa.submitting import read_all_parts
from compliance import audit, standing
from compliance.approvals import ending, quorum, starting
from compliance.approvals.quorum import Person
from compliance.approvals.starting import IntegrityFailed
from compliance.approvals.states import LIVE, State
from compliance.audit import SYSTEM, Ref
from compliance.models import Approval

log = logging.getLogger(__name__)

DISPATCH_JOB = "campaigns.tasks.dispatch_submission"
START_JOB = "campaigns.tasks.start_approved"


def start_due(*, now: datetime) -> int:
    """Start every approved send whose time has come; returns how many. One that was changed never starts."""
    due = Approval.objects.filter(
        Q(not_before=None) | Q(not_before__lte=now), state=State.APPROVED.value, expires_at__gt=now
    )
    return sum(start_send(approval, now=now) for approval in due.select_related("account").order_by("pk"))


def go_on(account_id: int | None, *, now: datetime) -> int:
    """What held the mail of an account, or of all, is over: look at once, not when it was to be asked again.

    Returns how many sends that waited. Whoever hands them over asks hours, limits and holds again.
    """
    mine = Q() if account_id is None else Q(account=account_id)
    waiting = Submission.objects.filter(mine, lane=Lane.HIPAA, state=SubmissionState.OPEN, waits_until__gt=now)
    ids = list(waiting.exclude(campaign=None).order_by("pk").values_list("pk", flat=True))
    Submission.objects.filter(pk__in=ids).update(waits_until=None, waits_because="")
    for pk in ids:
        jobs.ring(DISPATCH_JOB, pk)
    # Mail of programs leaves in streams, which nobody rang while everything stood.
    for transport in Transport.objects.filter(mine, pk__in=stream.find_due(now=now)):
        stream.ring(transport, at=now, now=now)
    return len(ids)


def start_send(approval: Approval, *, now: datetime) -> bool:
    """Let its messages leave; False when nothing was begun: it waits, or it is void because something was changed."""
    if standing.find_hold(approval.account_id, now=now) is not None:
        return False
    send = HipaaSend.objects.filter(pk=approval.campaign_id).first()
    submission = find_submission(send) if send is not None else None
    if submission is None:
        return False
    try:
        with transaction.atomic():
            starting.start(approval, parts=read_all_parts(submission), leaves=read_leaves(submission), now=now)
            _open(submission, now=now)
    except IntegrityFailed as error:
        log.warning("campaign %s not started: %s", approval.campaign_id, error.code)
        # Once more: what made it void was undone with the start.
        ending.void(approval, because="integrity", actor=SYSTEM, now=now)
        Campaign.objects.filter(pk=approval.campaign_id).update(stopped_because=error.safe_text)
        return False
    except CampaignError as error:
        # Somebody else was first, or a stop came: nothing was begun, and the next look decides.
        log.info("campaign %s not started: %s", approval.campaign_id, error.code)
        return False
    return True


def finish_done(*, now: datetime) -> int:
    """End the approvals of sends of which nothing waits any more; returns how many."""
    over = {"campaign__state__in": [CampaignState.SENT, CampaignState.CANCELLED], "state": State.SENDING.value}
    rows = Approval.objects.filter(**over).order_by("account__public_id", "pk")
    return sum(ending.finish(approval, now=now) for approval in rows)


def cancel_send(send: HipaaSend, *, by: Person, now: datetime) -> None:
    """Nothing more of it leaves, ever; what has left stays sent. Raises NotAllowed, CampaignError `campaign.wrong-state`."""
    check_may_write(by)
    with transaction.atomic():
        running = Campaign.objects.filter(pk=send.pk, state__in=[CampaignState.SENDING, CampaignState.PAUSED])
        if not running.update(state=CampaignState.CANCELLED):
            raise _wrong_state("This send is not running.")
        for submission in send.submissions.all():
            control.cancel_submission(submission, now=now)
        for approval in Approval.objects.filter(campaign=send.pk, state__in=[state.value for state in LIVE]):
            ending.void(approval, because="withdrawn", actor=Ref("person", str(by.id)), now=now)


def send_rest(send: HipaaSend, *, by: Person, now: datetime) -> None:
    """Somebody saw how the first messages arrived, and lets the others leave.

    Raises NotAllowed, CampaignError `campaign.wrong-state`.
    """
    quorum.check_is_person(by, roles=quorum.RELEASING_ROLES)
    submission = find_submission(send)
    batch = first_batch.find_waiting(submission.pk) if submission is not None else None
    if batch is None or starting.find_sending(send.pk) is None:
        raise _wrong_state("Nothing waits for this answer.")
    with transaction.atomic():
        if send.state == CampaignState.PAUSED:
            sending.resume(send)
        standing = first_batch.describe(batch)
        if not first_batch.release(standing, actor=Ref("person", str(by.id)), person_id=by.id, now=now):
            raise _wrong_state("Somebody has answered already.")


def resume_send(send: HipaaSend, *, by: Person, now: datetime) -> None:
    """A send that paused by itself goes on as it was approved; raises NotAllowed, CampaignError `campaign.wrong-state`."""
    check_may_write(by)
    actor, about = Ref("person", str(by.id)), Ref("campaign", str(send.public_id))
    with transaction.atomic():
        sending.resume(send)
        audit.record("send.resumed", owner=str(send.account.public_id), actor=actor, about=about, now=now)


def _wrong_state(text: str) -> CampaignError:
    return CampaignError("campaign.wrong-state", text, action="Load the page again.", status=409)


def _open(submission: Submission, *, now: datetime) -> None:
    """The messages may be taken up; each has the usual time to leave, within the days its key lives."""
    campaign = submission.campaign
    assert campaign is not None
    assert campaign.terms.keep_until is not None
    until = min(campaign.terms.keep_until, now + valid_for(None))
    waiting = Submission.objects.filter(pk=submission.pk, state__in=[SubmissionState.PAUSED, SubmissionState.OPEN])
    waiting.update(state=SubmissionState.OPEN, send_at=now, valid_until=until, resumed_at=now)
    first_batch.begin(submission, now=now)
    begun = Campaign.objects.filter(pk=campaign.pk, state__in=[CampaignState.DRAFT, CampaignState.PAUSED])
    begun.update(state=CampaignState.SENDING, stopped_because="")
    jobs.ring(DISPATCH_JOB, submission.pk)
