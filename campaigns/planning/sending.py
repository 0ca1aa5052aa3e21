"""Sending, scheduling, pausing, resuming and cancelling a campaign."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from campaigns import jobs
from campaigns.errors import CampaignError
from campaigns.models import Campaign, CampaignState, Door, Submission
from campaigns.outbox import accept, control, finish
from campaigns.outbox.tracker import campaign_tracking
from campaigns.planning.compose import Person
from campaigns.planning.pace import Pace, campaign_window
from campaigns.planning.preflight import Preflight, campaign_transport, check_campaign
from campaigns.planning.tracking import Tracking
from compliance.facts import Finding

log = logging.getLogger(__name__)

PLAN_JOB = "campaigns.tasks.plan_submission"
DISPATCH_JOB = "campaigns.tasks.dispatch_submission"
_CHOSEN = [field.name for part in (Pace, Tracking) for field in fields(part)]
_CHANGED = "Somebody has changed this campaign meanwhile."


class SendRefused(CampaignError):
    """The preflight found reasons not to send; `findings` lists them all."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        first = findings[0]
        super().__init__(first.code, first.text, action=first.action, status=422)
        self.findings = findings


class WrongState(CampaignError):
    """The campaign is no longer in a state that allows this; somebody else was first, or it is over."""

    def __init__(self, text: str) -> None:
        super().__init__("campaign.wrong-state", text, action="Load the page again to see where it stands.", status=409)


def send_now(campaign: Campaign, *, by: Person = None) -> Submission:
    """Start sending at once; raises SendRefused or, when it was already sent, WrongState."""
    submission = _start(campaign, send_at=timezone.now())
    _note(campaign, "started", by)
    return submission


