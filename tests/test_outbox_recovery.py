"""What a dead worker leaves: settled from its journal, or put back; never lost, and never sent again without need."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from campaigns import tasks
from campaigns.models import Account, Event, EventKind, Message, MessageState, SandboxMail, Submission
from campaigns.outbox import claim, journal, recovery
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.outbox.journal import Entry, Journal, JournalFull, Mark
from campaigns.outbox.record import Result, record_results
from campaigns.planning import fanout, sending
from tests.factories import make_account, make_campaign, make_contact, make_list

pytestmark = pytest.mark.django_db

DIE = """
import os, signal
from campaigns.outbox.journal import Journal, Mark
journal = Journal()
journal.leaving([1, 2, 3, 4, 5])
journal.settle(2, Mark.ACCEPTED, "")
journal.settle(3, Mark.REJECTED, "smtp.550-5.1.1")
journal.settle(4, Mark.DEFERRED, "smtp.451-4.3.0")
journal.settle(5, Mark.ACCEPTED, "")
journal.forget([5])
print(journal.worker, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def folder() -> Path:
    found = settings.VAR_DIR / "journal"
    for file in found.glob("*"):
        file.unlink()
    return Path(found)


@pytest.fixture
def submission() -> Submission:
    return plan(make_account(), people=4)


def plan(account: Account, *, people: int, **fields: object) -> Submission:
    readers = make_list(account)
    for number in range(people):
        make_contact(account, f"r{number}@example.org", lists=[readers])
    found = sending.send_now(make_campaign(account, lists=[readers], **fields))
    fanout.plan_submission(found.pk)
    found.refresh_from_db()
    return found


def die(submission: Submission, note: Callable[[Journal, list[int]], None]) -> list[int]:
    """A worker that claimed everything, noted something and is gone; the primary keys in its hands."""
    dead = Journal()
    ids = [message.id for message in claim.claim_messages(submission.pk, worker=dead.worker, now=timezone.now())]
    note(dead, ids)
    dead.close()  # lets go of the lock, as the kernel does for a dead process
    return ids


def recovered() -> list[tuple[str, list[Entry]]]:
    found: list[tuple[str, list[Entry]]] = []
    journal.recover_dead(lambda worker, entries: found.append((worker, entries)))
    return found


def test_a_journal_is_readable_after_kill_9(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", f"import django\nfrom django.conf import settings\nsettings.configure(VAR_DIR={str(settings.VAR_DIR)!r})\n{DIE}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert recovered() == [
        (
            ended.stdout.strip(),
            [
                Entry(1, Mark.LEAVING, ""),
                Entry(2, Mark.ACCEPTED, ""),
                Entry(3, Mark.REJECTED, "smtp.550-5.1.1"),
                Entry(4, Mark.DEFERRED, "smtp.451-4.3.0"),
            ],
        )
    ]
    assert not recovered()


def test_the_journal_of_a_living_worker_is_left_alone(folder: Path) -> None:
    alive = Journal()
    alive.leaving([1])
    assert not recovered()
    assert len(list(folder.iterdir())) == 1
    alive.forget([1])
    alive.close()
    assert not list(folder.iterdir())


def test_a_journal_that_cannot_be_recovered_now_stays_for_the_next_try() -> None:
    dead = Journal()
    dead.leaving([7])
    dead.close()

    def fail(worker: str, entries: list[Entry]) -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        journal.recover_dead(fail)
    assert recovered() == [(dead.worker, [Entry(7, Mark.LEAVING, "")])]


def test_a_journal_has_room_for_all_that_can_be_unrecorded_and_says_when_it_is_full() -> None:
    full = Journal()
    full.leaving(range(4096))
    with pytest.raises(JournalFull):
        full.leaving([4096])
    full.forget([17])
    full.leaving([4096])
    full.forget(range(4097))
    full.close()


def test_a_worker_name_fits_its_column() -> None:
    named = Journal()
    assert len(named.worker) <= 60
    named.close()


def test_what_a_dead_worker_knew_is_recorded_and_the_rest_goes_back(submission: Submission) -> None:
    def note(dead: Journal, ids: list[int]) -> None:
        dead.leaving(ids[:3])
        dead.settle(ids[0], Mark.ACCEPTED, "")
        dead.settle(ids[1], Mark.REJECTED, "smtp.550-5.1.1")
        dead.settle(ids[2], Mark.DEFERRED, "smtp.451-4.3.0")

    ids = die(submission, note)
    recovery.recover(now=timezone.now())
    states = {message.pk: (message.state, message.error_code, message.attempts) for message in Message.objects.all()}
    assert states == {
        ids[0]: (MessageState.SENT, "", 1),
        ids[1]: (MessageState.BOUNCED, "smtp.550-5.1.1", 1),
        ids[2]: (MessageState.QUEUED, "smtp.451-4.3.0", 1),
        ids[3]: (MessageState.QUEUED, "", 0),
    }
    assert Message.objects.get(pk=ids[2]).next_attempt_at > timezone.now()
    assert set(Event.objects.values_list("message_id", "kind")) == {
        (ids[0], EventKind.SENT),
        (ids[1], EventKind.BOUNCED),
        (ids[2], EventKind.DEFERRED),
    }


def test_a_mail_nobody_knows_of_goes_again_at_once_and_is_marked(submission: Submission) -> None:
    """SM-06: no blind repetition: the same Message-ID and a mark."""
    ids = die(submission, lambda dead, ids: dead.leaving(ids[:1]))
    recovery.recover(now=timezone.now())
    message = Message.objects.get(pk=ids[0])
    assert (message.state, message.error_code) == (MessageState.QUEUED, recovery.UNCERTAIN)
    assert list(Event.objects.values_list("kind", "code")) == [(EventKind.DEFERRED, recovery.UNCERTAIN)]
    dispatch_slice(submission.pk)
    message.refresh_from_db()
    assert message.state == MessageState.SENT


def test_a_campaign_may_keep_uncertain_mail_for_a_person(submission: Submission) -> None:
    Submission.objects.update(options={**submission.options, "hold_uncertain": True})
    ids = die(submission, lambda dead, ids: dead.leaving(ids[:1]))
    recovery.recover(now=timezone.now())
    message = Message.objects.get(pk=ids[0])
    assert (message.state, message.error_code) == (MessageState.HELD, recovery.UNCERTAIN)
    dispatch_slice(submission.pk)
    assert Message.objects.filter(state=MessageState.SENT).count() == 3


def test_a_lease_that_ran_out_counts_as_uncertain(submission: Submission) -> None:
    """A host that is gone with its journal."""
    Submission.objects.update(options={**submission.options, "hold_uncertain": True})
    other = plan(make_account(), people=1)
    now = timezone.now()
    for one in (submission, other):
        claim.claim_messages(one.pk, worker="elsewhere:00", now=now)
    recovery.recover(now=now + claim.LEASE - timedelta(seconds=1))
    assert set(Message.objects.values_list("state", flat=True)) == {MessageState.SENDING}
    recovery.recover(now=now + claim.LEASE)
    assert set(submission.messages.values_list("state", "error_code")) == {(MessageState.HELD, recovery.UNCERTAIN)}
    assert set(other.messages.values_list("state", "error_code")) == {(MessageState.QUEUED, recovery.UNCERTAIN)}


def test_a_journal_says_nothing_about_a_message_another_worker_holds_by_now(submission: Submission) -> None:
    ids = die(submission, lambda dead, ids: dead.leaving(ids))
    Message.objects.update(claimed_by="another:00")
    recovery.recover(now=timezone.now())
    assert set(Message.objects.filter(pk__in=ids).values_list("state", "claimed_by")) == {("sending", "another:00")}


def test_a_slice_leaves_no_journal_behind(submission: Submission, folder: Path) -> None:
    dispatch_slice(submission.pk)
    assert not list(folder.iterdir())


def test_a_result_is_recorded_once(submission: Submission) -> None:
    claimed = claim.claim_messages(submission.pk, worker="w:1", now=timezone.now())
    results = [Result(message.id, MessageState.SENT) for message in claimed]
    assert record_results(results, worker="w:1", now=timezone.now()) == 4
    assert record_results(results, worker="w:1", now=timezone.now()) == 0
    assert Event.objects.count() == 4


def test_a_result_of_a_worker_that_lost_its_claims_is_not_recorded(submission: Submission) -> None:
    claimed = claim.claim_messages(submission.pk, worker="w:1", now=timezone.now())
    Message.objects.update(claimed_by="w:2")
    results = [Result(message.id, MessageState.SENT) for message in claimed]
    assert record_results(results, worker="w:1", now=timezone.now()) == 0
    assert not Event.objects.exists()


def test_a_mail_that_is_asked_about_again_takes_no_second_place_in_the_journal() -> None:
    """A provider that turns a request away gets the same mails once more."""
    with contextlib.closing(Journal()) as own:
        for _ in range(journal._SLOTS + 1):
            own.leaving([1, 2])
        own.settle(1, Mark.ACCEPTED, "")
        assert own.unanswered() == [2]
        entries = journal._read(own._fd)
        own.forget([1, 2])
    assert entries == [Entry(1, Mark.ACCEPTED, ""), Entry(2, Mark.LEAVING, "")]


def test_mails_the_journal_has_no_room_for_are_not_noted_by_half() -> None:
    with contextlib.closing(Journal()) as own:
        own.leaving(range(journal._SLOTS - 1))
        with pytest.raises(JournalFull):
            own.leaving([-1, -2])
        assert len(own.unanswered()) == journal._SLOTS - 1
        own.forget(range(journal._SLOTS))


def test_whoever_sends_settles_the_dead_of_this_host(submission: Submission) -> None:
    """The sweep may run on another host, which does not have the journal."""

    def note(dead: Journal, ids: list[int]) -> None:
        dead.leaving(ids[:1])
        dead.settle(ids[0], Mark.ACCEPTED, "")

    ids = die(submission, note)
    tasks.dispatch_submission(submission.pk)
    assert set(Message.objects.values_list("pk", "state")) == {(pk, MessageState.SENT) for pk in ids}
    assert SandboxMail.objects.count() == 3


def test_a_journal_nobody_can_open_holds_up_no_other(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    dead = Journal()
    dead.leaving([7])
    dead.close()
    (folder / "0:0").mkdir()
    try:
        assert recovered() == [(dead.worker, [Entry(7, Mark.LEAVING, "")])]
    finally:
        (folder / "0:0").rmdir()
    assert "journal 0:0 cannot be read" in caplog.text
