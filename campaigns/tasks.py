"""Background jobs: coarse, safe to run twice, with primary keys for arguments. They call rooms and return nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from campaigns import jobs
from campaigns.audiences import checking, importing, suppression_imports
from campaigns.content import uploads
from campaigns.domains.lookup import make_resolver
from campaigns.domains.reports import forget_old_reports
from campaigns.domains.upkeep import verify_due
from campaigns.domains.verification import verify_domain
from campaigns.inbound import ending, kept_reports, mailboxes, processing
from campaigns.inbound import telling as inbound_telling
from campaigns.models import Domain, ImportState, Submission
from campaigns.outbox import (
    claim,
    control,
    deliveries,
    dispatch,
    due,
    finish,
    first_batch,
    rates,
    recovery,
    repeats,
    slowing,
    stream,
    trials,
)
from campaigns.planning import fanout, sending
from campaigns.planning.hipaa import probing, starting
from campaigns.storage import archive, retention
from campaigns.tracking import breakdown, hit_ledger, news, telling
from campaigns.webhooks import bell
from compliance.models import Approval

log = logging.getLogger(__name__)

IMPORT_BUDGET = 120.0  # seconds: well below the time after which a job is taken for stuck

CHECK_BUDGET = 120.0  # seconds

_IMPORT = "campaigns.tasks.run_import"
_SUPPRESSIONS = suppression_imports.RUN
_DISPATCH = "campaigns.tasks.dispatch_submission"
_PLAN = "campaigns.tasks.plan_submission"
_MAILBOX = "campaigns.tasks.look_into_mailbox"
_INBOUND = "campaigns.tasks.process_inbound"
_SHIP = "campaigns.tasks.ship_to_archive"

PROBE_BUDGET = 60.0  # seconds
SHIP_BUDGET = 60.0  # seconds

SCHEDULES = (
    jobs.Every("sweep", "campaigns.tasks.sweep", minutes=1),
    jobs.Every("domains", "campaigns.tasks.look_at_domains", minutes=20),
    jobs.Every("forget", "campaigns.tasks.forget_expired", minutes=60),
    jobs.Every("storage", "campaigns.tasks.expire_storage", minutes=24 * 60),
    jobs.Every("mailboxes", "campaigns.tasks.look_into_mailboxes", minutes=5),
)


def run_import(job_id: int) -> None:
    """Import the rest of a file, or as much of it as a job may take; rings again while rows are left."""
    job = importing.run_import(job_id, budget_seconds=IMPORT_BUDGET)
    # Still running and in nobody's hands: only the budget ended.
    if job.state == ImportState.RUNNING and job.lease_until is None:
        jobs.ring(_IMPORT, job_id)


def import_suppressions(job_id: int) -> None:
    """Read the rest of a file of addresses not to write to, or as much as a job may take; rings again while rows are left."""
    if suppression_imports.run_import(job_id, budget_seconds=IMPORT_BUDGET):
        jobs.ring(_SUPPRESSIONS, job_id)


def check_addresses(run_id: int) -> None:
    """Check the rest of a request's addresses, or as many as a job may take; rings again while some are left."""
    if checking.run_checks(run_id, resolver=make_resolver(), budget_seconds=CHECK_BUDGET):
        jobs.ring(checking.CHECK, run_id)


def plan_submission(submission_id: int) -> None:
    """Write the messages of a submission, then ring for everyone who may hand them over."""
    if fanout.plan_submission(submission_id):
        jobs.ring(_DISPATCH, submission_id, times=settings.WORKERS)


def start_approved(approval_id: int) -> None:
    """Begin a HIPAA send that was approved, if its time has come; the sweep finds those whose time comes later."""
    if approval := Approval.objects.select_related("account").filter(pk=approval_id).first():
        starting.start_send(approval, now=timezone.now())


def probe_domains(submission_id: int) -> None:
    """Look at the mail servers of a HIPAA send's recipients for the budget of a job; rings again while some are left."""
    submission = Submission.objects.filter(pk=submission_id).first()
    if submission is not None and probing.probe_domains(submission, resolver=make_resolver(), budget=PROBE_BUDGET):
        jobs.ring(probing.PROBE_JOB, submission_id)


def dispatch_submission(submission_id: int) -> None:
    """Hand over messages for the budget of a slice; rings again while more are due."""
    # The sweep may run on other hosts until the leases of our own dead run out, and what they knew is lost.
    recovery.settle_dead(now=timezone.now())
    result = dispatch.dispatch_slice(submission_id)
    if result.more:
        # One is enough for what a limit lets through; the others are free for other submissions.
        jobs.ring(_DISPATCH, submission_id, times=1 if result.limited else settings.WORKERS)


def dispatch_stream(transport_id: int) -> None:
    """Hand over mails of API requests by one transport for the budget of a slice; rings again while more are due."""
    recovery.settle_dead(now=timezone.now())
    if dispatch.dispatch_stream(transport_id).more:
        jobs.ring(stream.DISPATCH_JOB, transport_id)


def tell_webhooks() -> None:
    """Tell programs what happened for the budget of a job; rings again while more is waiting."""
    if telling.tell(describe_mail=inbound_telling.describe_mail):
        bell.ring()