def read_time(text: str) -> datetime:
    """The moment an ISO text with a zone names; raises CampaignError `campaign.time-unreadable`."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None  # well formed, but no such day or hour
    if moment is None or timezone.is_naive(moment):
        raise CampaignError(
            "campaign.time-unreadable",
            "This is not a time we can read.",
            action="Write a date, a time and a zone, such as 2027-01-31T09:00+02:00.",
        )
    return moment


def schedule(campaign: Campaign, *, at: datetime, by: Person = None) -> None:
    """Send at a time to come; the preflight is asked now and again then."""
    if at <= timezone.now():
        raise CampaignError("campaign.time-passed", "This time has passed.", action="Choose a later time.", status=422)
    _refuse_unready(check_campaign(campaign))
    _step(
        campaign,
        CampaignState.SCHEDULED,
        of=[CampaignState.DRAFT, CampaignState.SCHEDULED],
        send_at=at,
        stopped_because="",
    )
    _note(campaign, "scheduled", by)


def unschedule(campaign: Campaign, *, by: Person = None) -> None:
    """Make a scheduled campaign a draft again, to change it."""
    _step(campaign, CampaignState.DRAFT, of=[CampaignState.SCHEDULED], send_at=None)
    _note(campaign, "unscheduled", by)


def pause(campaign: Campaign, *, by: Person = None) -> None:
    """Stop within two seconds; what has not left stays queued."""
    with transaction.atomic():
        _step(campaign, CampaignState.PAUSED, of=[CampaignState.SENDING])
        for submission in campaign.submissions.all():
            control.pause_submission(submission)
    _note(campaign, "paused", by)


def resume(campaign: Campaign, *, by: Person = None) -> None:
    """Go on where the pause stopped it."""
    with transaction.atomic():
        _step(campaign, CampaignState.SENDING, of=[CampaignState.PAUSED], stopped_because="")
        for submission in campaign.submissions.all():
            control.resume_submission(submission, now=timezone.now())
            jobs.ring(PLAN_JOB, submission.pk)
    _note(campaign, "resumed", by)


def cancel(campaign: Campaign, *, by: Person = None) -> None:
    """End a scheduled, running or paused campaign; mail that has left stays sent."""
    with transaction.atomic():
        of = [CampaignState.SCHEDULED, CampaignState.SENDING, CampaignState.PAUSED]
        _step(campaign, CampaignState.CANCELLED, of=of)
        for submission in campaign.submissions.all():
            control.cancel_submission(submission, now=timezone.now())
    _note(campaign, "cancelled", by)


def release_held(campaign: Campaign, *, by: Person = None) -> None:
    """Send the mails that may or may not have left once more; raises WrongState when none is held."""
    now = timezone.now()
    with transaction.atomic():
        for submission in _held_submissions(campaign):
            control.release_held(submission, now=now)
            jobs.ring(DISPATCH_JOB, submission.pk)
    _note(campaign, "in doubt, repeated", by)


def give_up_held(campaign: Campaign, *, by: Person = None) -> None:
    """Leave the mails that may or may not have left as they are; raises WrongState when none is held."""
    now = timezone.now()
    for submission in _held_submissions(campaign):
        control.give_up_held(submission, now=now)
        finish.finish_submissions(now=now, only=[submission.pk])
    _note(campaign, "in doubt, left", by)


def start_due(*, now: datetime) -> int:
    """Start the scheduled campaigns whose time has come; one that is no longer ready goes back to draft and says why."""
    started = 0
    for campaign in Campaign.objects.select_related("account").filter(state=CampaignState.SCHEDULED, send_at__lte=now):
        try:
            started += _start_or_give_back(campaign, now=now)
        except WrongState:
            continue  # somebody else was first
        except Exception as error:
            # The edge of the loop: one campaign that cannot even be checked must not hold up the others and the sweep.
            # No traceback: its text could quote what the campaign says.
            log.error("campaign %s cannot be started: %s", campaign.public_id, type(error).__name__)  # noqa: TRY400
    return started


def _start_or_give_back(campaign: Campaign, *, now: datetime) -> bool:
    try:
        _start(campaign, send_at=now)
    except SendRefused as refused:
        log.warning("campaign %s not started: %s", campaign.public_id, refused.code)
        _step(campaign, CampaignState.DRAFT, of=[CampaignState.SCHEDULED], stopped_because=refused.safe_text)
        return False
    return True


def _start(campaign: Campaign, *, send_at: datetime) -> Submission:
    """Start what the preflight looks at now; raises WrongState when somebody changes it before it has started."""
    lists, excluded_lists = _list_ids(campaign)
    seen = {
        "content": campaign.content_id,
        "sender": campaign.sender_id,
        "transport": campaign.transport_id,
        "purpose": campaign.purpose,
        "landing_page": campaign.landing_page_id,
        "send_at": campaign.send_at,
        **{name: getattr(campaign, name) for name in _CHOSEN},
    }
    _refuse_unready(check_campaign(campaign))
    transport = campaign_transport(campaign)
    assert campaign.content is not None
    assert campaign.sender is not None
    assert transport is not None
    with transaction.atomic():
        of = [CampaignState.DRAFT, CampaignState.SCHEDULED]
        _step(campaign, CampaignState.SENDING, of=of, seen=seen, send_at=send_at, stopped_because="")
        # Whoever changes the lists changes the campaign's row first, so they stand still now.
        if _list_ids(campaign) != (lists, excluded_lists):
            raise WrongState(_CHANGED)
        submission = accept.accept_campaign(
            accept.SendRequest(
                account=campaign.account,
                door=Door.CAMPAIGN,
                purpose=campaign.purpose,
                content=campaign.content,
                sender=campaign.sender,
                transport=transport,
                send_at=send_at,
                campaign=campaign,
                list_ids=lists,
                excluded_list_ids=excluded_lists,
                max_per_hour=campaign.max_per_hour,
                window=campaign_window(campaign),
                hold_uncertain=campaign.hold_uncertain,
                tracking=campaign_tracking(campaign),
                landing_page=campaign.landing_page_id,
            )
        )
        jobs.ring(PLAN_JOB, submission.pk)
    return submission


def _held_submissions(campaign: Campaign) -> list[Submission]:
    held = [submission for submission in campaign.submissions.all() if control.count_held([submission.pk])]
    if not held:
        raise WrongState("Nobody is waiting for this answer any more.")
    return held


def _list_ids(campaign: Campaign) -> tuple[tuple[int, ...], tuple[int, ...]]:
    both = (campaign.lists, campaign.excluded_lists)
    lists, excluded = (tuple(some.order_by("pk").values_list("pk", flat=True)) for some in both)
    return lists, excluded


def _note(campaign: Campaign, what: str, by: Person) -> None:
    log.info("campaign %s %s by %s", campaign.public_id, what, f"user {by.pk}" if by is not None else "the system")


def _refuse_unready(preflight: Preflight) -> None:
    if preflight.findings:
        raise SendRefused(preflight.findings)


def _step(
    campaign: Campaign,
    target: CampaignState,
    *,
    of: list[CampaignState],
    seen: Mapping[str, object] | None = None,
    **changes: object,
) -> None:
    mine = Campaign.objects.filter(pk=campaign.pk, state__in=of, **(seen or {}))
    if mine.update(state=target, **changes) != 1:
        campaign.refresh_from_db(fields=["state"])
        state = CampaignState(campaign.state)
        raise WrongState(_CHANGED if state in of else f"This campaign is now {state.label.lower()}.")
    campaign.refresh_from_db(fields=["state", "send_at", "stopped_because"])
