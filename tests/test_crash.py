"""Nothing is lost when everything is killed in the middle of a send (evil input 22), and little is repeated."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Installation, installed, wait_until
from tests.processes import processes_below
from tests.smtp_server import ScriptedServer

PEOPLE = 6000
RELAY_PEOPLE = 1500
CONNECTIONS = 5
WORKERS = 2
FINISHED = "SELECT count(*) FROM campaigns_submission WHERE state = 'done'"
SENT = "SELECT count(*) FROM campaigns_message WHERE state = 'sent'"

SETUP = """
from pathlib import Path
from campaigns.demo.scenery import Scenery, build_scenery, import_readers
from campaigns.demo.story import send_newsletter
from campaigns.models import Account
import_readers(build_scenery(), file=Path("{file}"))
{relay}
account = Account.objects.get()
scenery = Scenery(account, account.senders.get(), account.lists.get(), account.templates.order_by("pk").first().latest)
print(account.slug, send_newsletter(scenery, name="Crash").public_id)
"""
RELAY = """
from django.utils import timezone
from campaigns.models import Domain, Transport
from campaigns.outbox.transports import seal_config
relay = Transport.objects.get()
relay.kind = "smtp"
relay.config_sealed = seal_config(
    relay, config={"host": "127.0.0.1", "port": PORT, "tls": "none", "connections": CONNECTIONS}
)
relay.save()
Domain.objects.update(verified_at=timezone.now())
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


@pytest.mark.timeout(600)  # whole processes start and die
def test_every_planned_recipient_is_settled_after_kill_9_and_none_is_planned_twice(tmp_path: Path) -> None:
    with installed(tmp_path) as installation:
        send_and_kill(installation, tmp_path)


@contextlib.contextmanager
def sending_by_relay(tmp_path: Path) -> Iterator[tuple[Installation, ScriptedServer, Callable[[], dict[str, Any]]]]:
    """A campaign that waits for a worker, the relay it goes to, and its report."""
    relay = ScriptedServer()
    relay.start()
    try:
        with installed(tmp_path) as installation:
            slug, campaign = prepare(installation, tmp_path, people=RELAY_PEOPLE, relay=relay)
            yield installation, relay, lambda: installation.report(slug, campaign)
    finally:
        relay.stop()


def message_ids(relay: ScriptedServer) -> Counter[str]:
    return Counter(str(message_from_bytes(data)["Message-ID"]) for _, data in list(relay.mails))


@pytest.mark.timeout(600)
def test_a_killed_worker_repeats_at_most_one_mail_per_connection_with_its_message_id(tmp_path: Path) -> None:
    with sending_by_relay(tmp_path) as (installation, relay, report):
        for share in (0.1, 0.5):
            worker = installation.start_worker()
            wait_until(lambda: len(relay.mails) > RELAY_PEOPLE * share, seconds=120, pause=0.01)  # noqa: B023
            kill_all(worker.pid)
            worker.wait()
        with installation.worker():
            wait_until(lambda: installation.query(FINISHED) == 1, seconds=180)
        told = report()
        assert (told["finished"], told["sent"], told["lost"]) == (True, RELAY_PEOPLE, 0)
        seen = message_ids(relay)
        assert len(seen) == RELAY_PEOPLE
        assert seen.total() - RELAY_PEOPLE <= 2 * WORKERS * CONNECTIONS


@pytest.mark.timeout(600)
def test_a_worker_told_to_stop_finishes_what_is_on_the_wire_and_gives_back_the_rest(tmp_path: Path) -> None:
    with sending_by_relay(tmp_path) as (installation, relay, report):
        with installation.worker():
            wait_until(lambda: len(relay.mails) > RELAY_PEOPLE * 0.2, seconds=120, pause=0.01)
        assert installation.query("SELECT count(*) FROM campaigns_message WHERE state = 'sending'") == 0
        assert RELAY_PEOPLE > installation.query(SENT) == len(relay.mails)
        with installation.worker():
            wait_until(lambda: installation.query(FINISHED) == 1, seconds=180)
        assert message_ids(relay).most_common(1)[0][1] == 1
        assert (report()["sent"], len(relay.mails)) == (RELAY_PEOPLE, RELAY_PEOPLE)


def prepare(
    installation: Installation, tmp_path: Path, *, people: int, relay: ScriptedServer | None = None
) -> tuple[str, str]:
    """A campaign to so many people; (slug of its account, its id)."""
    file = tmp_path / "people.csv"
    file.write_text("email,first_name\n" + "".join(f"r{n}@example.org,Reader {n}\n" for n in range(people)), "utf-8")
    way = RELAY.replace("PORT", str(relay.port)).replace("CONNECTIONS", str(CONNECTIONS)) if relay else ""
    slug, campaign = installation.python(SETUP.format(file=file, relay=way)).split()[-2:]
    return slug, campaign


def send_and_kill(installation: Installation, tmp_path: Path) -> None:
    slug, campaign = prepare(installation, tmp_path, people=PEOPLE)
    for share in (0.05, 0.3):  # killed twice: early and in the middle
        worker = installation.start_worker()
        wait_until(lambda: installation.query(SENT) > PEOPLE * share, seconds=120, pause=0.02)  # noqa: B023
        kill_all(worker.pid)
        worker.wait()
        assert installation.query(FINISHED) == 0
    with installation.worker():
        wait_until(lambda: installation.query(FINISHED) == 1, seconds=180)
    report = installation.report(slug, campaign)
    assert (report["finished"], report["planned"], report["sent"], report["lost"]) == (True, PEOPLE, PEOPLE, 0)
    rows, people, reached, mails = map(int, installation.python(LEDGER).split()[-4:])
    assert rows == people == reached == PEOPLE
    # The sandbox keeps 100 mails in one commit: those that were in its hands may be there twice, with one Message-ID.
    assert mails - reached <= 2 * WORKERS * 100
