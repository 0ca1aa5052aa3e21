"""The demonstration, act by act."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from campaigns.demo.figures import Outcome
from campaigns.demo.readers import public_pages, unsubscribe_by_mail
from campaigns.demo.scenery import Scenery, build_scenery, import_readers
from campaigns.models import Campaign, SandboxMail, Submission, SubmissionState
from campaigns.outbox.reports import campaign_report
from campaigns.planning import compose, sending

STALLED = 180.0  # seconds without any progress after which the demonstration gives up

OnProgress = Callable[[str, int, int | None], None]
"""Called with the name of an act, how much of it is done, and how much there is (None: not known yet)."""

BETWEEN = 25  # readers who leave between the two campaigns
DURING = 5  # readers who leave while the second one is being sent


def tell_story(contacts: Path, *, workers: int, on_progress: OnProgress) -> Outcome:
    """Import, send, let some leave, send again while more leave; with so many worker processes of our own."""
    scenery = build_scenery()
    job = import_readers(scenery, file=contacts, on_progress=lambda job: on_progress("Importing", job.position, None))
    with working(processes=workers):
        first = send_newsletter(scenery, name="June: letters from the harbour")
        await_finished(first, on_progress=on_progress)
        early, late = pick_readers(scenery, first=BETWEEN, last=DURING)
        unsubscribe(early)
        second = send_newsletter(scenery, name="July: books for long evenings")
        await_planned(second)
        unsubscribe(late)
        await_finished(second, on_progress=on_progress)
    sends = [(campaign, campaign_report(campaign)) for campaign in (first, second)]
    return Outcome(job, sends, between=len(early), during=len(late))


@contextmanager
def working(*, processes: int) -> Iterator[None]:
    """So many worker processes while the block runs, as an operator would start them."""
    manage = Path(settings.BASE_DIR) / "manage.py"
    started = [
        subprocess.Popen([sys.executable, str(manage), "worker"], stdin=subprocess.DEVNULL)  # noqa: S603 (our own file)
        for _ in range(processes)
    ]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=90)


def send_newsletter(scenery: Scenery, *, name: str) -> Campaign:
    """Compose a campaign to all readers and press send; the workers do the rest."""
    campaign = compose.create_campaign(
        scenery.account,
        name=name,
        content=scenery.newsletter,
        sender=scenery.sender,
        lists=[scenery.readers],
    )
    sending.send_now(campaign)
    return campaign


def await_planned(campaign: Campaign) -> None:
    """Return when every message of the campaign is written."""
    until = time.monotonic() + STALLED
    while Submission.objects.filter(campaign=campaign, state=SubmissionState.PLANNING).exists():
        if time.monotonic() > until:
            raise TimeoutError("nobody plans the campaign")
        time.sleep(0.05)


def await_finished(campaign: Campaign, *, on_progress: OnProgress) -> None:
    """Return when every message is settled; raises TimeoutError when nothing moves any more."""
    seen, until = -1, time.monotonic() + STALLED
    while not (report := campaign_report(campaign)).finished:
        on_progress(campaign.name, report.settled, report.planned or None)
        if report.settled != seen:
            seen, until = report.settled, time.monotonic() + STALLED
        if time.monotonic() > until:
            raise TimeoutError("the campaign stands still")
        time.sleep(0.5)
    on_progress(campaign.name, report.settled, report.planned)


def pick_readers(scenery: Scenery, *, first: int, last: int) -> tuple[list[SandboxMail], list[SandboxMail]]:
    """The mails of so many readers written to first, and of so many written to last."""
    kept = SandboxMail.objects.filter(account=scenery.account)
    return list(kept.order_by("pk")[:first]), list(kept.order_by("-pk")[:last])


def unsubscribe(mails: list[SandboxMail]) -> None:
    """The readers of these mails press unsubscribe, over HTTP; raises NotLetGo."""
    with public_pages() as port:
        for mail in mails:
            unsubscribe_by_mail(mail, port=port)
