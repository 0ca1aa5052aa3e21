"""What comes back and what breaks off: a bounce that quotes protected mail, and a worker killed while it hands some over."""

from __future__ import annotations

import smtplib
import subprocess
import sys
from datetime import timedelta

import dns.resolver
from django.conf import settings
from django.utils import timezone

from campaigns.inbound.processing import process_waiting
from campaigns.models import Domain, Event, EventKind, Message, MessageState
from campaigns.outbox import recovery
from campaigns.outbox.dispatch import dispatch_stream
from campaigns.smtp.protocol import Entrance
from compliance.sweep.doors import door
from compliance.sweep.endpoint import accept_protected
from compliance.sweep.smtp import listening
from compliance.sweep.stage import Stage

_SECONDS = 60.0


@door("A bounce that quotes a HIPAA mail", delivers=True, last=True)
def _bounce(stage: Stage) -> None:
    """Some servers return the whole mail, and quote it and its reader in their reason; of that a code and a moment stay.

    Nobody is written to there any more, so it comes last.
    """
    for domain in Domain.objects.filter(account=stage.clinic):
        Domain.objects.filter(pk=domain.pk).update(return_path=f"bounces@{domain.name}")
    stage.receiver.refuses = False
    accept_protected(stage)
    _dispatch(stage)
    returned_to = stage.receiver.senders[-1]
    entrance = Entrance(is_inbound=True, may_be_plain=True)
    with listening(entrance) as port, smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.sendmail("", [returned_to], _write_bounce(stage, returned_to, stage.receiver.mails[-1]))
    process_waiting(resolver=dns.resolver.Resolver(configure=False), now=timezone.now())
    assert Event.objects.filter(kind=EventKind.BOUNCED, message__submission__account=stage.clinic).exists()


@door("A worker killed while it hands a HIPAA mail over", delivers=True)
def _killed(stage: Stage) -> None:
    """It dies with the whole mail on its way and no answer; another one finds what it held, and sends it."""
    stage.receiver.refuses = False
    accept_protected(stage)
    words = [sys.executable, str(settings.BASE_DIR / "manage.py"), "dispatch", "--drain"]
    with stage.receiver.stalling() as reached:
        worker = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603
        was_reached = reached.wait(_SECONDS)
        worker.kill()
        said, _ = worker.communicate()
    assert was_reached, said.decode(errors="replace")
    stage.ears.answers.append(("what the killed worker said", said))
    assert Message.objects.filter(state=MessageState.SENDING).exists()
    recovery.recover(now=timezone.now())
    _dispatch(stage)


def _dispatch(stage: Stage) -> None:
    dispatch_stream(stage.clinic.transports.get().pk, linger=timedelta(0))


def _write_bounce(stage: Stage, returned_to: str, mail: bytes) -> bytes:
    """A delivery status notification (RFC 3464) with all of the mail in it."""
    head = (
        f"From: MAILER-DAEMON@mx.example.net\r\nTo: {returned_to}\r\nSubject: Undelivered: {stage.canary.name}\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="b1"\r\n\r\n'
        f"--b1\r\nContent-Type: text/plain\r\n\r\nYour mail to {stage.canary.address} came back: {stage.canary.word}\r\n"
        "--b1\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\n"
        f"Final-Recipient: rfc822; {stage.canary.address}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 no {stage.canary.name}, {stage.canary.word}\r\n\r\n"
        "--b1\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    return head.encode() + mail + b"\r\n--b1--\r\n"