def sweep() -> None:
    """Find what a lost bell or a dead process left behind, and start what is due. Runs every minute."""
    now = timezone.now()
    for step in _SWEEP:
        try:
            step(now)
        except Exception as error:
            # The edge of the loop: what one step cannot do now must not keep the others from theirs, minute after
            # minute. No traceback: its text could quote a row.
            log.error("sweep: %s failed: %s", step.__name__.strip("_"), type(error).__name__)  # noqa: TRY400


def _recover(now: datetime) -> None:
    recovery.recover(now=now)
    control.cancel_released(now=now)
    finish.wipe_stopped()


def _start_campaigns(now: datetime) -> None:
    sending.start_due(now=now)


def _start_approved(now: datetime) -> None:
    starting.start_due(now=now)
    starting.finish_done(now=now)


def _judge_campaigns(now: datetime) -> None:
    rates.check_running(now=now)
    first_batch.judge_running(now=now)


def _ring_for_messages(now: datetime) -> None:
    waiting = due.find_due(now=now)
    claim.expire_overdue(waiting.overdue, now=now)
    for submission_id in waiting.to_plan:
        jobs.ring(_PLAN, submission_id)
    for submission_id in waiting.to_dispatch:
        jobs.ring(_DISPATCH, submission_id, times=settings.WORKERS)
    for transport_id in stream.find_due(now=now):
        jobs.ring(stream.DISPATCH_JOB, transport_id)


def _finish_submissions(now: datetime) -> None:
    finish.finish_submissions(now=now)


def _ring_for_webhooks(now: datetime) -> None:
    if news.is_waiting(now=now):
        bell.ring()


def _ring_for_inbound(now: datetime) -> None:
    if processing.is_waiting(now=now):
        jobs.ring(_INBOUND)


def _forget(now: datetime) -> None:
    repeats.forget_old(now=now)
    deliveries.forget_old(now=now)
    news.forget_old(now=now)


def _ring_for_archive(now: datetime) -> None:
    del now
    if archive.find_to_ship().exists():
        jobs.ring(_SHIP)


def _judge_hits(now: datetime) -> None:
    hit_ledger.rejudge_recent(now=now)


def _ring_for_imports(now: datetime) -> None:
    for job_id in importing.find_stopped(now=now):
        jobs.ring(_IMPORT, job_id)
    for job_id in suppression_imports.find_stopped(now=now):
        jobs.ring(_SUPPRESSIONS, job_id)


def _ring_for_checks(now: datetime) -> None:
    for run_id in checking.find_stopped(now=now):
        jobs.ring(checking.CHECK, run_id)


_SWEEP: tuple[Callable[[datetime], None], ...] = (
    _recover,
    _start_campaigns,
    _start_approved,
    _judge_campaigns,
    _ring_for_messages,
    _finish_submissions,
    _ring_for_webhooks,
    _ring_for_inbound,
    _forget,
    _ring_for_imports,
    _ring_for_checks,
    _ring_for_archive,
    _judge_hits,
)


def break_down(submission_id: int) -> None:
    """Count a large submission by domain and by hour, for the page that shows it."""
    breakdown.make_breakdown(submission_id, now=timezone.now())


def look_at_domains() -> None:
    """Ask DNS about domains that are due: new keys begin to sign, replaced ones retire. Runs every twenty minutes."""
    now = timezone.now()
    forget_old_reports(now=now)
    verify_due(resolver=make_resolver(), now=now)


def look_at_domain(domain_id: int) -> None:
    """Ask DNS about one domain, because somebody wants to know now."""
    if domain := Domain.objects.select_related("account").filter(pk=domain_id).first():
        verify_domain(domain, resolver=make_resolver(), now=timezone.now())


def forget_expired() -> None:
    """Delete what is kept for some days only: uploads, results of address checks, trials, mail that came in. Runs every hour."""
    now = timezone.now()
    uploads.wipe_expired(now=now)
    trials.forget_old(now=now)
    slowing.forget_recovered(now=now)
    probing.forget_old(now=now)
    kept_reports.forget_old(now=now)
    checking.forget_checks(now=now)
    ending.forget_old(now=now, keep=timedelta(days=settings.INBOUND_KEEP_DAYS))


def ship_to_archive() -> None:
    """Bring copies of mails into the archive for the budget of a job; the sweep rings again while some wait."""
    until = time.monotonic() + SHIP_BUDGET
    while archive.ship_some() and time.monotonic() < until:
        pass


def expire_storage() -> None:
    """Delete copies of mails whose time is over, in both storages. Runs every day."""
    retention.expire(now=timezone.now())


def look_into_mailboxes() -> None:
    """Ring for every mailbox that bounces arrive in and that is due. Runs every five minutes."""
    for mailbox_id in mailboxes.find_due(now=timezone.now()):
        jobs.ring(_MAILBOX, mailbox_id)


def look_into_mailbox(mailbox_id: int) -> None:
    """Read what is new in a mailbox; rings again while more is waiting."""
    look = mailboxes.look_into(mailbox_id, now=timezone.now())
    if look is not None and look.more:
        jobs.ring(_MAILBOX, mailbox_id)


def process_inbound() -> None:
    """Work on mail that came in at our own door; rings again while more is waiting."""
    if processing.process_waiting(resolver=make_resolver(), now=timezone.now()):
        jobs.ring(_INBOUND)
