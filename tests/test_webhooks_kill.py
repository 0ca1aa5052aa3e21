"""A worker that is killed in the middle of telling: everything is told in the end, and hardly anything twice."""

from __future__ import annotations

import os
import signal
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.utils import timezone

from campaigns.models import DeliveryState, EventKind, Message, WebhookDelivery, WebhookKind
from campaigns.tracking import telling
from campaigns.webhooks import claims
from tests.api import Program
from tests.http_server import Reply
from tests.processes import processes_below, start_command, wait_until
from tests.receiver import Receiver, happen, listen, receiver, tell_all

__all__ = ["receiver"]

EVENTS = 60


@pytest.mark.django_db(transaction=True)
def test_after_kill_9_everything_is_told_and_little_is_told_twice(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NET_ALLOW_PRIVATE", "true")
    program = Program()
    program.send()
    message = Message.objects.get()
    listen(program, receiver.url, kinds=[WebhookKind.CLICKED])
    for _ in range(EVENTS):
        happen(EventKind.CLICKED, message)
    receiver.answer = lambda _: Reply(pause=0.05)
    code = "from campaigns.tracking.telling import tell; tell()"
    with start_command("shell", "--no-imports", "-c", code, log=tmp_path / "log") as process:
        assert wait_until(lambda: len(receiver.asked) >= EVENTS // 3, seconds=120), (tmp_path / "log").read_text()
        for pid in (process.pid, *processes_below(process.pid)):
            os.kill(pid, signal.SIGKILL)
        process.wait()
    assert len(receiver.asked) < EVENTS
    receiver.answer = lambda _: Reply()
    with time_machine.travel(timezone.now() + claims.LEASE + timedelta(seconds=5)):
        tell_all()
    told = Counter(event["eventId"] for event in receiver.events())
    assert len(told) == EVENTS
    # What had been answered and was not written down yet.
    assert sum(told.values()) - EVENTS <= 2 * telling.LANES
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {DeliveryState.DONE}
