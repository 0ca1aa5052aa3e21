"""Nothing is lost when everything is killed in the middle of a send (evil input 22)."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.installation import Installation, installed, wait_until
from tests.processes import processes_below

PEOPLE = 6000
SENT = "SELECT count(*) FROM campaigns_message WHERE state = 'sent'"

SETUP = """
from pathlib import Path
from campaigns.demo.scenery import build_scenery, import_readers
scenery = build_scenery()
import_readers(scenery, file=Path("{file}"))
print(scenery.account.slug)
"""
SEND = """
from campaigns.models import Account
from campaigns.demo.scenery import Scenery
from campaigns.demo.story import send_newsletter
account = Account.objects.get()
scenery = Scenery(account, account.senders.get(), account.lists.get(), account.templates.order_by("pk").first().latest)
print(send_newsletter(scenery, name="Crash").public_id)
"""
LEDGER = """
from django.db.models import Count
from campaigns.models import Message, SandboxMail
print(Message.objects.count(), Message.objects.values("submission", "address_key").distinct().count(),
      SandboxMail.objects.values("message_id").distinct().count(), SandboxMail.objects.count())
"""


def kill_all(pid: int) -> None:
    """SIGKILL a process and everything below it, as the out-of-memory killer or a power cut would."""
    for number in [pid, *processes_below(pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


@pytest.mark.timeout(300)  # whole processes start and die
def test_every_planned_recipient_is_settled_after_kill_9_and_none_is_planned_twice(tmp_path: Path) -> None:
    with installed(tmp_path) as installation:
        send_and_kill(installation, tmp_path)


def send_and_kill(installation: Installation, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email,first_name\n" + "".join(f"r{n}@example.org,Reader {n}\n" for n in range(PEOPLE)), "utf-8")
    installation.manage("migrate", "--verbosity", "0")
    slug = installation.python(SETUP.format(file=file)).split()[-1]
    campaign = installation.python(SEND).split()[-1]
    for share in (0.05, 0.3):  # killed twice: early and in the middle
        worker = installation.start_worker()
        wait_until(lambda: installation.query(SENT) > PEOPLE * share, seconds=60, pause=0.02)  # noqa: B023
        kill_all(worker.pid)
        worker.wait()
        assert installation.report(slug, campaign)["finished"] is False
    with installation.worker():
        wait_until(lambda: installation.report(slug, campaign)["finished"] is True, seconds=90, pause=0.5)
    report = installation.report(slug, campaign)
    assert (report["planned"], report["sent"], report["lost"]) == (PEOPLE, PEOPLE, 0)
    rows, people, reached, mails = map(int, installation.python(LEDGER).split()[-4:])
    assert rows == people == reached == PEOPLE
    # What was handed over and not yet recorded goes out again, with its own Message-ID: at most the batches in hand.
    assert mails - reached <= 2 * 2 * 600
